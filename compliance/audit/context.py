"""The request that caused what is recorded: one id for everything one click did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")


@contextmanager
def caused_by(identifier: str) -> Iterator[None]:
    """Everything recorded inside carries this request id."""
    token = request_id.set(identifier)
    try:
        yield
    finally:
        request_id.reset(token)
