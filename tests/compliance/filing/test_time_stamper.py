import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import rfc3161_client as rfc3161

from compliance.filing.sandbox import Sandbox
from compliance.filing.sandbox.time_stamper import TimeStamper
from compliance.loopback import Request
from compliance.timestamps import token

TYPE = {"content-type": "application/timestamp-query"}


def question(content=b"x"):
    made = rfc3161.TimestampRequestBuilder().data(content)
    return made.hash_algorithm(rfc3161.HashAlgorithm.SHA256).build()


@pytest.fixture
def sandbox(tmp_path):
    return Sandbox.at(tmp_path / "sandbox")


def test_the_sandbox_stamps_and_shows_its_root(sandbox, tmp_path):
    answer = sandbox.answer(Request("POST", "/time-stamps", {}, TYPE, question().as_bytes()))
    assert (answer.status, answer.content_type) == (200, "application/timestamp-reply")
    root = sandbox.answer(Request("GET", "/time-stamps/root.pem", {}, {}, b""))
    (tmp_path / "root.pem").write_bytes(root.body)
    found = token.check(answer.body, b"x", token.trust(tmp_path / "root.pem"))
    assert found.authority == "SIMULATION time-stamping authority, Regulator sandbox"


def test_key_and_root_are_made_once_and_kept_from_others(tmp_path):
    first = TimeStamper.at(tmp_path / "there")
    before = first.root.read_bytes()
    assert TimeStamper.at(tmp_path / "there").root.read_bytes() == before
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o700
    for key in ("root.key", "signer.key"):
        assert not stat.S_IMODE((tmp_path / "there" / key).stat().st_mode) & 0o077
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(first.root), "-noout", "-subject"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "SIMULATION" in shown.stdout


def test_what_is_no_query_is_rejected(tmp_path):
    stamper = TimeStamper.at(tmp_path)
    assert rfc3161.decode_timestamp_response(stamper.stamp(b"hello")).status == 2


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request("POST", "/time-stamps", {}, {}, b"x"), 415),
        (Request("POST", "/time-stamps", {}, TYPE, b"x" * 5000), 415),
        (Request("GET", "/time-stamps", {}, {}, b""), 405),
        (Request("GET", "/time-stamps/signer.key", {}, {}, b""), 405),
    ],
    ids=["no-type", "huge", "get", "key"],
)
def test_other_requests_are_turned_away(sandbox, request_, status):
    assert sandbox.answer(request_).status == status


def test_many_at_once_get_each_a_number(tmp_path):
    stamper = TimeStamper.at(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(stamper.stamp, [question().as_bytes() for _ in range(16)]))
    numbers = {rfc3161.decode_timestamp_response(each).tst_info.serial_number for each in answers}
    assert len(numbers) == 16


def test_a_sandbox_that_is_down_stamps_nothing(sandbox):
    sandbox.answer(Request("POST", "/plan", {}, {}, b'{"down": true}'))
    answer = sandbox.answer(Request("POST", "/time-stamps", {}, TYPE, question().as_bytes()))
    assert answer.status == 503
