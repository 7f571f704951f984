"""The first floor's calls: ask for scans, read what they found, ask the gate."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Router, Schema, Status

from assessments import queries
from assessments.models import Finding, GateDecision, Scan
from assessments.services import gate, progress, scan
from compliance.actors import require
from compliance.models import ModelVersion, Subject
from compliance.permissions import Permission
from compliance.views.http import actor, fetch
from compliance.views.idempotency import once
from compliance.views.paging import cut

router = Router(tags=["assessments"])


class ScanIn(Schema):
    """What is to be measured with what; the watch-list names the autoencoder."""

    version: UUID
    watchlist: UUID
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


class FindingOut(Schema):
    """One watched latent on one prompt. Tokens are a model's text: treat them as hostile."""

    uuid: UUID
    latent: int
    concern: str
    frame: str
    prompt_id: str
    position: int
    token: str
    activation: float
    threshold: float
    window: dict[str, Any]


class FindingPage(Schema):
    """Findings, newest first."""

    items: list[FindingOut]
    next: str | None


class ReasonOut(Schema):
    """One criterion as the gate saw it."""

    criterion: str
    title: str
    verdict: str
    sentence: str
    cite: str
    evidence: str
    sha256: str
    waiver: str


class DecisionOut(Schema):
    """What the gate concluded. It never says safe."""

    uuid: UUID
    version: UUID
    weights_sha256: str
    environment: str
    outcome: str
    reasons: list[ReasonOut]
    policy: str
    policy_sha256: str
    evidence_sha256: str
    evaluated_at: datetime
    valid_until: datetime | None


def scan_out(found: Scan) -> dict[str, Any]:
    """A scan as the API says it, ready to be remembered as JSON."""
    far = progress.of(found, queries.shards_of(found))
    return {
        "uuid": str(found.uuid),
        "version": str(found.version.uuid),
        "state": found.state,
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


def finding_out(found: Finding) -> dict[str, Any]:
    """A finding as the API says it."""
    return {name: getattr(found, name) for name in FindingOut.model_fields}


def decision_out(found: GateDecision) -> dict[str, Any]:
    """A decision as the API says it."""
    return {
        "uuid": found.uuid,
        "version": found.version.uuid,
        "weights_sha256": found.version.weights_sha256,
        "environment": found.environment,
        "outcome": found.outcome,
        "reasons": found.reasons,
        "policy": f"{found.policy}@{found.policy_version}",
        "policy_sha256": found.policy_sha256,
        "evidence_sha256": found.evidence_sha256,
        "evaluated_at": found.evaluated_at,
        "valid_until": found.valid_until,
    }


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


@router.get("/scans/{uuid}", response=ScanOut)
def scan_one(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    """One scan."""
    return scan_out(fetch(queries.scans_for(actor(request)), uuid=uuid))


@router.get("/scans/{uuid}/findings", response=FindingPage)
def scan_findings(
    request: HttpRequest, uuid: UUID, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """What one scan found."""
    who = actor(request)
    found = fetch(queries.scans_for(who), uuid=uuid)
    page = cut(queries.findings_for(who).filter(scan=found), cursor, limit)
    return {"items": [finding_out(row) for row in page.rows], "next": page.next}


@router.get("/gate/{version}", response=DecisionOut)
def gate_ask(request: HttpRequest, version: str, environment: str = "production") -> dict[str, Any]:
    """Ask the gate about a version, by uuid or by the SHA-256 of its weights.

    The scope `gate:ask` is enough: a pipeline need not read the inventory.
    """
    require(actor(request), Permission.GATE_ASK)
    return decision_out(
        gate.evaluate(asked_version(request, version), environment, by=actor(request))
    )


def scannable(request: HttpRequest) -> Any:
    """Versions that the caller may have scanned."""
    visible = Subject.objects.visible_to(actor(request), Permission.SCAN_REQUEST)
    return ModelVersion.objects.filter(subject__in=visible)


def asked_version(request: HttpRequest, name: str) -> ModelVersion:
    """The version of that uuid or digest, among those the caller may ask about."""
    visible = Subject.objects.visible_to(actor(request), Permission.GATE_ASK)
    rows = ModelVersion.objects.filter(subject__in=visible).select_related("subject", "model")
    try:
        return fetch(rows, uuid=UUID(name))
    except ValueError:
        pass
    if len(name) != 64 or not name.isascii():  # noqa: PLR2004 - a SHA-256 in hex
        raise Http404("expected a uuid or the SHA-256 of the weights, 64 hex digits")
    return fetch(rows, weights_sha256=name.lower())
