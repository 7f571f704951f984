"""How each body of law counts, as pure functions from an instant to three deadlines.

Two rules hold everywhere. Hours are added to the UTC instant, never to a wall clock. Days, weeks
and months are counted on local dates in the zone of the deciding place, and end at 24:00, which
is stored as the exclusive midnight that follows.

`strict` never leans on a relief, `nominal` is the end of the last calendar day, `legal_latest` is
the latest reading that can be argued. `target_due` is `strict` for hours and `nominal` for days.

Regulation (EEC, Euratom) 1182/71 is cited by its articles in the traces.
"""

import calendar as months
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
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


@dataclass(frozen=True, slots=True)
class Counted:
    """What a period comes to, in UTC, with the rule that led there."""

    strict: datetime
    nominal: datetime | None
    legal_latest: datetime
    trace: tuple[Phrase, ...]

    @property
    def target_due(self) -> datetime:
        """What everyone works towards: `nominal` for days, `strict` for hours."""
        return self.strict if self.nominal is None else self.nominal


def count(kind: Kind, start: datetime, period: Period, place: Place) -> Counted:
    """Count a period from an instant as this kind of law does."""
    return _COUNTERS[kind](start.astimezone(UTC), period, place)


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


def _elapsed(start: datetime, period: Period, place: Place) -> Counted:
    """Plain hours; no relief of any kind."""
    due = start + _HOUR * period.amount
    return Counted(due, None, due, (_hours_sentence(start, period, due, place),))


def _eu_hours(start: datetime, period: Period, place: Place) -> Counted:
    """Plain hours as the target; the uncounted first hour only moves the latest reading."""
    due = start + _HOUR * period.amount
    latest = _next_hour(start, place.zone) + _HOUR * period.amount
    return Counted(
        due,
        None,
        latest,
        (
            _hours_sentence(start, period, due, place),
            Phrase(
                "Reg. 1182/71 Art. 3(1): the hour of the event is not counted, so the latest"
                " reading ends %(latest)s. Art. 3(4) does not extend hours.",
                latest=_wall(latest, place.zone),
            ),
        ),
    )


def _eu_days(start: datetime, period: Period, place: Place) -> Counted:
    """Calendar days; holidays and weekends may extend only the latest reading."""
    first, end = _span(start, period, place)
    rolled = place.calendar.working_from(end)
    second = place.calendar.nth_working_after(first, 2)
    needs_two = period.unit is not Unit.DAY or period.amount > 1
    latest = max(rolled, second) if needs_two else rolled
    trace = [_days_sentence(first, end, period, place), *_roll_sentence(end, rolled, place)]
    if latest > rolled:
        trace.append(
            Phrase(
                "Reg. 1182/71 Art. 3(5): two days or more include at least two working days, so"
                " the latest reading runs to the end of %(latest)s.",
                latest=_day(latest),
            )
        )
    return _days(start, end, latest, place, trace)


def _calendar_days(start: datetime, period: Period, place: Place) -> Counted:
    """Calendar days without any relief."""
    first, end = _span(start, period, place)
    trace = [
        _days_sentence(first, end, period, place),
        Phrase("No weekend or holiday relief under this text."),
    ]
    return _days(start, end, end, place, trace)


def _us_days(start: datetime, period: Period, place: Place) -> Counted:
    """Calendar days; state law may extend a period that ends on a weekend or holiday."""
    first, end = _span(start, period, place)
    rolled = place.calendar.working_from(end)
    trace = [_days_sentence(first, end, period, place)]
    if rolled > end:
        trace.append(
            Phrase(
                "State law on computing time may extend to %(day)s (%(calendar)s, from memory): do"
                " not rely on it.",
                day=_day(rolled),
                calendar=place.calendar.reference,
            )
        )
    return _days(start, end, rolled, place, trace)


def _business_days(start: datetime, period: Period, place: Place) -> Counted:
    """Business days on the authority's calendar."""
    first = local_date(start, place.zone)
    end = place.calendar.nth_working_after(first, period.amount)
    sentence = Phrase(
        "%(period)s after %(first)s on %(calendar)s: %(end)s, 24:00.",
        period=period.words,
        first=_day(first),
        calendar=place.calendar.reference,
        end=_day(end),
    )
    return _days(start, end, end, place, [sentence])


def _dora(start: datetime, period: Period, place: Place) -> Counted:
    """Hours elapsed or whole months, with relief to noon of the next working day."""
    plain = _elapsed if period.unit is Unit.HOUR else _calendar_span
    counted = plain(start, period, place)
    ends = local_date(counted.target_due - timedelta(microseconds=1), place.zone)
    if place.calendar.is_working(ends):
        return counted
    if not place.is_relieved:
        note = Phrase("No relief: the noon rule excludes this kind of entity for this stage.")
        return Counted(
            counted.strict, counted.nominal, counted.legal_latest, (*counted.trace, note)
        )
    noon = _at_noon(place.calendar.working_from(ends), place.zone)
    note = Phrase(
        "Delegated Reg. (EU) 2025/301 Art. 5: %(day)s is not a working day (%(calendar)s), so the"
        " latest reading is %(noon)s.",
        day=_day(ends),
        calendar=place.calendar.reference,
        noon=_wall(noon, place.zone),
    )
    return Counted(counted.strict, counted.nominal, noon, (*counted.trace, note))


def _calendar_span(start: datetime, period: Period, place: Place) -> Counted:
    """Whole days without a sentence about relief, for a law that brings its own."""
    first, end = _span(start, period, place)
    return _days(start, end, end, place, [_days_sentence(first, end, period, place)])


_COUNTERS: dict[Kind, Callable[[datetime, Period, Place], Counted]] = {
    Kind.ELAPSED: _elapsed,
    Kind.EU_1182_HOURS: _eu_hours,
    Kind.EU_1182_DAYS: _eu_days,
    Kind.CALENDAR_NO_ROLL: _calendar_days,
    Kind.US_DAYS: _us_days,
    Kind.BUSINESS_DAYS: _business_days,
    Kind.DORA: _dora,
}

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


def _days(start: datetime, end: date, latest: date, place: Place, trace: list[Phrase]) -> Counted:
    """A day count; `strict` keeps the time of the event and never passes the day's end."""
    nominal = day_end(end, place.zone)
    elapsed = start + (end - local_date(start, place.zone))
    return Counted(min(elapsed, nominal), nominal, day_end(latest, place.zone), tuple(trace))


def _next_hour(instant: datetime, zone: ZoneInfo) -> datetime:
    """The start of the first full hour after an instant, on the local clock."""
    local = instant.astimezone(zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return instant - into + _HOUR


def _at_noon(day: date, zone: ZoneInfo) -> datetime:
    """Noon of a local date, in UTC."""
    return datetime(day.year, day.month, day.day, _NOON, tzinfo=zone).astimezone(UTC)


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
