"""Duties: every clock of every incident on one board, and the regimes article by article."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.http import Http404
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from compliance import queries
from compliance.actors import require
from compliance.permissions import Permission
from compliance.regimes import load
from compliance.regimes.schema import Evidence, Status
from compliance.services import deadline
from compliance.states import REPORT
from compliance.views import shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, fetch, page

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.models import ClockInstance, Report

COUNTING = ("running", "overdue", "overdue_immediate")
# The groups below those that count, in the order they stand on the board.
QUIET: tuple[tuple[str, tuple[str, ...], Promise, Promise], ...] = (
    (
        "facts",
        ("facts_needed",),
        _("Facts needed"),
        _("Whether these count depends on something nobody has said yet."),
    ),
    (
        "pending",
        ("pending_anchor",),
        _("Waiting for an earlier step"),
        _("These begin to count when the step before them is taken."),
    ),
    (
        "future",
        ("not_in_force",),
        _("Not in force"),
        _("These would apply, but the law is not in force on this date. They do not count down."),
    ),
    ("met", ("met",), _("Met"), _("A receipt stopped these.")),
)
STATUS_WORDS: dict[Status, tuple[Promise, str]] = {
    Status.IN_FORCE: (_("in force"), "ok"),
    Status.FORMALLY_APPLICABLE: (_("formally applicable"), "info"),
    Status.ENACTED_NOT_EFFECTIVE: (_("enacted, not yet effective"), "neutral"),
    Status.PROPOSED: (_("proposed"), "neutral"),
    Status.CONTESTED: (_("contested"), "warn"),
    Status.REPEALED: (_("repealed"), "neutral"),
}
EVIDENCE_WORDS: dict[Evidence, Promise] = {
    Evidence.PRIMARY: _("read in the law's own text"),
    Evidence.SECONDARY: _("known from secondary sources"),
    Evidence.MEMORY: _("not checked against a source yet"),
    Evidence.HOUSE: _("a rule of the house, no law"),
}


class Shown(NamedTuple):
    """One clock on the board with what hangs on it."""

    clock: ClockInstance
    card: dict[str, Any]
    stage_title: str
    about_url: str
    report: Report | None
    report_state: Any


class Group(NamedTuple):
    """Clocks that stand alike."""

    key: str
    title: Promise
    hint: Promise
    rows: list[Shown]


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """All incidents, all regimes: what counts down first, then what waits and why."""
    who = actor(request)
    require(who, Permission.REPORT_READ)
    rows = all_shown(queries.clocks_for(who).order_by("target_due", "regime", "stage"), who)
    counting = [row for row in rows if row.clock.state in COUNTING]
    quiet = [
        Group(key, title, hint, [row for row in rows if row.clock.state in states])
        for key, states, title, hint in QUIET
    ]
    context = {
        "counting": counting,
        "groups": [group for group in quiet if group.rows],
        "regimes": load.current(),
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/duties.html", context, "board")


def all_shown(clocks: Iterable[ClockInstance], who: Actor) -> list[Shown]:
    """Clocks with their reports, in a fixed number of queries."""
    found = list(clocks)
    reports = {
        (each.about_uuid, each.regime, each.stage): each
        for each in queries.reports_for(who)
        .filter(about_uuid__in={clock.about_uuid for clock in found})
        .exclude(state="superseded")
    }
    return [
        show(clock, reports.get((clock.about_uuid, clock.regime, clock.stage))) for clock in found
    ]


def show(clock: ClockInstance, report: Report | None) -> Shown:
    """One clock: its card says which incident, and how far its report is."""
    state = shown.badge(REPORT, report.state) if report else None
    title = shown.said(deadline.stage_title(clock))
    card = shown.clock_card(clock)
    card["title"] = f"{clock.subject.label}: {title}"
    if report and state:
        card["note"] = _now("Report: %(state)s, drafted by %(name)s") % {
            "state": state.label,
            "name": report.drafted_by.name,
        }
    elif clock.state in COUNTING:
        card["note"] = _now("No report is begun.")
    about = shown.page_of(clock.about_kind, clock.about_uuid)
    return Shown(clock, card, title, about, report, state)


@require_safe
def clock(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One clock: the rule that led to its dates, and how it stood before."""
    who = actor(request)
    found = fetch(
        queries.clock_history_for(who).select_related("subject", "replaced_by"), uuid=uuid
    )
    history = queries.clock_history_for(who).filter(
        about_uuid=found.about_uuid, regime=found.regime, stage=found.stage
    )
    [row] = all_shown([found], who)
    context = {
        "row": row,
        "clock": found,
        "history": [(each, shown.STATE_WORDS[each.state]) for each in history.order_by("-pk")],
        "facts": _clock_facts(found),
        "crumbs": [Crumb(_("Duties"), shown.url("compliance:duties")), Crumb(row.stage_title)],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/clock.html", context)


def _clock_facts(found: ClockInstance) -> list[shown.Fact]:
    return [
        shown.Fact(
            _("Regime"),
            shown.said(found.regime_title),
            "text",
            shown.url("compliance:regime", found.regime),
        ),
        shown.Fact(_("Pinned version"), f"{found.regime}@{found.regime_version}"),
        shown.Fact(_("Digest of the rule"), found.regime_sha256, "digest"),
        shown.Fact(_("Recipient"), shown.said(found.recipient)),
        shown.Fact(_("Zone"), found.zone),
        shown.Fact(_("Computed"), found.computed_at, "time"),
        shown.Fact(_("Digest of the inputs"), found.inputs_sha256, "digest"),
    ]


@require_safe
def regimes(request: HttpRequest) -> HttpResponse:
    """Which regimes this installation knows."""
    require(actor(request), Permission.REPORT_READ)
    rows = [{"regime": each, "status": _status(each.status)} for each in load.current()]
    crumbs = [Crumb(_("Duties"), shown.url("compliance:duties")), Crumb(_("Regimes"))]
    context = {"rows": rows, "crumbs": crumbs, "nav_current": "compliance:duties"}
    return page(request, "compliance/regimes.html", context)


@require_safe
def regime(request: HttpRequest, key: str) -> HttpResponse:
    """One regime, article by article, with how each statement was learnt."""
    require(actor(request), Permission.REPORT_READ)
    try:
        found = load.get(key)
    except load.UnknownRegime as error:
        raise Http404 from error
    context = {
        "regime": found,
        "status": _status(found.status),
        "evidence": EVIDENCE_WORDS[found.evidence],
        "bases": [(each, EVIDENCE_WORDS[each.evidence]) for each in found.legal_basis],
        "versions": [each for each in load.regimes() if each.key == found.key],
        "crumbs": [
            Crumb(_("Duties"), shown.url("compliance:duties")),
            Crumb(_("Regimes"), shown.url("compliance:regimes")),
            Crumb(shown.said(found.title)),
        ],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/regime.html", context)


def _status(status: Status) -> dict[str, Any]:
    label, tone = STATUS_WORDS[status]
    return {"label": label, "tone": tone}
