"""Who is called when: the week, its gaps, and the ladder that new incidents copy."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from compliance import queries as ground
from compliance.actors import require
from compliance.clock import now
from compliance.permissions import Permission
from compliance.views.http import actor, fetch, page
from incidents import queries
from incidents.forms import CHANNELS, ShiftForm, StepForm, local_now
from incidents.services import paging
from incidents.views import shown

WEEK = timedelta(days=7)


@require_http_methods(["GET", "POST"])
def rota(request: HttpRequest) -> HttpResponse:
    """A week of the rota in the reader's zone; gaps are named, not left to be noticed."""
    require(actor(request), Permission.INCIDENT_READ)
    form = ShiftForm(
        request.POST or None,
        people=ground.people_for(actor(request)).filter(is_active=True),
        initial={"starts_at": local_now()},
    )
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        paging.add_shift(
            asked["person"],
            starts_at=asked["starts_at"],
            ends_at=asked["ends_at"],
            rung=asked["rung"],
            by=actor(request),
        )
        return redirect("incidents:rota")
    return page(
        request, "incidents/rota.html", _page(request, form), status=422 if form.errors else 200
    )


def _page(request: HttpRequest, form: ShiftForm) -> dict[str, Any]:
    monday = _monday(request)
    return {
        "form": form,
        "days": queries.week(actor(request), monday),
        "week_gaps": paging.gaps(start=monday, end=monday + WEEK),
        "month_gaps": paging.gaps(start=now(), end=now() + paging.ROTA_REACH),
        "on_call": queries.on_call_now(),
        "ladder": [
            (each, ", ".join(str(CHANNELS.get(name, name)) for name in each.channels))
            for each in paging.ladder()
        ],
        "is_default_ladder": not queries.ladder_steps().exists(),
        "step_form": StepForm(),
        "may_manage": actor(request).may(Permission.ROTA_MANAGE),
        "previous": f"{monday - WEEK:%Y-%m-%d}",
        "following": f"{monday + WEEK:%Y-%m-%d}",
        "zone": actor(request).zone,
        "crumbs": [{"label": _("Respond"), "url": shown.url("incidents:respond")}],
        "nav_current": "incidents:respond",
    }


def _monday(request: HttpRequest) -> datetime:
    """The Monday, in the reader's zone, of the week asked for or of this one."""
    try:
        asked = parse_date(request.GET.get("week", ""))
    except ValueError:
        asked = None
    local = timezone.localtime(now())
    day = datetime.combine(asked or local.date(), datetime.min.time(), tzinfo=local.tzinfo)
    return day - timedelta(days=day.weekday())


@require_POST
def remove_shift(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Take somebody off a shift."""
    found = fetch(queries.shifts_for(actor(request)), uuid=uuid)
    paging.remove_shift(found, by=actor(request))
    return redirect("incidents:rota")


@require_POST
def set_step(request: HttpRequest) -> HttpResponse:
    """Set up one rung of the ladder."""
    form = StepForm(request.POST)
    if form.is_valid():
        asked = form.cleaned_data
        paging.set_step(
            asked["rung"],
            wait_seconds=asked["wait_minutes"] * 60,
            channels=asked["channels"],
            by=actor(request),
        )
    return redirect("incidents:rota")
