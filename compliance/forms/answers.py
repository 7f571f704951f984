"""The control for each type of answer to a report's field, and the answer as records keep it.

What comes back unchanged stands for the exact value. What an early draft says in other words than
the type has stays an answer that can be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import translation
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.text import Truncator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compliance.phrase import said
from compliance.regimes import answer as typed
from compliance.regimes.outcome import zulu
from compliance.regimes.terms import FieldType
from compliance.services.report import LONGEST_ANSWER

if TYPE_CHECKING:
    from compliance.regimes.fields import RequiredField
    from compliance.regimes.schema import LimbDefinition

PICKERS = ("datetime-local", "date")
WALL = "%Y-%m-%dT%H:%M"
AS_TYPED = "as-typed-before"
"""Stands for the text of an early draft: a browser changes the ends of its lines."""


class Typed(forms.CharField):
    """One line whose text must become an answer of its type."""

    def __init__(self, *, exact: str, shown: str, **options: Any) -> None:
        """Remember the answer that stands, and how it is shown."""
        # A browser takes line ends out of one line, and would run two words into one.
        self.exact, self.shown = exact, _in_one_line(shown)
        super().__init__(required=False, max_length=LONGEST_ANSWER, initial=self.shown, **options)

    def clean(self, value: Any) -> str:
        """The exact answer; untouched it is the one that stood."""
        text = str(super().clean(value)).strip()
        if _in_one_line(text) == self.shown:
            return self.exact
        return self.kept(text) if text else ""

    def kept(self, text: str) -> str:
        """The text as records write it.

        Raises:
            ValidationError: it is no answer of this type.
        """
        raise NotImplementedError


class Moment(Typed):
    """Date and time, read in the zone of the report and kept in UTC."""

    def __init__(self, *, exact: str, zone: str, **options: Any) -> None:
        """The browser's own picker, unless the answer that stands is in other words."""
        self.zone = zone
        at = typed.instant(exact)
        shown = at.astimezone(ZoneInfo(zone)).strftime(WALL) if at else exact
        super().__init__(
            exact=exact, shown=shown, widget=_picker("datetime-local", is_text=bool(shown) and not at),
            help_text=_now("In the zone %(zone)s.") % {"zone": zone}, **options,
        )  # fmt: skip

    def kept(self, text: str) -> str:
        """In UTC with a final Z; an hour that the clocks leave out or show twice is refused."""
        try:
            found = parse_datetime(text)
        except ValueError:
            found = None
        if found is None:
            raise forms.ValidationError(
                _now("“%(text)s” is no date with a time. Write it as 2026-11-22 14:30.")
                % {"text": _short(text)}
            )
        # First as it is written: the first and the last day of the calendar have no other zone.
        at = self._placed(found) if typed.is_of_our_time(found) and found.tzinfo is None else found
        if not typed.is_of_our_time(at):
            raise _out_of_time(text)
        return zulu(at) or ""

    def _placed(self, wall: datetime) -> datetime:
        at = wall.replace(tzinfo=ZoneInfo(self.zone))
        back = at.astimezone(UTC).astimezone(ZoneInfo(self.zone))
        if back.replace(tzinfo=None) != wall:
            raise forms.ValidationError(
                _now("That night the clocks in %(zone)s leave this hour out.") % {"zone": self.zone}
            )
        again = at.replace(fold=1)
        if at.utcoffset() != again.utcoffset():
            raise forms.ValidationError(
                _now(
                    "That night the clocks in %(zone)s show this hour twice. Write it with its"
                    " offset: %(first)s or %(second)s."
                )
                % {"zone": self.zone, "first": _exactly(at), "second": _exactly(again)}
            )
        return at


class Day(Typed):
    """A date; where the records hold an instant, its day in the zone of the report is shown."""

    def __init__(self, *, exact: str, zone: str, **options: Any) -> None:
        """The browser's own picker, unless the answer that stands is in other words."""
        at = typed.instant(exact)
        shown = at.astimezone(ZoneInfo(zone)).date().isoformat() if at else exact
        is_text = bool(shown) and typed.day(shown) is None
        super().__init__(
            exact=exact, shown=shown, widget=_picker("date", is_text=is_text), **options
        )

    def kept(self, text: str) -> str:
        """As 2026-11-22."""
        on = typed.day(text)
        if on is None and _is_other_day(text):
            raise _out_of_time(text)
        if on is None:
            raise forms.ValidationError(
                _now("“%(text)s” is no date. Write it as 2026-11-22.") % {"text": _short(text)}
            )
        return on.isoformat()


class Number(Typed):
    """A number as it is written: a point, perhaps an exponent."""

    def __init__(self, *, exact: str, unit: str, **options: Any) -> None:
        """A line of text: a browser's number input drops what it cannot read."""
        told = _now("A number of %(unit)s, with a point: 250 or 1.2e26.") % {"unit": unit}
        plain = _now("A number, with a point: 250 or 1.2e26.")
        super().__init__(
            exact=exact, shown=exact, help_text=told if unit else plain,
            widget=forms.TextInput(attrs={"inputmode": "decimal"}), **options,
        )  # fmt: skip

    def kept(self, text: str) -> str:
        """The text itself, once it is a number."""
        if not typed.is_number(text):
            raise forms.ValidationError(
                _now("“%(text)s” is no number. Write digits with a point, such as 250 or 1.2e26.")
                % {"text": _short(text)}
            )
        return text


class Choice(forms.ChoiceField):
    """One of a closed list, and what an early draft said in its place."""

    def __init__(self, *, exact: str, options: Mapping[str, str], **more: Any) -> None:
        """An empty choice leaves the field unanswered."""
        self.exact, other = exact, _as_typed(exact, options)
        super().__init__(
            required=False,
            choices=[("", _("choose one")), *options.items(), *other],
            initial=AS_TYPED if other else exact,
            **more,
        )

    def clean(self, value: Any) -> str:
        """The code, or what was typed before."""
        chosen = str(super().clean(value))
        return self.exact if chosen == AS_TYPED else chosen


class Harms(forms.MultipleChoiceField):
    """Some of the regime's kinds of harm, or what an early draft said in their place."""

    def __init__(self, *, exact: str, options: Mapping[str, str], **more: Any) -> None:
        """One box for each."""
        self.exact = exact
        codes = list(typed.harms(exact)) if exact else []
        self.stands = codes if set(codes) <= set(options) else [AS_TYPED]
        other = [] if self.stands is codes else _as_typed(exact, options)
        super().__init__(
            required=False, choices=[*options.items(), *other], initial=self.stands,
            widget=forms.CheckboxSelectMultiple, **more,
        )  # fmt: skip

    def clean(self, value: Any) -> str:
        """The codes in a row; what stood in other words stands alone or not at all."""
        chosen = list(super().clean(value))
        if set(chosen) == set(self.stands):
            return self.exact
        if AS_TYPED in chosen and len(chosen) > 1:
            raise forms.ValidationError(
                _now("Choose kinds of harm, or keep what was typed before, not both.")
            )
        return ", ".join(chosen)


def control(
    asked: RequiredField,
    answer: Mapping[str, str],
    *,
    zone: str,
    limbs: Iterable[LimbDefinition],
) -> forms.Field:
    """The control that a field's type asks for, filled with what stands.

    Args:
        asked: the field.
        answer: what stands, with its words.
        zone: in which dates and times are read.
        limbs: the regime's own.
    """
    label, exact = said(asked.label, translation), answer.get("value", "")
    closed = typed.options(asked, limbs)
    if closed is not None:
        options = {code: said(words, translation) for code, words in closed.items()}
        made = Harms if asked.type is FieldType.HARM else Choice
        return made(exact=exact, options=options, label=label)
    match asked.type:
        case FieldType.INSTANT:
            return Moment(exact=exact, zone=zone, label=label)
        case FieldType.DAY:
            return Day(exact=exact, zone=zone, label=label)
        case FieldType.NUMBER:
            return Number(exact=exact, unit=said(asked.unit, translation), label=label)
        case _:
            return _prose(asked, label, answer.get("words", exact))


def _prose(asked: RequiredField, label: str, words: str) -> forms.CharField:
    made = forms.CharField(
        label=label,
        required=False,
        max_length=LONGEST_ANSWER,
        initial=words,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    if asked.type is FieldType.PARTY:
        made.help_text = _("Name, capacity and how to reach them, one a line.")
    if asked.type is FieldType.KIND:
        made.disabled = True
        made.widget = forms.TextInput()
        made.help_text = _("Follows from “Kind and language” of this report; change it there.")
    return made


def as_text(field: forms.Field) -> None:
    """Show what was typed: a picker would drop what it cannot read."""
    if isinstance(field.widget, forms.TextInput) and field.widget.input_type in PICKERS:
        field.widget.input_type = "text"


def _picker(kind: str, *, is_text: bool) -> forms.TextInput:
    return forms.TextInput(attrs={"type": "text" if is_text else kind})


def _as_typed(exact: str, options: Mapping[str, str]) -> list[tuple[str, str]]:
    """What an early draft said in other words than the options, as one more of them."""
    if not exact or exact in options:
        return []
    return [(AS_TYPED, _now("as typed before: %(text)s") % {"text": _short(exact)})]


def _short(text: str) -> str:
    return Truncator(text).chars(80)


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _exactly(at: datetime) -> str:
    return at.isoformat(timespec="minutes")


def _is_other_day(text: str) -> bool:
    try:
        return bool(parse_date(text))
    except ValueError:
        return False


def _out_of_time(text: str) -> forms.ValidationError:
    """A date that nobody means."""
    return forms.ValidationError(
        _now("Expected a date between the years %(first)s and %(last)s, got “%(text)s”.")
        % {"first": typed.FIRST_YEAR, "last": typed.LAST_YEAR, "text": _short(text)}
    )
