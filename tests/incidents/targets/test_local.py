import json
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from compliance.egress import Egress, Policy
from compliance.loopback import Reply, Request
from incidents.targets.load import load
from incidents.targets.local import LocalTarget, main

BAD, GOOD, OTHER = "b" * 64, "a" * 64, "c" * 64


@pytest.fixture
def target(tmp_path: Path) -> LocalTarget:
    return LocalTarget.at(tmp_path / "target", serving=BAD)


def ask(target: LocalTarget, path: str) -> Reply:
    return target.answer(Request("GET", path, {}, {"authorization": f"Bearer {target.token}"}, b""))


def switch(target: LocalTarget, body: object, key: str = "k1") -> Reply:
    headers = {"authorization": f"Bearer {target.token}", "idempotency-key": key}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return target.answer(Request("POST", "/switch", {}, headers, content))


def test_every_switch_stays_in_the_history(target):
    switch(target, {"to": GOOD}, "k1")
    switch(target, {"to": OTHER}, "k2")
    history = json.loads(ask(target, "/history").body)
    assert [(line["before"], line["to"], line["key"]) for line in history] == [
        ("", BAD, ""),
        (BAD, GOOD, "k1"),
        (GOOD, OTHER, "k2"),
    ]


def test_a_restart_goes_on_from_the_history_and_remembers_keys(target):
    switch(target, {"to": GOOD}, "k1")
    again = LocalTarget.at(target.state, serving=BAD)
    assert json.loads(ask(again, "/serving").body)["digest"] == GOOD
    assert json.loads(switch(again, {"to": GOOD}, "k1").body)["is_repeat"]
    assert again.token == target.token


def test_an_old_key_repeated_after_a_later_switch_changes_nothing(target):
    switch(target, {"to": GOOD}, "k1")
    switch(target, {"to": OTHER}, "k2")
    assert json.loads(switch(target, {"to": GOOD}, "k1").body)["is_repeat"]
    assert target.current.to == OTHER


def test_a_key_used_for_another_digest_is_a_conflict(target):
    switch(target, {"to": GOOD})
    assert switch(target, {"to": OTHER}).status == 409
    assert target.current.to == GOOD


def test_one_key_from_many_threads_switches_once(target):
    threads = [threading.Thread(target=switch, args=(target, {"to": GOOD})) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(target.history) == 2


def test_a_digest_it_does_not_have_is_refused(tmp_path):
    target = LocalTarget.at(tmp_path, serving=BAD, known=frozenset({BAD, GOOD}))
    assert switch(target, {"to": OTHER}, "k1").status == 422
    assert switch(target, {"to": GOOD}, "k2").status == 200


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[" * 100_000, {}, {"to": 7}, {"to": "latest"}, {"to": GOOD.upper()}]
)
def test_a_request_that_is_unclear_is_refused(target, body):
    assert switch(target, body).status == 400
    assert len(target.history) == 1


@pytest.mark.parametrize("key", ["", "a b", "k" * 201])
def test_a_switch_without_a_key_is_refused(target, key):
    assert switch(target, {"to": GOOD}, key).status == 400


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer guess", "Basic \u00e9"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/serving"), ("GET", "/history"), ("POST", "/switch")]
)
def test_without_the_token_nothing_is_said_or_done(target, method, path, authorization):
    request = Request(method, path, {}, {"authorization": authorization}, b"{}")
    assert target.answer(request).status == 401


def test_the_token_is_for_its_owner_alone(target):
    assert stat.S_IMODE((target.state / "token").stat().st_mode) == 0o600
    assert len(target.token) >= 40


def test_other_paths_are_not_there(target):
    assert ask(target, "/").status == 404


@pytest.mark.parametrize("serving", ["latest", "B" * 64, ""])
def test_the_program_refuses_to_begin_with_what_is_no_digest(tmp_path, capsys, serving):
    with pytest.raises(SystemExit):
        main(["--port", "0", "--state", str(tmp_path), "--serving", serving])
    assert "64 lower-case hexadecimal digits" in capsys.readouterr().err


def test_the_program_serves_and_switches(tmp_path):
    command = [sys.executable, "-m", "incidents.targets.local", "--port", "0", "--known", GOOD]
    process = subprocess.Popen(
        [*command, "--state", str(tmp_path), "--serving", BAD],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        base = process.stdout.readline().split()[-1]
        egress = Egress(Policy(frozenset({base.removeprefix("http://")}), loopback=True))
        config = {"url": f"{base}/", "token": (tmp_path / "token").read_text()}
        target = load("http", config, egress=egress)
        assert target.serving().digest == BAD
        assert target.switch(GOOD, "k1").before == BAD
        assert target.serving().digest == GOOD
        process.terminate()
