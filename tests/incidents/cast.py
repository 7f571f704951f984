"""What the second floor's tests share: telemetry as a deployment sends it, and a watched version."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from assessments.policies import load as policies
from assessments.services import release
from compliance.actors import Actor, system
from compliance.clock import now
from compliance.models import Deployment, ModelVersion
from compliance.services import evidence, registry
from incidents.ingest import inbox
from incidents.models import InboxRow, Incident
from incidents.services import event, incident
from tests import factories

MAKER = system("tests")
JSON = "application/json"


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def span(number: int, at: datetime | None = None, **attributes: Any) -> dict[str, Any]:
    """One span in OTLP/JSON; dots in attribute names are written as double underscores."""
    begun = at or now()
    nanos = int(begun.timestamp()) * 10**9 + number
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return {
        "traceId": f"{1:032x}",
        "spanId": f"{number:016x}",
        "name": str(named.get("gen_ai.operation.name", "span")),
        "startTimeUnixNano": str(nanos),
        "endTimeUnixNano": str(nanos + 10**6),
        "attributes": _attributes(named),
    }


def body(*spans: dict[str, Any], weights: str = "", key: str = "") -> bytes:
    """One OTLP/JSON request of a deployment."""
    resource = {"service.name": key, **({"strata.weights.sha256": weights} if weights else {})}
    return json.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _attributes(resource)},
                    "scopeSpans": [{"spans": list(spans)}],
                }
            ]
        }
    ).encode()


def tool_call(number: int, tool: str, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """A span in which a tool is called."""
    return span(number, at, gen_ai__operation__name="execute_tool", gen_ai__tool__name=tool, **more)


def send(deployment: Deployment, *bodies: bytes) -> list[InboxRow]:
    """Accept bodies as the door does, without judging them."""
    for each in bodies:
        inbox.accept(deployment, each, content_type=JSON)
    return list(InboxRow.objects.filter(deployment=deployment, state="queued").order_by("pk"))


def judge(deployment: Deployment, *bodies: bytes) -> None:
    """Accept bodies and judge them, as a worker does."""
    for row in send(deployment, *bodies):
        event.judge(row.pk)


def watched(environment: str = "production", **more: Any) -> tuple[Deployment, ModelVersion]:
    """A deployment that declares a version with a manifest of one tool."""
    ai_system = factories.make_system()
    version = factories.make_version(ai_system)
    factories.make_manifest(version, tools=["search_docs"], prompt_sha256s=["a" * 64])
    deployment = factories.make_deployment(ai_system, environment=environment, **more)
    registry.declare_serving(deployment, version, by=MAKER)
    return deployment, version


def authorise(deployment: Deployment, version: ModelVersion, by: Actor) -> None:
    """Let a version serve on evidence attested for every criterion of the gate."""
    for criterion in policies.policy_for(deployment.environment).criteria:
        evidence.attest(
            version,
            criterion.evidence,
            layer=1,
            status="met",
            summary="Attested for a test.",
            payload={"coverage": {"fvu": "0.05"}},
            source="manual",
            by=MAKER,
        )
    release.authorise(deployment, version, by=by)


def opened(deployment: Deployment, version: ModelVersion | None = None) -> Incident:
    """An incident that a person's report opened."""
    return incident.open(
        deployment,
        title="Something was sent out",
        severity="sev1",
        version=version or deployment.serves,
        by=MAKER,
    )


def why(harm: str) -> dict[str, str]:
    """The three reasons that the wizard asks for, as the form sends them."""
    return {
        "why_harm": harm,
        "why_awareness": "The person on call read the alert and looked.",
        "why_laws": "We provide the system; it is on the market here.",
    }


def minutes_ago(minutes: float) -> datetime:
    """An instant in the past."""
    return now() - timedelta(minutes=minutes)
