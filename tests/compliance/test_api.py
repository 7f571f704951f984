"""Deadlines, regimes and clocks for programs."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from compliance.actors import system
from compliance.audit import log
from compliance.permissions import Permission
from compliance.regimes import load
from compliance.services import account, subject
from tests.compliance.views.test_duties import clocks

pytestmark = pytest.mark.django_db
FACTS = {
    "aware_at": "2026-12-05T20:00:00+01:00",
    "personal_data_breach": True,
    "controller": True,
    "eu_personal_data": True,
    "risk_unlikely": False,
    "recipient_zone": "Europe/Berlin",
}
AT = "2026-12-06T18:00:00Z"


@pytest.fixture
def reader(db):
    _, text = account.make_token("reader", [Permission.REPORT_READ], by=system("tests"))
    return {"Authorization": f"Bearer {text}"}


def ask(client, headers, **body):
    return client.post(
        "/api/v1/deadlines", json.dumps(body), content_type="application/json", headers=headers
    )


def test_the_api_answers_as_the_command_line_does(client, reader, tmp_path):
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(FACTS))
    out = StringIO()
    call_command(
        "deadlines",
        "--regime",
        "eu-gdpr-33",
        "--facts",
        str(file),
        "--at",
        AT,
        "--json",
        stdout=out,
    )
    answer = ask(client, reader, regime="eu-gdpr-33", facts=FACTS, at=AT)
    assert answer.status_code == 200
    assert answer.json() == json.loads(out.getvalue())
    [stage] = answer.json()["stages"]
    assert stage["target_due"] == "2026-12-08T19:00:00Z"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"aware_at": "2026-12-05T20:00:00"}, "aware_at"),
        ({"moon_phase": True}, "moon_phase"),
        ({"limbs": ["teeth"]}, "teeth"),
        ({"recipient_zone": "Mars/Olympus"}, "Mars/Olympus"),
    ],
)
def test_a_wrong_fact_is_named(client, reader, change, named):
    answer = ask(client, reader, regime="eu-gdpr-33", facts={**FACTS, **change}, at=AT)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_regime_version_or_instant_is_named(client, reader):
    for regime in ("eu-nothing", "eu-gdpr-33@9.9.9"):
        answer = ask(client, reader, regime=regime, facts=FACTS, at=AT)
        assert answer.status_code == 422
        assert regime.split("@")[0] in answer.json()["detail"]
    answer = ask(client, reader, regime="eu-gdpr-33", facts=FACTS, at="yesterday")
    assert answer.status_code == 422
    assert "at" in answer.json()["detail"]


def test_another_scope_may_not_ask(client, django_capture_on_commit_callbacks):
    token, text = account.make_token("other", [Permission.EVIDENCE_READ], by=system("tests"))
    headers = {"Authorization": f"Bearer {text}"}
    for _again in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            answer = ask(client, headers, regime="eu-gdpr-33", facts=FACTS)
        assert answer.status_code == 403
    (line,) = log.entries(objects=[token.uuid], actions=["token.refuse"])
    assert line.facts["path"] == "/api/v1/deadlines", "once a minute, however often it asks"
    assert "report:read" in line.note
    for address in ("regimes", "regimes/eu-gdpr-33", "clocks"):
        assert client.get(f"/api/v1/{address}", headers=headers).status_code == 403


def test_regimes_are_listed_with_every_version(client, reader):
    items = client.get("/api/v1/regimes", headers=reader).json()["items"]
    assert [each["regime"] for each in items] == [each.reference for each in load.regimes()]
    one = client.get("/api/v1/regimes/eu-gdpr-33@1.0.0", headers=reader).json()
    assert one["status"] == "in_force"
    assert one["sha256"] == load.get("eu-gdpr-33@1.0.0").digest
    assert client.get("/api/v1/regimes/eu-nothing", headers=reader).status_code == 404


def test_clocks_are_listed_a_page_at_a_time_and_hidden_ones_are_not(client, reader):
    clocks(3)
    clocks(1, state="met", start=10)
    clocks(1, place=subject.make("incident", "Hidden", restricted=True), start=20)
    first = client.get("/api/v1/clocks?limit=2", headers=reader).json()
    rest = client.get(f"/api/v1/clocks?limit=2&cursor={first['next']}", headers=reader).json()
    assert len(first["items"]) + len(rest["items"]) == 4
    assert rest["next"] is None
    [met] = client.get("/api/v1/clocks?state=met", headers=reader).json()["items"]
    assert met["regime"] == "eu-gdpr-33@1.0.0"
    assert met["state"] == "met"
