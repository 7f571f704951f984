import socket

import pytest

from compliance import loopback
from compliance.loopback import Reply, Request


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
