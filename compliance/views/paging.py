"""Cursor pagination: stable while rows are added, opaque to callers."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

from django.db.models import QuerySet

MOST = 200


class BadCursor(ValueError):
    """The cursor is not one that we gave out."""


class Cut(NamedTuple):
    """One page, and the cursor of the next one (None at the end)."""

    rows: list[Any]
    next: str | None


def cut(rows: QuerySet[Any], cursor: str | None, limit: int) -> Cut:
    """Rows after the cursor, newest first, at most `limit` (1 to 200) of them."""
    size = max(1, min(limit, MOST))
    if cursor:
        rows = rows.filter(pk__lt=_decode(cursor))
    found = list(rows.order_by("-pk")[: size + 1])
    following = _encode(found[size - 1].pk) if len(found) > size else None
    return Cut(found[:size], following)


def _encode(pk: int) -> str:
    return base64.urlsafe_b64encode(f"before:{pk}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> int:
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        mark, _, number = base64.urlsafe_b64decode(padded).decode().partition(":")
        if mark != "before":
            raise BadCursor
        return int(number)
    except (ValueError, binascii.Error) as error:
        raise BadCursor(
            "Unknown cursor; pass back `next` as it was given, or leave it out."
        ) from error
