"""Filing: intent first, then the network; never a second acceptance of one approved digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.filestore import FileStoreError
from compliance.filing.base import (
    FilingChannel,
    FilingError,
    FilingPackage,
    HandOver,
    Outcome,
    OutcomeUnknown,
    Receipt,
    Rejected,
    idempotency_key,
)
from compliance.filing.load import load
from compliance.filing.manual import ManualFiling
from compliance.hostile import one_line
from compliance.machines import TransitionRefused
from compliance.models import Blob, Filing, FilingAttempt, Report
from compliance.permissions import NotAllowed, Permission
from compliance.queue import enqueue
from compliance.services import blob
from compliance.services import report as reports
from compliance.services.notice import egress
from compliance.states import FILING, REPORT

CLERK = system("clerk")
BY_HAND = "by-hand"
LONGEST_WAIT = timedelta(minutes=15)


@dataclass(frozen=True)
class Way:
    """One configured way to a recipient."""

    name: str
    label: str
    kind: str
    config: Mapping[str, Any] = field(repr=False)


def ways(report: Report) -> list[Way]:
    """How this report may be filed: what the installation configured for its kind, and by hand.

    A sandbox takes simulations alone, and whatever is real takes no simulation.
    """
    try:
        said = json.loads(settings.STRATA_FILING_WAYS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = {}
    found = [
        Way(name, str(raw["label"]), str(raw["way"]), raw.get("config", {}))
        for name, raw in said.items()
        if bool(raw.get("config", {}).get("simulation", report.is_simulation))
        == report.is_simulation
    ]
    by_hand = {"portal": report.recipient or "", "steps": []}
    return [
        *found,
        Way(BY_HAND, str(_("By hand, at the recipient's own portal")), "manual", by_hand),
    ]


@transaction.atomic
def file(
    report: Report, *, way: str, way_config: dict[str, Any] | None = None, by: Actor
) -> Filing:
    """Send the approved report: only these bytes, only once for each approved digest.

    Raises:
        TransitionRefused: not approved, changed since, or the paper is not rendered yet.
    """
    require(by, Permission.REPORT_FILE, report.subject)
    if by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; a person files.") % {"who": by.label})
    if report.approved_sha256 != reports.current_sha256(report):
        raise TransitionRefused(_("The report changed after it was approved; submit it again."))
    if report.pdf is None or report.twin is None:
        raise TransitionRefused(
            _("The paper is still being rendered; file it when the PDF is there.")
        )
    advance(report, REPORT, "file", by=by, sha256=report.approved_sha256)
    filing = Filing.objects.create(
        report=report,
        way=way,
        way_config=way_config or {},
        report_sha256=report.approved_sha256,
        filed_by_id=by.user_id,
        asked_at=now(),
    )
    record(
        "filing.queue",
        filing,
        by=by,
        after="queued",
        way=way,
        report=report.ref,
        report_sha256=report.approved_sha256,
    )
    enqueue(Filing.TASK, filing.pk, queue=Filing.QUEUE)
    return filing


def package(filing: Filing) -> FilingPackage:
    """The bytes that go out."""
    report = filing.report
    if report.pdf is None or report.twin is None:
        raise TransitionRefused(_("Report %(uuid)s has no paper to send.") % {"uuid": report.uuid})
    return FilingPackage(
        filing=filing.uuid,
        recipient=report.recipient or "internal",
        pdf=blob.read(report.pdf),
        twin=blob.read(report.twin),
        simulation=report.is_simulation,
        supersedes=_superseded(report),
    )


def _superseded(report: Report) -> UUID | None:
    """The filing that the recipient has of what this report replaces."""
    if report.supersedes is None:
        return None
    earlier = report.supersedes.filings.filter(state="acknowledged").order_by("-pk").first()
    return earlier.uuid if earlier else None


def send(pk: int) -> None:
    """Claim, write the attempt down, call, write down what came of it."""
    filing: Filing | None = lease.claim(
        Filing, pk, waiting="queued", running="sending", seconds=120
    )
    if filing is None:
        return
    before = filing.tries.order_by("-number").first()
    attempt = FilingAttempt.objects.create(
        filing=filing, number=before.number + 1 if before else 1, started_at=now()
    )
    # An attempt that was never ended, or ended in not knowing, may have arrived.
    may_be_there = before is not None and before.outcome in {"started", "unknown"}
    try:
        packed = package(filing)
        channel = load(filing.way, filing.way_config, egress=egress())
        answer = _ask(channel, packed, may_be_there=may_be_there)
    except OutcomeUnknown as unknown:
        _ended(attempt, "unknown", str(unknown))
        _move(filing, "lose", str(unknown))
        return
    except FilingError as error:
        # What an earlier attempt left unknown stays unknown: failing to ask settles nothing.
        _ended(attempt, "unknown" if may_be_there else "failed", str(error))
        _later(filing, error)
        return
    except FileStoreError as error:
        _ended(attempt, "failed", str(error))
        _move(filing, "give_up", str(error))
        return
    _judge(filing, attempt, answer)


def _ask(channel: FilingChannel, packed: FilingPackage, *, may_be_there: bool) -> Outcome:
    """Send; but after not knowing, look for the receipt of what may have arrived first."""
    key = idempotency_key(packed)
    if may_be_there and (found := channel.find(packed, key)):
        return found
    return channel.submit(packed, key)


def _judge(filing: Filing, attempt: FilingAttempt, answer: Outcome) -> None:
    match answer:
        case Receipt():
            _ended(attempt, "receipt", answer.reference)
            receive(filing, answer, by=CLERK)
        case Rejected():
            _ended(attempt, "rejected", answer.reason)
            with transaction.atomic():
                _move(filing, "reject", answer.reason)
                advance(filing.report, REPORT, "rejected", by=CLERK, note=answer.reason)
        case HandOver():
            _ended(attempt, "by hand", _("to be handed over by a person"))
            why = _("This way needs a person: hand it over and enter the receipt.")
            _move(filing, "give_up", why)


@transaction.atomic
def receive(filing: Filing, receipt: Receipt, *, by: Actor) -> None:
    """The receipt is kept as it came; the report is acknowledged and its clock stops."""
    proof = blob.keep(
        filing.subject,
        _receipt_name(filing, receipt),
        "application/json" if receipt.key_id else "application/octet-stream",
        receipt.raw,
        retention=Blob.Retention.INCIDENT.value,
        by=by,
    )
    at = min(receipt.received_at, now())  # their clock may run ahead of ours
    advance(
        filing,
        FILING,
        "receive",
        by=by,
        fence=filing.fence,
        changes={
            **lease.free(),
            "receipt": proof,
            "reference": receipt.reference[:200],
            "sent_at": at,
            "acknowledged_at": now(),
            "problem": "",
        },
        receipt_sha256=proof.sha256,
        proof=receipt.proof.value,
        words={"reference": receipt.reference},
    )
    advance(filing.report, REPORT, "sent", by=CLERK)
    advance(filing.report, REPORT, "acknowledge", by=CLERK, receipt_sha256=proof.sha256)
    reports.met_by_receipt(filing.report, at=at, by=CLERK)


def _receipt_name(filing: Filing, receipt: Receipt) -> str:
    return f"receipt-{receipt.reference or filing.uuid}" + (".json" if receipt.key_id else ".bin")


@transaction.atomic
def enter(
    filing: Filing, *, reference: str, received_at: datetime, proof: bytes, by: Actor
) -> None:
    """A person brings back the recipient's proof of what was filed by hand.

    Raises:
        FilingError: no reference, no proof, or a time that is still to come.
    """
    require(by, Permission.REPORT_FILE, filing.subject)
    by_hand = ManualFiling(portal="", steps=())
    receipt = by_hand.receive(reference=reference, received_at=received_at, proof=proof)
    receive(filing, receipt, by=by)


def _later(filing: Filing, error: FilingError) -> None:
    if error.permanent or filing.attempts >= Filing.MOST_ATTEMPTS:
        _move(filing, "give_up", str(error))
        return
    _move(filing, "retry", str(error), next_try_at=next_try(filing.attempts, error))


def next_try(attempts: int, error: FilingError) -> datetime:
    """Twice as long after each try, never sooner than the recipient asked for, 15 minutes at most."""
    waits = timedelta(seconds=settings.STRATA_RETRY_SECONDS * 2 ** max(attempts - 1, 0))
    asked = timedelta(seconds=error.retry_after_seconds or 0)
    return now() + min(LONGEST_WAIT, max(waits, asked))


def _move(filing: Filing, verb: str, note: str, **columns: Any) -> None:
    advance(
        filing,
        FILING,
        verb,
        by=CLERK,
        note=note,
        fence=filing.fence,
        changes={**lease.free(), "problem": one_line(note, 500), **columns},
    )


def _ended(attempt: FilingAttempt, outcome: str, detail: str) -> None:
    FilingAttempt.objects.filter(pk=attempt.pk).update(
        ended_at=now(), outcome=outcome, detail=one_line(detail, 500)
    )


@transaction.atomic
def resend(filing: Filing, *, by: Actor) -> None:
    """A person decides to ask again, with the same key, after an unknown outcome or too many tries."""
    advance(filing, FILING, "resend", by=by, changes={"attempts": 0, "next_try_at": None})
    enqueue(Filing.TASK, filing.pk, queue=Filing.QUEUE)
