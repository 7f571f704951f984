"""The second floor's API: opened once a key, read by whoever may."""

from __future__ import annotations

import pytest
from django.test import Client

from compliance.permissions import Permission
from compliance.services import account, registry
from incidents.models import Alert, Incident
from incidents.services import serving
from tests.incidents import cast

pytestmark = pytest.mark.django_db


def token(*scopes: Permission) -> dict[str, str]:
    text = account.make_token("pipeline", scopes, by=cast.MAKER)[1]
    return {"Authorization": f"Bearer {text}"}


def opening(deployment) -> dict[str, str]:
    return {"deployment": deployment.key, "title": "The eval suite failed", "severity": "sev2"}


def test_the_same_key_opens_one_incident(bo):
    deployment, version = cast.watched()
    headers = {**token(Permission.INCIDENT_OPEN, Permission.EVENT_READ), "Idempotency-Key": "k1"}
    first, second = (
        Client().post("/api/v1/incidents", opening(deployment), cast.JSON, headers=headers)
        for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert Incident.objects.get().version == version


def test_without_the_scope_nothing_is_opened():
    deployment, _ = cast.watched()
    headers = {**token(Permission.EVENT_READ), "Idempotency-Key": "k1"}
    answer = Client().post("/api/v1/incidents", opening(deployment), cast.JSON, headers=headers)
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"


def test_a_severity_that_does_not_exist_is_refused():
    deployment, _ = cast.watched()
    headers = {**token(Permission.INCIDENT_OPEN, Permission.EVENT_READ), "Idempotency-Key": "k1"}
    body = {**opening(deployment), "severity": "terrible"}
    answer = Client().post("/api/v1/incidents", body, cast.JSON, headers=headers)
    assert answer.status_code == 422
    assert not Incident.objects.exists()


def test_incidents_are_read_page_by_page():
    deployment, _ = cast.watched()
    for _ in range(3):
        cast.opened(deployment)
    headers = token(Permission.INCIDENT_READ)
    first = Client().get("/api/v1/incidents", {"limit": 2}, headers=headers).json()
    rest = Client().get("/api/v1/incidents", {"cursor": first["next"]}, headers=headers).json()
    references = [item["reference"] for item in (*first["items"], *rest["items"])]
    assert len(set(references)) == 3
    assert rest["next"] is None
    one = Client().get(f"/api/v1/incidents/{first['items'][0]['uuid']}", headers=headers)
    assert one.json() == first["items"][0]


def test_a_restricted_incident_is_not_there():
    opened = cast.opened(cast.watched()[0])
    opened.subject.restricted = True
    opened.subject.save()
    headers = token(Permission.INCIDENT_READ)
    assert Client().get(f"/api/v1/incidents/{opened.uuid}", headers=headers).status_code == 404
    assert Client().get("/api/v1/incidents", headers=headers).json()["items"] == []


def test_an_alert_does_not_name_an_incident_that_the_caller_may_not_see():
    deployment, _ = cast.watched()
    cast.judge(deployment, cast.body(cast.tool_call(1, "send_mail"), key=deployment.key))
    registry.observe_serving(deployment, "f" * 64, said_by="target", by=cast.MAKER)
    serving.check(deployment)
    alerts = Client().get("/api/v1/alerts", headers=token(Permission.EVENT_READ)).json()["items"]
    assert {alert["rule"] for alert in alerts} == set(
        Alert.objects.values_list("rule_key", flat=True)
    )
    assert all(alert["incident"] is None for alert in alerts)
    both = token(Permission.EVENT_READ, Permission.INCIDENT_READ)
    seen = Client().get("/api/v1/alerts", headers=both).json()["items"]
    assert any(alert["incident"] for alert in seen)
