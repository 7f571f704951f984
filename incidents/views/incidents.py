"""Respond: what is open, one incident as a responder needs it, and each thing they may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from compliance import queries as ground
from compliance.actors import Actor, require
from compliance.permissions import Permission
from compliance.services import strip
from compliance.states import REPORT
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table
from incidents import queries
from incidents.forms import (
    CHANNELS,
    ChoiceForm,
    NoteForm,
    OpenForm,
    RollbackForm,
    local_now,
)
from incidents.services import grounds, paging
from incidents.services import hold as holds
from incidents.services import incident as incidents
from incidents.services import review as reviews
from incidents.states import INCIDENT
from incidents.views import shown
from incidents.views.shown import Fact

if TYPE_CHECKING:
    from datetime import datetime

    from compliance.models import ClockInstance
    from compliance.regimes.outcome import RegimeOutcome
    from incidents.models import Incident

HELD = {
    "incident": _("the incident"),
    "version": _("the version"),
    "manifest": _("its manifest"),
    "serving": _("what served"),
    "target": _("what the target said"),
    "alerts": _("alerts"),
    "events": _("events"),
}
"""The parts of an evidence hold."""

INCIDENTS = Table(
    caption=_("Incidents"),
    name="incidents",
    columns=(
        Column(
            "reference", _("Reference"), kind=Kind.REFERENCE, sort="reference",
            url=lambda row: shown.url("incidents:incident", row.uuid),
        ),
        Column("title", _("What happened")),
        Column("severity", _("Severity"), value=shown.severity_badge, kind=Kind.BADGE, sort="severity"),
        Column("state", _("State"), value=shown.state_badge, kind=Kind.BADGE, sort="state"),
        Column("deployment", _("Deployment"), value="deployment.key", sort="deployment__key"),
        Column("version", _("Version"), value=lambda row: str(row.version) if row.version else ""),
        Column("opened_at", _("Opened"), kind=Kind.TIME, sort="opened_at"),
        Column("aware_at", _("Aware"), kind=Kind.TIME, sort="aware_at", shown=False),
    ),
    filters=(
        Filter("state", _("State"), [(n, s.label) for n, s in INCIDENT.states.items()]),
        Filter("severity", _("Severity"), queries.SEVERITIES),
    ),
    search=("reference", "title", "deployment__key"),
    order=("-opened_at", "-pk"),
    empty=Empty(_("No incident was ever opened."), _("Critical alerts open one by themselves.")),
)  # fmt: skip


@require_GET
def respond(request: HttpRequest) -> HttpResponse:
    """Open incidents first, then who is on call, then what waits."""
    require(actor(request), Permission.INCIDENT_READ)
    mine = queries.incidents_for(actor(request))
    standing = mine.filter(state__in=queries.WORK_LEFT).order_by("severity", "-opened_at")
    rollbacks = queries.rollbacks_for(actor(request)).filter(state="requested")
    cards = _cards(list(standing[:20]), actor(request))
    return page(
        request,
        "incidents/respond.html",
        {
            "cards": cards,
            "on_call": queries.on_call_now(),
            "rollbacks": rollbacks,
            "table": INCIDENTS.page(mine, request),
            "may_open": actor(request).may(Permission.INCIDENT_OPEN),
            "nav_current": "incidents:respond",
        },
    )


def _cards(standing: list[Incident], by: Actor) -> list[dict[str, Any]]:
    """Open incidents with their next clock, in a fixed number of queries."""
    clocks = queries.next_clocks(standing, by)
    unreached = paging.unreached(each for each in standing if each.state == "open")
    return [
        _card(each, clocks.get(each.uuid), is_unreached=each.pk in unreached) for each in standing
    ]


def _card(found: Incident, clock: ClockInstance | None, *, is_unreached: bool) -> dict[str, Any]:
    return {
        "incident": found,
        "url": shown.url("incidents:incident", found.uuid),
        "state": shown.state_badge(found),
        "severity": shown.severity_badge(found),
        "clock": shown.clock_card(clock) if clock else None,
        "unreached": is_unreached,
    }


def _clocks(found: Incident, by: Actor) -> list[dict[str, Any]]:
    """Counting clocks by time left."""
    counting = queries.counting_clocks(by).filter(about_uuid=found.uuid)
    return [shown.clock_card(clock) for clock in counting]


@require_GET
def incident(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The clock, what happened, and what may be done about it now."""
    found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
    return page(request, "incidents/incident.html", _page(found, actor(request)), "acts")


def _page(found: Incident, by: Actor) -> dict[str, Any]:
    clocks = _clocks(found, by)
    return {
        "incident": found,
        "severity": shown.severity_badge(found),
        "badges": _badges(found),
        "strip": strip.of(found.version) if found.version else None,
        "clocks": clocks[:3],
        "more_clocks": clocks[3:],
        "other_clocks": _other_clocks(found, by),
        "alerts": [_alert(each) for each in found.alerts.order_by("-last_at")],
        **_finding(found),
        "awaited": _awaited(found),
        "choice": found.prior_notices.order_by("-pk").first(),
        "holds": [
            (each, shown.state_badge(each), [(HELD[item["what"]], item) for item in each.items])
            for each in found.holds.order_by("-pk")
        ],
        "rollbacks": [_rollback(each) for each in found.rollbacks.order_by("-pk")],
        "reports": [
            (each, shown.badge(REPORT, each.state))
            for each in ground.reports_for(by).filter(about_uuid=found.uuid).order_by("pk")
        ],
        "pages": [
            (each, shown.state_badge(each), CHANNELS.get(each.channel, each.channel))
            for each in found.pages.order_by("-pk")[:20]
        ],
        "unreached": found.state == "open" and paging.nobody_reached(found),
        "unsettled": incidents.unsettled(found),
        "review": getattr(found, "review", None),
        "entries": shown.folded(queries.incident_timeline(found, by)),
        "can": _can(found, by),
        "note_form": NoteForm(),
        "choice_form": ChoiceForm(initial={"informed_at": local_now()}),
        "rollback_form": RollbackForm(targets=queries.rollback_targets(found, by)),
        "facts": _facts(found),
        "crumbs": [{"label": _("Respond"), "url": shown.url("incidents:respond")}],
        "nav_current": "incidents:respond",
    }


def _badges(found: Incident) -> list[Badge]:
    """How it stands, and whether it is in earnest."""
    flags = [(found.is_simulation, _now("SIMULATION")), (found.is_exercise, _now("exercise"))]
    return [shown.state_badge(found), *(Badge(word, "info") for is_so, word in flags if is_so)]


def _finding(found: Incident) -> dict[str, Any]:
    """The newest classification, its reasons by matter, and each law with the reason of its own."""
    last = found.classifications.select_related("by").order_by("-number").first()
    if last is None:
        return {"classification": None, "grounds": [], "outcome": []}
    why = grounds.of(last)
    return {
        "classification": last,
        "grounds": list(why.of_matters()),
        "outcome": [(each, why.regimes.get(each["key"], "")) for each in last.outcome],
    }


def _awaited(found: Incident) -> list[dict[str, Any]]:
    """Before a person classified it: what waits for facts, and the earliest date if confirmed now."""
    judged = [(each, _earliest(each)) for each in incidents.awaited(found)]
    judged.sort(key=lambda pair: (pair[1] is None, pair[1] or found.opened_at))
    return [
        {
            "title": shown.said(outcome.title),
            "url": shown.url("compliance:regime", outcome.key),
            "earliest": at,
            "because": outcome.because,
        }
        for outcome, at in judged
    ]


def _earliest(outcome: RegimeOutcome) -> datetime | None:
    dates = [each.earliest_if_confirmed for each in outcome.stages if each.earliest_if_confirmed]
    return min(dates, default=None)


def _alert(each: Any) -> dict[str, Any]:
    return {
        "alert": each,
        "url": shown.url("incidents:alert", each.uuid),
        "level": shown.level_badge(each.level),
        "fields": shown.matched(each.matched.get("fields", {}))[:4],
    }


def _rollback(each: Any) -> dict[str, Any]:
    return {
        "rollback": each,
        "url": shown.url("incidents:rollback", each.uuid),
        "state": shown.state_badge(each),
    }


def _other_clocks(found: Incident, by: Actor) -> list[dict[str, Any]]:
    standing = ground.clocks_for(by).filter(about_uuid=found.uuid)
    quiet = standing.exclude(state__in=["running", "overdue", "overdue_immediate"])
    return [shown.clock_card(clock) for clock in quiet.order_by("regime", "stage")]


def _can(found: Incident, by: Actor) -> dict[str, bool]:
    """Which acts are open to this person now."""
    verbs = set(found.MACHINE.verbs(found, by))
    place = found.subject
    unresolved = found.state in incidents.UNRESOLVED
    asked = found.rollbacks.filter(
        state__in=["requested", "approved", "executing", "executed"]
    ).exists()
    return {
        **dict.fromkeys(verbs, True),
        "note": by.may(Permission.INCIDENT_WORK, place),
        "classify": by.is_person and by.may(Permission.INCIDENT_CLASSIFY, place),
        "hold": unresolved and by.may(Permission.HOLD_PLACE, place),
        "rollback": unresolved and not asked and by.may(Permission.ROLLBACK_REQUEST, place),
    }


def _facts(found: Incident) -> list[Fact]:
    version, deployment = found.version, found.deployment
    return [
        Fact(
            _("Deployment"), deployment.key, url=shown.url("incidents:deployment", deployment.uuid)
        ),
        Fact(
            _("Version"),
            str(version) if version else _("nobody registered it"),
            url=shown.page_of("version", str(version.uuid)) if version else "",
        ),
        Fact(_("Observed digest"), found.observed_sha256, "digest"),
        Fact(
            _("System"),
            deployment.system.name,
            url=shown.page_of("system", str(deployment.system.uuid)),
        ),
        Fact(_("Occurred"), found.occurred_at, "time"),
        Fact(_("Detected"), found.detected_at, "time"),
        Fact(_("Aware (stated)"), found.aware_at, "time"),
        Fact(_("Opened"), found.opened_at, "time"),
        Fact(
            _("Acknowledged"),
            found.acknowledged_by.name if found.acknowledged_by else _("by nobody yet"),
        ),
        Fact(_("Zone of the system"), deployment.system.zone),
    ]


@require_http_methods(["GET", "POST"])
def open_new(request: HttpRequest) -> HttpResponse:
    """A person opens one, without an alert."""
    require(actor(request), Permission.INCIDENT_OPEN)
    deployments = queries.deployments_for(actor(request)).filter(state="active")
    form = OpenForm(request.POST or None, deployments=deployments)
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        opened = incidents.open(
            asked["deployment"],
            title=asked["title"],
            severity=asked["severity"],
            version=asked["deployment"].serves,
            is_exercise=asked["is_exercise"],
            by=actor(request),
        )
        return redirect("incidents:incident", uuid=opened.uuid)
    return page(
        request,
        "incidents/open.html",
        {"form": form, "nav_current": "incidents:respond"},
        status=422 if form.errors else 200,
    )


def _act(
    work: Callable[[Incident, HttpRequest], str],
) -> Callable[[HttpRequest, UUID], HttpResponse]:
    """A view that does one thing to one incident and says so."""

    @require_POST
    def view(request: HttpRequest, uuid: UUID) -> HttpResponse:
        found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
        try:
            messages.success(request, work(found, request))
        except ValueError as error:
            messages.error(request, str(error))
        return redirect("incidents:incident", uuid=uuid)

    view.__doc__ = work.__doc__
    return view


def _reason(request: HttpRequest) -> str:
    said = request.POST.get("reason", "").strip()
    if not said:
        raise ValueError(_now("Give a reason; it goes into the record."))
    return said[:4000]


@_act
def acknowledge(found: Incident, request: HttpRequest) -> str:
    """Take it; nobody else is woken."""
    incidents.acknowledge(found, by=actor(request))
    return _now("You have it. The ladder stopped.")


@_act
def note(found: Incident, request: HttpRequest) -> str:
    """Write down what was seen."""
    form = NoteForm(request.POST)
    if not form.is_valid():
        raise ValueError(_now("The note is empty."))
    incidents.note(found, form.cleaned_data["text"], by=actor(request))
    return _now("Noted.")


@_act
def choose(found: Incident, request: HttpRequest) -> str:
    """Decide between informing first and acting first."""
    form = ChoiceForm(request.POST)
    if not form.is_valid():
        raise ValueError(
            " ".join(str(error) for errors in form.errors.values() for error in errors)
        )
    asked = form.cleaned_data
    incidents.choose(
        found,
        choice=asked["choice"],
        reason=asked["reason"],
        authority=asked["authority"],
        informed_at=asked["informed_at"],
        by=actor(request),
    )
    return _now("Decided and recorded.")


@_act
def place_hold(found: Incident, request: HttpRequest) -> str:
    """Snapshot the evidence."""
    placed = holds.place(found, reason=_reason(request), by=actor(request))
    return _now("The evidence is under hold: %(n)d parts.") % {"n": len(placed.items)}


@_act
def contain(found: Incident, request: HttpRequest) -> str:
    """Say what keeps it from going on."""
    incidents.contain(found, how=_reason(request), by=actor(request))
    return _now("Contained.")


@_act
def resolve(found: Incident, request: HttpRequest) -> str:
    """It is over."""
    incidents.resolve(found, impact=_reason(request), by=actor(request))
    return _now("Resolved.")


@_act
def reopen(found: Incident, request: HttpRequest) -> str:
    """It was not over."""
    incidents.reopen(found, reason=_reason(request), by=actor(request))
    return _now("Open again; the ladder starts anew.")


@_act
def close(found: Incident, request: HttpRequest) -> str:
    """Nothing is left to do."""
    incidents.close(found, by=actor(request))
    return _now("Closed.")


@require_POST
def begin_review(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Start the blameless account."""
    found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
    begun = reviews.start(found, by=actor(request))
    return redirect("incidents:review", uuid=begun.uuid)


@require_POST
def release_hold(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Let go of a snapshot; never by who placed it."""
    found = fetch(queries.holds_for(actor(request)), uuid=uuid)
    holds.release(found, reason=request.POST.get("reason", ""), by=actor(request))
    return redirect("incidents:incident", uuid=found.incident.uuid)
