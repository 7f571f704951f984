"""What goes along with a filing over HTTP, what is kept of the answer, and receipts that are late."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from compliance import loopback
from compliance.egress import Egress, Policy
from compliance.filing import proof, signing
from compliance.filing.base import (
    FieldProblem,
    FilingError,
    OutcomeUnknown,
    ReceiptPending,
    Rejected,
)
from compliance.filing.exchange import MAX_BODY, MAX_HEADERS
from compliance.filing.http import HttpFiling
from compliance.filing.load import load
from compliance.filing.receipt import ReceiptRefused
from compliance.filing.sandbox import Sandbox
from compliance.filing.sandbox.faults import Plan
from compliance.loopback import Reply, Request
from tests.compliance.filing.doubles import KEY, PACKAGE, SIGNER, Authority


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox.at(tmp_path / "sandbox", client=SIGNER.private.public_key())


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def channel(
    sandbox: Sandbox, answer: Any = None, tls: Any = None, **config: Any
) -> Iterator[HttpFiling]:
    with loopback.serving(answer or sandbox.answer, tls=tls) as base:
        public = sandbox.private.public_key().public_bytes_raw()
        whole = {
            "url": f"{base}/filings",
            "public_key": b64encode(public).decode(),
            "simulation": True,
            **config,
        }
        policy = Policy(frozenset({base.partition("//")[2]}), loopback=True, total_seconds=5)
        yield load("http", whole, egress=Egress(policy), signer=SIGNER)


def test_body_and_manifest_are_signed_by_the_installation(sandbox):
    seen: list[Request] = []

    def listen(request: Request) -> Reply:
        seen.append(request)
        return sandbox.answer(request)

    with channel(sandbox, listen) as filing:
        receipt = filing.submit(PACKAGE, KEY)
    header = seen[0].headers[signing.HEADER.lower()]
    signing.check_header(header, seen[0].body, SIGNER.private.public_key())
    kept = sandbox.state / "filings" / receipt.reference / "signatures.json"
    public = SIGNER.private.public_key()
    signing.check(kept.read_bytes(), signing.MANIFEST_TYPE, PACKAGE.manifest(), public)


def test_a_recipient_that_asks_for_our_signature_takes_nothing_without_it(sandbox):
    with channel(sandbox) as filing:
        unsigned = replace(filing, signer=None)
        with pytest.raises(FilingError, match="401; nothing was filed") as caught:
            unsigned.submit(PACKAGE, KEY)
    assert caught.value.permanent
    assert list(sandbox.filings()) == []


def test_both_sides_show_certificates(sandbox, authority):
    issued, seen = authority.issue("strata"), []

    def listen(request: Request) -> Reply:
        seen.append(request.peer_sha256)
        return sandbox.answer(request)

    files = {
        "authorities": str(authority.certificate),
        "client_certificate": str(issued.certificate),
        "client_key": str(issued.key),
    }
    with channel(sandbox, listen, authority.server(asks_back=True), **files) as filing:
        receipt = filing.submit(PACKAGE, KEY)
        assert filing.find(PACKAGE, KEY).raw == receipt.raw
    ours = _der(issued.certificate)
    assert seen == [sha256(ours).hexdigest()] * 2
    theirs = _der(authority.folder / "server.pem")
    assert receipt.exchange.tls_sha256 == sha256(theirs).hexdigest()


def _der(path: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def test_without_our_certificate_nothing_is_taken(sandbox, authority):
    tls = authority.server(asks_back=True)
    with (
        channel(sandbox, tls=tls, authorities=str(authority.certificate)) as filing,
        pytest.raises(FilingError),
    ):
        filing.submit(PACKAGE, KEY)
    assert list(sandbox.filings()) == []


def test_a_server_nobody_vouches_for_gets_nothing(sandbox, authority, tmp_path):
    tls = Authority(tmp_path).server()
    with (
        channel(sandbox, tls=tls, authorities=str(authority.certificate)) as filing,
        pytest.raises(FilingError, match="nothing was filed") as caught,
    ):
        filing.submit(PACKAGE, KEY)
    assert not isinstance(caught.value, OutcomeUnknown)


def test_a_key_that_others_can_read_is_refused(sandbox, authority):
    issued = authority.issue("careless")
    issued.key.chmod(0o644)
    files = {"client_certificate": str(issued.certificate), "client_key": str(issued.key)}
    with pytest.raises(FilingError, match="chmod 600"), channel(sandbox, **files):
        pass


def test_the_whole_answer_is_kept_bounded_and_without_what_opens_doors(sandbox):
    def answer(_: Request) -> Reply:
        many = {f"X-{number}": "v" * 900 for number in range(60)}
        return Reply(
            500, b"\x00secret \xe2\x80\xae" + b"x" * 20_000, headers={"Set-Cookie": "a=b", **many}
        )

    with channel(sandbox, answer) as filing, pytest.raises(OutcomeUnknown) as caught:
        filing.submit(PACKAGE, KEY)
    kept = caught.value.exchange
    assert (kept.key, kept.status, kept.address) == (KEY, 500, "127.0.0.1")
    assert (kept.body_size, len(kept.body)) == (20_011, MAX_BODY)
    assert len(kept.headers) == MAX_HEADERS
    assert "set-cookie" not in kept.headers
    assert max(map(len, kept.headers.values())) <= 500
    row = json.loads(json.dumps(kept.row()))
    assert row["body"].startswith("secret [U+202E]")
    assert len(kept.sent_sha256) == len(kept.body_sha256) == 64


def test_what_is_kept_when_no_answer_came_says_whether_anything_left(sandbox):
    silent = Reply(200, b"", cut_at=-1)
    with channel(sandbox, lambda _: silent) as filing, pytest.raises(OutcomeUnknown) as caught:
        filing.submit(PACKAGE, KEY)
    assert (caught.value.exchange.status, len(caught.value.exchange.sent_sha256)) == (0, 64)
    with pytest.raises(FilingError) as caught:
        filing.submit(PACKAGE, KEY)
    assert caught.value.exchange.sent_sha256 == ""


def test_a_409_with_the_first_receipt_is_the_receipt(sandbox):
    sandbox.plan = Plan.of(["duplicate"])
    with channel(sandbox) as filing:
        receipt = filing.submit(PACKAGE, KEY)
    assert (receipt.reference, receipt.answer.status) == ("SIM-000001", 409)


def test_a_409_with_a_receipt_for_something_else_is_a_refusal(sandbox):
    with channel(sandbox) as filing:
        other = filing.submit(replace(PACKAGE, filing=UUID(int=7)), "k7").raw
    with channel(sandbox, lambda _: Reply(409, other)) as filing:
        assert isinstance(filing.submit(PACKAGE, KEY), Rejected)


def test_a_refusal_names_the_fields(sandbox):
    sandbox.plan = Plan.of(["rejected"])
    twin = b'{"fields": [{"id": "m92_1"}, {"id": "m92_2"}, {"id": "m92_3"}]}'
    with channel(sandbox) as filing:
        said = filing.submit(replace(PACKAGE, twin=twin), KEY)
    words = "expected another answer, as the sandbox was told to"
    assert said.fields == (FieldProblem("m92_1", words), FieldProblem("m92_2", words))
    assert said.reason == f"fields are missing or wrong\nm92_1: {words}\nm92_2: {words}"
    assert list(sandbox.filings()) == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"title": "No", "errors": [{"pointer": "/a", "message": "m\\u202e"}]}', 1),
        (b'{"detail": 7, "errors": {"a": "b"}}', 0),
        (b'{"errors": [7, {}, {"field": []}]}', 0),
        (b"[" * 5_000, 0),
        (json.dumps({"errors": [{"field": "f", "detail": "d"}] * 90}).encode(), 50),
    ],
)
def test_a_refusal_of_any_shape_is_read_safely(sandbox, body, fields):
    refusal = Reply(422, body, "application/problem+json; charset=utf-8")
    with channel(sandbox, lambda _: refusal) as filing:
        said = filing.submit(PACKAGE, KEY)
    assert len(said.fields) == fields
    assert 0 < len(said.reason) <= 1_000
    assert "\u202e" not in said.reason


def test_a_receipt_that_comes_later_is_waited_for_and_then_proved(sandbox):
    came: list[Request] = []

    def listen(request: Request) -> Reply:
        came.append(request)
        return Reply(204, b"")

    with loopback.serving(listen) as inbox:
        sandbox = Sandbox.at(sandbox.state, plan=Plan.of(["callback=0.3"]), callback=f"{inbox}/r")
        with channel(sandbox) as filing:
            for ask in (filing.submit, filing.find, filing.submit):
                with pytest.raises(ReceiptPending, match="comes later"):
                    ask(PACKAGE, KEY)
            _until(lambda: came and not next(sandbox.filings()).is_pending)
            found = filing.find(PACKAGE, KEY)
    assert (came[0].path, came[0].headers["idempotency-key"]) == ("/r", KEY)
    assert proof.about(came[0].body) == PACKAGE.filing
    assert proof.prove(came[0].body, sandbox.private.public_key(), PACKAGE, KEY).raw == found.raw
    assert len(list(sandbox.filings())) == 1


def _until(is_so: Any) -> None:
    import time

    end = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b'{"payload": "e30="}', b'{"payload": 7}', b"x" * (2 << 20)]
)
def test_a_receipt_that_names_no_filing_is_refused(raw):
    with pytest.raises(ReceiptRefused):
        proof.about(raw)


def test_the_program_asks_for_certificate_and_signature(tmp_path, authority):
    server, ours = authority.issue("program"), authority.issue("caller")
    public = b64encode(SIGNER.private.public_key().public_bytes_raw()).decode()
    command = [sys.executable, "-m", "compliance.filing.sandbox", "--port", "0"]
    flags = {
        "--state": tmp_path,
        "--client-key": public,
        "--tls-certificate": server.certificate,
        "--tls-key": server.key,
        "--client-authorities": authority.certificate,
    }
    process = subprocess.Popen(
        [*command, *(str(part) for pair in flags.items() for part in pair)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        base = process.stdout.readline().split()[-1]
        theirs = Sandbox.at(tmp_path).private.public_key().public_bytes_raw()
        config = {
            "url": f"{base}/filings",
            "public_key": b64encode(theirs).decode(),
            "simulation": True,
            "authorities": str(authority.certificate),
            "client_certificate": str(ours.certificate),
            "client_key": str(ours.key),
        }
        allowed = frozenset({base.removeprefix("https://")})
        egress = Egress(Policy(allowed, loopback=True, total_seconds=5))
        assert base.startswith("https://")
        with pytest.raises(FilingError, match="401"):
            load("http", config, egress=egress).submit(PACKAGE, KEY)
        filing = load("http", config, egress=egress, signer=SIGNER)
        assert filing.submit(PACKAGE, KEY).reference == "SIM-000001"
        process.terminate()
