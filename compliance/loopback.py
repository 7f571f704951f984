"""A small HTTP server on this machine, for the processes that stand for the outside world.

The regulator sandbox and the local deployment target are programs of their own; both are a
function from a request to a reply, and this is what carries the two.
"""

import hashlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from typing_extensions import override

ADDRESS: Final = "127.0.0.1"
MAX_BODY: Final = 64 << 20
# Callers that may wait for a thread of their own; the library's five make a crowd wait a second.
BACKLOG: Final = 256


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    peer_sha256: str = ""
    """Digest of the certificate the caller showed, or empty without one."""


@dataclass(frozen=True)
class Reply:
    """What goes out, and how badly, where a failure is being practised."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    """How long nothing is said before it."""
    cut_at: int | None = None
    """Hang up after so many bytes of the body; below zero before the first byte of the head."""


Answering = Callable[[Request], Reply]


class Server(ThreadingHTTPServer):
    """One thread a caller; nobody has to queue, and nobody is waited for at the end."""

    daemon_threads = True
    request_queue_size = BACKLOG

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up is no news; everything else is."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)


def server(port: int, answer: Answering, *, tls: ssl.SSLContext | None = None) -> Server:
    """A server on loopback, bound but not yet serving; port 0 takes a free one."""

    class Handler(_Handler):
        """Bound to the one function that answers."""

        answering = staticmethod(answer)

    found = Server((ADDRESS, port), Handler)
    if tls is not None:
        # The caller's own thread shakes hands, so that a silent one holds up nobody.
        found.socket = tls.wrap_socket(
            found.socket, server_side=True, do_handshake_on_connect=False
        )
    return found


def run(name: str, port: int, answer: Answering, *, tls: ssl.SSLContext | None = None) -> None:
    """Say where, and serve until told to stop."""
    with server(port, answer, tls=tls) as running:
        scheme = "https" if tls else "http"
        sys.stdout.write(f"{name} listening on {scheme}://{ADDRESS}:{running.server_port}\n")
        sys.stdout.flush()
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            sys.stdout.write(f"{name} stopped\n")


@contextmanager
def serving(answer: Answering, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve from a thread until the block ends; yields where, as `http://127.0.0.1:port`."""
    with server(0, answer, tls=tls) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://{ADDRESS}:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "StrataLoopback"
    sys_version = ""
    timeout = 30
    answering: Answering

    def do_GET(self) -> None:
        """Answer a question."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Read what is brought, and answer."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
            self.close_connection = True
            self._send(Reply(413, b'{"detail":"expected a Content-Length of at most 64 MiB"}'))
            return
        self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        self._send(
            self.answering(
                Request(
                    method=self.command,
                    path=parts.path,
                    query=dict(parse_qsl(parts.query)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=body,
                    peer_sha256=_shown(self.connection),
                )
            )
        )

    def _send(self, reply: Reply) -> None:
        time.sleep(reply.wait_seconds)
        if reply.cut_at is not None:
            self.close_connection = True
            if reply.cut_at < 0:
                return
        self.send_response(reply.status)
        safe = {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(reply.body)),
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        for name, value in {**safe, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut_at])


def _shown(connection: socket.socket) -> str:
    """The digest of a caller's certificate."""
    if not isinstance(connection, ssl.SSLSocket):
        return ""
    shown = connection.getpeercert(binary_form=True)
    return hashlib.sha256(shown).hexdigest() if shown else ""
