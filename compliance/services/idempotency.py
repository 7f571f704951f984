"""What a creating call answered, kept so that the same key answers the same again.

Of calls with one key at the same time one works; the others are told to come back. On PostgreSQL a
lock on caller and key says so to every process, until the end of the transaction. On SQLite there
is one writer: the lock is this process's own, and whoever writes later finds the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from compliance.models import IdempotencyKey

Answer = tuple[int, dict[str, Any]]
RETRY_AFTER_SECONDS: Final = 1
_held: set[int] = set()
_guard = threading.Lock()


class KeyReused(Exception):
    """The key was used before, for another request."""


class InFlight(Exception):
    """A call with this key is being worked on at this moment."""

    retry_after_seconds = RETRY_AFTER_SECONDS


def once(
    caller: UUID, key: str, request_sha256: str, work: Callable[[], dict[str, Any]], *, status: int
) -> Answer:
    """Do `work` at most once for a caller's key; answer a repeat from memory.

    The key is written in the transaction of the effect: either both are there or neither.

    Raises:
        KeyReused: the key belongs to a request with another body or path.
        InFlight: the first call with this key has not ended yet.
    """
    if found := _known(caller, key, request_sha256):
        return found
    try:
        with _alone(caller, key), transaction.atomic():
            _lock(caller, key)
            if found := _known(caller, key, request_sha256):
                return found
            body = work()
            IdempotencyKey.objects.create(
                caller=caller, key=key, request_sha256=request_sha256, status=status, body=body
            )
    except IntegrityError:
        # Another process won the race while we worked; our effect is rolled back.
        found = _known(caller, key, request_sha256)
        if found is None:
            raise
        return found
    return status, body


def _name(caller: UUID, key: str) -> int:
    """Caller and key as a signed number of 64 bits, which is what a lock is called by."""
    digest = sha256(f"idempotency\n{caller}\n{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@contextmanager
def _alone(caller: UUID, key: str) -> Iterator[None]:
    """Within this process one call with this key at a time."""
    name = _name(caller, key)
    with _guard:
        if name in _held:
            raise InFlight(_busy())
        _held.add(name)
    try:
        yield
    finally:
        with _guard:
            _held.discard(name)


def _lock(caller: UUID, key: str) -> None:
    """Among all processes too, where the database can say so."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_name(caller, key)])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise InFlight(_busy())


def _busy() -> str:
    return _("A request with this Idempotency-Key is being worked on; ask again in a moment.")


def _known(caller: UUID, key: str, request_sha256: str) -> Answer | None:
    row = IdempotencyKey.objects.filter(caller=caller, key=key).first()
    if row is None:
        return None
    if row.request_sha256 != request_sha256:
        raise KeyReused(_("This Idempotency-Key was used for another request; choose a new one."))
    return row.status, row.body
