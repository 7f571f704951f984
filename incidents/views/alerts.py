"""Alerts: the list, one alert with what matched, and the four things a person does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from compliance.actors import Actor
from compliance.permissions import Permission
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Column, Empty, Filter, Kind, Table
from incidents import queries
from incidents.forms import DISPOSITIONS, ResolveAlertForm
from incidents.services import alert as alerts
from incidents.states import ALERT
from incidents.views import shown
from incidents.views.shown import Fact

if TYPE_CHECKING:
    from incidents.models import Alert

ALERTS = Table(
    caption=_("Alerts"),
    name="alerts",
    columns=(
        Column(
            "title", _("Alert"), value=lambda row: shown.said(row.title), kind=Kind.REFERENCE,
            url=lambda row: shown.url("incidents:alert", row.uuid),
        ),
        Column("level", _("Level"), value=lambda row: shown.level_badge(row.level), kind=Kind.BADGE, sort="level"),
        Column("state", _("State"), value=shown.state_badge, kind=Kind.BADGE, sort="state"),
        Column("deployment", _("Deployment"), value="deployment.key", sort="deployment__key"),
        Column("version", _("Version"), value=lambda row: str(row.version) if row.version else ""),
        Column("count", _("Count"), kind=Kind.NUMBER, sort="count"),
        Column("last_at", _("Last"), kind=Kind.TIME, sort="last_at"),
        Column("rule_key", _("Rule"), shown=False),
        Column("first_at", _("First"), kind=Kind.TIME, sort="first_at", shown=False),
    ),
    filters=(
        Filter("state", _("State"), [(name, state.label) for name, state in ALERT.states.items()]),
        Filter("level", _("Level"), list(shown.LEVELS.items())),
    ),
    search=("title", "rule_key", "deployment__key"),
    order=("-last_at", "-pk"),
    empty=Empty(
        _("No rule has fired."),
        _("That says nothing about deployments that are blind: see Observe."),
    ),
)  # fmt: skip


@require_GET
def alert_list(request: HttpRequest) -> HttpResponse:
    """All alerts the actor may see."""
    table = ALERTS.page(queries.alerts_for(actor(request)), request)
    return page(
        request, "incidents/alert_list.html", {"table": table, "nav_current": "incidents:observe"}
    )


@require_GET
def alert(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Which field matched what, on which records, of which version."""
    found = fetch(queries.alerts_for(actor(request)), uuid=uuid)
    return page(
        request,
        "incidents/alert.html",
        {
            "alert": found,
            "state": shown.state_badge(found),
            "level": shown.level_badge(found.level),
            "disposition": DISPOSITIONS.get(found.disposition, found.disposition),
            "matched": shown.matched(found.matched.get("fields", {})),
            "expected": found.matched.get("expected", ""),
            "records": queries.records_of(found),
            "verbs": _verbs(found, actor(request)),
            "form": ResolveAlertForm(),
            "facts": _facts(found, actor(request)),
            "crumbs": [{"label": _("Alerts"), "url": shown.url("incidents:alerts")}],
            "nav_current": "incidents:observe",
        },
    )


def _verbs(found: Alert, by: Actor) -> dict[str, bool]:
    possible = set(found.MACHINE.verbs(found, by))
    opens = found.incident is None and found.state != "resolved"
    return {
        "acknowledge": "acknowledge" in possible,
        "resolve": "resolve" in possible,
        "open": opens and by.may(Permission.INCIDENT_OPEN, found.subject),
    }


def _facts(found: Alert, by: Actor) -> list[Fact]:
    facts = [
        Fact(
            _("Deployment"), found.deployment.key,
            url=shown.url("incidents:deployment", found.deployment.uuid),
        ),
        Fact(
            _("Version"), str(found.version) if found.version else _("nobody registered it"),
            url=shown.page_of("version", str(found.version.uuid)) if found.version else "",
        ),
        Fact(_("Observed digest"), found.observed_sha256, "digest"),
        Fact(_("Rule"), f"{found.rule_key} {found.rule_version}"),
        Fact(_("Rule digest"), found.rule_sha256, "digest"),
        Fact(_("First"), found.first_at, "time"),
        Fact(_("Last"), found.last_at, "time"),
    ]  # fmt: skip
    if found.incident is not None and by.may(Permission.INCIDENT_READ, found.incident.subject):
        address = shown.url("incidents:incident", found.incident.uuid)
        facts.append(Fact(_("Incident"), found.incident.reference, url=address))
    return facts


def _back(found: Any) -> HttpResponse:
    return redirect("incidents:alert", uuid=found.uuid)


@require_POST
def acknowledge(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Somebody looks at it."""
    found = fetch(queries.alerts_for(actor(request)), uuid=uuid)
    alerts.acknowledge(found, by=actor(request))
    return _back(found)


@require_POST
def open_incident(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """It is more than an alert."""
    found = fetch(queries.alerts_for(actor(request)), uuid=uuid)
    opened = alerts.open_from(found, by=actor(request))
    return redirect("incidents:incident", uuid=opened.uuid)


@require_POST
def resolve(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """It is over, and this is what it was."""
    found = fetch(queries.alerts_for(actor(request)), uuid=uuid)
    form = ResolveAlertForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Say what it was."))
        return _back(found)
    alerts.resolve(
        found,
        disposition=form.cleaned_data["disposition"],
        note=request.POST.get("reason", ""),
        by=actor(request),
    )
    return _back(found)
