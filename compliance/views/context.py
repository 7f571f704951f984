"""What the frame of every page shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from compliance import queries


def house(request: HttpRequest) -> dict[str, Any]:
    """The actor, what waits for them, and where their times are read."""
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
    }
