"""The web application on a free port of this machine, for recipients that call back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from typing_extensions import override


class _Quiet(WSGIRequestHandler):
    """Says nothing, and gives its connection back."""

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    @override
    def handle(self) -> None:
        """One caller; the thread's connection to the database ends with it."""
        try:
            super().handle()
        finally:
            connections.close_all()


@contextmanager
def door() -> Iterator[str]:
    """Serve until the block ends; yields where receipts may be left."""
    with ThreadedWSGIServer(("127.0.0.1", 0), _Quiet) as server:
        server.daemon_threads = True
        server.set_app(get_wsgi_application())
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/callbacks/receipts"
        finally:
            server.shutdown()
            thread.join()
