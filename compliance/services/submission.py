"""Filing: intent first, then the network; never a second acceptance of one approved digest.

1. A person files, or a standing authorisation does: a row that waits, with its key.
2. `send` claims it, writes the attempt down, calls, and writes down what came of it.
3. What nobody knows of is asked about by `reconcile_due`; it is never sent blindly again.
4. No number of tries ends a filing. When it does not get through, people hear of it
   (`filing_watch`) while trying goes on, to the deadline and after.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit import sequencer
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.filestore import FileStoreError
from compliance.filing import backoff, secrets
from compliance.filing.asking import carry
from compliance.filing.base import (
    Delivered,
    FilingError,
    FilingPackage,
    HandOver,
    Outcome,
    OutcomeUnknown,
    Receipt,
    ReceiptPending,
    Rejected,
    idempotency_key,
)
from compliance.filing.exchange import Exchange
from compliance.filing.load import load
from compliance.hostile import one_line
from compliance.machines import TransitionRefused
from compliance.models import Filing, FilingAttempt, ReleaseAuthorisation, Report
from compliance.permissions import NotAllowed, Permission
from compliance.queue import enqueue
from compliance.services import circuit, parcel, receipt, time_stamp
from compliance.services import report as reports
from compliance.services.notice import egress
from compliance.services.parcel import package
from compliance.services.receipt import enter, receive
from compliance.services.ways import BY_HAND, Way, circuit_name, config_of, frozen, ways
from compliance.states import FILING, REPORT

__all__ = [
    "BY_HAND",
    "CLERK",
    "Way",
    "dispatch",
    "enter",
    "file",
    "frozen",
    "package",
    "receive",
    "reconcile_due",
    "resend",
    "send",
    "turned_away",
    "ways",
]

log = logging.getLogger(__name__)
CLERK = system("clerk")
SECONDS = 120.0
"""A worker holds a filing for so long; `filing.load.LONGEST` stays below it."""
SETTLED = frozenset({"failed", "rejected", "by hand"})
"""After these nothing of the attempt can be at the recipient."""
WITHOUT_CIRCUIT = frozenset({"manual", "null"})
MOST_ASKED = 200


@transaction.atomic
def file(
    report: Report, *, way: str, way_config: dict[str, Any] | None = None, by: Actor
) -> Filing:
    """Send the approved report: only these bytes, only once for each approved digest.

    Raises:
        TransitionRefused: not approved, changed since, or the paper is not rendered yet.
        FilingError: the way's configuration holds a secret itself; use `frozen`.
    """
    require(by, Permission.REPORT_FILE, report.subject)
    if by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; a person files.") % {"who": by.label})
    _check_fileable(report)
    advance(report, REPORT, "file", by=by, sha256=report.approved_sha256)
    return _queued(report, way, way_config or {}, {"filed_by_id": by.user_id}, by)


@transaction.atomic
def dispatch(
    report: Report,
    *,
    way: str,
    way_config: dict[str, Any] | None = None,
    authorisation: ReleaseAuthorisation,
    by: Actor = CLERK,
) -> Filing:
    """Send without a person at the last step. Whether the authorisation covers it is asked before.

    Raises:
        TransitionRefused: as for `file`, or the authorisation does not stand.
    """
    if authorisation.state != "given" or authorisation.expires_at <= now():
        raise TransitionRefused(_("No authorisation to file unattended stands; a person files."))
    _check_fileable(report)
    sha256_of_it = authorisation.sha256
    advance(
        report,
        REPORT,
        "dispatch",
        by=by,
        sha256=report.approved_sha256,
        authorisation=authorisation.ref,
        authorisation_sha256=sha256_of_it,
    )
    return _queued(report, way, way_config or {}, {"authorisation": authorisation}, by)


def _check_fileable(report: Report) -> None:
    if report.approved_sha256 != reports.current_sha256(report):
        raise TransitionRefused(_("The report changed after it was approved; submit it again."))
    if report.pdf is None or report.twin is None:
        raise TransitionRefused(
            _("The paper is still being rendered; file it when the PDF is there.")
        )


def _queued(
    report: Report, way: str, way_config: dict[str, Any], on_whose: dict[str, Any], by: Actor
) -> Filing:
    """The row that waits. Its key is fixed now, and with it the bytes that may go out."""
    filing = Filing.objects.create(
        report=report,
        way=way,
        way_config=secrets.storable(way_config),
        report_sha256=report.approved_sha256,
        asked_at=now(),
        **on_whose,
    )
    packed = package(filing)
    _fix_key(filing, packed)
    record(
        "filing.queue",
        filing,
        by=by,
        after="queued",
        way=way,
        report=report.ref,
        report_sha256=report.approved_sha256,
        key=filing.key,
    )
    enqueue(Filing.TASK, filing.pk, queue=Filing.QUEUE)
    time_stamp.ask_over_package(filing, packed.manifest())
    return filing


def _fix_key(filing: Filing, packed: FilingPackage) -> None:
    """The key goes to the recipient alone; whoever shows it later is found by its digest."""
    filing.key = idempotency_key(packed)
    filing.callback_sha256 = sha256(filing.key.encode()).hexdigest()
    filing.save(update_fields=["key", "callback_sha256"])


def send(pk: int) -> None:
    """Claim, write the attempt down, call, write down what came of it."""
    waiting = Filing.objects.select_related("report").filter(pk=pk, state="queued").first()
    if waiting is None or _held_back(waiting):
        return
    filing: Filing | None = lease.claim(
        Filing, pk, waiting="queued", running="sending", seconds=SECONDS
    )
    if filing is None:
        return
    may_be_there = filing.tries.exclude(outcome__in=SETTLED).exists()
    attempt = _begun(filing)
    try:
        answer = _call(filing, may_be_there=may_be_there)
    except OutcomeUnknown as unknown:
        _circuit_heard(filing, unknown)
        _not_known(filing, attempt, unknown)
    except FilingError as error:
        _circuit_heard(filing, error)
        _failed(filing, attempt, error)
    except (FileStoreError, TransitionRefused) as error:
        _failed(filing, attempt, FilingError(str(error), permanent=True))
    else:
        _circuit_heard(filing, None)
        _judge(filing, attempt, answer)


def _held_back(filing: Filing) -> bool:
    """Whether the way's breaker is open; the filing then waits for its end, with some jitter.

    Whoever is not due yet takes no trial away from others. A person who just decided is let through.
    """
    if filing.next_try_at is not None and filing.next_try_at > now():
        return True
    if filing.way in WITHOUT_CIRCUIT or (filing.attempts == 0 and filing.tries.exists()):
        return False
    name, target = circuit_name(filing), parcel.target_of(filing)
    if circuit.may_call(name, target=target):
        return False
    free = circuit.free_at(name) or now()
    wait = backoff.delay(1, remaining=_remaining(target), base=timedelta(seconds=2))
    Filing.objects.filter(pk=filing.pk, state="queued", fence=filing.fence).update(
        next_try_at=max(free, now()) + wait
    )
    return True


def _circuit_heard(filing: Filing, error: FilingError | None) -> None:
    """Tell the breaker: an answer of any kind shows that the recipient is there."""
    if filing.way in WITHOUT_CIRCUIT:
        return
    if error is None or isinstance(error, ReceiptPending):
        circuit.succeeded(circuit_name(filing))
    elif not error.permanent and not (isinstance(error, OutcomeUnknown) and error.needs_human):
        circuit.failed(circuit_name(filing))


def _begun(filing: Filing) -> FilingAttempt:
    """The attempt stands in the table before anything leaves the house."""
    before = filing.tries.order_by("-number").first()
    return FilingAttempt.objects.create(
        filing=filing,
        number=before.number + 1 if before else 1,
        started_at=now(),
        key=filing.key,
    )


def _call(filing: Filing, *, may_be_there: bool) -> Outcome:
    """Look first for what may have arrived; send only what cannot be there a second time."""
    packed = package(filing)
    parcel.check_unchanged(filing, packed)
    if not filing.key:
        _fix_key(filing, packed)
    channel = load(filing.way, config_of(filing), egress=egress(), signer=sequencer.signer())
    # Tries are counted from the last time that a person looked and asked for another.
    person_decided = may_be_there and filing.attempts == 1
    return carry(
        channel, packed, filing.key, may_be_there=may_be_there, person_decided=person_decided
    )


def _judge(filing: Filing, attempt: FilingAttempt, answer: Outcome) -> None:
    match answer:
        case Receipt():
            _received(filing, attempt, answer)
        case Rejected():
            with transaction.atomic():
                _ended(attempt, "rejected", answer.reason, answer.exchange)
                _move(filing, "reject", answer.reason)
                advance(filing.report, REPORT, "rejected", by=CLERK, note=answer.reason)
        case Delivered():
            why = _("Handed to the carrier; the recipient's answer is to be entered as receipt.")
            with transaction.atomic():
                _ended(attempt, "delivered", answer.reference, answer.exchange)
                _move(filing, "await", why, next_try_at=None)
        case HandOver():
            why = _("This way needs a person: hand it over and enter the receipt.")
            with transaction.atomic():
                _ended(attempt, "by hand", _("to be handed over by a person"), answer.exchange)
                _move(filing, "give_up", why)


def _received(filing: Filing, attempt: FilingAttempt, answer: Receipt) -> None:
    """Attempt, receipt and report in one transaction: a death between leaves an open attempt."""
    try:
        with transaction.atomic():
            _ended(attempt, "receipt", answer.reference, answer.exchange)
            receipt.receive(filing, answer, by=CLERK)
    except TransitionRefused as refused:
        # The lease ran out, or the receipt came another way meanwhile. It is asked for again.
        _ended(attempt, "receipt", answer.reference, answer.exchange)
        log.info("filing %s: its receipt came to a row that had moved: %s", filing.uuid, refused)


def _not_known(filing: Filing, attempt: FilingAttempt, unknown: OutcomeUnknown) -> None:
    is_pending = isinstance(unknown, ReceiptPending)
    with transaction.atomic():
        _ended(attempt, "pending" if is_pending else "unknown", str(unknown), unknown.exchange)
        if unknown.needs_human:
            _move(filing, "give_up", str(unknown))
        else:
            verb = "await" if is_pending else "lose"
            _move(filing, verb, str(unknown), next_try_at=next_try(filing, unknown))


def _failed(filing: Filing, attempt: FilingAttempt, error: FilingError) -> None:
    """Nothing was filed: tried again later, or somebody must change something first."""
    with transaction.atomic():
        _ended(attempt, "failed", str(error), error.exchange)
        if error.permanent:
            _move(filing, "give_up", str(error))
        else:
            _move(filing, "retry", str(error), next_try_at=next_try(filing, error))


def next_try(filing: Filing, error: FilingError) -> datetime:
    """Full jitter, longer with each try, never beyond an eighth of what is left to the target."""
    return now() + backoff.delay(
        filing.attempts,
        remaining=_remaining(parcel.target_of(filing)),
        asked_seconds=error.retry_after_seconds,
        base=timedelta(seconds=settings.STRATA_RETRY_SECONDS),
    )


def _remaining(target: datetime | None) -> timedelta | None:
    return target - now() if target else None


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


def _ended(
    attempt: FilingAttempt, outcome: str, detail: str, exchange: Exchange | None = None
) -> None:
    FilingAttempt.objects.filter(pk=attempt.pk).update(
        ended_at=now(), outcome=outcome, detail=one_line(detail, 500), **_seen(exchange)
    )


def _seen(exchange: Exchange | None) -> dict[str, Any]:
    """What passed, for the attempt's row. Names with a colon are no headers of the answer's."""
    if exchange is None:
        return {}
    row = exchange.row()
    more = {f":{name}": row[name] for name in ("sent_sha256", "address", "body_size", "body")}
    return {
        "status": exchange.status or None,
        "headers": {**row["headers"], **{name: said for name, said in more.items() if said}},
        "body_sha256": exchange.body_sha256,
        "tls_sha256": exchange.tls_sha256,
    }


def reconcile_due() -> int:
    """Ask what became of every filing whose outcome or receipt is open; how many are asked about.

    What only waits for a person's entry has no next try and is left to the person.
    """
    due = Q(next_try_at__lte=now()) | Q(state="unknown", next_try_at=None)
    rows = Filing.objects.filter(due, state__in=("unknown", "awaiting")).order_by("pk")
    return sum(_reconcile(filing) for filing in rows.select_related("report")[:MOST_ASKED])


@transaction.atomic
def _reconcile(filing: Filing) -> bool:
    try:
        # Counted on: only a person's word begins the count of tries anew.
        tried = max(filing.attempts, 1)
        advance(
            filing, FILING, "reconcile", by=CLERK, changes={"next_try_at": None, "attempts": tried}
        )
    except TransitionRefused:
        return False
    enqueue(Filing.TASK, filing.pk, queue=Filing.QUEUE)
    return True


@transaction.atomic
def turned_away(filing: Filing, *, by: Actor, note: str) -> None:
    """A person learnt that the recipient rejects it: the report is drafted again.

    Raises:
        TransitionRefused: the filing does not wait for a person, or no reason was given.
    """
    if not note.strip():
        raise TransitionRefused(_("Say why the recipient rejected it."))
    advance(
        filing,
        FILING,
        "reject",
        by=by,
        note=note,
        fence=filing.fence,
        changes={"problem": one_line(note, 500), "next_try_at": None},
    )
    advance(filing.report, REPORT, "rejected", by=CLERK, note=note)


@transaction.atomic
def resend(filing: Filing, *, by: Actor) -> None:
    """A person decides to ask again, with the same key, after an unknown outcome or too many tries."""
    advance(filing, FILING, "resend", by=by, changes={"attempts": 0, "next_try_at": None})
    enqueue(Filing.TASK, filing.pk, queue=Filing.QUEUE)
