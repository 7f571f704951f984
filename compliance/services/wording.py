"""Words for people beside what records hold exactly: instants, days, kinds of harm, legal reckoning.

The exact value stays where it is, for programs and for digests. Words are made in the language that
is active; papers are frozen in the installation's (`document.in_house_language`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.utils import formats, translation
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from compliance.phrase import Phrase, said
from compliance.regimes import answer as typed
from compliance.regimes.fields import RequiredField
from compliance.regimes.questions import LIMB_QUESTIONS
from compliance.regimes.schema import LimbDefinition
from compliance.regimes.terms import FieldType
from compliance.regimes.vocabulary import INSTANTS, LIMBS, STAGES, Limb

# As records write instants (a final Z, fractions of any length), and as instruments may.
INSTANT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z\b|[+-]\d\d:\d\d)")
DATED = re.compile(rf"(?P<at>{INSTANT.pattern}):? (?P<what>\S.*)")
SIGNED = re.compile(rf"(?P<who>.+), (?P<at>{INSTANT.pattern})")
# As the engine writes the wall's time into the trace of a clock.
WALL = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d [+-]\d{4}) \(([\w/+-]+)\)")
WALL_UTC = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)Z")
NAMED = re.compile(rf"\b(?:{'|'.join(INSTANTS)})\b")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
DAYS = frozenset({"start", "end", "day", "p1"})
"""The blanks of the engine's sentences that hold a day and nothing else."""
SUBMITTED = "submitted:"


class Moment(NamedTuple):
    """One line of a dated list."""

    at: str
    what: str


def zone_name(at: datetime) -> str:
    """The zone as its own people abbreviate it, or its offset where they do not."""
    name = at.tzname() or ""
    return f"UTC{name}" if name[:1] in {"+", "-"} else name


def moment(at: datetime, zone: str = "", *, has_seconds: bool = False) -> str:
    """Date and time as a paper writes them, the zone named: 22 November 2026, 21:33 CET."""
    local = at.astimezone(ZoneInfo(zone or "UTC"))
    form = f"{_day_form()}, H:i:s" if has_seconds else f"{_day_form()}, H:i"
    return f"{formats.date_format(local, form)} {zone_name(local)}"


def day(on: date) -> str:
    """A date as a paper writes it."""
    return formats.date_format(on, _day_form())


def _day_form() -> str:
    """German puts a point behind the number of the day."""
    return "j. F Y" if (translation.get_language() or "").startswith("de") else "j F Y"


def text(exact: str, zone: str, limbs: Iterable[LimbDefinition] = (), *, cites: bool = True) -> str:
    """What a record says, in words: instants in the zone, codes of harm with their legal words.

    An internal rule's report `cites` no article.
    """
    if harms := _harms(exact):
        return "\n".join(harm(each, limbs, cites=cites) for each in harms)
    return "\n".join(_line(line, zone) for line in exact.splitlines())


def answer(
    asked: RequiredField,
    exact: str,
    zone: str,
    limbs: Iterable[LimbDefinition] = (),
    *,
    cites: bool = True,
) -> str:
    """An answer of a report in words, as the type of its field has it."""
    own = typed.words(asked, exact)
    if own is not None:
        return said(own, translation)
    if asked.type is FieldType.DAY and (on := typed.day(exact)):
        return day(on)
    return text(exact, zone, limbs, cites=cites)


def instants(exact: str, zone: str, *, has_seconds: bool = True) -> str:
    """The text with each instant as date and time in the zone."""
    return INSTANT.sub(
        lambda found: _told(found[0], found[0], zone, has_seconds=has_seconds), exact
    )


def _told(whole: str, at: str, zone: str, *, has_seconds: bool = False) -> str:
    """What looks like an instant, in words; as it stands where no calendar has it."""
    try:
        return moment(datetime.fromisoformat(at), zone, has_seconds=has_seconds)
    except (ValueError, OverflowError):
        return whole


def _line(line: str, zone: str) -> str:
    dated = DATED.fullmatch(line)
    if dated is None:
        return instants(line, zone)
    return f"{instants(dated['at'], zone)}: {instants(dated['what'], zone)}"


def moments(exact: str, zone: str) -> list[Moment]:
    """The lines as a dated list; none where one of them has no date of its own."""
    lines = [DATED.fullmatch(line) for line in exact.splitlines()]
    if not all(lines):
        return []
    return [
        Moment(instants(line["at"], zone), instants(line["what"], zone)) for line in lines if line
    ]


def signed(source: str) -> tuple[str, str]:
    """Who and when, of a signature that holds both; the second is empty where there is one part."""
    both = SIGNED.fullmatch(source)
    return (both["who"], both["at"]) if both else (source, "")


def _harms(exact: str) -> list[Limb]:
    codes = exact.split(", ")
    return [Limb(code) for code in codes] if all(code in set(Limb) for code in codes) else []


def harm(limb: Limb, limbs: Iterable[LimbDefinition] = (), *, cites: bool = True) -> str:
    """A kind of harm by its label with its legal words: the regime's own, or those it was asked by."""
    own = next((each for each in limbs if each.id == limb), None)
    asked = next(each for each in LIMB_QUESTIONS if each.id == limb)
    parts = {
        "label": said(own.title, translation) if own else capfirst(said(LIMBS[limb], translation)),
        "meaning": said((own or asked).definition, translation),
        "cite": said((own or asked).cite, translation),
    }
    return (
        _("%(label)s. %(meaning)s (%(cite)s)") if cites else _("%(label)s. %(meaning)s")
    ) % parts


def phrase(kept: object) -> object:
    """A sentence of the engine with its names and times in words, ready to be said.

    The engine knows instants and stages by name and writes times as records do; so do the clocks
    and classifications that are kept, early ones as plain text. Nothing kept changes.
    """
    form = kept.kept() if isinstance(kept, Phrase) else kept
    if isinstance(form, str):
        return _times("", NAMED.sub(lambda found: said(INSTANTS[found[0]], translation), form))
    if not isinstance(form, Mapping) or "with" not in form:
        return form
    return {**form, "with": {name: _value(name, value) for name, value in form["with"].items()}}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return phrase(value)
    if not isinstance(value, str):
        return value
    if value in INSTANTS:
        return INSTANTS[value].form()
    if value.startswith(SUBMITTED) and value.removeprefix(SUBMITTED) in STAGES:
        return STAGES[value.removeprefix(SUBMITTED)].form()
    return _times(name, value)


def _times(name: str, value: str) -> str:
    if name in DAYS and DAY.fullmatch(value):
        return _day_told(value)
    told = WALL.sub(lambda found: _told(found[0], found[1], found[2]), value)
    return WALL_UTC.sub(lambda found: _told(found[0], f"{found[1]}Z", ""), told)


def _day_told(on: str) -> str:
    try:
        return day(date.fromisoformat(on))
    except ValueError:
        return on
