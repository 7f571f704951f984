"""The pieces of a scan: laid out, claimed, read, and kept until they are put together.

A shard is leased work inside a scan. Who moves a shard holds its scan's row first, so of several
workers that end at once exactly one sees that nothing is left.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from assessments.models import Scan, ScanShard
from assessments.scanner.contract import Progress, ScanFailed, ScanJob, Stage
from assessments.services import job
from assessments.states import SCAN, SHARD
from compliance import lease
from compliance.actors import system
from compliance.audit.advance import advance
from compliance.clock import now
from compliance.hostile import clean
from compliance.machines import TransitionRefused
from compliance.queue import enqueue

SCANNER = system("scanner")
LONGEST_PROBLEM = 2000
UNFINISHED = ("queued", "running")
HEAVY = ("plan", "part")


@dataclass(frozen=True)
class ClaimedShard:
    """One shard in the hands of one worker, and the fence to write back under."""

    pk: int
    fence: int
    attempts: int
    scan: int
    number: int
    plan: dict[str, Any]
    device_seconds: float
    """Spent by earlier tries."""
    job: ScanJob
    reader_sha256: str
    """How the scan is read; a worker that reads otherwise must not."""


def lay_out(scan: Scan, plans: Sequence[Mapping[str, Any]], *, keeps: bool) -> int:
    """Write the shards of a scan; how many finished ones of an earlier try are kept.

    Args:
        scan: it is being split, and no shard of it is in anybody's hands.
        plans: what each shard is, as plain JSON, in the order of their numbers.
        keeps: whether finished shards with the same plan may stay.
    """
    before = {row.number: row for row in scan.shards.defer("part")}
    kept = {
        number
        for number, row in before.items()
        if keeps and row.state == "done" and row.plan in plans[number : number + 1]
    }
    scan.shards.exclude(number__in=kept).delete()
    ScanShard.objects.bulk_create(
        ScanShard(
            scan=scan,
            number=number,
            what=plan["kind"],
            n_tokens=plan["n_tokens"],
            n_total=sum(len(lot["places"]) for lot in plan["lots"]),
            plan=plan,
            device_seconds=before[number].device_seconds if number in before else 0,
        )
        for number, plan in enumerate(plans)
        if number not in kept
    )
    return len(kept)


def ring(scan: Scan) -> None:
    """A bell for each shard that waits."""
    for pk in scan.shards.filter(state="queued").order_by("number").values_list("pk", flat=True):
        enqueue(ScanShard.TASK, pk, queue=ScanShard.QUEUE)


def claim(pk: int, *, device: str) -> ClaimedShard | None:
    """Take one waiting shard, or None when another has it or it wants another device."""
    if not ScanShard.objects.filter(pk=pk, scan__device=device).exists():
        return None
    row = lease.claim(
        ScanShard,
        pk,
        waiting="queued",
        running="running",
        seconds=settings.STRATA_SCAN_LEASE_SECONDS,
        changes={"worker": lease.me(), "stage": "", "n_done": 0, "tokens_per_second": None},
    )
    if row is None:
        return None
    return ClaimedShard(
        pk=row.pk,
        fence=row.fence,
        attempts=row.attempts,
        scan=row.scan_id,
        number=row.number,
        plan=row.plan,
        device_seconds=row.device_seconds,
        job=job.of(row.scan),
        reader_sha256=row.scan.reader_sha256,
    )


def beat(claimed: ClaimedShard, progress: Progress | None = None, *, seconds: float = 0.0) -> bool:
    """Prolong the lease and write progress; False when the shard was stopped or taken away.

    Args:
        claimed: whose lease.
        progress: how far it is; None says only that the worker lives.
        seconds: since it was claimed.
    """
    told: dict[str, Any] = {}
    if progress is not None:
        told = {
            "stage": progress.stage.value,
            "tokens_per_second": progress.tokens_per_second or None,
            "device_seconds": claimed.device_seconds + seconds,
        }
        if progress.stage is not Stage.LOADING:
            told |= {"n_done": progress.done, "n_total": progress.total}
    row = ScanShard(pk=claimed.pk, fence=claimed.fence)
    return lease.beat(row, seconds=settings.STRATA_SCAN_LEASE_SECONDS, **told)


@transaction.atomic
def finish(claimed: ClaimedShard, part: bytes, *, seconds: float) -> ScanShard:
    """Keep what came of it; whoever ends the last one asks for the parts to be put together.

    Args:
        claimed: whose part it is.
        part: as `pack` made it.
        seconds: since it was claimed.

    Raises:
        TransitionRefused: the scan is over, or the lease went to another worker.
    """
    scan, row = _held(claimed)
    part_sha256 = hashlib.sha256(part).hexdigest()
    advance(
        row,
        SHARD,
        "finish",
        by=SCANNER,
        fence=claimed.fence,
        changes={
            **lease.free(),
            "part": part,
            "n_done": row.n_total,
            "device_seconds": claimed.device_seconds + seconds,
            "problem": "",
        },
        scan=str(scan.uuid),
        number=row.number,
        part_sha256=part_sha256,
    )
    if not scan.shards.exclude(state="done").exists():
        collect(scan)
    return row


def collect(scan: Scan, **written: Any) -> None:
    """All shards are read: ask for them to be put together."""
    changes = {"attempts": 0, "next_try_at": None, **written}
    n_shards = scan.shards.count()
    advance(scan, SCAN, "collect", by=SCANNER, changes=changes, n_shards=n_shards)
    (leg,) = Scan.LATER_LEGS
    enqueue(leg.task, scan.pk, queue=Scan.QUEUE)


@transaction.atomic
def fail(claimed: ClaimedShard, error: ScanFailed, *, seconds: float = 0.0) -> ScanShard:
    """Write why it failed. What may pass is tried again later, a few times; else the scan fails.

    Raises:
        TransitionRefused: the scan is over, or the lease went to another worker.
    """
    scan, row = _held(claimed)
    problem = clean(str(error), LONGEST_PROBLEM)
    again = not error.permanent and claimed.attempts < ScanShard.MOST_ATTEMPTS
    advance(
        row,
        SHARD,
        "requeue" if again else "fail",
        by=SCANNER,
        fence=claimed.fence,
        note=problem,
        changes={
            **lease.free(),
            "next_try_at": lease.retry_at(claimed.attempts) if again else None,
            "device_seconds": claimed.device_seconds + seconds,
            "problem": problem,
        },
        scan=str(scan.uuid),
        number=row.number,
        permanent=error.permanent,
    )
    if not again:
        _fail_scan(scan, row)
    return row


@transaction.atomic
def fail_with_given_up() -> int:
    """Fail the scans of which the keeper gave up a shard, since it kills its workers; how many."""
    torn = Scan.objects.filter(state="reading", shards__state="failed").distinct()
    scans = [_locked(pk) for pk in torn.order_by("pk").values_list("pk", flat=True)]
    left = [scan for scan in scans if scan.state == "reading"]
    for scan in left:
        row = scan.shards.defer(*HEAVY).filter(state="failed").order_by("number")[0]
        _fail_scan(scan, row)
    return len(left)


def _fail_scan(scan: Scan, row: ScanShard) -> None:
    given_up = _("Shard %(number)s ended its worker %(n)s times and was given up.")
    problem = row.problem or given_up % {"number": row.number, "n": row.attempts}
    advance(
        scan,
        SCAN,
        "fail",
        by=SCANNER,
        note=problem,
        changes={"ended_at": now(), "problem": problem},
        shard=str(row.uuid),
    )
    stop(scan)


def stop(scan: Scan) -> None:
    """Take every unfinished shard back; who reads one hears of it at the next beat."""
    rows = ScanShard.objects.select_for_update(of=("self",)).filter(scan=scan)
    for row in rows.filter(state__in=UNFINISHED).defer(*HEAVY).order_by("pk"):
        row.scan = scan
        advance(row, SHARD, "stop", by=SCANNER, changes=lease.free(), scan=str(scan.uuid))


def parts(scan: int) -> list[dict[str, Any]]:
    """What came of every shard, in the order of their numbers."""
    rows = ScanShard.objects.filter(scan=scan).order_by("number")
    return [unpack(bytes(part)) for part in rows.values_list("part", flat=True)]


def drop_parts(scan: Scan) -> None:
    """Keep the shards' figures only."""
    scan.shards.update(part=b"")


def pack(part: Mapping[str, Any]) -> bytes:
    """A part as it is kept. JSON writes the shortest digits that read back to the same float."""
    return zlib.compress(json.dumps(part, separators=(",", ":")).encode())


def unpack(kept: bytes) -> dict[str, Any]:
    """What `pack` kept."""
    part: dict[str, Any] = json.loads(zlib.decompress(kept))
    return part


def _held(claimed: ClaimedShard) -> tuple[Scan, ScanShard]:
    """A claimed shard with its scan, whose row is ours until the transaction ends."""
    scan = _locked(claimed.scan)
    row = scan.shards.defer(*HEAVY).filter(pk=claimed.pk).first()
    if row is None or scan.state != "reading":
        raise TransitionRefused(
            _("Shard %(number)s: its scan is over or was begun anew.") % {"number": claimed.number}
        )
    row.scan = scan
    return scan, row


def _locked(pk: int) -> Scan:
    rows = Scan.objects.select_for_update(of=("self",)).select_related("version__subject")
    return rows.get(pk=pk)
