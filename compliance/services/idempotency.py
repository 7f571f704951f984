"""What a creating call answered, kept so that the same key answers the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from compliance.models import IdempotencyKey

Answer = tuple[int, dict[str, Any]]


class KeyReused(Exception):
    """The key was used before, for another request."""


def once(
    caller: UUID, key: str, request_sha256: str, work: Callable[[], dict[str, Any]], *, status: int
) -> Answer:
    """Do `work` at most once for a caller's key; answer a repeat from memory.

    The key is written in the transaction of the effect: either both are there or neither.

    Raises:
        KeyReused: the key belongs to a request with another body or path.
    """
    if found := _known(caller, key, request_sha256):
        return found
    try:
        with transaction.atomic():
            body = work()
            IdempotencyKey.objects.create(
                caller=caller, key=key, request_sha256=request_sha256, status=status, body=body
            )
    except IntegrityError:
        # Another call with this key won the race while we worked; our effect is rolled back.
        found = _known(caller, key, request_sha256)
        if found is None:
            raise
        return found
    return status, body


def _known(caller: UUID, key: str, request_sha256: str) -> Answer | None:
    row = IdempotencyKey.objects.filter(caller=caller, key=key).first()
    if row is None:
        return None
    if row.request_sha256 != request_sha256:
        raise KeyReused(_("This Idempotency-Key was used for another request; choose a new one."))
    return row.status, row.body
