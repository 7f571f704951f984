"""What the frame of every page shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import ngettext

from compliance import queries
from compliance.services import timekeeping

MINUTE = 60


class Apart(NamedTuple):
    """Clocks that disagree, in words."""

    span: str
    is_ahead: bool
    since: datetime
    is_machine_wrong: bool
    is_database_right: bool


def house(request: HttpRequest) -> dict[str, Any]:
    """The actor, what waits for them, where their times are read, and whether clocks agree."""
    found = getattr(request, "actor", None)
    if found is None:
        return {"actor": None, "waiting_count": 0, "embedded": settings.EMBEDDED}
    return {
        "actor": found,
        "zone": found.zone,
        "theme": getattr(request.user, "theme", "auto"),
        "waiting_count": len(queries.approvals_waiting(found)),
        "waiting_url": reverse("compliance:approvals"),
        "embedded": settings.EMBEDDED,
        "apart": apart(),
    }


def apart() -> Apart | None:
    """The banner about clocks that disagree; nothing while they agree."""
    found = timekeeping.told()
    if found is None:
        return None
    span = timedelta(seconds=abs(found.seconds))
    return Apart(
        span=_span(span),
        is_ahead=found.seconds > 0,
        since=found.since,
        is_machine_wrong=found.is_machine_wrong,
        is_database_right=found.is_database_right,
    )


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < MINUTE:
        return ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": seconds}
    any_day = datetime(2025, 1, 1, tzinfo=UTC)  # only the distance counts
    return timesince(any_day, any_day + span)
