"""The numbered cases of the reference, each with what was expected and what the engine answers.

T1 to T25 are worked examples, N1 to N12 are errors found in public material that must not come out
here. Nearly all stand inside the packs; two are statements about a pack's own data. F01 walks every
change of clocks in eight zones.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from compliance.regimes import load
from compliance.regimes.calendars import calendar
from compliance.regimes.counting import Period, Place, Unit, figures
from compliance.regimes.engine import evaluate
from compliance.regimes.facts import Facts, instant
from compliance.regimes.schema import GoldenCase, Regime, Rule
from compliance.regimes.standing import case_dates

NUMBERED = re.compile(r"([TN])(\d+)\b")
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
"""Where F01 looks: both hemispheres, and one zone whose clocks change by half an hour."""

_THREE_DAYS = Period(72, Unit.HOUR)
_SECONDS = 259_200
_HOUR = timedelta(hours=1)
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_LAST = datetime(2029, 1, 1, tzinfo=UTC)


class Row(NamedTuple):
    """One value of one case."""

    case: str
    about: str
    what: str
    expected: str
    found: str

    @property
    def is_equal(self) -> bool:
        """Whether the engine answers what the reference says."""
        return self.expected == self.found


def rows() -> list[Row]:
    """Every value of every numbered case, in the order of the reference."""
    found = [*_worked(), *_standing(), *_statements()]
    return sorted(found, key=lambda row: _place(row.case))


def _place(case: str) -> tuple[bool, int]:
    """The T before the N, each by number."""
    kind, number = case[0], int(case[1:])
    return kind == "N", number


def _worked() -> Iterator[Row]:
    """Cases about an incident."""
    for pack in load.regimes():
        for case in pack.tests:
            if matched := NUMBERED.match(case.name):
                yield from compared(pack, case, matched[0])


def compared(pack: Regime, case: GoldenCase, number: str) -> Iterator[Row]:
    """One row for each value that a worked case expects."""
    facts, at = Facts.from_json(case.facts), instant("at", case.at)
    outcome = evaluate(pack, facts, at, assume_scope=True)
    for stage, expected in case.expect.items():
        answered = outcome.stage(stage).as_json()
        for name, value in expected.items():
            yield Row(number, pack.reference, f"{stage}.{name}", value, _written(answered[name]))


def _written(value: Any) -> str:
    """A value as packs write it."""
    return "null" if value is None else str(value)


def _standing() -> Iterator[Row]:
    """Cases about a standing duty."""
    for pack in load.standing():
        for case in pack.standing_tests:
            if matched := NUMBERED.match(case.name):
                answered = case_dates(pack, case)
                for name, value in case.expect.items():
                    what = f"{case.duty}.{name}"
                    yield Row(matched[0], pack.reference, what, value, answered.get(name, "null"))


def _statements() -> Iterator[Row]:
    """N5 and N9: what a pack says, rather than when something is due."""
    article_73, raise_act = load.get("eu-aia-73"), load.get("us-ny-raise-1422")
    binding = [each.name for each in article_73.templates if each.is_binding]
    yield Row("N5", article_73.reference, "binding templates", "none", ", ".join(binding) or "none")
    for kept in raise_act.retention:
        yield Row("N9", raise_act.reference, "retention period", "P5Y", kept.min_period)
        counted = "deployment" if "deploy" in kept.counted_from else "framework"
        yield Row("N9", raise_act.reference, "retention counts from", "framework", counted)
    spending = any("100" in condition.cite for condition in raise_act.scope)
    yield Row(
        "N9", raise_act.reference, "spending test in scope", "no", "yes" if spending else "no"
    )


class Elapsed(NamedTuple):
    """F01 in figures."""

    zones: int
    changes: int
    counted: int
    wrong: tuple[str, ...]


def elapsed() -> Elapsed:
    """Count 72 hours across every change of clocks from 2026 to 2028, each hour around it."""
    n_changes, n_counted = 0, 0
    wrong: list[str] = []
    rules = tuple(_three_day_rules())
    for name in ZONES:
        place = Place(ZoneInfo(name), calendar("DE"))
        for change in changes(place.zone):
            n_changes += 1
            for rule, before in ((rule, hours) for rule in rules for hours in range(-3, 76)):
                start = change - _HOUR * before
                took = figures(rule.kind, start, _THREE_DAYS, place).strict - start
                n_counted += 1
                if took.total_seconds() != _SECONDS:
                    wrong.append(f"{name} {start.isoformat()} {rule.cite}: {took}")
    return Elapsed(len(ZONES), n_changes, n_counted, tuple(wrong))


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """The hours, in UTC, at which a zone's offset is another than the hour before."""
    hour, offset = _FIRST, _FIRST.astimezone(zone).utcoffset()
    while hour < _LAST:
        hour += _HOUR
        following = hour.astimezone(zone).utcoffset()
        if following != offset:
            yield hour
        offset = following


def _three_day_rules() -> Iterator[Rule]:
    """Every rule of 72 hours that any regime knows."""
    for pack in load.current():
        for stage in pack.stages:
            yield from (rule for rule in stage.rules if rule.period == _THREE_DAYS)
