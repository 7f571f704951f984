"""Standing duties: dated by packs, done with proof, warned of, followed from what is on record."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from compliance import clock
from compliance.actors import system
from compliance.audit import log
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Blob, Notice, StandingDuty
from compliance.permissions import NotAllowed
from compliance.regimes.facts import FactsError
from compliance.services import blob, duty, duty_date, duty_watch, evidence
from tests import factories

pytestmark = pytest.mark.django_db
PLACED = {"placed_on_market_at": "2027-03-01T09:00:00+01:00"}
CODE = "eu-gpai-code-standing"
START = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture
def held():
    with clock.held(START) as it:
        yield it


def assessed(rae, as_actor, ada, **more):
    charge = duty.Charge(owner=rae, deputy=ada, **more)
    return duty.set_up(CODE, "framework_assessed", anchors=PLACED, charge=charge, by=as_actor(rae))


def the_open(found):
    return found.occurrences.get(state__in=duty.TO_DO)


def test_a_pack_dates_the_duty_and_is_pinned(held, rae, ada, as_actor) -> None:
    made = assessed(rae, as_actor, ada)
    assert made.next_due == datetime(2028, 3, 1, 23, tzinfo=UTC)
    assert made.pack_version == "1.0.0"
    assert len(made.pack_sha256) == 64
    assert the_open(made).due_at == made.next_due


def test_it_stands_once_for_what_it_is_about(held, rae, ada, as_actor) -> None:
    assessed(rae, as_actor, ada)
    with pytest.raises(TransitionRefused, match="stands in the calendar already"):
        assessed(rae, as_actor, ada)
    assessed(rae, as_actor, ada, system=factories.make_system())
    assert StandingDuty.objects.count() == 2


def test_a_milestone_without_its_zone_is_refused(held, rae, as_actor) -> None:
    with pytest.raises(FactsError, match="placed_on_market_at"):
        duty.set_up(
            CODE, "framework_assessed", anchors={"placed_on_market_at": "2027-03-01T09:00:00"},
            charge=duty.Charge(owner=rae), by=as_actor(rae),
        )  # fmt: skip


def test_without_its_milestone_it_waits_and_is_dated_when_it_comes(held, rae, as_actor) -> None:
    charge = duty.Charge(owner=rae)
    made = duty.set_up(CODE, "eu_send_registered", anchors={}, charge=charge, by=as_actor(rae))
    assert made.next_due is None
    assert not made.occurrences.exists()
    duty.set_anchors(made, PLACED, by=as_actor(rae))
    # Three business days before Monday 1 March 2027, as clear days, by the stricter calendar.
    assert made.next_due == datetime(2027, 2, 23, 23, tzinfo=UTC)


def test_an_authoritys_lead_time_dates_a_registration(held, rae, as_actor) -> None:
    made = duty.set_registration(
        "eu-ai-office", before=date(2027, 3, 1), charge=duty.Charge(owner=rae), by=as_actor(rae)
    )
    assert made.next_due == datetime(2027, 2, 23, 23, tzinfo=UTC)
    with pytest.raises(ValueError, match="No time for registration"):
        duty.set_registration(
            "uk-ico", before=date(2027, 3, 1), charge=duty.Charge(owner=rae), by=as_actor(rae)
        )


def test_done_with_proof_the_next_round_is_counted_from_it(held, rae, ada, as_actor, files) -> None:
    made = assessed(rae, as_actor, ada)
    held.at = datetime(2028, 2, 10, 12, tzinfo=UTC)
    first = the_open(made)
    proof = duty.Proof("assessment.pdf", "application/pdf", b"%PDF-1.7 signed")
    duty.complete(first, done_at=held.at, proof=proof, by=as_actor(rae))
    first.refresh_from_db()
    made.refresh_from_db()
    assert (first.state, first.done_by) == ("done", rae)
    assert blob.read(first.proof) == b"%PDF-1.7 signed"
    assert made.next_due == datetime(2029, 2, 10, 23, tzinfo=UTC)
    line = log.entries(objects=[first.uuid], actions=["occurrence.complete"])[0]
    assert line.facts["proof_sha256"] == first.proof.sha256


def test_nothing_is_done_without_proof_or_a_word(held, rae, ada, as_actor) -> None:
    first = the_open(assessed(rae, as_actor, ada))
    with pytest.raises(ValueError, match="Attach the proof"):
        duty.complete(first, done_at=now(), by=as_actor(rae))
    with pytest.raises(ValueError, match="future"):
        duty.complete(first, done_at=now() + timedelta(1), note="Done.", by=as_actor(rae))
    assert the_open(first.duty).state == "open"


def test_it_is_waived_with_reasons_and_by_who_may(held, rae, bo, ada, as_actor) -> None:
    made = assessed(rae, as_actor, ada)
    with pytest.raises(ValueError, match="Say why"):
        duty.waive(the_open(made), note=" ", by=as_actor(rae))
    with pytest.raises(NotAllowed):
        duty.waive(the_open(made), note="Not needed.", by=as_actor(bo))
    duty.waive(the_open(made), note="The model was taken off the market.", by=as_actor(rae))
    made.refresh_from_db()
    assert made.next_due == datetime(2029, 3, 1, 23, tzinfo=UTC)
    assert [each.state for each in made.occurrences.order_by("due_at")] == ["waived", "open"]


def test_what_comes_once_is_over_with_the_first(held, rae, as_actor) -> None:
    charge = duty.Charge(owner=rae)
    made = duty.set_up(CODE, "model_report_sent", anchors=PLACED, charge=charge, by=as_actor(rae))
    duty.complete(the_open(made), done_at=now(), note="Receipt 17.", by=as_actor(rae))
    made.refresh_from_db()
    assert (made.state, made.next_due) == ("ended", None)


def test_a_house_duty_keeps_its_schedule(held, rae, as_actor) -> None:
    rule = {
        "how": "every", "first": "2027-01-31", "amount": 1, "unit": "month",
        "counts_from": "schedule",
    }  # fmt: skip
    charge = duty.Charge(owner=rae)
    made = duty.set_own(
        "Restore a backup", rule=rule, zone="Europe/Berlin", charge=charge, by=as_actor(rae)
    )
    held.at = datetime(2027, 2, 3, 12, tzinfo=UTC)
    duty.complete(the_open(made), done_at=held.at, note="Restored.", by=as_actor(rae))
    made.refresh_from_db()
    assert made.next_due == datetime(2027, 2, 28, 23, tzinfo=UTC)
    assert [each.due.day for each in duty.coming(made, 2)] == [28, 31]


def test_the_sweep_says_each_mark_once_and_makes_overdue(held, rae, ada, as_actor) -> None:
    made = assessed(rae, as_actor, ada)
    assert duty_watch.sweep() == 0
    held.at = made.next_due - timedelta(days=6)
    assert duty_watch.sweep() == 1
    told = Notice.objects.filter(about_uuid=made.uuid)
    assert sorted(told.values_list("to", flat=True)) == ["ada@example.org", "rae@example.org"]
    assert "less than a week" in told[0].title
    assert duty_watch.sweep() == 0
    held.at = made.next_due
    assert duty_watch.sweep() == 1
    assert the_open(made).state == "overdue"
    assert told.filter(title__contains="overdue").count() == 2
    held.at += timedelta(days=30)
    assert duty_watch.sweep() == 0
    assert [line.action for line in log.entries(objects=[the_open(made).uuid])] == [
        "occurrence.open", "occurrence.warn", "occurrence.lapse", "occurrence.warn",
    ]  # fmt: skip


def test_a_paused_duty_rings_nobody(held, rae, ada, as_actor) -> None:
    made = assessed(rae, as_actor, ada)
    duty.pause(made, note="The model is withdrawn for now.", by=as_actor(rae))
    held.at = made.next_due
    assert duty_watch.sweep() == 0
    duty.resume(made, by=as_actor(rae))
    assert duty_watch.sweep() == 1


def test_evidence_is_followed_until_newer_evidence_replaces_it(held, version, rae) -> None:
    def attest(days):
        return evidence.attest(
            version, "rota", layer=3, status="met", summary="On call.", source="rota",
            valid_until=held.at + timedelta(days=days), by=system("tests"),
        )  # fmt: skip

    old = attest(20)
    assert duty_watch.watch_evidence() == 1
    followed = StandingDuty.objects.get(about_uuid=old.uuid)
    assert followed.next_due == old.valid_until
    assert duty.title_of(followed) == "Evidence expires"
    duty_watch.watch_evidence()
    assert StandingDuty.objects.count() == 1
    newer = attest(90)
    duty_watch.watch_evidence()
    followed.refresh_from_db()
    assert followed.state == "ended"
    assert StandingDuty.objects.get(state="active").about_uuid == newer.uuid


def test_a_retention_ends_after_the_last_file_and_a_hold_stops_it(
    held, version, root, files
) -> None:
    place = version.subject
    first = blob.keep(place, "a", "text/plain", b"a", retention="incident", by=root)
    held.at += timedelta(days=10)
    blob.keep(place, "b", "text/plain", b"b", retention="incident", by=root)
    blob.keep(place, "c", "text/plain", b"c", retention="working", by=root)
    duty_watch.watch_retention()
    [found] = StandingDuty.objects.filter(subject=place)
    assert found.next_due == datetime(2031, 12, 11, 9, tzinfo=UTC)
    blob.hold(Blob.objects.get(pk=first.pk), by=root)
    duty_watch.watch_retention()
    found.refresh_from_db()
    assert found.state == "ended"


def test_what_was_settled_is_not_asked_for_again(held, version, root, files, rae, as_actor) -> None:
    blob.keep(version.subject, "a", "text/plain", b"a", retention="logs", by=root)
    duty_watch.watch_retention()
    found = StandingDuty.objects.get()
    duty.complete(the_open(found), done_at=now(), note="Kept on purpose.", by=as_actor(rae))
    duty_watch.watch_retention()
    assert StandingDuty.objects.filter(state="active").count() == 0


def test_the_horizon_is_reviewed_by_a_named_person(held, rae, as_actor) -> None:
    made = duty.set_up(
        "eu-aia-standing", "horizon_reviewed",
        anchors={"horizon_reviewed_at": "2026-06-01T09:00:00+02:00"},
        charge=duty.Charge(owner=rae), by=as_actor(rae),
    )  # fmt: skip
    assert made.owner == rae
    assert made.next_due == datetime(2027, 6, 1, 22, tzinfo=UTC)


def test_leads_count_clear_days() -> None:
    rule = {"how": "lead", "first": "2027-03-08", "amount": 2, "unit": "day", "calendars": []}
    [found] = duty_date.next_dates(rule, key="x", version="", zone="UTC")
    assert found.due == datetime(2027, 3, 6, tzinfo=UTC)
