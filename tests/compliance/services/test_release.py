"""Unattended filing: written by two people, for a time; deputies, the incomplete report, the last hour."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from compliance import clock
from compliance.audit import log
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Document, Filing, Notice, ReleaseAuthorisation
from compliance.permissions import NotAllowed
from compliance.services import blob, deadline, release, release_watch, report
from tests.compliance import papers

pytestmark = pytest.mark.django_db
START = datetime(2026, 12, 1, 9, tzinfo=UTC)
ALL = release.Scope(("report",), ("initial",), (release.NO_AUTHORITY,))


@pytest.fixture
def held():
    with clock.held(START) as it:
        yield it


def asked(rae, as_actor, *, scope=ALL, days=30):
    return release.ask(
        "house-72h", scope=scope, reasons="Nobody approves at night.",
        expires_at=now() + timedelta(days=days), by=as_actor(rae),
    )  # fmt: skip


def given(rae, ada, as_actor, **more):
    made = asked(rae, as_actor, **more)
    release.give(made, by=as_actor(ada))
    return made


def drafted(rae, as_actor, make=papers.draft):
    made = make(papers.make_incident(), by=as_actor(rae))
    [due] = deadline.standing_for(made.about_uuid).filter(regime="house-72h")
    return made, due


# --- the authorisation -----------------------------------------------------------------------


def test_who_asks_does_not_give(held, rae, ada, bo, as_actor) -> None:
    with pytest.raises(NotAllowed, match="release:ask"):
        asked(bo, as_actor)
    made = asked(rae, as_actor)
    with pytest.raises(NotAllowed):
        release.give(made, by=as_actor(rae))
    release.give(made, by=as_actor(ada))
    assert made.state == "given"
    assert made.approval.approvals.get().person == ada
    line = log.entries(objects=[made.uuid], actions=["release.give"])[0]
    assert line.facts["sha256"] == made.sha256


@pytest.mark.parametrize(
    ("scope", "wrong"),
    [
        (release.Scope((), ("initial",), ("-",)), "at least one stage"),
        (release.Scope(("report",), (), ("-",)), "at least one kind"),
        (release.Scope(("report",), ("initial",), ()), "at least one authority"),
        (release.Scope(("initial",), ("initial",), ("-",)), "knows no such stage"),
        (release.Scope(("report",), ("letter",), ("-",)), "knows no such kind"),
        (release.Scope(("report",), ("initial",), ("bnetza",)), "knows no such authority"),
    ],
)
def test_a_scope_names_what_the_regime_knows(held, rae, as_actor, scope, wrong) -> None:
    with pytest.raises(ValueError, match=wrong):
        asked(rae, as_actor, scope=scope)
    assert not ReleaseAuthorisation.objects.exists()


def test_it_ends_within_half_a_year(held, rae, as_actor) -> None:
    for days in (-1, 181):
        with pytest.raises(ValueError, match="within 180 days"):
            asked(rae, as_actor, days=days)


def test_only_what_fits_every_part_is_covered(held, rae, ada, as_actor) -> None:
    made, _due = drafted(rae, as_actor)
    assert release.covering(made) is None
    standing = given(rae, ada, as_actor)
    assert release.covering(made) == standing
    for name, value in (("stage", "final"), ("what", "final"), ("authority", "somebody")):
        before = getattr(made, name)
        setattr(made, name, value)
        assert release.covering(made) is None, name
        setattr(made, name, before)
    made.regime = "eu-gdpr-33"
    assert release.covering(made) is None


@pytest.mark.parametrize("part", ["stages", "reports", "authorities"])
def test_a_part_that_is_missing_or_empty_covers_nothing(held, rae, as_actor, part) -> None:
    made, _due = drafted(rae, as_actor)
    scope = ALL.as_json()
    assert release.covers(scope, made)
    assert not release.covers({**scope, part: []}, made)
    assert not release.covers({name: said for name, said in scope.items() if name != part}, made)


def test_what_changed_after_it_was_given_covers_nothing(held, rae, ada, as_actor) -> None:
    made, _due = drafted(rae, as_actor)
    standing = given(rae, ada, as_actor)
    later = standing.expires_at + timedelta(days=300)
    ReleaseAuthorisation.objects.filter(pk=standing.pk).update(expires_at=later)
    assert release.covering(made) is None


def test_revoked_and_expired_cover_nothing(held, rae, ada, as_actor) -> None:
    made, _due = drafted(rae, as_actor)
    first = given(rae, ada, as_actor)
    release.revoke(first, note="Enough.", by=as_actor(ada))
    assert release.covering(made) is None
    second = given(rae, ada, as_actor, days=2)
    held.pass_by(timedelta(days=2))
    assert release.covering(made) is None
    assert release.expire_due() == 1
    second.refresh_from_db()
    assert second.state == "expired"
    with pytest.raises(TransitionRefused):
        release.give(second, by=as_actor(ada))


# --- nobody approves -------------------------------------------------------------------------


def told(thing):
    return set(Notice.objects.filter(about_uuid=thing.uuid).values_list("to", flat=True))


def test_four_hours_before_the_deputies_are_called_once(held, rae, ada, as_actor) -> None:
    made, due = drafted(rae, as_actor)
    held.at = due.target_due - timedelta(hours=4, minutes=1)
    release_watch.sweep()
    assert told(made) == set()
    held.at = due.target_due - timedelta(hours=4)
    release_watch.sweep()
    # Who drafted it may not approve it, and is not called for that.
    assert told(made) == {"ada@example.org"}
    release_watch.sweep()
    assert Notice.objects.filter(about_uuid=made.uuid).count() == 1
    made.refresh_from_db()
    assert not made.is_incomplete


def test_three_hours_before_the_incomplete_report_is_offered_to_a_person(
    held, rae, ada, as_actor
) -> None:
    made, due = drafted(rae, as_actor)
    with pytest.raises(TransitionRefused, match="offered"):
        release_watch.accept(made, by=as_actor(rae))
    held.at = due.target_due - timedelta(hours=3)
    release_watch.sweep()
    made.refresh_from_db()
    assert made.is_incomplete
    assert made.state == "drafting"
    assert told(made) == {"ada@example.org", "rae@example.org"}
    assert len(log.entries(objects=[made.uuid], actions=["report.offer"])) == 1
    release_watch.accept(made, by=as_actor(rae))
    assert made.state == "review"
    assert not report.missing(made)
    fields = report.newest(made).fields
    assert fields["harm"]["status"] == "unknown"
    assert "Not established" in fields["harm"]["why"]
    with pytest.raises(NotAllowed):
        report.approve(made, by=as_actor(rae))
    report.approve(made, by=as_actor(ada))


def test_a_regime_that_takes_nothing_incomplete_offers_nothing(
    held, rae, as_actor, monkeypatch
) -> None:
    made, due = drafted(rae, as_actor)
    monkeypatch.setattr(release, "takes_incomplete", lambda _report: False)
    held.at = due.target_due - timedelta(hours=2)
    release_watch.sweep()
    made.refresh_from_db()
    assert not made.is_incomplete
    with pytest.raises(TransitionRefused, match="no incomplete report"):
        release_watch.offer(made, due, by=release.CLERK)


def test_without_an_authorisation_nothing_ever_goes_out_by_itself(held, rae, as_actor) -> None:
    made, due = drafted(rae, as_actor)
    for minutes in (240, 180, 60, 1, -10, -600):
        held.at = due.target_due - timedelta(minutes=minutes)
        release_watch.sweep()
    made.refresh_from_db()
    assert made.state == "drafting"
    assert not Filing.objects.exists()


def ways(settings, tmp_path):
    settings.STRATA_FILING_WAYS = tmp_path / "ways.json"
    way = {"label": "Nowhere", "way": "null", "config": {"simulation": True}}
    settings.STRATA_FILING_WAYS.write_text(json.dumps({"nowhere": way}))


def printed(made, root):
    """The paper as the worker would leave it."""
    for name in ("pdf", "twin"):
        data = f"{name} of {made.uuid}".encode()
        kept = blob.keep(
            made.subject, name, "application/octet-stream", data, retention="incident", by=root
        )
        setattr(made, name, kept)
    made.save(update_fields=["pdf", "twin"])


def test_in_the_last_hour_it_goes_out_under_the_authorisation_and_names_it(
    held, rae, ada, as_actor, root, settings, tmp_path, files
) -> None:
    ways(settings, tmp_path)
    made, due = drafted(rae, as_actor)
    standing = given(rae, ada, as_actor)
    held.at = due.target_due - timedelta(hours=2)
    release_watch.sweep()
    made.refresh_from_db()
    assert made.state == "drafting"
    held.at = due.target_due - timedelta(hours=1)
    release_watch.sweep()
    made.refresh_from_db()
    assert (made.state, made.is_incomplete) == ("approved", True)
    assert made.approved_sha256 == report.current_sha256(made)
    assert Document.objects.get(about_uuid=made.uuid).what == "incident_report"
    assert not Filing.objects.exists()
    printed(made, root)
    release_watch.sweep()
    filing = Filing.objects.get()
    assert (filing.authorisation, filing.filed_by) == (standing, None)
    assert filing.report_sha256 == made.approved_sha256
    for action in ("report.release", "report.dispatch"):
        line = log.entries(objects=[made.uuid], actions=[action])[0]
        assert line.facts["authorisation"] == standing.ref
        assert line.facts["authorisation_sha256"] == standing.sha256
    release_watch.sweep()
    assert Filing.objects.count() == 1


def test_revoked_between_release_and_sending_it_stays(
    held, rae, ada, as_actor, root, settings, tmp_path, files
) -> None:
    ways(settings, tmp_path)
    made, due = drafted(rae, as_actor)
    standing = given(rae, ada, as_actor)
    held.at = due.target_due - timedelta(minutes=30)
    release_watch.sweep()
    release.revoke(standing, note="Stop.", by=as_actor(ada))
    made.refresh_from_db()
    printed(made, root)
    release_watch.sweep()
    made.refresh_from_db()
    assert made.state == "approved"
    assert not Filing.objects.exists()


def test_an_approved_report_is_left_alone(held, rae, ada, as_actor) -> None:
    made, due = drafted(rae, as_actor, papers.answered)
    report.submit(made, by=as_actor(rae))
    report.approve(made, by=as_actor(ada))
    Notice.objects.all().delete()
    held.at = due.target_due - timedelta(hours=1)
    release_watch.sweep()
    assert told(made) == set()
