"""What an answer to a field must be, by the type that its pack gives it, and its words.

Answers are kept exactly: instants in ISO form with their zone, days as 2026-11-22, choices and kinds of
harm by their codes, yes and no as such.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime

from compliance.phrase import Phrase
from compliance.regimes.fields import RequiredField
from compliance.regimes.schema import LimbDefinition
from compliance.regimes.terms import FieldType

YES_NO: dict[str, Phrase] = {"yes": Phrase("Yes"), "no": Phrase("No")}
EXPECTED: dict[FieldType, Phrase] = {
    FieldType.INSTANT: Phrase("date and time with their zone, such as 2026-11-22T14:30:00Z"),
    FieldType.DAY: Phrase("a date such as 2026-11-22"),
    FieldType.NUMBER: Phrase("a number such as 250 or 1.2e26"),
    FieldType.CHOICE: Phrase("one of the choices"),
    FieldType.YES_NO: Phrase("yes or no"),
    FieldType.HARM: Phrase("kinds of harm of this regime"),
}
"""What is expected of each type that does not take any text."""
FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Outside them a date is a slip of the pen, and some have no time at all in another zone."""
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def fits(asked: RequiredField, value: str, limbs: Iterable[LimbDefinition] = ()) -> bool:
    """Whether a value is an answer of the field's type.

    Args:
        asked: The field.
        value: What is to be kept; not blank.
        limbs: The regime's own, for a field that asks for kinds of harm.
    """
    closed = options(asked, limbs)
    if closed is not None:
        return set(harms(value) if asked.type is FieldType.HARM else (value,)) <= set(closed)
    reads = _READS.get(asked.type)
    return reads is None or reads(value)


def options(asked: RequiredField, limbs: Iterable[LimbDefinition] = ()) -> dict[str, Phrase] | None:
    """The closed list that a field is answered from, code by code; None where there is none."""
    if asked.type is FieldType.CHOICE:
        return {each.id: each.label for each in asked.choices}
    if asked.type is FieldType.HARM:
        return {str(each.id): each.title for each in limbs}
    return YES_NO if asked.type is FieldType.YES_NO else None


def instant(value: str) -> datetime | None:
    """The instant that a text is, if it is one of our time and names its zone."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None and is_of_our_time(found) else None


def day(value: str) -> date | None:
    """The day that a text is, if it is one of our time."""
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    return found if is_of_our_time(found) else None


def is_of_our_time(on: date) -> bool:
    """Between the first and the last year that an answer may name; an instant as UTC has it."""
    if isinstance(on, datetime) and on.tzinfo is not None:
        try:
            on = on.astimezone(UTC)
        except OverflowError:
            return False
    return FIRST_YEAR <= on.year <= LAST_YEAR


def is_number(value: str) -> bool:
    """Plain digits, perhaps with a point and an exponent; nothing around them."""
    return NUMBER.fullmatch(value) is not None


def harms(value: str) -> tuple[str, ...]:
    """The codes of a list as records write it."""
    return tuple(each.strip() for each in value.split(","))


_READS: dict[FieldType, Callable[[str], bool]] = {
    FieldType.INSTANT: lambda value: instant(value) is not None,
    FieldType.DAY: lambda value: (day(value) or instant(value)) is not None,
    FieldType.NUMBER: is_number,
}


def words(asked: RequiredField, value: str) -> Phrase | None:
    """What a code or a number says to people; None where the value speaks for itself."""
    closed = options(asked)
    if closed is not None:
        return closed.get(value)
    if asked.type is FieldType.NUMBER and asked.unit and is_number(value):
        return Phrase("%(number)s %(unit)s", number=value, unit=asked.unit)
    return None
