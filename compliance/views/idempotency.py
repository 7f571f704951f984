"""The same key, the same answer: every creating call of the API goes through here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from ninja import Status

from compliance.services import idempotency
from compliance.services.idempotency import InFlight, KeyReused
from compliance.views.http import actor

__all__ = ["InFlight", "KeyMissing", "KeyReused", "once"]

LONGEST_KEY = 200


class KeyMissing(Exception):
    """A creating call came without Idempotency-Key."""


def once(
    request: HttpRequest, work: Callable[[], dict[str, Any]], *, status: int = 201
) -> Status[dict[str, Any]]:
    """Do `work` at most once for the caller's Idempotency-Key; answer a repeat from memory.

    Raises:
        KeyMissing: no key, or a longer one than 200 characters.
        KeyReused: the key belongs to a request with another body or path.
        InFlight: the first call with this key has not ended yet.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key or len(key) > LONGEST_KEY:
        raise KeyMissing("Send an Idempotency-Key header of 1 to 200 characters; a UUID will do.")
    asked = f"{request.method} {request.path}\n".encode() + request.body
    sha256 = hashlib.sha256(asked).hexdigest()
    return Status(*idempotency.once(actor(request).id, key, sha256, work, status=status))
