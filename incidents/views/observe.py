"""What deployments do, how well they are watched, and what came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from assessments import queries as assessed
from compliance.actors import require
from compliance.clock import now
from compliance.permissions import Permission
from compliance.services import strip
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Badge, Column, Empty, Kind, Table
from incidents import queries
from incidents.rules.engine import A_LIST
from incidents.services import event, rule, serving
from incidents.views import shown
from incidents.views.shown import Fact

if TYPE_CHECKING:
    from compliance.models import Deployment
    from incidents.models import StitchState


class Watch(NamedTuple):
    """One deployment on the observe page."""

    deployment: Deployment
    url: str
    strip: Any
    telemetry: Badge
    authorised: Badge
    last_seen_at: Any
    n_open_alerts: int
    n_blind: int
    counters: queries.Counters


class _Known(NamedTuple):
    """What is known of all deployments on the page, by primary key."""

    strips: dict[int, strip.Strip]
    seen: dict[int, list[serving.Seen]]
    authorised: dict[int, frozenset[str]]
    n_unresolved: dict[int, int]
    counters: dict[int, queries.Counters]


def observe(request: HttpRequest) -> HttpResponse:
    """Every deployment: heard or blind, authorised or not, and whether all telemetry is accounted for."""
    require(actor(request), Permission.EVENT_READ)
    watched = list(queries.deployments_for(actor(request)).order_by("key"))
    alerts = queries.alerts_for(actor(request)).filter(state__in=["open", "acknowledged"])
    return page(
        request,
        "incidents/observe.html",
        {
            "watches": _watches(watched),
            "alerts": [_alert_line(each) for each in alerts.order_by("-last_at")[:10]],
            "oldest_waiting": queries.oldest_waiting(),
            "n_rules": sum(1 for each in rule.in_force().rules if each.alone),
        },
    )


def _alert_line(alert: Any) -> dict[str, Any]:
    return {
        "alert": alert,
        "url": shown.url("incidents:alert", alert.uuid),
        "level": shown.level_badge(alert.level),
        "state": shown.state_badge(alert),
    }


def _watches(watched: list[Deployment]) -> list[Watch]:
    """One line a deployment; each kind of fact is asked for once, whatever their number."""
    serves = {each.serves_id: each.serves for each in watched if each.serves}
    known = _Known(
        strip.of_many(serves.values()),
        serving.seen_by_deployment(watched),
        assessed.authorised_by_deployment(watched),
        queries.unresolved_by_deployment(watched),
        queries.counters_by_deployment(watched),
    )
    return [_watch(each, known) for each in watched]


def _watch(deployment: Deployment, known: _Known) -> Watch:
    state = queries.state_of(deployment)
    return Watch(
        deployment=deployment,
        url=shown.url("incidents:deployment", deployment.uuid),
        strip=known.strips.get(deployment.serves_id or 0),
        telemetry=telemetry_badge(state),
        authorised=authorised_badge(known.seen[deployment.pk], known.authorised[deployment.pk]),
        last_seen_at=state.last_seen_at if state else None,
        n_open_alerts=known.n_unresolved.get(deployment.pk, 0),
        n_blind=len(_blind(state)),
        counters=known.counters[deployment.pk],
    )


def telemetry_badge(state: StitchState | None) -> Badge:
    """Heard lately, or blind: no data is not good news."""
    if event.is_blind(state, now()):
        return Badge(_("blind: nothing heard"), "blind")
    return Badge(_("heard"), "ok")


def authorised_badge(seen: list[serving.Seen], allowed: frozenset[str]) -> Badge:
    """Whether everything that serves is covered by a decision."""
    if not seen:
        return Badge(_("nothing declared"), "blind")
    if all(each.sha256 in allowed for each in seen):
        return Badge(_("authorised"), "ok")
    return Badge(_("served without authorisation"), "bad")


def _blind(state: StitchState | None) -> list[dict[str, Any]]:
    """Rules that could not judge every record of the newest batch."""
    return [each | {"lacks": _lacks(each["missing"])} for each in state.blind] if state else []


def _lacks(missing: list[str]) -> str:
    """The fields that were missing; a list of the registry is no field's name."""
    return ", ".join(shown.said(each) if each == A_LIST else each for each in missing)


EVENTS = Table(
    caption=_("Events"),
    name="events",
    columns=(
        Column("at", _("When"), kind=Kind.TIME, sort="at"),
        Column("operation", _("Operation"), sort="operation"),
        Column("name", _("Span"), url=lambda row: shown.url("incidents:event", row.uuid)),
        Column(
            "tool", _("Tool"), value=lambda row: row.record["fields"].get("gen_ai.tool.name", "")
        ),
        Column("conversation", _("Conversation"), shown=False),
        Column("model_version", _("Version said")),
        Column("weights_sha256", _("Weights"), kind=Kind.DIGEST),
        Column("received_at", _("Received"), kind=Kind.TIME, sort="received_at", shown=False),
    ),
    search=("name", "operation", "conversation", "record_id"),
    order=("-at", "-pk"),
    empty=Empty(
        _("Nothing was heard from it yet."),
        _("Point its OpenTelemetry exporter at /v1/traces with a token made for it."),
    ),
)


def deployment(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One deployment as it is watched: vantages, rules that are blind, counters, and its stream."""
    found = fetch(queries.deployments_for(actor(request)), uuid=uuid)
    state = queries.state_of(found)
    seen = serving.seen(found)
    return page(
        request,
        "incidents/deployment.html",
        {
            "deployment": found,
            "telemetry": telemetry_badge(state),
            "authorised": authorised_badge(seen, assessed.authorised_sha256s(found)),
            "seen": seen,
            "blind": _blind(state),
            "degraded": list(state.degraded) if state else [],
            "counters": queries.counters(found),
            "state": state,
            "quarantined": queries.quarantined_for(actor(request)).filter(deployment=found)[:20],
            "table": EVENTS.page(
                queries.events_for(actor(request)).filter(deployment=found), request
            ),
            "facts": _facts(found, state),
            "crumbs": [{"label": _("Observe"), "url": shown.url("incidents:observe")}],
            "nav_current": "incidents:observe",
        },
    )


def _facts(found: Deployment, state: StitchState | None) -> list[Fact]:
    return [
        Fact(_("System"), found.system.name, url=shown.page_of("system", str(found.system.uuid))),
        Fact(_("Environment"), found.get_environment_display()),
        Fact(_("Declared"), str(found.serves) if found.serves else _("nothing")),
        Fact(_("Observed digest"), state.observed_sha256 if state else "", "digest"),
        Fact(_("Last heard"), state.last_seen_at if state else None, "time"),
        Fact(_("Registry page"), found.key, url=shown.page_of("deployment", str(found.uuid))),
    ]


def event_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One record, field by field, each with where it came from."""
    found = fetch(queries.events_for(actor(request)), uuid=uuid)
    inherited = found.record.get("inherited", {})
    fields = [
        {"name": name, "value": value, "source": inherited.get(name, "")}
        for name, value in sorted(found.record["fields"].items())
    ]
    return page(
        request,
        "incidents/event.html",
        {
            "event": found,
            "fields": fields,
            "crumbs": [
                {"label": _("Observe"), "url": shown.url("incidents:observe")},
                {
                    "label": found.deployment.key,
                    "url": shown.url("incidents:deployment", found.deployment.uuid),
                },
            ],
            "nav_current": "incidents:observe",
        },
    )


def rules(request: HttpRequest) -> HttpResponse:
    """Every rule in force, its level, what it needs, and where it comes from."""
    require(actor(request), Permission.RULE_READ)
    added = queries.rules_for(actor(request)).order_by("-pk")
    shipped = [
        {"rule": each.rule, "level": shown.level_badge(str(each.rule.level))}
        for each in rule.in_force().rules
        if each.alone
    ]
    return page(
        request,
        "incidents/rules.html",
        {"rules": shipped, "added": added, "nav_current": "incidents:observe"},
    )


def rule_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One rule this installation added, as text, with its activation."""
    found = fetch(queries.rules_for(actor(request)), uuid=uuid)
    return page(
        request,
        "incidents/rule.html",
        {
            "rule": found,
            "level": shown.level_badge(found.level),
            "may_write": actor(request).may(Permission.RULE_WRITE, found.subject),
            "crumbs": [{"label": _("Rules"), "url": shown.url("incidents:rules")}],
            "nav_current": "incidents:observe",
        },
    )
