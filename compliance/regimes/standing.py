"""When is a standing duty due? Pure: from its anchors, its calendars and what was done before.

A duty with several rules is worked to by the earliest of those that can be counted. One that
recurs comes round from when it was last done, or from the date before, as its text says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from compliance.phrase import Phrase
from compliance.regimes.calendars import Calendar, calendar
from compliance.regimes.counting import Period, Unit, add_months, day_end, last_date, local_date
from compliance.regimes.facts import FactsError, instant
from compliance.regimes.outcome import zulu
from compliance.regimes.schema import CalendarDuty, DateRule, Regime, StandingCase
from compliance.regimes.terms import Direction, Round
from compliance.regimes.vocabulary import MILESTONES, Milestone

_DAY = timedelta(days=1)

Anchors = Mapping[Milestone, datetime]


@dataclass(frozen=True, slots=True)
class Due:
    """One date of a standing duty: the exclusive midnight after its last day, or an hour's instant."""

    duty: CalendarDuty
    day: date
    due: datetime
    latest: datetime
    """By the calendar that grants most; nothing is scheduled by it."""
    slipped: datetime | None
    """With the slip that the text allows on its condition; nothing is scheduled by it."""
    trace: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a rule leads: the stricter day and the more generous one."""

    day: date
    latest: date
    note: Phrase
    at: datetime | None = None
    """The instant itself, where the period is one of hours."""


def next_dues(
    pack: Regime,
    duty: CalendarDuty,
    anchors: Anchors,
    *,
    done: Sequence[datetime] = (),
    n: int = 1,
) -> tuple[Due, ...]:
    """The next dates of a duty, the earliest first; none while no anchor has come.

    Args:
        pack: Where the duty stands: its zone and calendar count.
        duty: Which.
        anchors: The milestones that are known, as instants.
        done: When it was done before. A duty that comes once is over with it, unless its anchor
            came anew afterwards.
        n: How many dates of a duty that recurs.
    """
    zone = ZoneInfo(pack.zone)
    days = sorted(local_date(moment, zone) for moment in done)
    if duty.every is None:
        is_over = _is_done(duty, anchors, days, zone)
        first = None if is_over else _first(pack, duty, anchors, zone)
        return () if first is None else (_due(pack, duty, first, zone),)
    spots = _rounds(pack, duty, duty.every, anchors, days, zone)
    return tuple(_due(pack, duty, spot, zone) for spot, _ in zip(spots, range(n), strict=False))


def missing(duty: CalendarDuty, anchors: Anchors) -> tuple[Milestone, ...]:
    """The milestones that would date the duty and that nobody recorded."""
    return tuple(
        rule.anchor for rule in duty.rules if rule.anchor is not None and rule.anchor not in anchors
    )


def read_anchors(given: Mapping[str, object]) -> dict[Milestone, datetime]:
    """Milestones by name, as instants with an offset.

    Raises:
        FactsError: A name is unknown, or a time leaves its offset to be guessed.
    """
    for name in given:
        if name not in set(Milestone):
            raise FactsError(f"unknown milestone {name!r}; expected one of {', '.join(Milestone)}")
    return {Milestone(name): instant(name, value) for name, value in given.items()}


def case_dates(pack: Regime, case: StandingCase) -> dict[str, str]:
    """The dates of a worked case by the names that it expects.

    Raises:
        FactsError: The case's anchors are wrong.
    """
    given = dict(case.anchors)
    done = given.pop("done", [])
    if not isinstance(done, list):
        raise FactsError("done: expected a list of instants")
    moments = [instant("done", each) for each in done]
    duty = pack.calendar_duty(case.duty)
    dues = next_dues(pack, duty, read_anchors(given), done=moments, n=2)
    if not dues:
        return {}
    dates = {
        "due": dues[0].due,
        "latest": dues[0].latest,
        "slipped": dues[0].slipped,
        "then": dues[1].due if len(dues) > 1 else None,
    }
    return {name: str(zulu(moment)) for name, moment in dates.items() if moment is not None}


def _first(pack: Regime, duty: CalendarDuty, anchors: Anchors, zone: ZoneInfo) -> _Spot | None:
    """The earliest of the rules that can be counted."""
    spots = [
        _spot(pack, duty, rule, begun) if (hours := _hours(rule, anchors, zone)) is None else hours
        for rule in duty.rules
        if (begun := _begun(rule, anchors, zone)) is not None
    ]
    return min(spots, key=lambda spot: spot.at or day_end(spot.day, zone), default=None)


def _hours(rule: DateRule, anchors: Anchors, zone: ZoneInfo) -> _Spot | None:
    """Where a rule of hours leads: elapsed from the instant of its anchor."""
    moment = None if rule.anchor is None else anchors.get(rule.anchor)
    if moment is None or rule.anchor is None or rule.period is None:
        return None
    if rule.period.unit is not Unit.HOUR:
        return None
    due = moment.astimezone(UTC) + timedelta(hours=rule.period.amount)
    day = last_date(due, zone)
    note = Phrase(
        "%(period)s elapsed after %(start)s (%(cite)s).",
        period=rule.period.words,
        start=MILESTONES[rule.anchor],
        cite=rule.cite,
    )
    return _Spot(day, day, note, due)


def _rounds(
    pack: Regime,
    duty: CalendarDuty,
    every: Period,
    anchors: Anchors,
    done: Sequence[date],
    zone: ZoneInfo,
) -> Iterator[_Spot]:
    """Every further date of a duty that recurs, without end."""
    first = _first(pack, duty, anchors, zone)
    if duty.counts_from is Round.LAST_DONE and done:
        spots = _every(done[-1], every, duty)
    elif first is not None:
        spots = _from(first, every, duty)
    else:
        return
    yield from spots if duty.counts_from is Round.LAST_DONE else _left(spots, done)


def _left(spots: Iterator[_Spot], done: Sequence[date]) -> Iterator[_Spot]:
    """The dates of a schedule that nothing was done for.

    What is done twice in one round counts once; what is done late counts for the round it missed.
    """
    waiting, before = list(done), date.min
    for spot in spots:
        waiting = [day for day in waiting if day > before]
        if waiting:
            del waiting[0]
            before = spot.day
        else:
            yield spot


def _is_done(duty: CalendarDuty, anchors: Anchors, done: Sequence[date], zone: ZoneInfo) -> bool:
    """Whether a duty that comes once was done for the anchors that stand now."""
    begun = [(rule, _begun(rule, anchors, zone)) for rule in duty.rules]
    return bool(done) and any(
        rule.direction is Direction.BEFORE or rule.period is None or done[-1] >= start
        for rule, start in begun
        if start is not None
    )


def _from(first: _Spot, every: Period, duty: CalendarDuty) -> Iterator[_Spot]:
    """The first date, and those that follow it at the same distance."""
    yield first
    yield from _every(first.day, every, duty)


def _every(start: date, every: Period, duty: CalendarDuty) -> Iterator[_Spot]:
    """Dates at one distance, each counted from the start, so that a 31st comes back."""
    step = 0
    while True:
        step += 1
        day = _shifted(start, Period(every.amount * step, every.unit))
        note = Phrase(
            "Every %(period)s, counted from %(start)s (%(cite)s).",
            period=every.words,
            start=str(start),
            cite=duty.cite,
        )
        yield _Spot(day, day, note)


def _begun(rule: DateRule, anchors: Anchors, zone: ZoneInfo) -> date | None:
    """The local date a rule counts from, if it has come."""
    if rule.anchor is None:
        return rule.on
    moment = anchors.get(rule.anchor)
    return None if moment is None else local_date(moment, zone)


def _spot(pack: Regime, duty: CalendarDuty, rule: DateRule, begun: date) -> _Spot:
    """Where a rule leads from a date, by the stricter and by the more generous calendar."""
    start = MILESTONES[rule.anchor] if rule.anchor else Phrase("the date the text names")
    if rule.period is None:
        note = Phrase(
            "Due with %(start)s, %(day)s (%(cite)s).", start=start, day=str(begun), cite=rule.cite
        )
        return _Spot(begun, begun, note)
    is_before = rule.direction is Direction.BEFORE
    ends = [
        _moved(begun, rule.period, each, is_before=is_before) for each in _calendars(pack, duty)
    ]
    values = {
        "period": rule.period.words,
        "start": start,
        "day": str(begun),
        "cite": rule.cite,
    }
    if not is_before:
        note = Phrase("%(period)s after %(start)s, %(day)s (%(cite)s).", **values)
        return _Spot(min(ends), max(ends), note)
    note = Phrase(
        "%(period)s before %(start)s, %(day)s, as clear days: neither end is counted (%(cite)s).",
        **values,
    )
    return _Spot(min(ends) - _DAY, max(ends), note)


def _moved(start: date, period: Period, holidays: Calendar, *, is_before: bool) -> date:
    """A date moved by a period, in either direction."""
    if period.unit is Unit.BUSINESS_DAY:
        walk = holidays.nth_working_before if is_before else holidays.nth_working_after
        return walk(start, period.amount)
    return _shifted(start, Period(-period.amount if is_before else period.amount, period.unit))


def _shifted(start: date, period: Period) -> date:
    """A date so many days, weeks or months on, or back."""
    if period.unit is Unit.MONTH:
        return add_months(start, period.amount)
    if period.unit is Unit.WEEK:
        return start + timedelta(weeks=period.amount)
    return start + timedelta(days=period.amount)


def _calendars(pack: Regime, duty: CalendarDuty) -> tuple[Calendar, ...]:
    """Whose working days count for a duty."""
    return tuple(calendar(name) for name in (duty.calendars or (pack.calendar,)))


def _due(pack: Regime, duty: CalendarDuty, spot: _Spot, zone: ZoneInfo) -> Due:
    """The date with its slip and its reasons."""
    notes = [spot.note]
    if spot.latest > spot.day:
        notes.append(
            Phrase(
                "Read less strictly (%(calendars)s) it would end %(latest)s; nothing is scheduled by"
                " that.",
                calendars=", ".join(each.reference for each in _calendars(pack, duty)),
                latest=str(spot.latest),
            )
        )
    notes += _gap_notes(pack, duty, spot)
    slipped = None
    if duty.slip is not None:
        ends = [
            _moved(spot.day, duty.slip.period, each, is_before=False)
            for each in _calendars(pack, duty)
        ]
        slipped = day_end(min(ends), zone)
        notes.append(
            Phrase(
                "May slip by %(period)s: %(condition)s (%(cite)s). Nothing is scheduled by it.",
                period=duty.slip.period.words,
                condition=duty.slip.condition,
                cite=duty.slip.cite,
            )
        )
    due = spot.at or day_end(spot.day, zone)
    latest = spot.at or day_end(spot.latest, zone)
    return Due(duty, spot.day, due, latest, slipped, tuple(notes))


def _gap_notes(pack: Regime, duty: CalendarDuty, spot: _Spot) -> Iterator[Phrase]:
    """That a calendar in business days does not reach so far."""
    if not any(rule.period and rule.period.unit is Unit.BUSINESS_DAY for rule in duty.rules):
        return
    for each in _calendars(pack, duty):
        years = each.gaps(spot.day, spot.latest)
        if years:
            yield Phrase(
                "The holiday calendar %(calendar)s does not cover %(years)s; confirm the holidays.",
                calendar=each.reference,
                years=", ".join(map(str, years)),
            )
