import socket
import ssl
import time

import pytest

from compliance import loopback
from compliance.loopback import Reply, Request
from tests.compliance.filing.doubles import Authority


def speak(base: str, sent: bytes) -> bytes:
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_request_arrives_in_its_parts():
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return Reply(201, b"kept")

    with loopback.serving(answer) as base:
        came = speak(
            base,
            b"POST /a/b?c=d%20e HTTP/1.1\r\nHost: x\r\nX-Thing: 7\r\nConnection: close\r\n"
            b"Content-Length: 2\r\n\r\nhi",
        )
    (request,) = seen
    assert (request.method, request.path, request.query) == ("POST", "/a/b", {"c": "d e"})
    assert (request.headers["x-thing"], request.body) == ("7", b"hi")
    assert came.startswith(b"HTTP/1.1 201 ")
    assert came.endswith(b"\r\n\r\nkept")


@pytest.mark.parametrize(
    "length",
    [b"", b"Content-Length: -1\r\n", b"Content-Length: many\r\n", b"Content-Length: 67108865\r\n"],
)
def test_a_body_without_a_sound_length_is_refused_unread(length):
    def answer(request: Request) -> Reply:
        raise AssertionError(request)

    with loopback.serving(answer) as base:
        came = speak(base, b"POST / HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n")
    assert came.startswith(b"HTTP/1.1 413 ")


def test_it_listens_on_this_machine_alone():
    with loopback.server(0, lambda _: Reply(200, b"")) as bound:
        assert bound.server_address[0] == "127.0.0.1"


QUESTION = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("cut_at", "ends"), [(None, b"\r\n\r\n123456"), (2, b"\r\n\r\n12"), (0, b"\r\n\r\n")]
)
def test_an_answer_can_be_cut_anywhere(cut_at, ends):
    with loopback.serving(lambda _: Reply(200, b"123456", cut_at=cut_at)) as base:
        came = speak(base, QUESTION)
    assert b"Content-Length: 6\r\n" in came
    assert came.endswith(ends)


def test_or_before_its_first_byte():
    with loopback.serving(lambda _: Reply(200, b"123456", cut_at=-1)) as base:
        assert speak(base, QUESTION) == b""


def test_an_answer_can_be_late():
    with loopback.serving(lambda _: Reply(200, b"", wait_seconds=0.2)) as base:
        started = time.monotonic()
        speak(base, QUESTION)
    assert time.monotonic() - started >= 0.2


def test_a_caller_that_hung_up_makes_no_noise_and_a_mistake_does(capfd):
    def answer(request: Request) -> Reply:
        if request.path == "/mistake":
            raise LookupError("a mistake of ours")
        return Reply(200, b"x" * (8 << 20), wait_seconds=0.1)

    with loopback.serving(answer) as base:
        host, _, port = base.removeprefix("http://").partition(":")
        for _ in range(3):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(QUESTION)
        time.sleep(0.4)
        assert "Traceback" not in capfd.readouterr().err
        speak(base, b"GET /mistake HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "a mistake of ours" in capfd.readouterr().err


def test_over_tls_a_silent_caller_holds_up_nobody(tmp_path):
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with loopback.serving(lambda _: Reply(200, b"kept"), tls=authority.server()) as base:
        port = int(base.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            line = socket.create_connection(("127.0.0.1", port), timeout=5)
            with trusting.wrap_socket(line, server_hostname="127.0.0.1") as hidden:
                hidden.sendall(QUESTION)
                came = b"".join(iter(lambda: hidden.recv(65_536), b""))
    assert base.startswith("https://")
    assert came.endswith(b"kept")
