"""The entries of a standing pack: duties that fall due by the calendar, and their worked cases."""

from compliance.permissions import Role
from compliance.phrase import Phrase
from compliance.regimes.calendars import CalendarError, calendar
from compliance.regimes.counting import Kind, Period, Unit
from compliance.regimes.entries import evidence, optional_predicate, period
from compliance.regimes.schema import CalendarDuty, DateRule, Slip, StandingCase
from compliance.regimes.table import Table
from compliance.regimes.terms import Direction, Round, Sense
from compliance.regimes.vocabulary import Milestone

_ROUNDS = frozenset({Unit.DAY, Unit.WEEK, Unit.MONTH})
"""What a recurrence may be counted in."""

_WITHOUT_RELIEF = frozenset({Kind.CALENDAR_NO_ROLL, Kind.BUSINESS_DAYS, Kind.ELAPSED})
"""How a standing duty may be counted."""


def standing(entry: Table) -> CalendarDuty:
    """A duty of the calendar."""
    return CalendarDuty(
        id=entry.text("id"),
        title=entry.words("title"),
        text=entry.words("text"),
        cite=entry.words("cite"),
        evidence=evidence(entry),
        owner=entry.choice("owner", Role),
        proof=entry.words("proof"),
        sense=entry.choice("sense", Sense, Sense.BY),
        rules=entry.each("rule", _rule),
        every=_every(entry),
        counts_from=entry.choice("counts_from", Round, Round.LAST_DONE),
        slip=entry.one("slip", _slip),
        calendars=tuple(_calendar(entry, name) for name in entry.texts("calendars")),
        only_if=optional_predicate(entry, "only_if"),
        inbound=entry.words("inbound", ""),
    )


def standing_case(entry: Table) -> StandingCase:
    """A case with the dates it must come to."""
    expect = {name: str(value) for name, value in entry.table("expect").items()}
    return StandingCase(
        Phrase(entry.text("name")), entry.text("duty"), entry.table("anchors"), expect
    )


def _rule(entry: Table) -> DateRule:
    kind = entry.choice("kind", Kind, Kind.CALENDAR_NO_ROLL)
    if kind not in _WITHOUT_RELIEF:
        raise entry.wrong("kind", f"one of {', '.join(sorted(_WITHOUT_RELIEF))}", kind)
    direction = entry.choice("direction", Direction, Direction.AFTER)
    if kind is Kind.ELAPSED and direction is Direction.BEFORE:
        raise entry.wrong("direction", "'after' for hours", direction)
    return DateRule(
        anchor=entry.choice("anchor", Milestone) if entry.has("anchor") else None,
        on=entry.optional_day("on"),
        period=period(entry, kind),
        direction=direction,
        kind=kind,
        cite=entry.words("cite"),
        evidence=evidence(entry),
    )


def _slip(entry: Table) -> Slip:
    kind = entry.choice("kind", Kind)
    allowed = period(entry, kind)
    if allowed is None:
        raise entry.wrong("amount", "a whole number above zero", None)
    return Slip(allowed, kind, entry.words("condition"), entry.words("cite"), evidence(entry))


def _every(entry: Table) -> Period | None:
    """How often the duty comes round; nothing where it comes once."""
    amount = entry.positive("every")
    if amount is None:
        return None
    unit = entry.choice("every_unit", Unit)
    if unit not in _ROUNDS:
        raise entry.wrong("every_unit", f"one of {', '.join(sorted(_ROUNDS))}", unit)
    return Period(amount, unit)


def _calendar(entry: Table, name: str) -> str:
    try:
        return calendar(name).name
    except CalendarError as error:
        raise entry.wrong("calendars", str(error), name) from None
