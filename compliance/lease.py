"""Work rows are claimed by lease and fenced by a number; the database is the referee.

A worker that holds a lease writes its results only while its fence is still the row's fence. A
second bell finds nothing to claim and goes home; a worker that died is found by the sweep when
its lease runs out.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q

from compliance.clock import now

LEASE = timedelta(seconds=60)


def me() -> str:
    """This process, as it is written on a lease."""
    return f"{socket.gethostname()}:{os.getpid()}"


def claim(
    model: type[models.Model],
    pk: int,
    *,
    waiting: str,
    running: str,
    seconds: float | None = None,
    changes: dict[str, Any] | None = None,
) -> Any | None:
    """Take one waiting row, or None when another has it or it is not due yet.

    The row that comes back carries the fence that every later write must name. A claim is not a
    decision: it is the lease's own move and is counted on the row, not written to the log.
    """
    at = now()
    until = at + (timedelta(seconds=seconds) if seconds else LEASE)
    due = Q(next_try_at__isnull=True) | Q(next_try_at__lte=at)
    won = model._default_manager.filter(due, pk=pk, state=waiting).update(  # noqa: SLF001 - Django's public name
        state=running,
        lease_until=until,
        lease_owner=me(),
        fence=F("fence") + 1,
        attempts=F("attempts") + 1,
        **(changes or {}),
    )
    return model._default_manager.get(pk=pk) if won else None  # noqa: SLF001


def beat(row: Any, *, seconds: float | None = None, **columns: Any) -> bool:
    """Prolong the lease and write progress; False when the row is no longer ours."""
    until = now() + (timedelta(seconds=seconds) if seconds else LEASE)
    rows: models.QuerySet[Any] = type(row).objects.filter(pk=row.pk, fence=row.fence)
    return bool(rows.filter(lease_until__isnull=False).update(lease_until=until, **columns))


def free() -> dict[str, Any]:
    """The columns that give a lease back; write them together with the result."""
    return {"lease_until": None, "lease_owner": ""}


def retry_at(attempts: int, *, cap: timedelta = timedelta(minutes=15)) -> datetime:
    """When to try again: 5 s, 10 s, 20 s … up to the cap. Jitter comes from the sweep's beat."""
    return now() + min(cap, timedelta(seconds=5 * 2 ** max(attempts - 1, 0)))
