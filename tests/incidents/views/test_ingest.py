"""The door for telemetry: 200 only for what is committed, and an answer the exporter understands."""

from __future__ import annotations

import gzip
import json

import pytest
from django.test import Client

from compliance.permissions import Permission
from compliance.services import account
from incidents.ingest import inbox
from incidents.models import InboxRow
from tests.incidents import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment():
    return cast.watched()[0]


@pytest.fixture
def token(deployment) -> str:
    return account.make_token(
        "agent", [Permission.EVENT_INGEST], deployment=deployment, by=cast.MAKER
    )[1]


def post(body: bytes, token: str = "", content_type: str = cast.JSON, **headers: str):
    return Client().post(
        "/v1/traces",
        data=body,
        content_type=content_type,
        headers={"Authorization": f"Bearer {token}", **headers},
    )


def test_a_body_is_kept_before_it_is_answered(deployment, token):
    answer = post(cast.body(cast.tool_call(1, "search_docs"), key=deployment.key), token)
    assert answer.status_code == 200
    assert answer["Content-Type"] == cast.JSON
    assert json.loads(answer.content) == {}
    assert InboxRow.objects.get().deployment == deployment


def test_the_same_body_twice_is_200_and_one_row(deployment, token):
    body = cast.body(cast.tool_call(1, "search_docs"), key=deployment.key)
    assert [post(body, token).status_code for _ in range(2)] == [200, 200]
    assert InboxRow.objects.count() == 1


def test_a_gzipped_body_is_read(deployment, token):
    body = gzip.compress(cast.body(cast.tool_call(1, "search_docs"), key=deployment.key))
    assert post(body, token, **{"Content-Encoding": "gzip"}).status_code == 200


def test_a_bad_span_is_told_as_partial_success(deployment, token):
    bad = cast.tool_call(2, "search_docs")
    bad["spanId"] = "xyz"
    answer = post(cast.body(cast.tool_call(1, "search_docs"), bad, key=deployment.key), token)
    assert answer.status_code == 200
    assert json.loads(answer.content)["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"not json", cast.JSON, 400),
        (b"\xff\xff\xff", "application/x-protobuf", 400),
        (b"hello", "text/plain", 415),
        (b"{}" + b" " * (9 * 2**20), cast.JSON, 413),
    ],
)
def test_what_cannot_be_taken_in_is_refused_and_not_kept(
    deployment, token, body, content_type, status
):
    assert post(body, token, content_type).status_code == status
    assert not InboxRow.objects.exists()


def test_without_a_token_nothing_enters(deployment):
    answer = post(b"{}", "strata_wrong")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_token_without_the_scope_may_not_send(deployment):
    text = account.make_token("gate", [Permission.GATE_ASK], deployment=deployment, by=cast.MAKER)[
        1
    ]
    assert post(b"{}", text).status_code == 403


def test_a_revoked_token_may_not_send(deployment):
    made, text = account.make_token(
        "agent", [Permission.EVENT_INGEST], deployment=deployment, by=cast.MAKER
    )
    account.revoke_token(made, by=cast.MAKER)
    assert post(b"{}", text).status_code == 401


def test_the_token_decides_whose_telemetry_it_is(deployment, token):
    other = cast.watched()[0]
    post(cast.body(cast.tool_call(1, "search_docs"), key=other.key), token)
    assert InboxRow.objects.get().deployment == deployment


def test_a_full_inbox_asks_the_sender_to_come_again(deployment, token, monkeypatch):
    post(cast.body(cast.tool_call(1, "search_docs"), key=deployment.key), token)
    monkeypatch.setattr(inbox, "MOST_OF_ONE", 1)
    answer = post(cast.body(cast.tool_call(2, "search_docs"), key=deployment.key), token)
    assert answer.status_code == 429
    assert answer["Retry-After"]
    monkeypatch.setattr(inbox, "MOST_OF_ONE", 100)
    monkeypatch.setattr(inbox, "MOST_WAITING", 1)
    answer = post(cast.body(cast.tool_call(3, "search_docs"), key=deployment.key), token)
    assert answer.status_code == 503


def test_looking_at_the_door_is_not_sending():
    assert Client().get("/v1/traces").status_code == 405
