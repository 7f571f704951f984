import json
from decimal import Decimal
from uuid import uuid5

import pytest

from assessments.models import Scan
from assessments.scanner.contract import Progress, Stage
from assessments.services import shard
from compliance.actors import SYSTEM_NAMESPACE, system
from compliance.permissions import Permission
from compliance.services import account
from config.env import Price
from tests.assessments.results import (
    claim_shard,
    finished_scan,
    make_sae,
    make_suite,
    make_watchlist,
    request_scan,
    split,
)
from tests.factories import make_version

pytestmark = pytest.mark.django_db
MAKER = system("tests")


def bearer(*scopes):
    _, text = account.make_token("pipeline", scopes, by=MAKER)
    return {"Authorization": f"Bearer {text}"}


def post(client, address, body, headers, key):
    return client.post(
        address, json.dumps(body), content_type="application/json",
        headers={**headers, "Idempotency-Key": key},
    )  # fmt: skip


def test_asking_twice_with_one_key_asks_once(client):
    version, watchlist, suite = make_version(), make_watchlist(make_sae()), make_suite()
    headers = bearer(Permission.SCAN_REQUEST, Permission.SCAN_READ)
    body = {
        "version": str(version.uuid),
        "watchlist": str(watchlist.uuid),
        "suite": str(suite.uuid),
    }
    first = post(client, "/api/v1/scans", body, headers, "k1")
    again = post(client, "/api/v1/scans", body, headers, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["uuid"] == again.json()["uuid"]
    assert Scan.objects.count() == 1
    assert (
        client.get(f"/api/v1/scans/{first.json()['uuid']}", headers=headers).json()["state"]
        == "queued"
    )
    assert post(client, "/api/v1/scans", {**body, "seed": 2}, headers, "k1").status_code == 422


def test_several_lists_are_asked_at_once(client):
    version, suite = make_version(), make_suite()
    lists = [str(make_watchlist(make_sae()).uuid) for _ in range(2)]
    headers = bearer(Permission.SCAN_REQUEST, Permission.SCAN_READ)
    body = {"version": str(version.uuid), "watchlists": lists, "suite": str(suite.uuid)}
    answer = post(client, "/api/v1/scans/together", body, headers, "k1")
    assert answer.status_code == 201
    made = list(Scan.objects.order_by("pk"))
    assert [each["uuid"] for each in answer.json()["items"]] == [str(each.uuid) for each in made]
    assert made[0].together == made[1].together is not None
    nothing = {**body, "watchlists": []}
    assert post(client, "/api/v1/scans/together", nothing, headers, "k2").status_code == 422
    twice = {**body, "watchlists": lists[:1] * 2}
    assert (
        "each once" in post(client, "/api/v1/scans/together", twice, headers, "k3").json()["detail"]
    )


def test_a_scan_says_how_far_it_is(client, settings):
    asked = request_scan(make_version())
    headers = bearer(Permission.SCAN_READ)
    address = f"/api/v1/scans/{asked.uuid}"
    assert client.get(address, headers=headers).json()["progress"]["cost"] is None
    settings.STRATA_SCAN_COST_PER_HOUR = Price(Decimal("2.50"), "EUR")
    split(asked)
    claimed = claim_shard(asked, 1)
    shard.beat(claimed, Progress(Stage.READING, 4, 5, 310.0), seconds=8.0)
    said = client.get(address, headers=headers).json()
    assert (said["state"], said["stage"], said["n_done"], said["n_total"]) == (
        "reading", "reading", 4, 10,
    )  # fmt: skip
    assert said["shards"] == {"queued": 2, "running": 1}
    assert said["progress"] == {
        "tokens_per_second": 310.0,
        "device_seconds": 8.0,
        "device_seconds_expected": pytest.approx(45.0),
        "seconds_left": pytest.approx(37.0),
        "cost": {"so_far": "0.01", "expected": "0.04", "currency": "EUR"},
    }


def test_findings_come_in_pages(client):
    done = finished_scan(make_version())
    headers = bearer(Permission.SCAN_READ)
    page = client.get(f"/api/v1/scans/{done.uuid}/findings?limit=1", headers=headers).json()
    assert page["items"][0]["latent"] == 3
    assert page["next"] is None


def test_the_gate_answers_a_pipeline_by_digest(client):
    done = finished_scan(make_version())
    headers = bearer(Permission.GATE_ASK)
    answer = client.get(
        f"/api/v1/gate/{done.version.weights_sha256}?environment=canary", headers=headers
    )
    said = answer.json()
    assert (answer.status_code, said["outcome"], said["environment"]) == (200, "no_go", "canary")
    assert {reason["verdict"] for reason in said["reasons"]} == {"met", "missing"}
    again = client.get(f"/api/v1/gate/{done.version.uuid}?environment=canary", headers=headers)
    assert again.json()["uuid"] == said["uuid"]


def test_the_gate_needs_its_scope_and_a_known_version(client):
    version = make_version()
    assert (
        client.get(f"/api/v1/gate/{version.uuid}", headers=bearer(Permission.SCAN_READ)).status_code
        == 403
    )
    headers = bearer(Permission.GATE_ASK)
    unknown = uuid5(SYSTEM_NAMESPACE, "nothing")
    assert client.get(f"/api/v1/gate/{unknown}", headers=headers).status_code == 404
    assert client.get("/api/v1/gate/nonsense", headers=headers).status_code == 404
    assert (
        client.get(f"/api/v1/gate/{version.uuid}?environment=moon", headers=headers).status_code
        == 422
    )
    assert client.get(f"/api/v1/gate/{version.uuid}").status_code == 401
