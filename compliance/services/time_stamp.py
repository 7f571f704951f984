"""Time-stamps: an outside word for when a filing's package, and its receipt, existed.

1. `ask_over_package` and `ask_over_receipt` put a row beside the filing, in its transaction. They
   store no file and call nobody, so a filing never waits for them.
2. `carry_out` claims a row, asks outside any transaction, and keeps what came if it holds.
3. `verify` checks a kept token again, with the certificates and nothing else.

Without a configured authority there is no row: the page says that the time rests on the log.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from compliance import lease
from compliance.actors import Actor, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.clock import stamp as written
from compliance.filestore import FileStoreError
from compliance.filing import backoff
from compliance.hostile import one_line
from compliance.machines import TransitionRefused
from compliance.models import Blob, Filing, TimeStamp
from compliance.phrase import Phrase, kept
from compliance.queue import enqueue
from compliance.services import blob, circuit
from compliance.services.notice import egress
from compliance.states import TIME_STAMP
from compliance.timestamps import token
from compliance.timestamps.base import Stamp, TimeStampError, TokenRefused
from compliance.timestamps.load import load
from compliance.timestamps.token import Trust

log = logging.getLogger(__name__)
CLERK = system("clerk")
CIRCUIT = "time-stamps"
TOKEN_TYPE = "application/timestamp-reply"  # noqa: S105 - a media type


def is_configured() -> bool:
    """Whether anybody outside can be asked."""
    return bool(settings.STRATA_TSA_URL)


def ask_over_package(filing: Filing, manifest: bytes) -> TimeStamp | None:
    """Ask for a stamp of what is filed: the manifest, which names the digests of PDF and JSON."""
    imprint = hashlib.sha256(manifest).hexdigest()
    return _ask(filing, TimeStamp.What.PACKAGE, imprint, manifest=manifest.decode())


def ask_over_receipt(filing: Filing, receipt: Blob) -> TimeStamp | None:
    """Ask for a stamp of the receipt as it came."""
    return _ask(filing, TimeStamp.What.RECEIPT, receipt.sha256, stamped=receipt)


@transaction.atomic
def _ask(
    filing: Filing,
    what: TimeStamp.What,
    imprint: str,
    *,
    manifest: str = "",
    stamped: Blob | None = None,
) -> TimeStamp | None:
    """One row a thing, however often it is asked for; none where nobody can be asked."""
    if not is_configured():
        return None
    asked, is_new = TimeStamp.objects.get_or_create(
        filing=filing,
        what=what.value,
        imprint_sha256=imprint,
        defaults={"manifest": manifest, "stamped": stamped, "asked_at": now()},
    )
    if is_new:
        record(
            "time_stamp.ask",
            asked,
            by=CLERK,
            after="queued",
            filing=filing.ref,
            what=what.value,
            imprint_sha256=imprint,
        )
        enqueue(TimeStamp.TASK, asked.pk, queue=TimeStamp.QUEUE)
    return asked


def carry_out(pk: int) -> None:
    """Claim, ask, check what comes, and keep it or write down why there is nothing to keep."""
    waiting = TimeStamp.objects.filter(pk=pk, state="queued").first()
    if waiting is None or _is_held_back(waiting):
        return
    claimed: TimeStamp | None = lease.claim(TimeStamp, pk, waiting="queued", running="asking")
    if claimed is None:
        return
    try:
        content = _content(claimed)
        _keep(claimed, content, _asked(content))
    except TimeStampError as error:
        _not_stamped(claimed, error)
    except (FileStoreError, OSError) as error:
        why = Phrase("The files cannot be read or written: %(why)s", why=one_line(str(error)))
        _not_stamped(claimed, TimeStampError(why, permanent=False))
    except TransitionRefused as refused:
        # The lease ran out meanwhile, and another worker has it or had it.
        log.info("time-stamp %s: moved while it was asked for: %s", claimed.uuid, refused)


def _is_held_back(waiting: TimeStamp) -> bool:
    """Whether it is not its time, another is just being asked for, or the authority is left alone.

    One at a time: an authority that hangs holds up one worker, and filings have the others.
    """
    at = now()
    if waiting.next_try_at is not None and waiting.next_try_at > at:
        return True
    if TimeStamp.objects.filter(state="asking", lease_until__gt=at).exists():
        return True
    if circuit.may_call(CIRCUIT, target=None):
        return False
    free = max(circuit.free_at(CIRCUIT) or at, at) + backoff.delay(1, remaining=None)
    TimeStamp.objects.filter(pk=waiting.pk, state="queued", fence=waiting.fence).update(
        next_try_at=free
    )
    return True


def _content(stamp: TimeStamp) -> bytes:
    return blob.read(stamp.stamped) if stamp.stamped else stamp.manifest.encode()


def _asked(content: bytes) -> Stamp:
    """What the authority says, and a word to the breaker: an answer of any kind shows it is there."""
    authority = load(
        settings.STRATA_TSA_URL,
        settings.STRATA_TSA_CERTIFICATES,
        settings.STRATA_TSA_POLICY,
        egress=egress(),
    )
    try:
        found = authority.stamp(content)
    except TimeStampError as error:
        (circuit.failed if error.is_unreached else circuit.succeeded)(CIRCUIT)
        raise
    circuit.succeeded(CIRCUIT)
    return found


@transaction.atomic
def _keep(stamp: TimeStamp, content: bytes, found: Stamp) -> None:
    """The stamped bytes and the token lie side by side, so that anybody can check them together."""
    stamped = stamp.stamped or _stored(stamp, "manifest.json", "application/json", content)
    held = _stored(stamp, f"{stamp.what}.tsr", TOKEN_TYPE, found.token)
    advance(
        stamp,
        TIME_STAMP,
        "keep",
        by=CLERK,
        fence=stamp.fence,
        changes={
            **lease.free(),
            "stamped": stamped,
            "token": held,
            "stamped_at": found.at,
            "authority": found.authority,
            "serial": found.serial,
            "policy": one_line(found.policy, 100),
            "next_try_at": None,
            "problem": "",
        },
        words={"authority": found.authority},
        imprint_sha256=found.imprint_sha256,
        token_sha256=held.sha256,
        stamped_at=written(found.at),
        serial=found.serial,
        policy=found.policy,
    )


def _stored(stamp: TimeStamp, name: str, media_type: str, data: bytes) -> Blob:
    return blob.keep(
        stamp.subject,
        f"{stamp.filing.uuid}-{name}",
        media_type,
        data,
        retention=Blob.Retention.INCIDENT.value,
        by=CLERK,
    )


def _not_stamped(stamp: TimeStamp, error: TimeStampError) -> None:
    """Asked for again later, or somebody must change something first."""
    wait = None if error.permanent else _wait(stamp, error)
    try:
        advance(
            stamp,
            TIME_STAMP,
            "refuse" if error.permanent else "retry",
            by=CLERK,
            note=str(error),
            fence=stamp.fence,
            changes={
                **lease.free(),
                "problem": kept(error.why),
                "next_try_at": now() + wait if wait is not None else None,
            },
        )
    except TransitionRefused as refused:
        log.info("time-stamp %s: moved while it was asked for: %s", stamp.uuid, refused)


def _wait(stamp: TimeStamp, error: TimeStampError) -> timedelta:
    return backoff.delay(
        stamp.attempts,
        remaining=None,
        asked_seconds=error.retry_after_seconds,
        base=timedelta(seconds=settings.STRATA_RETRY_SECONDS),
    )


@transaction.atomic
def ask_again(stamp: TimeStamp, *, by: Actor) -> None:
    """A person changed what stood in the way.

    Raises:
        TransitionRefused: it is not refused.
        NotAllowed: not somebody who files.
    """
    changes = {"attempts": 0, "next_try_at": None, "problem": ""}
    advance(stamp, TIME_STAMP, "ask_again", by=by, changes=changes)
    enqueue(TimeStamp.TASK, stamp.pk, queue=TimeStamp.QUEUE)


def trusted() -> Trust:
    """Whose word on the time this installation takes.

    Raises:
        TimeStampError: no certificates are configured, or they cannot be read.
    """
    return token.trust(settings.STRATA_TSA_CERTIFICATES, settings.STRATA_TSA_POLICY)


def verify(stamp: TimeStamp, trust: Trust) -> Stamp:
    """Check a kept token again, and that the row says what it says. Nobody is asked.

    The policy is that of its own time: it was compared with the expected one when it came.

    Raises:
        TransitionRefused: there is no token yet.
        TimeStampError: it does not hold.
        FileStoreError: token or stamped bytes are gone or were changed.
    """
    if stamp.token is None or stamp.stamped is None:
        raise TransitionRefused(_("There is no token yet."))
    then = replace(trust, policy=stamp.policy)
    found = token.check(blob.read(stamp.token), blob.read(stamp.stamped), then)
    said = (found.imprint_sha256, found.at, found.serial)
    if said != (stamp.imprint_sha256, stamp.stamped_at, stamp.serial):
        raise TokenRefused(Phrase("The token says another time or number than the record does."))
    return found
