"""A small HTTP server on this machine, for the processes that stand for the outside world.

The regulator sandbox and the local deployment target are programs of their own; both are a
function from a request to a reply, and this is what carries the two.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qsl, urlsplit

ADDRESS: Final = "127.0.0.1"
MAX_BODY: Final = 64 << 20


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """What goes out."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Answering = Callable[[Request], Reply]


def server(port: int, answer: Answering) -> ThreadingHTTPServer:
    """A server on loopback, bound but not yet serving; port 0 takes a free one."""

    class Handler(_Handler):
        """Bound to the one function that answers."""

        answering = staticmethod(answer)

    found = ThreadingHTTPServer((ADDRESS, port), Handler)
    found.daemon_threads = True
    return found


def run(name: str, port: int, answer: Answering) -> None:
    """Say where, and serve until told to stop."""
    with server(port, answer) as running:
        sys.stdout.write(f"{name} listening on http://{ADDRESS}:{running.server_port}\n")
        sys.stdout.flush()
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            sys.stdout.write(f"{name} stopped\n")


@contextmanager
def serving(answer: Answering) -> Iterator[str]:
    """Serve from a thread until the block ends; yields where, as `http://127.0.0.1:port`."""
    with server(0, answer) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{running.server_port}"
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
                )
            )
        )

    def _send(self, reply: Reply) -> None:
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
        self.wfile.write(reply.body)
