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

from compliance import loopback
from compliance.clock import now
from compliance.filing.base import FilingError
from compliance.filing.sandbox import Sandbox
from compliance.loopback import Reply, Request
from compliance.machines import TransitionRefused
from compliance.models import Blob, ClockInstance, Filing, Report
from compliance.permissions import NotAllowed
from compliance.services import blob, report, submission
from tests.compliance.papers import answered, make_incident

pytestmark = pytest.mark.django_db


class Regulator(NamedTuple):
    """A sandbox that answers on loopback."""

    sandbox: Sandbox
    config: dict[str, Any]


@contextmanager
def regulator(
    folder: Path, settings: Any, *, fail_first: int = 0, lose_first: int = 0
) -> Iterator[Regulator]:
    """A sandbox; `lose_first` answers break off after it has taken the filing."""
    sandbox = Sandbox.at(folder, fail_first=fail_first)
    left = [lose_first]

    def answer(request: Request) -> Reply:
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
            sandbox, {"url": f"{url}/filings", "public_key": public, "simulation": True}
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
        submission.resend(filing, by=as_actor(rae))
        submission.send(filing.pk)
        assert len(list(there.sandbox.filings())) == 1
    filing.refresh_from_db()
    assert filing.state == "acknowledged"


def test_a_worker_that_died_in_the_call_leaves_it_unknown(
    approved, rae, as_actor, tmp_path, settings
) -> None:
    from compliance.models import FilingAttempt
    from compliance.services import sweep

    with regulator(tmp_path, settings) as there:
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        FilingAttempt.objects.create(filing=filing, number=1, started_at=now())
        Filing.objects.filter(pk=filing.pk).update(
            state="sending", lease_until=now() - timedelta(seconds=1), fence=1, attempts=1
        )
        sweep.take_back_lapsed()
        filing.refresh_from_db()
        assert filing.state == "unknown"
        submission.resend(filing, by=as_actor(rae))
        submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "acknowledged"


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


def test_by_hand_counts_when_the_proof_is_brought_back(approved, rae, as_actor) -> None:
    filing = submission.file(
        approved, way="manual", way_config={"portal": "post", "steps": []}, by=as_actor(rae)
    )
    submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "needs_human"
    with pytest.raises(FilingError, match="still to come"):
        submission.enter(
            filing,
            reference="A1",
            received_at=now() + timedelta(days=1),
            proof=b"x",
            by=as_actor(rae),
        )
    submission.enter(filing, reference="A1", received_at=now(), proof=b"scan", by=as_actor(rae))
    approved.refresh_from_db()
    assert approved.state == "acknowledged"


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


def test_waits_double_and_end_at_a_quarter_of_an_hour(settings) -> None:
    settings.STRATA_RETRY_SECONDS = 5
    error = FilingError("503", permanent=False)
    waits = [(submission.next_try(n, error) - now()).total_seconds() for n in (1, 2, 3, 30)]
    assert [round(wait) for wait in waits] == [5, 10, 20, 900]
