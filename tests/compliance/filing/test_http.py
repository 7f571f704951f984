import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from compliance import clock, loopback
from compliance.egress import Egress, Policy
from compliance.filing.base import (
    FilingChannel,
    FilingError,
    FilingPackage,
    OutcomeUnknown,
    Proof,
    Receipt,
    Rejected,
    idempotency_key,
)
from compliance.filing.http import HttpFiling
from compliance.filing.receipt import key_id
from compliance.filing.sandbox import Sandbox
from compliance.loopback import Reply, Request

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)
PACKAGE = FilingPackage(
    filing=UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
    recipient="market-surveillance-authority",
    pdf=b"%PDF-1.7 SIMULATION",
    twin=b'{"what_happened": "a tool was called"}',
    simulation=True,
)
KEY = idempotency_key(PACKAGE)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox.at(tmp_path / "sandbox")


@contextmanager
def channel(
    sandbox: Sandbox, answer: Callable[[Request], Reply] | None = None, **policy: float
) -> Iterator[HttpFiling]:
    """A channel to the sandbox, or to something else that holds the sandbox's key."""
    with loopback.serving(answer or sandbox.answer) as base:
        allowed = frozenset({base.removeprefix("http://")})
        yield HttpFiling(
            url=f"{base}/filings",
            public_key=sandbox.private.public_key(),
            egress=Egress(Policy(allowed, loopback=True, **policy)),
            simulation=True,
            token="our-token",
        )


def test_a_filing_ends_with_a_receipt_the_recipient_signed(sandbox):
    with clock.held(NOON), channel(sandbox) as filing:
        receipt = filing.submit(PACKAGE, KEY)
    assert isinstance(receipt, Receipt)
    assert (receipt.reference, receipt.received_at) == ("SIM-000001", NOON)
    assert receipt.proof is Proof.SIGNED
    assert receipt.key_id == key_id(sandbox.private.public_key())
    assert receipt.raw == next(sandbox.filings()).envelope
    assert receipt.answer.status == 201


def test_a_recipient_that_is_busy_is_tried_again_and_then_receives_once(sandbox):
    sandbox.failures_left = 1
    with channel(sandbox) as filing:
        with pytest.raises(FilingError, match="503; nothing was filed") as caught:
            filing.submit(PACKAGE, KEY)
        assert (caught.value.permanent, caught.value.retry_after_seconds) == (False, 2)
        assert not isinstance(caught.value, OutcomeUnknown)
        assert filing.find(PACKAGE, KEY) is None
        first, second = filing.submit(PACKAGE, KEY), filing.submit(PACKAGE, KEY)
    assert first.raw == second.raw
    assert len(list(sandbox.filings())) == 1


def test_a_filing_whose_answer_was_lost_is_found_by_its_key(sandbox):
    def forgetful(request: Request) -> Reply:
        reply = sandbox.answer(request)
        return Reply(504, b"") if request.method == "POST" else reply

    with channel(sandbox, forgetful) as filing:
        with pytest.raises(OutcomeUnknown, match="may have filed it") as caught:
            filing.submit(PACKAGE, KEY)
        assert caught.value.answer.status == 504
        assert filing.find(PACKAGE, KEY).reference == "SIM-000001"


def test_an_answer_that_breaks_off_after_sending_is_not_known(sandbox):
    too_long = Reply(201, b"x" * 2_000)
    with (
        channel(sandbox, lambda _: too_long, max_bytes=1_000) as filing,
        pytest.raises(OutcomeUnknown, match="ask by its key"),
    ):
        filing.submit(PACKAGE, KEY)


def test_a_recipient_that_is_away_received_nothing(sandbox):
    with channel(sandbox) as filing:
        pass
    for ask in (filing.submit, filing.find):
        with pytest.raises(FilingError) as caught:
            ask(PACKAGE, KEY)
        assert not caught.value.permanent
        assert not isinstance(caught.value, OutcomeUnknown)


def test_a_recipient_that_is_not_allowed_is_never_called(sandbox):
    with channel(sandbox) as filing:
        closed = replace(filing, egress=Egress(Policy(frozenset())))
        for ask in (closed.submit, closed.find):
            with pytest.raises(FilingError, match="expected https") as caught:
                ask(PACKAGE, KEY)
            assert caught.value.permanent
    assert list(sandbox.filings()) == []


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_refusal_gives_its_reason_cleaned(sandbox, status):
    refusal = Reply(status, b"the page \xe2\x80\xae is\x00 missing")
    with channel(sandbox, lambda _: refusal) as filing:
        rejected = filing.submit(PACKAGE, KEY)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "the page [U+202E] is missing"
    assert rejected.answer.status == status


def test_a_refusal_without_a_reason_says_that(sandbox):
    with channel(sandbox, lambda _: Reply(422, b"")) as filing:
        assert filing.submit(PACKAGE, KEY).reason == "HTTP 422 without a reason"


@pytest.mark.parametrize(
    ("status", "permanent"), [(302, True), (401, True), (403, True), (404, True), (429, False)]
)
def test_being_turned_away_files_nothing(sandbox, status, permanent):
    with (
        channel(sandbox, lambda _: Reply(status, b"")) as filing,
        pytest.raises(FilingError, match="nothing was filed") as caught,
    ):
        filing.submit(PACKAGE, KEY)
    assert caught.value.permanent is permanent
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_receipt_by_another_key_proves_nothing(sandbox, tmp_path):
    impostor = Sandbox.at(tmp_path / "impostor")
    with (
        channel(sandbox, impostor.answer) as filing,
        pytest.raises(OutcomeUnknown, match="proves nothing: no signature"),
    ):
        filing.submit(PACKAGE, KEY)


@pytest.mark.parametrize("body", [b"", b"thank you", b"{}"])
def test_thanks_without_a_receipt_prove_nothing(sandbox, body):
    with (
        channel(sandbox, lambda _: Reply(200, body)) as filing,
        pytest.raises(OutcomeUnknown, match="proves nothing"),
    ):
        filing.submit(PACKAGE, KEY)


@pytest.mark.parametrize(
    ("other", "key"),
    [
        (replace(PACKAGE, pdf=b"%PDF-1.7 another"), KEY),
        (replace(PACKAGE, twin=b"{}"), KEY),
        (replace(PACKAGE, filing=UUID(int=7)), KEY),
        (PACKAGE, "another-key"),
    ],
)
def test_a_receipt_for_something_else_proves_nothing(sandbox, other, key):
    with channel(sandbox) as filing:
        receipt = filing.submit(PACKAGE, KEY)
    with (
        channel(sandbox, lambda _: Reply(200, receipt.raw)) as filing,
        pytest.raises(OutcomeUnknown, match="it is for"),
    ):
        filing.submit(other, key)


@pytest.mark.parametrize("package_is_simulation", [True, False])
def test_exercises_and_earnest_never_meet(sandbox, package_is_simulation):
    package = replace(PACKAGE, simulation=package_is_simulation)
    with channel(sandbox) as filing:
        other = replace(filing, simulation=not package_is_simulation)
        with pytest.raises(FilingError, match="nothing was sent") as caught:
            other.submit(package, KEY)
    assert caught.value.permanent
    assert list(sandbox.filings()) == []


def test_our_token_goes_along_and_is_not_shown(sandbox):
    seen: list[str] = []

    def listen(request: Request) -> Reply:
        seen.append(request.headers.get("authorization", ""))
        return sandbox.answer(request)

    with channel(sandbox, listen) as filing:
        filing.submit(PACKAGE, KEY)
        replace(filing, token="").find(PACKAGE, KEY)
    assert seen == ["Bearer our-token", ""]
    assert "our-token" not in repr(filing)


def test_a_search_that_is_refused_is_an_error_and_no_absence(sandbox):
    with channel(sandbox, lambda _: Reply(500, b"")) as filing, pytest.raises(FilingError):
        filing.find(PACKAGE, KEY)


def test_it_is_a_filing_channel(sandbox):
    with channel(sandbox) as filing:
        kept: FilingChannel = filing
    assert kept.is_idempotent
    published = json.loads(sandbox.answer(Request("GET", "/key", {}, {}, b"")).body)["public_key"]
    assert published == b64encode(sandbox.private.public_key().public_bytes_raw()).decode()
