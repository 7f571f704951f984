"""Filing: intent before the network, one acceptance of one digest, and never a blind resend."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import transaction

from compliance import clock, loopback
from compliance.clock import now
from compliance.filing.base import FilingError
from compliance.filing.sandbox import Sandbox
from compliance.filing.sandbox.faults import Plan
from compliance.loopback import Reply, Request
from compliance.machines import TransitionRefused
from compliance.models import (
    Blob,
    ClockInstance,
    Filing,
    FilingAttempt,
    Notice,
    ReleaseAuthorisation,
    Report,
    WayBreaker,
)
from compliance.permissions import NotAllowed, Role
from compliance.services import (
    account,
    blob,
    circuit,
    filing_watch,
    receipt,
    report,
    submission,
    sweep,
    ways,
)
from tests.compliance.papers import answered, make_incident

pytestmark = pytest.mark.django_db


class Regulator(NamedTuple):
    """A sandbox that answers on loopback, and what it was asked."""

    sandbox: Sandbox
    config: dict[str, Any]
    seen: list[Request]


@contextmanager
def regulator(
    folder: Path, settings: Any, *, fail_first: int = 0, lose_first: int = 0
) -> Iterator[Regulator]:
    """A sandbox; `lose_first` answers break off after it has taken the filing."""
    sandbox = Sandbox.at(folder, fail_first=fail_first)
    left, seen = [lose_first], []

    def answer(request: Request) -> Reply:
        if request.path == "/filings":
            seen.append(request)
        reply = sandbox.answer(request)
        if request.method == "POST" and left[0] > 0:
            left[0] -= 1
            return Reply(status=500, body=b"the answer was lost on the way")
        return reply

    with loopback.serving(answer) as url:
        settings.STRATA_EGRESS = [url.removeprefix("http://")]
        with urllib.request.urlopen(f"{url}/key") as said:
            key = said.read().decode().strip()
        public = json.loads(key)["public_key"] if key.startswith("{") else key
        yield Regulator(
            sandbox, {"url": f"{url}/filings", "public_key": public, "simulation": True}, seen
        )


@pytest.fixture
def approved(rae, ada, as_actor) -> Report:
    """An approved report with a paper: any bytes will do for the road."""
    begun = answered(make_incident(), by=as_actor(rae))
    report.submit(begun, by=as_actor(rae))
    report.approve(begun, by=as_actor(ada))
    keep = {"retention": Blob.Retention.INCIDENT.value, "by": as_actor(ada)}
    begun.pdf = blob.keep(begun.subject, "r.pdf", "application/pdf", b"%PDF-1.7 paper", **keep)
    begun.twin = blob.keep(begun.subject, "r.json", "application/json", b"{}", **keep)
    begun.save(update_fields=["pdf", "twin"])
    return begun


def due_now(filing: Filing) -> None:
    Filing.objects.filter(pk=filing.pk).update(next_try_at=None)


def test_a_receipt_acknowledges_the_report_and_stops_its_clock(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    with regulator(tmp_path, settings) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        submission.send(filing.pk)
    filing.refresh_from_db()
    approved.refresh_from_db()
    assert (filing.state, approved.state) == ("acknowledged", "acknowledged")
    assert filing.reference == "SIM-000001"
    assert blob.read(filing.receipt).startswith(b"{")
    clock = ClockInstance.objects.get(
        about_uuid=approved.about_uuid, regime="house-72h", replaced_by=None
    )
    assert clock.state == "met"


def test_a_503_is_tried_again_after_what_the_recipient_asked_for(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    settings.STRATA_RETRY_SECONDS = 1
    with regulator(tmp_path, settings, fail_first=1) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        submission.send(filing.pk)
        filing.refresh_from_db()
        assert filing.state == "queued"
        assert filing.next_try_at > now() + timedelta(seconds=1)
        submission.send(filing.pk)
        assert filing.tries.count() == 1, "not before its time"
        due_now(filing)
        submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "acknowledged"
    assert [each.outcome for each in filing.tries.order_by("number")] == ["failed", "receipt"]


def test_a_lost_answer_is_asked_after_and_filed_once(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    with regulator(tmp_path, settings, lose_first=1) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        submission.send(filing.pk)
        filing.refresh_from_db()
        assert filing.state == "unknown", "nobody sends blindly again"
        submission.send(filing.pk)
        assert filing.tries.count() == 1
        assert submission.reconcile_due() == 0, "not before its time"
        due_now(filing)
        assert submission.reconcile_due() == 1
        submission.send(filing.pk)
        assert len(list(there.sandbox.filings())) == 1
    filing.refresh_from_db()
    assert filing.state == "acknowledged"


def died(filing: Filing, outcome: str) -> None:
    """A worker was killed: after it wrote this outcome of the attempt, and nothing else."""
    FilingAttempt.objects.create(filing=filing, number=1, started_at=now(), outcome=outcome)
    Filing.objects.filter(pk=filing.pk).update(
        state="sending", lease_until=now() - timedelta(seconds=1), fence=1, attempts=1
    )


@pytest.mark.parametrize("outcome", ["started", "receipt", "pending", "delivered"])
def test_a_worker_that_died_leaves_it_unknown_and_it_is_asked_about_before_all(
    approved, rae, as_actor, tmp_path, settings, outcome
) -> None:
    with regulator(tmp_path, settings) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        died(filing, outcome)
        sweep.take_back_lapsed()
        filing.refresh_from_db()
        assert filing.state == "unknown"
        submission.reconcile_due()
        submission.send(filing.pk)
        asked = [(request.method, request.path) for request in there.seen]
    filing.refresh_from_db()
    assert filing.state == "acknowledged"
    assert asked == [("GET", "/filings"), ("POST", "/filings")], "asked before it was sent"


def test_without_a_promise_to_file_once_a_person_decides_about_a_second_sending(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    with regulator(tmp_path, settings) as there:
        config = {**there.config, "is_idempotent": False}
        filing = submission.file(approved, way="http", way_config=config, by=as_actor(rae))
        died(filing, "started")
        sweep.take_back_lapsed()
        submission.reconcile_due()
        submission.send(filing.pk)
        filing.refresh_from_db()
        assert (filing.state, len(list(there.sandbox.filings()))) == ("needs_human", 0)
        submission.resend(filing, by=as_actor(rae))
        submission.send(filing.pk)
        assert len(list(there.sandbox.filings())) == 1
    filing.refresh_from_db()
    assert filing.state == "acknowledged"


def test_an_attempt_keeps_what_passed(approved, rae, as_actor, tmp_path, settings) -> None:
    with regulator(tmp_path, settings) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        submission.send(filing.pk)
    filing.refresh_from_db()
    attempt = filing.tries.get()
    assert (attempt.key, attempt.status, attempt.outcome) == (filing.key, 201, "receipt")
    assert attempt.body_sha256 == filing.receipt.sha256
    assert attempt.headers["content-type"] == "application/json"
    assert len(attempt.headers[":sent_sha256"]) == 64


def test_no_number_of_tries_ends_a_filing(approved, rae, as_actor, tmp_path, settings) -> None:
    with regulator(tmp_path, settings, fail_first=1) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        Filing.objects.filter(pk=filing.pk).update(attempts=5_000)
        submission.send(filing.pk)
        filing.refresh_from_db()
        assert filing.state == "queued"
        due_now(filing)
        sweep.ring_waiting()
        filing.refresh_from_db()
        assert filing.state == "queued", "the sweep rings and does not give up"


def test_a_way_that_failed_five_times_is_left_alone_and_then_tried_by_one(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    with clock.held(now()) as at, regulator(tmp_path, settings, fail_first=5) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        for _ in range(5):
            due_now(filing)
            submission.send(filing.pk)
        standing = WayBreaker.objects.get()
        assert (standing.state, standing.failures) == ("open", 5)
        due_now(filing)
        submission.send(filing.pk)
        filing.refresh_from_db()
        assert filing.tries.count() == 5, "no call while the breaker is open"
        assert filing.next_try_at >= at.at + timedelta(seconds=30)
        at.pass_by(timedelta(minutes=2))
        submission.send(filing.pk)
    filing.refresh_from_db()
    standing.refresh_from_db()
    assert (filing.state, standing.state, standing.failures) == ("acknowledged", "closed", 0)


def test_what_is_due_before_the_breaker_closes_goes_all_the_same(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    with regulator(tmp_path, settings) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        for _ in range(5):
            circuit.failed(ways.circuit_name(filing))
        submission.send(filing.pk)
        assert filing.tries.count() == 0
        ClockInstance.objects.filter(regime="house-72h").update(
            target_due=now() + timedelta(seconds=20)
        )
        due_now(filing)
        submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "acknowledged"


def test_a_rejection_names_its_fields_and_the_report_is_drafted_again(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    with regulator(tmp_path, settings) as there:
        there.sandbox.plan = Plan.of(["rejected"])
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        submission.send(filing.pk)
    filing.refresh_from_db()
    approved.refresh_from_db()
    assert (filing.state, approved.state) == ("rejected", "drafting")
    assert "title: expected another answer" in filing.problem
    assert [need.mark for need in filing_watch.needing_people()] == ["rejected"]


def test_what_changed_after_approval_is_not_sent(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    with regulator(tmp_path, settings) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        keep = {"retention": Blob.Retention.INCIDENT.value, "by": as_actor(rae)}
        other = blob.keep(approved.subject, "r.pdf", "application/pdf", b"%PDF-1.7 papes", **keep)
        Report.objects.filter(pk=approved.pk).update(pdf=other)
        submission.send(filing.pk)
        assert list(there.sandbox.filings()) == []
    filing.refresh_from_db()
    assert filing.state == "needs_human"
    assert "another than the one that was filed" in filing.problem


def test_a_filing_keeps_no_secret(approved, rae, as_actor, tmp_path, settings) -> None:
    settings.STRATA_FILING_WAYS = tmp_path / "ways.json"
    with regulator(tmp_path, settings) as there:
        config = {**there.config, "token": "hush"}
        said = {"sandbox": {"label": "Sandbox", "way": "http", "config": config}}
        settings.STRATA_FILING_WAYS.write_text(json.dumps(said))
        with pytest.raises(FilingError, match="holds its token itself"), transaction.atomic():
            submission.file(approved, way="http", way_config=config, by=as_actor(rae))
        approved.refresh_from_db()
        way = submission.ways(approved)[0]
        filing = submission.file(
            approved, way=way.kind, way_config=submission.frozen(way), by=as_actor(rae)
        )
        assert "hush" not in json.dumps(filing.way_config)
        submission.send(filing.pk)
        assert there.seen[-1].headers["authorization"] == "Bearer hush"
        assert ways.config_of(filing)["token"] == "hush"
        moved = {**config, "url": "http://127.0.0.1:9/filings"}
        said["sandbox"]["config"] = moved
        settings.STRATA_FILING_WAYS.write_text(json.dumps(said))
        assert "token" not in ways.config_of(filing), "not to where it did not go before"
        filing.way_config = config
        assert ways.config_of(filing)["token"] == "hush", "rows from before go on working"


def test_one_approved_digest_is_filed_once(approved, rae, as_actor) -> None:
    submission.file(approved, way="null", by=as_actor(rae))
    with pytest.raises(TransitionRefused):
        submission.file(approved, way="null", by=as_actor(rae))


def test_without_a_channel_a_person_is_asked(approved, rae, as_actor) -> None:
    filing = submission.file(approved, way="null", by=as_actor(rae))
    submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "needs_human"
    assert "no channel is configured" in filing.problem


def by_hand(approved, rae, as_actor) -> Filing:
    config = {"portal": "post", "steps": []}
    filing = submission.file(approved, way="manual", way_config=config, by=as_actor(rae))
    submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "needs_human"
    return filing


def test_by_hand_counts_when_a_second_person_has_seen_the_proof(
    approved, rae, ada, as_actor
) -> None:
    filing = by_hand(approved, rae, as_actor)
    with pytest.raises(FilingError, match="still to come"):
        submission.enter(
            filing,
            reference="A1",
            received_at=now() + timedelta(days=1),
            proof=b"x",
            by=as_actor(rae),
        )
    submission.enter(filing, reference="A1", received_at=now(), proof=b"scan", by=as_actor(rae))
    filing.refresh_from_db()
    assert (filing.state, filing.reference) == ("needs_human", "A1")
    assert [need.mark for need in filing_watch.needing_people()] == ["check"]
    with pytest.raises(NotAllowed):
        receipt.check(filing, by=as_actor(rae))
    receipt.check(filing, by=as_actor(ada))
    approved.refresh_from_db()
    assert (filing.state, approved.state) == ("acknowledged", "acknowledged")
    assert (filing.entered_by, filing.checked_by) == (rae, ada)


def test_who_entered_a_receipt_checks_it_by_no_other_account(
    approved, rae, root, as_actor, client_as
) -> None:
    again = account.make("rae+lead@example.org", "Rae", [Role.GOVERNANCE_LEAD], by=root)
    filing = by_hand(approved, rae, as_actor)
    submission.enter(filing, reference="A1", received_at=now(), proof=b"scan", by=as_actor(rae))
    for attempt in (
        lambda: receipt.check(filing, by=as_actor(again)),
        lambda: receipt.turn_down(filing, by=as_actor(again), note="It is none."),
    ):
        with pytest.raises(NotAllowed, match="by another account: both share a mailbox"):
            attempt()
    page = client_as(again).get(approved.path, follow=True).content.decode()
    assert "by another account: both share a mailbox" in page
    assert "I saw the receipt" not in page


def test_what_a_second_person_does_not_take_for_a_receipt_is_none(
    approved, rae, ada, as_actor
) -> None:
    filing = by_hand(approved, rae, as_actor)
    submission.enter(filing, reference="A1", received_at=now(), proof=b"scan", by=as_actor(rae))
    with pytest.raises(TransitionRefused, match="Say why"):
        receipt.turn_down(filing, by=as_actor(ada), note=" ")
    receipt.turn_down(filing, by=as_actor(ada), note="It is an out-of-office reply.")
    filing.refresh_from_db()
    assert (filing.state, filing.receipt, filing.reference) == ("needs_human", None, "")
    with pytest.raises(TransitionRefused):
        receipt.check(filing, by=as_actor(ada))


def test_a_person_enters_a_rejection(approved, rae, as_actor) -> None:
    filing = by_hand(approved, rae, as_actor)
    with pytest.raises(TransitionRefused, match="Say why"):
        submission.turned_away(filing, by=as_actor(rae), note="")
    submission.turned_away(filing, by=as_actor(rae), note="The portal wants a reference.")
    approved.refresh_from_db()
    assert (filing.state, approved.state) == ("rejected", "drafting")


def test_the_checklist_of_a_portal_is_filled_from_the_package(approved, rae, as_actor) -> None:
    config = {"portal": "", "steps": [], "checklist": "eu-send"}
    filing = submission.file(approved, way="manual", way_config=config, by=as_actor(rae))
    found = ways.checklist(filing, submission.package(filing))
    assert found.portal == "eu-send"
    digests = [field.value for field in found.fields][-2:]
    assert digests == [approved.pdf.sha256, approved.twin.sha256]
    filing.way_config = {"portal": "post", "steps": []}
    plain = ways.checklist(filing, submission.package(filing))
    assert (plain.where, len(plain.steps)) == ("post", 3)


def test_what_is_not_approved_cannot_be_filed(rae, as_actor) -> None:
    begun = answered(make_incident(), by=as_actor(rae))
    with pytest.raises(TransitionRefused):
        submission.file(begun, way="null", by=as_actor(rae))


def test_without_its_paper_it_waits(approved, rae, as_actor) -> None:
    approved.pdf = None
    with pytest.raises(TransitionRefused, match="still being rendered"):
        submission.file(approved, way="null", by=as_actor(rae))


def test_only_a_filing_officer_files(approved, bo, as_actor) -> None:
    with pytest.raises(NotAllowed):
        submission.file(approved, way="null", by=as_actor(bo))


def test_a_simulation_is_offered_sandboxes_alone(approved, settings, tmp_path) -> None:
    settings.STRATA_FILING_WAYS = tmp_path / "ways.json"
    ways = {
        "real": {"label": "Authority", "way": "http", "config": {"simulation": False}},
        "sandbox": {"label": "Sandbox", "way": "http", "config": {"simulation": True}},
    }
    settings.STRATA_FILING_WAYS.write_text(json.dumps(ways))
    assert [way.name for way in submission.ways(approved)] == ["sandbox", submission.BY_HAND]


def test_waits_are_jittered_and_never_longer_than_an_eighth_of_what_is_left(
    approved, rae, as_actor
) -> None:
    filing = submission.file(approved, way="null", by=as_actor(rae))
    busy = FilingError("503", permanent=False)

    def waits(attempts: int) -> list[float]:
        filing.attempts = attempts
        return [(submission.next_try(filing, busy) - now()).total_seconds() for _ in range(200)]

    assert max(waits(1)) <= 5
    late = waits(40)
    assert max(late) <= 900
    assert len({round(each) for each in late}) > 100, "spread over the whole range"
    ClockInstance.objects.filter(regime="house-72h").update(
        target_due=now() + timedelta(seconds=80)
    )
    assert max(waits(40)) <= 10


def test_people_hear_of_it_once_for_each_reason(approved, rae, as_actor) -> None:
    filing = submission.file(approved, way="null", by=as_actor(rae))
    submission.send(filing.pk)
    (need,) = filing_watch.needing_people()
    assert (need.filing, need.mark) == (filing, "person")
    assert filing_watch.warn(need)
    assert not filing_watch.warn(need)
    assert Notice.objects.filter(about_uuid=filing.uuid).count() == 1
    later = filing_watch.needing_people(now() + timedelta(hours=1))
    assert [each.mark for each in later] == ["person", "receipt"]
    submission.resend(need.filing, by=as_actor(rae))
    submission.send(filing.pk)
    assert filing_watch.warn(filing_watch.needing_people()[0]), "a person decided; it failed again"


def test_an_authorisation_that_ended_files_nothing(approved) -> None:
    asked = now()
    expired = ReleaseAuthorisation(
        asked_at=asked, expires_at=asked - timedelta(1), state="given", sha256=""
    )
    with pytest.raises(TransitionRefused, match="a person files"):
        submission.dispatch(approved, way="null", authorisation=expired)
