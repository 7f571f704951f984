"""Ask for scans, and wait for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from assessments import queries
from assessments.api.kinds import Seconds
from assessments.models import Scan
from assessments.services import progress, scan, waiting
from compliance.actors import require
from compliance.models import ModelVersion, Subject
from compliance.permissions import Permission
from compliance.views.http import actor, fetch
from compliance.views.idempotency import once
from compliance.views.paging import cut

router = Router()


class ScanIn(Schema):
    """What is to be measured with what; the watch-list names the autoencoder."""

    version: UUID
    watchlist: UUID
    suite: UUID
    seed: int = 0


class ScansIn(Schema):
    """One version and suite at several read points, each through its own watch-list."""

    version: UUID
    watchlists: list[UUID] = Field(min_length=1, max_length=100)
    suite: UUID
    seed: int = 0


class CostOut(Schema):
    """Money for device time, as decimal strings."""

    so_far: str
    expected: str | None
    currency: str


class ProgressOut(Schema):
    """How fast it goes. What is not known yet is null, and so is the cost where no price is set."""

    tokens_per_second: float
    seconds_left: float | None
    device_seconds: float
    device_seconds_expected: float | None
    cost: CostOut | None


class ScanOut(Schema):
    """One scan and how far it is; prompts are counted, and shards by their state."""

    uuid: UUID
    version: UUID
    state: str
    is_over: bool
    stage: str
    n_done: int
    n_total: int
    progress: ProgressOut
    shards: dict[str, int]
    sae_sha256: str
    watchlist_sha256: str
    suite_sha256: str
    seed: int
    requested_at: datetime
    ended_at: datetime | None
    result_sha256: str
    problem: str
    coverage: dict[str, Any] | None


class ScansOut(Schema):
    """The scans that were asked at once, in the order of the watch-lists."""

    items: list[ScanOut]


class ScanPage(Schema):
    """Scans, newest first."""

    items: list[ScanOut]
    next: str | None


def scan_out(found: Scan) -> dict[str, Any]:
    """A scan as the API says it, ready to be remembered as JSON."""
    far = progress.of(found, queries.shards_of(found))
    return {
        "uuid": str(found.uuid),
        "version": str(found.version.uuid),
        "state": found.state,
        "is_over": progress.is_over(found),
        "stage": far.stage,
        "n_done": far.n_done,
        "n_total": far.n_total,
        "progress": progress_out(far),
        "shards": dict(far.shards),
        "sae_sha256": found.sae.sha256,
        "watchlist_sha256": found.watchlist.sha256,
        "suite_sha256": found.suite.sha256,
        "seed": found.seed,
        "requested_at": found.requested_at.isoformat(),
        "ended_at": found.ended_at.isoformat() if found.ended_at else None,
        "result_sha256": found.result_sha256,
        "problem": found.problem,
        "coverage": found.coverage,
    }


def progress_out(found: progress.ScanProgress) -> dict[str, Any]:
    """How fast a scan goes, as the API says it."""
    plain = {name: getattr(found, name) for name in ProgressOut.model_fields if name != "cost"}
    cost = found.cost()
    if cost is None:
        return {**plain, "cost": None}
    expected = None if cost.expected is None else str(cost.expected)
    said = {"so_far": str(cost.so_far), "expected": expected, "currency": cost.currency}
    return {**plain, "cost": said}


@router.post("/scans", response={201: ScanOut})
def scan_request(request: HttpRequest, body: ScanIn) -> Status[dict[str, Any]]:
    """Ask for a scan. Needs an Idempotency-Key."""
    who = actor(request)
    version = fetch(scannable(request), uuid=body.version)
    watchlist = fetch(queries.watchlists_for(who), uuid=body.watchlist)
    suite = fetch(queries.suites_for(who), uuid=body.suite)

    def work() -> dict[str, Any]:
        return scan_out(
            scan.request(
                version, sae=watchlist.sae, watchlist=watchlist, suite=suite, seed=body.seed, by=who
            )
        )

    return once(request, work)


@router.post("/scans/together", response={201: ScansOut})
def scan_request_together(request: HttpRequest, body: ScansIn) -> Status[dict[str, Any]]:
    """Ask for one scan with each watch-list. Needs an Idempotency-Key.

    They are read side by side, and the worst of them speaks at the gate.
    """
    who = actor(request)
    version = fetch(scannable(request), uuid=body.version)
    watchlists = [fetch(queries.watchlists_for(who), uuid=uuid) for uuid in body.watchlists]
    suite = fetch(queries.suites_for(who), uuid=body.suite)

    def work() -> dict[str, Any]:
        made = scan.request_together(
            version, watchlists=watchlists, suite=suite, seed=body.seed, by=who
        )
        return {"items": [scan_out(each) for each in made]}

    return once(request, work)


@router.get("/scans", response=ScanPage)
def scan_list(
    request: HttpRequest, version: UUID | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Scans that the caller may see, of one version when asked."""
    who = actor(request)
    require(who, Permission.SCAN_READ)
    rows = queries.scans_for(who)
    if version is not None:
        rows = rows.filter(version__uuid=version)
    page = cut(rows, cursor, limit)
    return {"items": [scan_out(row) for row in page.rows], "next": page.next}


@router.get("/scans/{uuid}", response=ScanOut)
def scan_one(request: HttpRequest, uuid: UUID, wait: Seconds = 0) -> dict[str, Any]:
    """One scan; with `wait`, once it is over or so many seconds have passed, whichever is first.

    The answer may come earlier: few calls wait at a time. Ask again until `is_over`.
    """
    rows = queries.scans_for(actor(request))
    found = fetch(rows, uuid=uuid)
    if wait and not progress.is_over(found):
        waiting.until(lambda: progress.is_over(rows.get(pk=found.pk)), seconds=wait)
        found = rows.get(pk=found.pk)
    return scan_out(found)


def scannable(request: HttpRequest) -> Any:
    """Versions that the caller may have scanned."""
    visible = Subject.objects.visible_to(actor(request), Permission.SCAN_REQUEST)
    return ModelVersion.objects.filter(subject__in=visible)
