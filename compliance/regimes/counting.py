"""How each body of law counts, as pure functions from an instant to three deadlines.

Two rules hold everywhere. Hours are added to the UTC instant, never to a wall clock. Days, weeks
and months are counted on local dates in the zone of the deciding place, and end at 24:00, which
is stored as the exclusive midnight that follows.

`strict` never leans on a relief, `nominal` is the end of the last calendar day, `legal_latest` is
the latest reading that can be argued. `target_due` is `strict` for hours and `nominal` for days.

The figures come first, and alone where nobody reads (`figures`); `count` adds the words. What a
period in days comes to rests on the local date of the event only (`day_span`), so it can be kept.

Regulation (EEC, Euratom) 1182/71 is cited by its articles in the traces.
"""

import calendar as months
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from compliance.phrase import Phrase, counted, listed
from compliance.regimes.calendars import Calendar

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_NOON = 12
_MONTHS_IN_YEAR = 12


class Unit(StrEnum):
    """What a period is measured in."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    BUSINESS_DAY = "business_day"


class Kind(StrEnum):
    """Which body of law does the counting."""

    ELAPSED = "elapsed"
    EU_1182_HOURS = "eu_1182_hours"
    EU_1182_DAYS = "eu_1182_days"
    CALENDAR_NO_ROLL = "calendar_no_roll"
    US_DAYS = "us_days"
    BUSINESS_DAYS = "business_days"
    DORA = "dora"


@dataclass(frozen=True, slots=True)
class Period:
    """So many hours, days, weeks, months or business days."""

    amount: int
    unit: Unit

    @property
    def words(self) -> Phrase:
        """As a person says it: "15 days"."""
        return _PERIODS[self.unit](self.amount)

    def __str__(self) -> str:
        """The same in English."""
        return self.words


_PERIODS: dict[Unit, Callable[[int], Phrase]] = {
    Unit.HOUR: lambda n: counted("%(n)s hour", "%(n)s hours", n=n),
    Unit.DAY: lambda n: counted("%(n)s day", "%(n)s days", n=n),
    Unit.WEEK: lambda n: counted("%(n)s week", "%(n)s weeks", n=n),
    Unit.MONTH: lambda n: counted("%(n)s month", "%(n)s months", n=n),
    Unit.BUSINESS_DAY: lambda n: counted("%(n)s business day", "%(n)s business days", n=n),
}
_WEEKDAYS = tuple(
    Phrase(each)
    for each in ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # Django's own
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the deadline is decided: the zone, the holidays, and whether a relief is granted."""

    zone: ZoneInfo
    calendar: Calendar
    is_relieved: bool = True


class Figures(NamedTuple):
    """What a period comes to, in UTC."""

    strict: datetime
    nominal: datetime | None
    legal_latest: datetime

    @property
    def target_due(self) -> datetime:
        """What everyone works towards: `nominal` for days, `strict` for hours."""
        return self.strict if self.nominal is None else self.nominal


class DaySpan(NamedTuple):
    """What a period in days comes to, from the local date of the event alone."""

    days: timedelta
    """From the day of the event to the last day."""
    end: date
    nominal: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Counted:
    """What a period comes to, in UTC, with the rule that led there."""

    strict: datetime
    nominal: datetime | None
    legal_latest: datetime
    trace: tuple[Phrase, ...]
    gaps: tuple[int, ...] = ()
    """Years for which the calendar had to fall back; counsel confirms the holidays."""

    @property
    def dates(self) -> Figures:
        """The figures without the words."""
        return Figures(self.strict, self.nominal, self.legal_latest)

    @property
    def target_due(self) -> datetime:
        """What everyone works towards: `nominal` for days, `strict` for hours."""
        return self.strict if self.nominal is None else self.nominal


def count(kind: Kind, start: datetime, period: Period, place: Place) -> Counted:
    """Count a period from an instant as this kind of law does, with the rule in words."""
    begun = start.astimezone(UTC)
    found = figures(kind, begun, period, place)
    gaps = _gaps(kind, begun, found, place)
    words = (*_WORDS[kind](begun, period, place, found), *_gap_sentence(gaps, place))
    return Counted(*found, words, gaps)


def figures(kind: Kind, start: datetime, period: Period, place: Place) -> Figures:
    """The same without words.

    Args:
        kind: Which law counts.
        start: The instant, in UTC.
        period: How long.
        place: Whose wall clock and holidays decide.
    """
    if period.unit is Unit.HOUR:
        return hour_figures(kind, start, period, place)
    return day_figures(start, day_span(kind, local_date(start, place.zone), period, place))


def hour_figures(kind: Kind, start: datetime, period: Period, place: Place) -> Figures:
    """Elapsed hours; a relief only moves the latest reading."""
    due = start + _HOUR * period.amount
    if kind is Kind.EU_1182_HOURS:
        return Figures(due, None, _next_hour(start, place.zone) + _HOUR * period.amount)
    if kind is Kind.DORA:
        return Figures(due, None, noon_after(last_date(due, place.zone), place) or due)
    return Figures(due, None, due)


def day_figures(start: datetime, span: DaySpan) -> Figures:
    """A span as it falls for one event: `strict` keeps its time and never passes the day's end."""
    return Figures(min(start + span.days, span.nominal), span.nominal, span.latest)


def day_span(kind: Kind, first: date, period: Period, place: Place) -> DaySpan:
    """What a period in days, weeks, months or business days from a local date comes to."""
    if kind is Kind.BUSINESS_DAYS:
        end = place.calendar.nth_working_after(first, period.amount)
    else:
        end = last_day(first, period)
    latest = _latest(kind, first, end, period, place)
    return DaySpan(end - first, end, day_end(end, place.zone), latest)


def _latest(kind: Kind, first: date, end: date, period: Period, place: Place) -> datetime:
    """The latest reading of a period in days."""
    if kind is Kind.EU_1182_DAYS:
        return day_end(_eu_latest(first, end, period, place), place.zone)
    if kind is Kind.US_DAYS:
        return day_end(place.calendar.working_from(end), place.zone)
    if kind is Kind.DORA:
        return noon_after(end, place) or day_end(end, place.zone)
    return day_end(end, place.zone)


def _eu_latest(first: date, end: date, period: Period, place: Place) -> date:
    """The last day after Art. 3(4) and 3(5)."""
    rolled = place.calendar.working_from(end)
    if period.unit is Unit.DAY and period.amount == 1:
        return rolled
    return max(rolled, place.calendar.nth_working_after(first, 2))


def noon_after(day: date, place: Place) -> datetime | None:
    """DORA's relief for a period that ends on this date; None where it grants none."""
    if not place.is_relieved or place.calendar.is_working(day):
        return None
    noon = place.calendar.working_from(day)
    return datetime(noon.year, noon.month, noon.day, _NOON, tzinfo=place.zone).astimezone(UTC)


def last_date(due: datetime, zone: ZoneInfo) -> date:
    """The date on which a period ends; a midnight belongs to the day before."""
    return local_date(due - timedelta(microseconds=1), zone)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The date on the wall at the deciding place."""
    return instant.astimezone(zone).date()


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """24:00 of a local date as an instant in UTC: the first moment that is too late."""
    following = day + _DAY
    midnight = datetime(following.year, following.month, following.day, tzinfo=zone)
    return midnight.astimezone(UTC)


def add_months(day: date, n: int) -> date:
    """The same date n months on, or the last day of that month where there is none."""
    index = day.year * _MONTHS_IN_YEAR + day.month - 1 + n
    year, month = divmod(index, _MONTHS_IN_YEAR)
    last = months.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def last_day(day: date, period: Period) -> date:
    """The last local date of a period; the day of the event is not counted."""
    if period.unit is Unit.MONTH:
        return add_months(day, period.amount)
    if period.unit is Unit.WEEK:
        return day + timedelta(weeks=period.amount)
    return day + timedelta(days=period.amount)


def _next_hour(instant: datetime, zone: ZoneInfo) -> datetime:
    """The start of the first full hour after an instant, on the local clock."""
    local = instant.astimezone(zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return instant - into + _HOUR


def _gaps(kind: Kind, start: datetime, found: Figures, place: Place) -> tuple[int, ...]:
    """Years for which the count had to ask the calendar and found it empty."""
    if kind not in _BY_CALENDAR:
        return ()
    last = local_date(found.legal_latest, place.zone)
    return place.calendar.gaps(local_date(start, place.zone), last)


def _gap_sentence(gaps: tuple[int, ...], place: Place) -> Iterator[Phrase]:
    """That a holiday may be missing, and what was used instead."""
    if gaps:
        first, last = place.calendar.years
        yield Phrase(
            "The calendar %(calendar)s covers %(first)s to %(last)s; for %(years)s it falls back to"
            " %(fallback)s. Confirm the holidays of that year.",
            calendar=place.calendar.reference,
            first=str(first),
            last=str(last),
            years=", ".join(map(str, gaps)),
            fallback=place.calendar.fallback,
        )


def _elapsed_words(
    start: datetime, period: Period, place: Place, found: Figures
) -> Iterator[Phrase]:
    """Plain hours; no relief of any kind."""
    yield _hours_sentence(start, period, found.strict, place)


def _eu_hours_words(
    start: datetime, period: Period, place: Place, found: Figures
) -> Iterator[Phrase]:
    """Plain hours as the target; the uncounted first hour only moves the latest reading."""
    yield _hours_sentence(start, period, found.strict, place)
    yield Phrase(
        "Reg. 1182/71 Art. 3(1): the hour of the event is not counted, so the latest"
        " reading ends %(latest)s. Art. 3(4) does not extend hours.",
        latest=_wall(found.legal_latest, place.zone),
    )


def _eu_days_words(
    start: datetime, period: Period, place: Place, _found: Figures
) -> Iterator[Phrase]:
    """Calendar days; holidays and weekends may extend only the latest reading."""
    first, end = _span(start, period, place)
    rolled = place.calendar.working_from(end)
    latest = _eu_latest(first, end, period, place)
    yield _days_sentence(first, end, period, place)
    yield from _roll_sentence(end, rolled, place)
    if latest > rolled:
        yield Phrase(
            "Reg. 1182/71 Art. 3(5): two days or more include at least two working days, so"
            " the latest reading runs to the end of %(latest)s.",
            latest=_day(latest),
        )


def _calendar_words(
    start: datetime, period: Period, place: Place, _found: Figures
) -> Iterator[Phrase]:
    """Calendar days without any relief."""
    yield _days_sentence(*_span(start, period, place), period, place)
    yield Phrase("No weekend or holiday relief under this text.")


def _us_words(start: datetime, period: Period, place: Place, _found: Figures) -> Iterator[Phrase]:
    """Calendar days; state law may extend a period that ends on a weekend or holiday."""
    first, end = _span(start, period, place)
    rolled = place.calendar.working_from(end)
    yield _days_sentence(first, end, period, place)
    if rolled > end:
        yield Phrase(
            "State law on computing time may extend to %(day)s (%(calendar)s, from memory): do"
            " not rely on it.",
            day=_day(rolled),
            calendar=place.calendar.reference,
        )


def _business_words(
    start: datetime, period: Period, place: Place, found: Figures
) -> Iterator[Phrase]:
    """Business days on the authority's calendar."""
    yield Phrase(
        "%(period)s after %(first)s on %(calendar)s: %(end)s, 24:00.",
        period=period.words,
        first=_day(local_date(start, place.zone)),
        calendar=place.calendar.reference,
        end=_day(last_date(found.target_due, place.zone)),
    )


def _dora_words(start: datetime, period: Period, place: Place, found: Figures) -> Iterator[Phrase]:
    """Hours elapsed or whole months, with relief to noon of the next working day."""
    if period.unit is Unit.HOUR:
        yield _hours_sentence(start, period, found.strict, place)
    else:
        yield _days_sentence(*_span(start, period, place), period, place)
    ends = last_date(found.target_due, place.zone)
    if place.calendar.is_working(ends):
        return
    if not place.is_relieved:
        yield Phrase("No relief: the noon rule excludes this kind of entity for this stage.")
        return
    yield Phrase(
        "Delegated Reg. (EU) 2025/301 Art. 5: %(day)s is not a working day (%(calendar)s), so the"
        " latest reading is %(noon)s.",
        day=_day(ends),
        calendar=place.calendar.reference,
        noon=_wall(found.legal_latest, place.zone),
    )


_WORDS: dict[Kind, Callable[[datetime, Period, Place, Figures], Iterator[Phrase]]] = {
    Kind.ELAPSED: _elapsed_words,
    Kind.EU_1182_HOURS: _eu_hours_words,
    Kind.EU_1182_DAYS: _eu_days_words,
    Kind.CALENDAR_NO_ROLL: _calendar_words,
    Kind.US_DAYS: _us_words,
    Kind.BUSINESS_DAYS: _business_words,
    Kind.DORA: _dora_words,
}

_BY_CALENDAR = frozenset({Kind.EU_1182_DAYS, Kind.US_DAYS, Kind.BUSINESS_DAYS, Kind.DORA})
"""Kinds of law that ask a holiday calendar."""

UNITS: dict[Kind, frozenset[Unit]] = {
    Kind.ELAPSED: frozenset({Unit.HOUR}),
    Kind.EU_1182_HOURS: frozenset({Unit.HOUR}),
    Kind.EU_1182_DAYS: frozenset({Unit.DAY, Unit.WEEK, Unit.MONTH}),
    Kind.CALENDAR_NO_ROLL: frozenset({Unit.DAY, Unit.WEEK, Unit.MONTH}),
    Kind.US_DAYS: frozenset({Unit.DAY, Unit.WEEK, Unit.MONTH}),
    Kind.BUSINESS_DAYS: frozenset({Unit.BUSINESS_DAY}),
    Kind.DORA: frozenset({Unit.HOUR, Unit.DAY, Unit.MONTH}),
}
"""Which units each kind of law can count."""


def _span(start: datetime, period: Period, place: Place) -> tuple[date, date]:
    """The date of the event and the last date of the period."""
    first = local_date(start, place.zone)
    return first, last_day(first, period)


def _hours_sentence(start: datetime, period: Period, due: datetime, place: Place) -> Phrase:
    """The arithmetic of an hour clock in one line."""
    return Phrase(
        "%(period)s elapsed from %(start)s, counted in UTC: %(due)s.",
        period=period.words,
        start=_wall(start, place.zone),
        due=_wall(due, place.zone),
    )


def _days_sentence(first: date, end: date, period: Period, place: Place) -> Phrase:
    """The arithmetic of a day clock in one line."""
    return Phrase(
        "Day 0 is %(first)s (%(zone)s) and is not counted; %(period)s end %(end)s at 24:00.",
        first=_day(first),
        zone=place.zone.key,
        period=period.words,
        end=_day(end),
    )


def _roll_sentence(end: date, rolled: date, place: Place) -> tuple[Phrase, ...]:
    """Why the last day moved, when it did."""
    if rolled == end:
        return ()
    sentence = Phrase(
        "Reg. 1182/71 Art. 3(4): %(day)s is not a working day (%(calendar)s), so the latest reading"
        " runs to the end of %(rolled)s.",
        day=_day(end),
        calendar=place.calendar.reference,
        rolled=_day(rolled),
    )
    return (sentence,)


def _wall(instant: datetime, zone: ZoneInfo) -> Phrase:
    """An instant as read off the wall, with its offset."""
    local = instant.astimezone(zone)
    wall = f"{local:%Y-%m-%d %H:%M %z} ({zone.key})"
    return listed((_WEEKDAYS[local.weekday()], wall), " ")


def _day(day: date) -> Phrase:
    """A date with its weekday."""
    return listed((_WEEKDAYS[day.weekday()], f"{day:%Y-%m-%d}"), " ")
