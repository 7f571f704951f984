"""The ground floor's calls: inventory, evidence, reports, deadlines, the record's head."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Field, Router, Schema, Status

from compliance import queries
from compliance.actors import require
from compliance.audit import sequencer
from compliance.clock import now
from compliance.models import ClockInstance, Evidence, ModelVersion, Report
from compliance.permissions import Permission
from compliance.regimes import engine, load
from compliance.regimes.facts import Facts, instant
from compliance.regimes.load import UnknownRegime
from compliance.regimes.schema import Regime
from compliance.services import evidence
from compliance.views.http import actor, fetch
from compliance.views.idempotency import once
from compliance.views.paging import cut

router = Router(tags=["compliance"])


class VersionOut(Schema):
    """A model version."""

    uuid: UUID
    model: str
    name: str
    weights_sha256: str
    state: str
    registered_at: datetime


class EvidenceOut(Schema):
    """One piece of evidence."""

    uuid: UUID
    version: UUID
    what: str
    layer: int
    status: str
    freshness: str
    summary: str
    sha256: str
    source: str
    collected_at: datetime
    valid_until: datetime | None


class EvidenceIn(Schema):
    """What an outside instrument attests about a version."""

    version: UUID
    what: str
    layer: int
    status: str
    summary: str
    payload: dict[str, Any] = Field(default_factory=dict)
    valid_until: datetime | None = None


class ReportOut(Schema):
    """A report to a regulator."""

    uuid: UUID
    title: str
    regime: str
    stage: str
    state: str
    is_simulation: bool


class PageOut(Schema):
    """The cursor of the next page, or null at the end."""

    next: str | None


class VersionPage(PageOut):
    """Versions, newest first."""

    items: list[VersionOut]


class EvidencePage(PageOut):
    """Evidence, newest first."""

    items: list[EvidenceOut]


class ReportPage(PageOut):
    """Reports, newest first."""

    items: list[ReportOut]


class DeadlinesIn(Schema):
    """What `manage.py deadlines` takes: a regime, the facts, and the instant to judge at."""

    regime: str
    facts: dict[str, Any]
    at: str | None = None


class StageOut(Schema):
    """One stage with its dates, as `manage.py deadlines --json` prints it."""

    id: str
    state: str
    strict: str | None
    nominal: str | None
    legal_latest: str | None
    target_due: str | None
    cite: str
    recipient: str | None
    trace: list[str]


class DeadlinesOut(Schema):
    """The deadlines of one regime for one set of facts."""

    regime: str
    stages: list[StageOut]


class RegimeOut(Schema):
    """One version of a regime."""

    regime: str
    title: str
    summary: str
    kind: str
    status: str
    evidence: str
    valid_from: str
    valid_to: str | None
    is_internal: bool
    stages: list[str]
    requires_counsel: list[str]
    sha256: str


class RegimeList(Schema):
    """Regimes by key and version."""

    items: list[RegimeOut]


class ClockOut(Schema):
    """One clock as it stands."""

    uuid: UUID
    about: str
    regime: str
    stage: str
    sequence: int
    authority: str
    state: str
    strict: datetime | None
    nominal: datetime | None
    legal_latest: datetime | None
    target_due: datetime | None
    earliest_if_confirmed: datetime | None
    zone: str
    cite: str
    recipient: str
    requires_counsel: bool
    owner: str | None
    computed_at: datetime


class ClockPage(PageOut):
    """Clocks, the newest computation first."""

    items: list[ClockOut]


class CheckpointOut(Schema):
    """The newest signed head of the log and the key that verifies it."""

    note: str
    size: int
    verification_key: str


def version_out(version: ModelVersion) -> dict[str, Any]:
    """A version as the API says it."""
    return {
        "uuid": version.uuid,
        "model": version.model.name,
        "name": version.name,
        "weights_sha256": version.weights_sha256,
        "state": version.state,
        "registered_at": version.registered_at,
    }


def evidence_out(found: Evidence) -> dict[str, Any]:
    """Evidence as the API says it."""
    return {
        "uuid": str(found.uuid),
        "version": str(found.version.uuid),
        "what": found.what,
        "layer": found.layer,
        "status": found.status,
        "freshness": queries.freshness(found),
        "summary": found.summary,
        "sha256": found.sha256,
        "source": found.source,
        "collected_at": found.collected_at.isoformat(),
        "valid_until": found.valid_until.isoformat() if found.valid_until else None,
    }


def report_out(report: Report) -> dict[str, Any]:
    """A report as the API says it."""
    return {
        "uuid": report.uuid,
        "title": report.title,
        "regime": f"{report.regime}@{report.regime_version}",
        "stage": report.stage,
        "state": report.state,
        "is_simulation": report.is_simulation,
    }


@router.get("/versions", response=VersionPage)
def versions(request: HttpRequest, cursor: str | None = None, limit: int = 50) -> dict[str, Any]:
    """Model versions that the caller may see."""
    require(actor(request), Permission.INVENTORY_READ)
    page = cut(queries.versions_for(actor(request)), cursor, limit)
    return {"items": [version_out(row) for row in page.rows], "next": page.next}


@router.get("/versions/{uuid}", response=VersionOut)
def version(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    """One model version."""
    return version_out(fetch(queries.versions_for(actor(request)), uuid=uuid))


@router.get("/evidence", response=EvidencePage)
def evidence_list(
    request: HttpRequest, version: UUID | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Evidence that the caller may see, of one version when asked."""
    require(actor(request), Permission.EVIDENCE_READ)
    rows = queries.evidence_for(actor(request))
    if version is not None:
        rows = rows.filter(version__uuid=version)
    page = cut(rows, cursor, limit)
    return {"items": [evidence_out(row) for row in page.rows], "next": page.next}


@router.post("/evidence", response={201: EvidenceOut})
def attest(request: HttpRequest, body: EvidenceIn) -> Status[dict[str, Any]]:
    """Attest evidence from an outside instrument. Needs an Idempotency-Key."""
    about = fetch(queries.versions_for(actor(request)), uuid=body.version)

    def work() -> dict[str, Any]:
        made = evidence.attest(
            about,
            body.what,
            layer=body.layer,
            status=body.status,
            summary=body.summary,
            payload=body.payload,
            source=f"token:{actor(request).id}",
            valid_until=body.valid_until,
            by=actor(request),
        )
        return evidence_out(made)

    return once(request, work)


@router.get("/reports", response=ReportPage)
def reports(request: HttpRequest, cursor: str | None = None, limit: int = 50) -> dict[str, Any]:
    """Reports that the caller may see."""
    require(actor(request), Permission.REPORT_READ)
    page = cut(queries.reports_for(actor(request)), cursor, limit)
    return {"items": [report_out(row) for row in page.rows], "next": page.next}


def regime_out(pack: Regime) -> dict[str, Any]:
    """A regime as the API says it."""
    return {
        "regime": pack.reference,
        "title": pack.title,
        "summary": pack.summary,
        "kind": str(pack.kind),
        "status": str(pack.status),
        "evidence": str(pack.evidence),
        "valid_from": pack.valid_from.isoformat(),
        "valid_to": pack.valid_to.isoformat() if pack.valid_to else None,
        "is_internal": pack.is_internal,
        "stages": [str(stage.id) for stage in pack.stages],
        "requires_counsel": list(pack.requires_counsel),
        "sha256": pack.digest,
    }


def clock_out(clock: ClockInstance) -> dict[str, Any]:
    """A clock as the API says it."""
    names = (
        "uuid", "stage", "sequence", "authority", "state", "strict", "nominal", "legal_latest",
        "target_due", "earliest_if_confirmed", "zone", "cite", "recipient", "requires_counsel",
        "computed_at",
    )  # fmt: skip
    return {
        **{name: getattr(clock, name) for name in names},
        "about": f"{clock.about_kind}:{clock.about_uuid}",
        "regime": f"{clock.regime}@{clock.regime_version}",
        "owner": str(clock.owner.uuid) if clock.owner else None,
    }


@router.post("/deadlines", response=DeadlinesOut)
def deadlines(request: HttpRequest, body: DeadlinesIn) -> dict[str, Any]:
    """When is it due? Facts in, dates out; nothing is written. An unknown fact is a 422 naming it."""
    require(actor(request), Permission.REPORT_READ)
    facts = Facts.from_json(body.facts)
    moment = now() if body.at is None else instant("at", body.at)
    try:
        by_name = "@" in body.regime
        regime = (
            load.get(body.regime) if by_name else engine.version_for(body.regime, facts, moment)
        )
    except UnknownRegime as error:
        raise ValueError(str(error)) from None
    return engine.evaluate(regime, facts, moment, assume_scope=True).as_json()


@router.get("/regimes", response=RegimeList)
def regimes(request: HttpRequest) -> dict[str, Any]:
    """Every version of every regime on file."""
    require(actor(request), Permission.REPORT_READ)
    return {"items": [regime_out(each) for each in load.regimes()]}


@router.get("/regimes/{name}", response=RegimeOut)
def regime(request: HttpRequest, name: str) -> dict[str, Any]:
    """One regime by "key" or "key@version"."""
    require(actor(request), Permission.REPORT_READ)
    try:
        return regime_out(load.get(name))
    except UnknownRegime as error:
        raise Http404 from error


@router.get("/clocks", response=ClockPage)
def clocks(
    request: HttpRequest, state: str | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Clocks that stand and that the caller may see, in one state when asked."""
    require(actor(request), Permission.REPORT_READ)
    rows = queries.clocks_for(actor(request)).select_related("owner")
    if state is not None:
        rows = rows.filter(state=state)
    page = cut(rows, cursor, limit)
    return {"items": [clock_out(row) for row in page.rows], "next": page.next}


@router.get("/log/checkpoint", response=CheckpointOut)
def checkpoint(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 - ninja's signature
    """The newest signed head; publish it somewhere else."""
    head = sequencer.newest()
    return {
        "note": head.note if head else "",
        "size": head.size if head else 0,
        "verification_key": sequencer.verification_key(),
    }
