"""What every view uses: who asks, what they may fetch, and how a page is answered."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from compliance.actors import Actor

M = TypeVar("M", bound=Model)


def actor(request: HttpRequest) -> Actor:
    """Who asks, as the middleware found out."""
    return cast("Actor", request.actor)  # type: ignore[attr-defined]  # set by ActorMiddleware


def fetch(queryset: QuerySet[M], **by: Any) -> M:
    """One row of what the actor may see; anything else does not exist for them (404)."""
    return get_object_or_404(queryset, **by)


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page only."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.boosted


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    partial: str = "",
    *,
    status: int = 200,
) -> HttpResponse:
    """The whole page, or the named part of it when htmx asks."""
    name = f"{template}#{partial}" if partial and wants_part(request) else template
    return render(request, name, context, status=status)
