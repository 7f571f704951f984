import json
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from compliance import loopback
from compliance.egress import Egress, Policy
from compliance.filing import wire
from compliance.filing.base import FilingError, FilingPackage, idempotency_key
from compliance.filing.load import load
from compliance.filing.receipt import open_receipt
from compliance.filing.sandbox import Sandbox
from compliance.loopback import Request

PACKAGE = FilingPackage(
    filing=UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
    recipient="market-surveillance-authority",
    pdf=b"%PDF-1.7 SIMULATION",
    twin=b'{"what_happened": "a tool was called"}',
    simulation=True,
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox.at(tmp_path / "sandbox")


def post(sandbox: Sandbox, package: FilingPackage = PACKAGE, key: str | None = None):
    body = wire.encode(package)
    headers = {
        "content-type": body.content_type,
        "idempotency-key": idempotency_key(package) if key is None else key,
    }
    return sandbox.answer(Request("POST", "/filings", {}, headers, body.content))


def get(sandbox: Sandbox, path: str, **query: str):
    return sandbox.answer(Request("GET", path, query, {}, b""))


def test_a_package_is_received_once_per_key(sandbox):
    first, second = post(sandbox), post(sandbox)
    assert (first.status, second.status) == (201, 200)
    assert first.body == second.body
    statement = open_receipt(first.body, sandbox.private.public_key())
    assert statement.simulation
    assert (statement.pdf_sha256, statement.json_sha256) == (
        PACKAGE.pdf_sha256,
        PACKAGE.twin_sha256,
    )


def test_a_key_used_for_another_package_is_a_conflict(sandbox):
    post(sandbox, key="k1")
    conflict = post(sandbox, replace(PACKAGE, filing=UUID(int=7)), key="k1")
    assert conflict.status == 409
    assert b"SIM-000001" in conflict.body


def test_a_filing_sent_under_another_key_is_a_conflict(sandbox):
    post(sandbox, key="k1")
    assert post(sandbox, key="k2").status == 409
    assert len(list(sandbox.filings())) == 1


@pytest.mark.parametrize(
    "package",
    [
        replace(PACKAGE, simulation=False),
        replace(PACKAGE, pdf=b"<html>"),
        replace(PACKAGE, twin=b"[]"),
        replace(PACKAGE, twin=b"not json"),
    ],
    ids=["in-earnest", "no-pdf", "no-object", "no-json"],
)
def test_what_is_no_simulation_or_no_package_is_refused(sandbox, package):
    assert post(sandbox, package).status == 422
    assert list(sandbox.filings()) == []


def test_a_package_in_earnest_is_told_why(sandbox):
    assert b"not marked as one" in post(sandbox, replace(PACKAGE, simulation=False)).body


@pytest.mark.parametrize("key", ["", "a b", "k" * 201, "a\n", "\u00e9"])
def test_a_key_that_is_none_is_refused(sandbox, key):
    assert post(sandbox, key=key).status == 400


def test_bytes_that_are_no_package_are_refused(sandbox):
    request = Request("POST", "/filings", {}, {"idempotency-key": "k"}, b"hello")
    assert sandbox.answer(request).status == 422


def test_the_first_attempts_fail_as_told_and_leave_nothing(tmp_path):
    sandbox = Sandbox.at(tmp_path, fail_first=2)
    busy = [post(sandbox), post(sandbox)]
    assert [(reply.status, reply.headers) for reply in busy] == [(503, {"Retry-After": "2"})] * 2
    assert list(sandbox.filings()) == []
    assert post(sandbox).status == 201


def test_what_was_received_can_be_had_back(sandbox):
    receipt = post(sandbox, key="k1").body
    assert get(sandbox, "/filings", key="k1").body == receipt
    assert get(sandbox, "/filings/SIM-000001").body == receipt
    assert get(sandbox, "/filings/SIM-000001/data.json").body == PACKAGE.twin
    paper = get(sandbox, "/filings/SIM-000001/document.pdf")
    assert (paper.body, paper.content_type) == (PACKAGE.pdf, "application/pdf")
    assert paper.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/filings/SIM-000002",
        "/filings/../key.raw",
        "/filings/SIM-000001/../../key.raw",
        "/filings/SIM-000001/receipt.json",
        "/key.raw",
    ],
)
def test_nothing_else_can_be_had(sandbox, path):
    post(sandbox)
    assert get(sandbox, path).status == 404
    assert get(sandbox, "/filings", key="other").status == 404


def test_other_methods_are_not_understood(sandbox):
    assert sandbox.answer(Request("POST", "/", {}, {}, b"")).status == 405


def test_the_page_for_people_shows_what_came_and_runs_none_of_it(sandbox):
    assert b"Nothing was received yet." in get(sandbox, "/").body
    post(sandbox, replace(PACKAGE, recipient="<script>alert(1)</script>{key}\u202e"))
    page = get(sandbox, "/").body.decode()
    assert "SIM-000001" in page
    assert "SIMULATION" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{key}[U+202E]" in page


def test_a_restart_keeps_key_filings_and_numbers(sandbox):
    receipt = post(sandbox).body
    again = Sandbox.at(sandbox.state)
    assert post(again).body == receipt
    assert b"SIM-000002" in get_reference(again)
    assert stat.S_IMODE((sandbox.state / "key.raw").stat().st_mode) == 0o600


def get_reference(sandbox: Sandbox) -> bytes:
    envelope = post(sandbox, replace(PACKAGE, filing=UUID(int=7))).body
    return open_receipt(envelope, sandbox.private.public_key()).reference.encode()


def test_a_folder_left_half_written_by_a_crash_is_no_filing(sandbox):
    (sandbox.state / "filings" / ".incoming-SIM-000001").mkdir()
    assert post(sandbox).status == 201
    assert [filed.reference for filed in sandbox.filings()] == ["SIM-000001"]


def test_the_server_adds_what_keeps_a_browser_safe(sandbox):
    with loopback.serving(sandbox.answer) as base:
        allowed = frozenset({base.removeprefix("http://")})
        answer = Egress(Policy(allowed, loopback=True)).get(base)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_program_serves_a_filing_from_its_first_refusal_to_its_receipt(tmp_path):
    command = [sys.executable, "-m", "compliance.filing.sandbox", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--state", str(tmp_path), "--fail-first", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        base = process.stdout.readline().split()[-1]
        egress = Egress(Policy(frozenset({base.removeprefix("http://")}), loopback=True))
        public_key = json.loads(egress.get(f"{base}/key").body)["public_key"]
        config = {"url": f"{base}/filings", "public_key": public_key, "simulation": True}
        channel = load("http", config, egress=egress)
        with pytest.raises(FilingError):
            channel.submit(PACKAGE, "k1")
        assert channel.submit(PACKAGE, "k1").reference == "SIM-000001"
        process.terminate()
