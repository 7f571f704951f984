"""The second floor's calls: open and read incidents, read alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from compliance.actors import require
from compliance.permissions import Permission
from compliance.regimes.outcome import zulu
from compliance.views.http import actor, fetch
from compliance.views.idempotency import once
from compliance.views.paging import cut
from incidents import queries
from incidents.models import Alert, Incident
from incidents.services import incident as incidents

router = Router(tags=["incidents"])


class IncidentIn(Schema):
    """What an outside instrument or pipeline saw go wrong."""

    deployment: str = Field(description="The deployment's key, as telemetry names it.")
    title: str = Field(min_length=1, max_length=300)
    severity: str = Field(pattern="^sev[1-4]$")
    observed_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    detected_at: datetime | None = None
    occurred_at: datetime | None = None
    is_exercise: bool = False


class IncidentOut(Schema):
    """An incident."""

    uuid: UUID
    reference: str
    title: str
    severity: str
    state: str
    deployment: str
    version: UUID | None
    observed_sha256: str
    detected_at: datetime
    opened_at: datetime
    aware_at: datetime | None
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    is_exercise: bool
    is_simulation: bool


class AlertOut(Schema):
    """An alert."""

    uuid: UUID
    title: str
    rule: str
    rule_version: str
    level: str
    state: str
    count: int
    deployment: str
    version: UUID | None
    observed_sha256: str
    incident: UUID | None
    first_at: datetime
    last_at: datetime


class IncidentPage(Schema):
    """Incidents, newest first, and the cursor of the next page."""

    items: list[IncidentOut]
    next: str | None


class AlertPage(Schema):
    """Alerts, newest first, and the cursor of the next page."""

    items: list[AlertOut]
    next: str | None


def incident_out(found: Incident) -> dict[str, Any]:
    """An incident as the API says it, in JSON's own types."""
    return {
        "uuid": str(found.uuid),
        "reference": found.reference,
        "title": found.title,
        "severity": found.severity,
        "state": found.state,
        "deployment": found.deployment.key,
        "version": str(found.version.uuid) if found.version else None,
        "observed_sha256": found.observed_sha256,
        "detected_at": zulu(found.detected_at),
        "opened_at": zulu(found.opened_at),
        "aware_at": zulu(found.aware_at),
        "acknowledged_at": zulu(found.acknowledged_at),
        "resolved_at": zulu(found.resolved_at),
        "is_exercise": found.is_exercise,
        "is_simulation": found.is_simulation,
    }


def alert_out(found: Alert, *, incident: UUID | None) -> dict[str, Any]:
    """An alert as the API says it; an incident the caller may not see is left out."""
    return {
        "uuid": found.uuid,
        "title": found.title,
        "rule": found.rule_key,
        "rule_version": found.rule_version,
        "level": found.level,
        "state": found.state,
        "count": found.count,
        "deployment": found.deployment.key,
        "version": found.version.uuid if found.version else None,
        "observed_sha256": found.observed_sha256,
        "incident": incident,
        "first_at": found.first_at,
        "last_at": found.last_at,
    }


@router.post("/incidents", response={201: IncidentOut})
def open_incident(request: HttpRequest, body: IncidentIn) -> Status[dict[str, Any]]:
    """Open an incident. Needs an Idempotency-Key; the ladder is called at once."""
    by = actor(request)
    require(by, Permission.INCIDENT_OPEN)
    deployment = fetch(queries.deployments_for(by), key=body.deployment)

    def work() -> dict[str, Any]:
        opened = incidents.open(
            deployment,
            title=body.title,
            severity=body.severity,
            version=incidents.version_of(deployment, body.observed_sha256),
            observed_sha256=body.observed_sha256,
            detected_at=body.detected_at,
            occurred_at=body.occurred_at,
            is_exercise=body.is_exercise,
            by=by,
        )
        return incident_out(opened)

    return once(request, work)


@router.get("/incidents", response=IncidentPage)
def incident_list(
    request: HttpRequest, state: str | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Incidents that the caller may see, of one state when asked."""
    require(actor(request), Permission.INCIDENT_READ)
    rows = queries.incidents_for(actor(request))
    page = cut(rows.filter(state=state) if state else rows, cursor, limit)
    return {"items": [incident_out(row) for row in page.rows], "next": page.next}


@router.get("/incidents/{uuid}", response=IncidentOut)
def incident(request: HttpRequest, uuid: UUID) -> dict[str, Any]:
    """One incident."""
    return incident_out(fetch(queries.incidents_for(actor(request)), uuid=uuid))


@router.get("/alerts", response=AlertPage)
def alert_list(
    request: HttpRequest, state: str | None = None, cursor: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Alerts of deployments that the caller may see, of one state when asked."""
    by = actor(request)
    require(by, Permission.EVENT_READ)
    rows = queries.alerts_for(by)
    page = cut(rows.filter(state=state) if state else rows, cursor, limit)
    items = [alert_out(row, incident=_visible_incident(row, by)) for row in page.rows]
    return {"items": items, "next": page.next}


def _visible_incident(row: Alert, by: Any) -> UUID | None:
    if row.incident is None or not by.may(Permission.INCIDENT_READ, row.incident.subject):
        return None
    return row.incident.uuid
