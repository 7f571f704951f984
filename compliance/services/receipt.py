"""Receipts: proved by the recipient's signature, or brought back by one person and seen by another.

Nothing else counts. What does not prove itself is refused, written down, and changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.filing.base import Proof, Receipt
from compliance.filing.manual import ManualFiling
from compliance.filing.proof import MAX_RECEIPT, prove
from compliance.filing.receipt import ReceiptRefused, parse_public_key
from compliance.hostile import one_line
from compliance.machines import TransitionRefused
from compliance.models import Blob, Filing
from compliance.permissions import NotAllowed, Permission
from compliance.services import blob, parcel, time_stamp
from compliance.services import report as reports
from compliance.services.ways import config_of
from compliance.states import FILING, REPORT

CLERK = system("clerk")
RECIPIENT = system("recipient")


class UnknownToken(Exception):
    """Nobody was given this token with a filing."""


@transaction.atomic
def receive(filing: Filing, receipt: Receipt, *, by: Actor) -> None:
    """The receipt is kept as it came; the report is acknowledged and its clock stops."""
    proof = _kept(filing, receipt, by)
    at = min(receipt.received_at, now())  # their clock may run ahead of ours
    columns = {
        "receipt": proof,
        "reference": receipt.reference[:200],
        "sent_at": at,
        "entered_by": None,
        "checked_by": None,
        "checked_at": None,
    }
    _acknowledge(filing, columns, receipt.proof, proof, by)


def _acknowledge(
    filing: Filing, columns: dict[str, Any], rests_on: Proof, proof: Blob, by: Actor
) -> None:
    at: datetime = columns.get("sent_at") or filing.sent_at or now()
    advance(
        filing,
        FILING,
        "receive",
        by=by,
        fence=filing.fence,
        changes={
            **lease.free(),
            "acknowledged_at": now(),
            "next_try_at": None,
            "problem": "",
            **columns,
        },
        receipt_sha256=proof.sha256,
        proof=rests_on.value,
        words={"reference": columns.get("reference", filing.reference)},
    )
    report = filing.report
    report.refresh_from_db(fields=["state"])
    advance(report, REPORT, "sent", by=CLERK)
    advance(report, REPORT, "acknowledge", by=CLERK, receipt_sha256=proof.sha256)
    replaced = parcel.earlier(report)
    if replaced is not None and replaced.state == "acknowledged":
        advance(replaced, FILING, "supersede", by=CLERK, later=filing.ref)
    reports.met_by_receipt(report, at=at, by=CLERK)


def _kept(filing: Filing, receipt: Receipt, by: Actor) -> Blob:
    """The proof as a file; an outside authority is asked to see it as soon as it is there."""
    ending = ".json" if receipt.key_id else ".bin"
    proof = blob.keep(
        filing.subject,
        f"receipt-{receipt.reference or filing.uuid}{ending}",
        "application/json" if receipt.key_id else "application/octet-stream",
        receipt.raw,
        retention=Blob.Retention.INCIDENT.value,
        by=by,
    )
    time_stamp.ask_over_receipt(filing, proof)
    return proof


@transaction.atomic
def enter(
    filing: Filing, *, reference: str, received_at: datetime, proof: bytes, by: Actor
) -> None:
    """A person brings back the recipient's proof. It counts when another has looked at it.

    Raises:
        FilingError: no reference, no proof, or a time that is still to come.
        NotAllowed: not a person who files.
        TransitionRefused: the filing takes no receipt now.
    """
    require(by, Permission.REPORT_FILE, filing.subject)
    if by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; a person enters it.") % {"who": by.label})
    FILING.move(filing.state, "receive")
    brought = ManualFiling(portal="", steps=()).receive(
        reference=reference, received_at=received_at, proof=proof
    )
    kept = _kept(filing, brought, by)
    columns = {
        "receipt": kept,
        "reference": brought.reference[:200],
        "sent_at": brought.received_at,
        "entered_by_id": by.user_id,
        "checked_by_id": None,
        "checked_at": None,
    }
    _write(filing, columns)
    record(
        "filing.enter",
        filing,
        by=by,
        before=filing.state,
        after=filing.state,
        receipt_sha256=kept.sha256,
        words={"reference": filing.reference},
    )


def _write(filing: Filing, columns: dict[str, Any]) -> None:
    """Columns of a filing whose state stays, unless it moved meanwhile."""
    standing = Filing.objects.filter(pk=filing.pk, state=filing.state, fence=filing.fence)
    if standing.update(**columns) != 1:
        raise TransitionRefused(_("The filing moved meanwhile. Reload and look again."))
    for name, value in columns.items():
        setattr(filing, name, value)


def awaits_check(filing: Filing) -> bool:
    """Whether somebody entered a receipt that nobody else has looked at yet."""
    return (
        filing.entered_by_id is not None
        and filing.checked_by_id is None
        and (filing.state, "receive") in FILING.moves
    )


def why_not_second(filing: Filing, by: Actor) -> str:
    """Why this person may not be the second who looks at the receipt; empty where they may.

    The page and the verbs ask the same.
    """
    subject = filing.subject
    holds = by.may(Permission.REPORT_FILE, subject) or by.may(Permission.REPORT_APPROVE, subject)
    if not holds or by.user_id is None or by.user_id == filing.entered_by_id:
        return _(
            "%(who)s may not check this receipt: it needs a second person who files or approves."
        ) % {"who": by.label}
    if shared := by.shares_with(filing.entered_by_id):
        return _(
            "%(who)s has entered this receipt by another account: both share %(shared)s. A second person must look at it."
        ) % {"who": by.label, "shared": shared}
    return ""


@transaction.atomic
def check(filing: Filing, *, by: Actor) -> None:
    """The second person saw the proof: now it is a receipt.

    Raises:
        NotAllowed: who entered it, by whichever account, not a person, or without the permission.
        TransitionRefused: no receipt waits to be looked at.
    """
    _require_second(filing, by)
    proof = filing.receipt
    if proof is None:
        raise TransitionRefused(_("No receipt was entered that could be looked at."))
    record("filing.check", filing, by=by, before=filing.state, receipt_sha256=proof.sha256)
    columns = {"checked_by_id": by.user_id, "checked_at": now()}
    _acknowledge(filing, columns, Proof.BY_HAND, proof, CLERK)


@transaction.atomic
def turn_down(filing: Filing, *, by: Actor, note: str) -> None:
    """The second person does not take it for a receipt. The file stays; the filing waits on.

    Raises:
        NotAllowed: who entered it, by whichever account, not a person, or without the permission.
        TransitionRefused: nothing waits to be looked at, or no reason was given.
    """
    _require_second(filing, by)
    if not note.strip():
        raise TransitionRefused(_("Say why it is no receipt."))
    came = filing.receipt.sha256 if filing.receipt else ""
    _write(filing, {"receipt": None, "reference": "", "sent_at": None, "entered_by_id": None})
    record("filing.refuse", filing, by=by, note=note, receipt_sha256=came)


def _require_second(filing: Filing, by: Actor) -> None:
    if not awaits_check(filing):
        raise TransitionRefused(_("No receipt was entered that could be looked at."))
    if why_not := why_not_second(filing, by):
        raise NotAllowed(why_not)


def called_back(token: str, raw: bytes) -> tuple[Filing, bool]:
    """A receipt that the recipient brings by itself; whether it is new comes with the filing.

    The token tells which filing is meant; the recipient's signature is the proof.

    Raises:
        UnknownToken: no filing has it.
        ReceiptRefused: not signed by the recipient's key, or for something else.
        TransitionRefused: the filing takes no receipt any more.
    """
    digest = sha256(token.encode()).hexdigest()
    rows = Filing.objects.select_related("report__subject", "receipt")
    filing = rows.filter(callback_sha256=digest).first()
    if filing is None:
        raise UnknownToken
    if filing.state in parcel.ARRIVED and filing.receipt is not None:
        if filing.receipt.sha256 == sha256(raw).hexdigest():
            return filing, False
        _refused(filing, _("another receipt stands already"), raw)
        raise TransitionRefused(_("This filing has its receipt; another is not taken."))
    try:
        receive(filing, _proved(filing, raw), by=RECIPIENT)
    except (ReceiptRefused, TransitionRefused) as error:
        _refused(filing, str(error), raw)
        raise
    return filing, True


def _proved(filing: Filing, raw: bytes) -> Receipt:
    public = str(config_of(filing).get("public_key", ""))
    if not public or len(raw) > MAX_RECEIPT:
        raise ReceiptRefused(_("this way has no key that receipts are signed with"))
    return prove(raw, parse_public_key(public), parcel.package(filing), filing.key)


@transaction.atomic
def _refused(filing: Filing, why: str, raw: bytes) -> None:
    record(
        "filing.refuse",
        filing,
        by=RECIPIENT,
        note=one_line(why, 500),
        sha256=sha256(raw).hexdigest(),
        size=len(raw),
    )
