"""Receipts that recipients bring: taken once, for the right filing, by the right key alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.cache import cache
from django.test import Client

from compliance.audit import log
from compliance.clock import now
from compliance.filing.proof import MAX_RECEIPT
from compliance.filing.receipt import Statement, sign
from compliance.models import Filing
from compliance.services import submission
from compliance.views import callbacks
from tests.compliance.services.test_submission import approved, due_now, regulator

__all__ = ["approved"]
pytestmark = pytest.mark.django_db
DOOR = "/api/callbacks/receipts"


@pytest.fixture(autouse=True)
def _own_counters() -> None:
    cache.clear()


@pytest.fixture
def taken_in(approved, rae, as_actor, tmp_path, settings) -> Any:
    """A filing that the recipient has, its receipt held back; and the recipient."""
    from compliance.filing.sandbox.faults import Plan

    with regulator(tmp_path, settings) as there:
        there.sandbox.plan = Plan.of(["callback=3600"])
        filing = submission.file(approved, way="http", way_config=there.config, by=as_actor(rae))
        submission.send(filing.pk)
        filing.refresh_from_db()
        assert (filing.state, filing.tries.get().outcome) == ("awaiting", "pending")
        yield filing, there.sandbox


def post(raw: bytes, token: str) -> Any:
    return Client(enforce_csrf_checks=True).post(
        DOOR, raw, content_type="application/json", headers={"Idempotency-Key": token}
    )


def envelope(sandbox: Any) -> bytes:
    (filed,) = sandbox.filings()
    return filed.envelope


def refusals(filing: Filing) -> list[str]:
    return [
        line.note for line in log.entries(objects=[filing.uuid]) if line.action == "filing.refuse"
    ]


def test_a_signed_receipt_acknowledges_and_comes_twice_without_a_second_effect(taken_in) -> None:
    filing, sandbox = taken_in
    assert post(envelope(sandbox), filing.key).status_code == 201
    filing.refresh_from_db()
    assert (filing.state, filing.reference) == ("acknowledged", "SIM-000001")
    entries = len(log.entries(objects=[filing.uuid]))
    assert post(envelope(sandbox), filing.key).status_code == 200
    assert len(log.entries(objects=[filing.uuid])) == entries


def test_a_pending_receipt_is_also_asked_for(taken_in) -> None:
    filing, sandbox = taken_in
    next(iter(sandbox.filings())).release()
    due_now(filing)
    Filing.objects.filter(pk=filing.pk).update(next_try_at=now() - timedelta(seconds=1))
    assert submission.reconcile_due() == 1
    submission.send(filing.pk)
    filing.refresh_from_db()
    assert filing.state == "acknowledged"


def test_an_unknown_key_is_told_nothing(taken_in) -> None:
    _, sandbox = taken_in
    assert post(envelope(sandbox), "no-such-key").status_code == 404
    assert post(envelope(sandbox), "").status_code == 400
    assert post(envelope(sandbox), "kö nig").status_code == 400
    assert Client().get(DOOR).status_code == 405


def signed_by(private: Ed25519PrivateKey, meant: Filing, /, **changed: Any) -> bytes:
    said = {
        "reference": "X-1",
        "filing": str(meant.uuid),
        "key": meant.key,
        "pdf_sha256": meant.report.pdf.sha256,
        "json_sha256": meant.report.twin.sha256,
        "received_at": now(),
        "simulation": True,
    }
    return sign(Statement(**{**said, **changed}), private)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[" * 100_000, b"\xff\x00", b'{"payload":"e30="}', b'{"signatures":[]}']
)
def test_what_is_no_receipt_changes_nothing_and_is_written_down(taken_in, raw) -> None:
    filing, _ = taken_in
    assert post(raw, filing.key).status_code == 422
    filing.refresh_from_db()
    assert (filing.state, len(refusals(filing))) == ("awaiting", 1)


def test_another_key_and_another_filing_are_refused(taken_in) -> None:
    filing, sandbox = taken_in
    forged = signed_by(Ed25519PrivateKey.generate(), filing)
    assert post(forged, filing.key).status_code == 422
    for changed in (
        {"filing": "0193a000-0000-7000-8000-000000000000"},
        {"key": "other"},
        {"pdf_sha256": "0" * 64},
        {"simulation": False},
    ):
        wrong = signed_by(sandbox.private, filing, **changed)
        assert post(wrong, filing.key).status_code == 422
    filing.refresh_from_db()
    assert filing.state == "awaiting"
    assert len(refusals(filing)) == 5
    assert "no signature" in refusals(filing)[0]


def test_a_second_receipt_for_what_is_acknowledged_is_refused(taken_in) -> None:
    filing, sandbox = taken_in
    post(envelope(sandbox), filing.key)
    other = signed_by(sandbox.private, filing, reference="X-2")
    assert post(other, filing.key).status_code == 409
    filing.refresh_from_db()
    assert filing.reference == "SIM-000001"
    assert refusals(filing) == ["another receipt stands already"]


def test_what_is_too_large_or_too_often_is_turned_away(taken_in, monkeypatch) -> None:
    filing, sandbox = taken_in
    assert post(b"x" * (MAX_RECEIPT + 1), filing.key).status_code == 413
    monkeypatch.setattr(callbacks, "MOST_REFUSED", 3)
    assert [post(b"{}", filing.key).status_code for _ in range(3)] == [422, 422, 429]
    answer = post(envelope(sandbox), filing.key)
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    filing.refresh_from_db()
    assert filing.state == "awaiting"
