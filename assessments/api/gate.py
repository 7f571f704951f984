"""Ask the gate."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Router, Schema

from assessments.models import GateDecision
from assessments.services import gate
from compliance.actors import require
from compliance.models import ModelVersion, Subject
from compliance.permissions import Permission
from compliance.views.http import actor, fetch

router = Router()


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


@router.get("/gate/{version}", response=DecisionOut)
def gate_ask(request: HttpRequest, version: str, environment: str = "production") -> dict[str, Any]:
    """Ask the gate about a version, by uuid or by the SHA-256 of its weights.

    The scope `gate:ask` is enough: a pipeline need not read the inventory.
    """
    require(actor(request), Permission.GATE_ASK)
    return decision_out(
        gate.evaluate(asked_version(request, version), environment, by=actor(request))
    )


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
