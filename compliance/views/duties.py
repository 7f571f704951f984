"""Duties: the board of clocks, one clock with the rule behind it, and who answers for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries, queries_clocks
from compliance.actors import require
from compliance.clock import now
from compliance.forms.clocks import ChargeForm
from compliance.permissions import Permission
from compliance.queries_clocks import COUNTING, Asked
from compliance.regimes import load
from compliance.services import charge, deadline, wording
from compliance.states import REPORT
from compliance.views import shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Address, Badge, Column, Empty, Filter, Kind, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.models import ClockInstance, Report

GROUPS: dict[str, tuple[Promise, Promise]] = {
    "counting": (
        _("Counting"),
        _("What counts down, or is overdue. The soonest comes first."),
    ),
    "facts": (
        _("Facts needed"),
        _("Whether these count depends on something nobody has said yet. They do not count down."),
    ),
    "pending": (
        _("Waiting for an earlier step"),
        _("These begin to count when the step before them is taken."),
    ),
    "future": (
        _("Not in force"),
        _(
            "Contested, proposed or not yet effective on the day in question. They never count down."
        ),
    ),
    "met": (_("Met"), _("A receipt stopped these.")),
}
WHOSE: dict[str, Promise] = {"": _("anyone's"), "mine": _("mine"), "nobody": _("nobody's")}
WITHIN: dict[str, Promise] = {
    "": _("any"),
    "overdue": _("overdue"),
    "4h": _("within 4 hours"),
    "day": _("within a day"),
    "week": _("within a week"),
}
N_CARDS = 3


def _clock_url(clock: ClockInstance) -> str:
    return shown.url("compliance:clock", clock.uuid)


def _state(clock: ClockInstance) -> Badge:
    return Badge(shown.clock_word(clock), shown.CLOCK_TONES.get(clock.state, "neutral"))


def _report(clock: Any) -> Badge | None:
    return shown.badge(REPORT, clock.report_state) if clock.report_state else None


def _incident_url(clock: ClockInstance) -> str:
    return shown.page_of(clock.about_kind, clock.about_uuid)


def _owner(clock: ClockInstance) -> str:
    if clock.owner and clock.deputy:
        names = {"owner": clock.owner.name, "deputy": clock.deputy.name}
        return _now("%(owner)s, deputy %(deputy)s") % names
    return clock.owner.name if clock.owner else ""


def _dated(clock: ClockInstance) -> Any:
    return clock.target_due if clock.state in COUNTING else clock.earliest_if_confirmed


def _named(row: Row) -> dict[str, Any]:
    """The card of a row, which says whose clock it is: the law stands beneath already."""
    card: Any = row.cells[0].value
    said = {cell.key: cell.value for cell in row.cells}
    title = ": ".join(str(said[key]) for key in ("incident", "stage") if said.get(key))
    return {**card, "title": title or card["title"]}


CLOCKS = Table(
    caption=_("Clocks"),
    name="clocks",
    columns=(
        Column("left", _("Time left"), value=shown.clock_card, kind=Kind.LEFT),
        Column("stage", _("Next stage"), value=lambda row: shown.said(deadline.stage_title(row)),
               url=_clock_url),
        Column("incident", _("Incident"), value="subject.label", kind=Kind.REFERENCE,
               url=_incident_url),
        Column("regime", _("Regime"), value=lambda row: shown.said(row.regime_title),
               url=shown.regime_url),
        Column("due", _("Target, your zone"), value=_dated, kind=Kind.MOMENT, sort="target_due"),
        Column("there", _("At the recipient"),
               value=lambda row: shown.at_recipient(_dated(row), row.zone)),
        Column("report", _("Report"), value=_report, kind=Kind.BADGE,
               url=lambda row: shown.page_of("report", row.report_uuid)),
        Column("owner", _("Owner"), value=_owner, sort="owner__name"),
        Column("recipient", _("Recipient"), value=lambda row: shown.said(row.recipient),
               shown=False),
        Column("state", _("State"), value=_state, kind=Kind.BADGE, shown=False),
    ),
    filters=(
        Filter("regime", _("Regime"), lambda: [(each.key, _(each.title)) for each in load.current()]),
    ),
    search=("subject__label",),
    # The first is always empty here; with it PostgreSQL, too, reads the board's index in order.
    order=("replaced_by", "target_due", "id"),
    empty=Empty(
        _("No clock stands here."),
        _("Clocks start when a person classifies an incident and says when the organisation became"
          " aware. An alert starts none."),
    ),
)  # fmt: skip


@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """All incidents, all regimes, a page at a time."""
    who = actor(request)
    require(who, Permission.REPORT_READ)
    address = Address(request.GET)
    asked = _asked(address)
    table = CLOCKS.page(queries_clocks.board(who, asked, now()), request)
    counts = queries_clocks.group_counts(who)
    title, hint = GROUPS[asked.show]
    is_first = table.paging.number == 1 and asked.show == "counting"
    context = {
        "table": table,
        "title": title,
        "hint": hint,
        "cards": [_named(row) for row in table.rows[:N_CARDS]] if is_first else [],
        "tabs": [
            {
                "label": label,
                "count": counts[key],
                "url": address.having(show=key),
                "is_current": key == asked.show,
            }
            for key, (label, _hint) in GROUPS.items()
        ],
        "narrowings": [
            (_("Whose"), _choices("whose", WHOSE, asked.whose, address)),
            (_("Due"), _choices("within", WITHIN, asked.within, address)),
        ],
        "zone": timezone.get_current_timezone_name(),
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/duties.html", context, "board")


def _asked(address: Address) -> Asked:
    """What the address asks for; anything unknown narrows nothing."""
    show, whose, within = (address.get(key) for key in ("show", "whose", "within"))
    return Asked(
        show if show in GROUPS else "counting",
        whose if whose in WHOSE else "",
        within if within in WITHIN else "",
    )


def _choices(
    key: str, words: dict[str, Promise], chosen: str, address: Address
) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "url": address.having(**{key: value or None}),
            "is_chosen": value == chosen,
        }
        for value, label in words.items()
    ]


class Shown(NamedTuple):
    """One clock with what hangs on it."""

    clock: ClockInstance
    card: dict[str, Any]
    stage_title: str
    about_url: str
    report: Report | None
    report_state: Any


def all_shown(clocks: Iterable[ClockInstance], who: Actor) -> list[Shown]:
    """Clocks with their reports, in a fixed number of queries."""
    found = list(clocks)
    reports = {
        (each.about_uuid, each.regime, each.stage, each.sequence, each.authority): each
        for each in queries.reports_for(who)
        .filter(about_uuid__in={clock.about_uuid for clock in found})
        .exclude(state__in=queries_clocks.DONE)
        .order_by("pk")
    }
    return [
        show(
            clock,
            reports.get(
                (clock.about_uuid, clock.regime, clock.stage, clock.sequence, clock.authority)
            ),
        )
        for clock in found
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
    found = _fetch(request, uuid)
    history = queries.clock_history_for(who).filter(
        about_uuid=found.about_uuid,
        regime=found.regime,
        stage=found.stage,
        sequence=found.sequence,
        authority=found.authority,
    )
    [row] = all_shown([found], who)
    may_assign = found.replaced_by is None and who.may(Permission.DUTY_MANAGE, found.subject)
    context = {
        "row": row,
        "clock": found,
        "pinned": _pinned(found),
        "history": [(each, shown.clock_word(each)) for each in history.order_by("-pk")],
        "facts": _clock_facts(found),
        "charge_form": _charge_form(found) if may_assign else None,
        "crumbs": [Crumb(_("Duties"), shown.url("compliance:duties")), Crumb(row.stage_title)],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/clock.html", context)


def _fetch(request: HttpRequest, uuid: UUID) -> ClockInstance:
    rows = queries.clock_history_for(actor(request))
    return fetch(rows.select_related("subject", "replaced_by", "owner", "deputy"), uuid=uuid)


def _charge_form(found: ClockInstance) -> ChargeForm:
    start = {
        "owner": found.owner.uuid if found.owner else "",
        "deputy": found.deputy.uuid if found.deputy else "",
    }
    return ChargeForm(initial=start, people=queries_clocks.in_charge())


@require_POST
def assign(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Put somebody in charge, with somebody in their place."""
    found = _fetch(request, uuid)
    require(actor(request), Permission.DUTY_MANAGE, found.subject)
    form = ChargeForm(request.POST, people=queries_clocks.in_charge())
    if form.is_valid():
        asked = form.cleaned_data
        charge.assign(found, owner=asked["owner"], deputy=asked["deputy"], by=actor(request))
        messages.success(request, _now("Assigned."))
    else:
        words = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, words)
    return redirect("compliance:clock", uuid=uuid)


def _pinned(found: ClockInstance) -> dict[str, Any]:
    """The version the clock keeps, where it is read, and whether a newer one has come since."""
    try:
        newest = load.get(found.regime)
    except load.UnknownRegime:
        newest = None
    return {
        "reference": f"{found.regime}@{found.regime_version}",
        "url": shown.regime_url(found),
        "newer": newest if newest and newest.version != found.regime_version else None,
        "status": shown.law_word(found),
    }


def _clock_facts(found: ClockInstance) -> list[shown.Fact]:
    nobody = _("nobody")
    facts = [
        shown.Fact(_("Owner"), found.owner.name if found.owner else nobody),
        shown.Fact(_("Deputy"), found.deputy.name if found.deputy else nobody),
        shown.Fact(_("Regime"), shown.said(found.regime_title), "text", shown.regime_url(found)),
        shown.Fact(
            _("Pinned version"),
            f"{found.regime}@{found.regime_version}",
            "text",
            shown.regime_url(found),
        ),
        shown.Fact(_("Digest of the rule"), found.regime_sha256, "digest"),
        shown.Fact(_("Recipient"), shown.said(found.recipient)),
        shown.Fact(_("Zone of the recipient"), found.zone),
        shown.Fact(_("There, the target is"), _target_there(found)),
        shown.Fact(_("Computed"), found.computed_at, "time"),
        shown.Fact(_("Digest of the facts"), found.facts_sha256, "digest"),
        shown.Fact(_("Digest of the inputs"), found.inputs_sha256, "digest"),
    ]
    if found.met_at:
        facts.append(shown.Fact(_("Met"), found.met_at, "time"))
    return facts


def _target_there(found: ClockInstance) -> str:
    return wording.moment(found.target_due, found.zone) if found.target_due else ""
