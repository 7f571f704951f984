"""What a person recorded about an incident, as the engine reads it.

Facts arrive as one JSON object. Whatever is unknown, misspelt or ambiguous is refused by name: a
deadline computed from a fact nobody recognised would be worse than none.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from compliance.regimes.calendars import CalendarError, calendar
from compliance.regimes.derivations import derived
from compliance.regimes.vocabulary import ENTITIES, PREDICATES, Instant, Limb, Number, StageId

_LONGEST_ECHO = 60
_YEARS = range(1970, 2201)
_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,10})?([eE]\+?[0-9]{1,2})?\Z")
_NOTHING: Mapping[Any, Any] = MappingProxyType({})
_INSTANTS = {str(each): each for each in Instant}
_NUMBERS = {str(each): each for each in Number}


class FactsError(ValueError):
    """A fact is unknown, malformed or contradicts another; the message names it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the engine may know about one incident.

    `submitted` is keyed by stage ("initial"), or by regime and stage ("eu-aia-73:initial") when
    one set of facts serves several regimes.
    """

    instants: Mapping[Instant, datetime] = field(default_factory=lambda: _NOTHING)
    submitted: Mapping[str, tuple[datetime, ...]] = field(default_factory=lambda: _NOTHING)
    limbs: tuple[Limb, ...] = ()
    recipient_zone: str | None = None
    calendar: str | None = None
    entity: str | None = None
    predicates: Mapping[str, bool] = field(default_factory=lambda: _NOTHING)
    numbers: Mapping[Number, float] = field(default_factory=lambda: _NOTHING)
    """Figures from which predicates follow where nobody stated them."""

    @classmethod
    def from_json(cls, given: str | bytes | Mapping[str, Any]) -> "Facts":
        """Read facts from a JSON text or an already parsed object.

        Raises:
            FactsError: Something is unknown or malformed; the message names it.
        """
        raw = dict(given) if isinstance(given, Mapping) else _object(given)
        facts = cls(
            instants={name: instant(name, raw.pop(name)) for name in Instant if _has(raw, name)},
            submitted=dict(_submitted(raw.pop("submitted", None))),
            limbs=tuple(_limbs(raw.pop("limbs", None))),
            recipient_zone=_zone(raw.pop("recipient_zone", None)),
            calendar=_calendar(raw.pop("calendar", None)),
            entity=_entity(raw.pop("entity", None)),
            numbers={name: _number(name, raw.pop(name)) for name in Number if _has(raw, name)},
            predicates=dict(_predicates(raw)),
        )
        _refuse_the_rest(raw)
        return facts

    @classmethod
    def kept(cls, raw: Mapping[str, Any]) -> "Facts":
        """Facts that `as_json` wrote, read back quickly: every question was answered then.

        For rows of our own only. What a person or a program sends goes through `from_json`.
        """
        instants, numbers = {}, {}
        for name, value in raw.items():
            if value is None:
                continue
            if name in _INSTANTS:
                instants[_INSTANTS[name]] = datetime.fromisoformat(value)
            elif name in _NUMBERS:
                numbers[_NUMBERS[name]] = float(value)
        submitted = raw.get("submitted") or {}
        return cls(
            instants=instants,
            submitted={
                name: tuple(datetime.fromisoformat(each) for each in moments)
                for name, moments in submitted.items()
            },
            limbs=_in_order(tuple(raw.get("limbs") or ())),
            recipient_zone=raw.get("recipient_zone"),
            calendar=raw.get("calendar"),
            entity=raw.get("entity"),
            predicates=raw.get("predicates") or _NOTHING,
            numbers=numbers,
        )

    def holds(self, predicate: str) -> bool | None:
        """True or false as recorded, or as a recorded figure shows; None while nobody has said.

        Recording a limb of harm is itself the statement that the incident is serious.
        """
        stated = self.predicates.get(predicate)
        if stated is not None:
            return stated
        if predicate == "serious_incident" and self.limbs:
            return True
        return derived(predicate, self.numbers, self.holds)

    def submissions(self, regime_key: str, stage: StageId) -> tuple[datetime, ...]:
        """When this stage was submitted, in order."""
        qualified = self.submitted.get(f"{regime_key}:{stage}")
        found = self.submitted.get(stage, ()) if qualified is None else qualified
        return tuple(sorted(found))

    def as_json(self) -> dict[str, Any]:
        """The object that `from_json` reads back to the same facts."""
        return {
            **{str(name): _zulu(moment) for name, moment in self.instants.items()},
            **{str(name): figure for name, figure in self.numbers.items()},
            "submitted": {
                name: [_zulu(each) for each in moments] for name, moments in self.submitted.items()
            },
            "limbs": [str(limb) for limb in self.limbs],
            "recipient_zone": self.recipient_zone,
            "calendar": self.calendar,
            "entity": self.entity,
            "predicates": dict(self.predicates),
        }


def instant(name: str, value: object) -> datetime:
    """One instant in UTC from ISO 8601 with an offset.

    Raises:
        FactsError: It is no instant, leaves the offset to be guessed, or lies in no year that
            anybody could have reported in.
    """
    moment = value if isinstance(value, datetime) else _parsed(name, value)
    if moment.utcoffset() is None:
        raise FactsError(
            f"{name}: expected an offset such as '+01:00' or 'Z', got {_echo(value)} without one"
        )
    if moment.year not in _YEARS:
        raise FactsError(
            f"{name}: expected a year from {_YEARS[0]} to {_YEARS[-1]}, got {_echo(value)}"
        )
    return moment.astimezone(UTC)


def _zulu(moment: datetime) -> str:
    """An instant in UTC, ending in Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _number(name: str, value: object) -> float:
    """A figure: a JSON number, or a text such as "3e25" as forms keep it."""
    if isinstance(value, str) and _NUMBER.match(value):
        return float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise FactsError(f"{name}: expected a number such as 3e25, got {_echo(value)}")
    try:
        figure = float(value)
    except OverflowError:
        figure = math.inf
    if not math.isfinite(figure) or figure < 0:
        raise FactsError(f"{name}: expected a number from 0 upwards, got {_echo(value)}")
    return figure


def _object(text: str | bytes) -> dict[str, Any]:
    """One JSON object in which no name is said twice."""
    try:
        raw = json.loads(text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        if isinstance(error, FactsError):
            raise
        raise FactsError(f"facts: expected one JSON object, got something else ({error})") from None
    if not isinstance(raw, dict):
        raise FactsError(f"facts: expected one JSON object, got {type(raw).__name__}")
    return raw


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated name: two awareness times are a question, not a fact."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise FactsError(f"{_echo(name)}: expected once, got it twice")
    return dict(pairs)


def _has(raw: dict[str, Any], name: str) -> bool:
    """Present with a value; an explicit null is the same as absent, and is taken out."""
    if raw.get(name) is None:
        raw.pop(name, None)
        return False
    return True


def _parsed(name: str, value: object) -> datetime:
    """ISO 8601 text as a datetime; a bare date is not an instant."""
    if isinstance(value, str) and ("T" in value or " " in value.strip()):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            pass
    raise FactsError(
        f"{name}: expected an ISO 8601 instant such as '2027-12-07T10:00:00+01:00',"
        f" got {_echo(value)}"
    )


def _submitted(given: object) -> Iterator[tuple[str, tuple[datetime, ...]]]:
    """Stage to its submissions; one instant or a list of them."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise FactsError(f"submitted: expected an object of stages, got {_echo(given)}")
    for name, value in given.items():
        if str(name).rpartition(":")[2] not in set(StageId):
            raise FactsError(
                f"submitted: unknown stage {_echo(name)}; expected one of {', '.join(StageId)}"
            )
        values = value if isinstance(value, list) else [value] if value is not None else []
        yield str(name), tuple(instant(f"submitted.{name}", each) for each in values)


def _limbs(given: object) -> Iterator[Limb]:
    """The limbs of harm, each once and in the vocabulary's order."""
    if given is None:
        return
    if not isinstance(given, list):
        raise FactsError(f"limbs: expected a list, got {_echo(given)}")
    for name in given:
        if not isinstance(name, str) or name not in set(Limb):
            raise FactsError(f"unknown limb {_echo(name)}; expected one of {', '.join(Limb)}")
    yield from _in_order(tuple(given))


@lru_cache(maxsize=1024)
def _in_order(given: tuple[str, ...]) -> tuple[Limb, ...]:
    """Limbs by name, each once and in the vocabulary's order."""
    return tuple(limb for limb in Limb if limb in given)


def _zone(given: object) -> str | None:
    """A zone the time-zone database knows."""
    if given is None:
        return None
    if not isinstance(given, str) or given not in _zones():
        raise FactsError(
            "recipient_zone: expected an IANA zone such as 'Europe/Berlin', got unknown zone"
            f" {_echo(given)}"
        )
    return ZoneInfo(given).key


@cache
def _zones() -> frozenset[str]:
    """Every zone name; the database is asked once."""
    return frozenset(available_timezones())


def _calendar(given: object) -> str | None:
    """A calendar somebody keeps."""
    if given is None:
        return None
    if not isinstance(given, str):
        raise FactsError(f"calendar: expected a name such as 'DE', got {_echo(given)}")
    try:
        return calendar(given).name
    except CalendarError as error:
        raise FactsError(f"calendar: {str(error)[:400]}") from None


def _entity(given: object) -> str | None:
    """A kind of organisation from the vocabulary."""
    if given is None:
        return None
    if not isinstance(given, str) or given not in ENTITIES:
        raise FactsError(
            f"unknown entity {_echo(given)}; expected one of {', '.join(sorted(ENTITIES))}"
        )
    return given


def _predicates(raw: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Predicates by name, beside the other facts or together under "predicates"."""
    nested = raw.pop("predicates", None) or {}
    if not isinstance(nested, Mapping):
        raise FactsError(f"predicates: expected an object, got {_echo(nested)}")
    beside = {name: raw.pop(name) for name in tuple(raw) if name in PREDICATES}
    for name in nested:
        if name not in PREDICATES:
            raise FactsError(f"unknown predicate {_echo(name)}")
        if name in beside:
            raise FactsError(f"{name}: expected once, got it twice")
    for name, value in {**beside, **nested}.items():
        if value is None:
            continue
        if not isinstance(value, bool):
            raise FactsError(f"{name}: expected true or false, got {_echo(value)}")
        yield name, value


def _refuse_the_rest(raw: dict[str, Any]) -> None:
    """What is left was never heard of."""
    if raw:
        name = next(iter(raw))
        raise FactsError(
            f"unknown fact {_echo(name)}; expected an instant ({', '.join(Instant)}), submitted,"
            f" limbs, recipient_zone, calendar, entity, a figure ({', '.join(Number)}), or a"
            " predicate"
        )


def _echo(value: object) -> str:
    """A value quoted back: short, and with every unprintable character escaped."""
    shown = ascii(value)
    return shown if len(shown) <= _LONGEST_ECHO else f"{shown[:_LONGEST_ECHO]}…"
