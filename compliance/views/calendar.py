"""The calendar: standing duties as a list, and everything that falls due as a month."""

from __future__ import annotations

import calendar as months
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import formats, timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from compliance import queries_duties
from compliance.actors import require
from compliance.clock import now
from compliance.permissions import Permission
from compliance.regimes import load
from compliance.services import deadline, duty
from compliance.states import AUTHORITY_REQUEST, DUTY, OCCURRENCE
from compliance.views import shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, page
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest, HttpResponse

    from compliance.actors import Actor
    from compliance.models import StandingDuty

_INSTANT = timedelta(microseconds=1)
EARLIEST, LATEST = 2000, 2200


class Entry(NamedTuple):
    """One date in the month."""

    day: date
    at: datetime
    title: str
    url: str
    badge: Badge


class Day(NamedTuple):
    """One cell of the month."""

    day: date
    is_inside: bool
    is_today: bool
    entries: list[Entry]


def crumb() -> Crumb:
    """The first step of every way below the duties."""
    return Crumb(_("Duties"), shown.url("compliance:duties"))


def calendar_crumbs() -> list[Crumb]:
    """The way to one duty."""
    return [crumb(), Crumb(_("Calendar"), shown.url("compliance:calendar"))]


def duty_badge(row: StandingDuty) -> Badge:
    """How it stands; what is overdue says so before anything else."""
    if row.state == "active" and row.next_due is not None and row.next_due <= now():
        return shown.badge(OCCURRENCE, "overdue")
    if row.state == "active" and row.next_due is None:
        return Badge(_("waits for a milestone"), "neutral")
    return shown.badge(DUTY, row.state)


DUTIES = Table(
    caption=_("Standing duties"),
    name="standing",
    columns=(
        Column("title", _("Duty"), value=duty.title_of, url=lambda d: shown.url("compliance:duty", d.uuid), sort="title"),
        Column("next_due", _("Next date"), kind=Kind.TIME, sort="next_due"),
        Column("state", _("State"), value=duty_badge, kind=Kind.BADGE, sort="state"),
        Column("about", _("About"), value=lambda d: d.system.name if d.system else d.subject.label if d.about_uuid else _now("the organisation")),
        Column("owner", _("In charge"), value=lambda d: d.owner.name if d.owner else _now("nobody yet"), sort="owner__name"),
        Column("deputy", _("Deputy"), value=lambda d: d.deputy.name if d.deputy else ""),
        Column("cite", _("On what it rests"), shown=False, value=lambda d: shown.said(d.cite)),
        Column("key", _("Key"), shown=False, kind=Kind.REFERENCE),
    ),
    filters=(
        Filter("state", _("State"), choices=[(key, state.label) for key, state in DUTY.states.items()]),
    ),
    search=("title", "cite", "key", "owner__name", "subject__label"),
    order=("next_due", "pk"),
    empty=Empty(
        _("No duty stands in the calendar."),
        _("Some duties come by the calendar, without an incident: registrations, reviews, updates. Take them from a pack, or set up the house's own."),
    ),
)  # fmt: skip


@require_safe
def calendar(request: HttpRequest) -> HttpResponse:
    """Standing duties, the next date first."""
    who = actor(request)
    require(who, Permission.DUTY_READ)
    rows = queries_duties.duties(who)
    # What ended is history: it is shown when it is asked for.
    if not request.GET.getlist("state"):
        rows = rows.exclude(state="ended")
    context = {
        "table": DUTIES.page(rows, request),
        "n_overdue": queries_duties.overdue(who),
        **frame(who, "list"),
    }
    return page(request, "compliance/calendar.html", context)


def frame(who: Actor, view: str) -> dict[str, Any]:
    """What the list and the month share."""
    may = who.may(Permission.DUTY_MANAGE)
    return {
        "action": {
            "label": _("Add a duty"),
            "url": shown.url("compliance:new_duty"),
            "icon": "plus",
        }
        if may
        else None,
        "tabs": [
            {
                "label": _("List"),
                "url": shown.url("compliance:calendar"),
                "is_current": view == "list",
            },
            {
                "label": _("Month"),
                "url": shown.url("compliance:calendar_month"),
                "is_current": view == "month",
            },
        ],
        "crumbs": [crumb(), Crumb(_("Calendar"))],
        "nav_current": "compliance:duties",
    }


@require_safe
def month(request: HttpRequest) -> HttpResponse:
    """One month with every date the reader may see: duties, requests of authorities, clocks."""
    who = actor(request)
    require(who, Permission.DUTY_READ)
    first = _asked(request.GET.get("month", ""))
    start, end = queries_duties.month_bounds(first.year, first.month)
    entries = sorted(_entries(who, start, end), key=lambda entry: (entry.at, entry.title))
    before, after = first - timedelta(days=1), first + timedelta(days=31)
    context = {
        "weeks": _weeks(first, entries),
        "entries": entries,
        "month_name": formats.date_format(first, "F Y"),
        "weekdays": [formats.date_format(date(2024, 1, n), "D") for n in range(1, 8)],
        "before": f"?month={before:%Y-%m}",
        "after": f"?month={after:%Y-%m}",
        "zone": timezone.get_current_timezone_name(),
        **frame(who, "month"),
    }
    return page(request, "compliance/calendar_month.html", context)


def _asked(text: str) -> date:
    """The first day of the month in the address; of this month where none can be read there."""
    today = timezone.localtime(now()).date()
    year, _dash, number = text.partition("-")
    if not (year.isdecimal() and number.isdecimal() and len(text) <= len("2027-02")):
        return today.replace(day=1)
    known = EARLIEST <= int(year) <= LATEST and 1 <= int(number) <= len(months.month_name) - 1
    return date(int(year), int(number), 1) if known else today.replace(day=1)


def _entries(who: Actor, start: datetime, end: datetime) -> Iterator[Entry]:
    dates, requests, clocks = queries_duties.between(who, start, end)
    for each in dates:
        badge = shown.badge(OCCURRENCE, each.state)
        yield _entry(each.due_at, duty.title_of(each.duty), each.duty.path, badge)
    for asked in requests:
        if asked.due_at is not None:
            badge = shown.badge(AUTHORITY_REQUEST, asked.state)
            yield _entry(asked.due_at, f"{asked.authority}: {asked.title}", asked.path, badge)
    for clock in clocks:
        if clock.target_due is not None:
            words = f"{clock.subject.label}: {shown.said(deadline.stage_title(clock))}"
            tone = "info" if clock.state == "running" else "bad"
            badge = Badge(str(shown.STATE_WORDS[clock.state]), tone)
            yield _entry(clock.target_due, words, clock.path, badge)


def _entry(due: datetime, title: str, url: str, badge: Badge) -> Entry:
    """A date stands on the day that it ends: midnight belongs to the day before."""
    return Entry(timezone.localtime(due - _INSTANT).date(), due, title, url, badge)


def _weeks(first: date, entries: list[Entry]) -> list[list[Day]]:
    today = timezone.localtime(now()).date()
    by_day: dict[date, list[Entry]] = {}
    for entry in entries:
        by_day.setdefault(entry.day, []).append(entry)
    return [
        [Day(day, day.month == first.month, day == today, by_day.get(day, [])) for day in week]
        for week in months.Calendar().monthdatescalendar(first.year, first.month)
    ]


def offers(who: Actor) -> list[dict[str, Any]]:
    """The standing packs with their duties, and which of them stand already."""
    standing = queries_duties.standing_keys(who)
    return [
        {
            "pack": pack,
            "duties": [
                (each, f"{pack.key}:{each.id}" in standing) for each in pack.calendar_duties
            ],
        }
        for pack in load.standing()
    ]
