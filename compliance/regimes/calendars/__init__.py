"""Which days count as working days, per authority, from versioned holiday data.

The maintained `holidays` library is the base where it is right (Member States, US states, the
United Kingdom); a TOML file under `data/` corrects it or describes an authority of its own, such
as the European Commission, whose closing days differ from Belgium's.
"""

import functools
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources

import holidays
from holidays.version import __version__ as library_version

WEEKENDS_ONLY = "WEEKENDS-ONLY"
"""The calendar of an authority nobody named yet: it grants no holiday, so it never flatters."""

_NAME = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_SATURDAY = 5
_LOOKAHEAD_DAYS = 60
_ALWAYS = (1, 9999)


class CalendarError(ValueError):
    """A holiday calendar is unknown or its data is wrong."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """One authority's holidays; weekends are never working days."""

    name: str
    version: str
    base: str | None
    added: frozenset[date]
    removed: frozenset[date]
    evidence: str
    years: tuple[int, int]
    """The first and the last year for which its days are known."""

    @property
    def reference(self) -> str:
        """The calendar and its version, as a rule trace cites it."""
        return f"{self.name}@{self.version}"

    def is_working(self, day: date) -> bool:
        """Neither Saturday, Sunday nor a public holiday."""
        return day.weekday() < _SATURDAY and not self.is_holiday(day)

    def is_holiday(self, day: date) -> bool:
        """Whether the authority is closed on this date for a holiday."""
        if day in self.added:
            return True
        if self.base is None or day in self.removed:
            return False
        return day in _library_days(self.base, day.year)

    def gaps(self, first: date, last: date) -> tuple[int, ...]:
        """The years between two dates for which nobody entered this authority's days.

        There it answers by its base alone, or by weekends where it has none: whoever counts with
        it has to say so.
        """
        known = range(self.years[0], self.years[1] + 1)
        return tuple(year for year in range(first.year, last.year + 1) if year not in known)

    @property
    def fallback(self) -> str:
        """The calendar that answers for a year this one does not cover."""
        return WEEKENDS_ONLY if self.base in {None, self.name} else str(self.base)

    def working_from(self, day: date) -> date:
        """The day itself when it is a working day, otherwise the next one."""
        return self.nth_working_after(day - timedelta(days=1), 1)

    def nth_working_after(self, day: date, n: int) -> date:
        """The n-th working day after a date, the date itself not counted."""
        return self._nth_working(day, n, timedelta(days=1))

    def nth_working_before(self, day: date, n: int) -> date:
        """The n-th working day before a date, the date itself not counted."""
        return self._nth_working(day, n, timedelta(days=-1))

    def _nth_working(self, day: date, n: int, step: timedelta) -> date:
        """Walk in one direction until n working days were met."""
        candidate, found = day, 0
        for _ in range(1, _LOOKAHEAD_DAYS + 2 * n):
            candidate += step
            found += self.is_working(candidate)
            if found == n:
                return candidate
        raise CalendarError(
            f"calendar {self.reference}: expected {n} working days near {day}, found {found};"
            " correct its holiday data"
        )


@functools.cache
def calendar(name: str) -> Calendar:
    """The calendar of an ISO country or subdivision ("DE", "US-CA"), or of an authority.

    Raises:
        CalendarError: Nobody knows a calendar of that name.
    """
    if name == WEEKENDS_ONLY:
        return Calendar(WEEKENDS_ONLY, "1", None, frozenset(), frozenset(), "P", _ALWAYS)
    if name in own_names():
        return _own(name)
    if not _NAME.fullmatch(name) or not _library_knows(name):
        raise CalendarError(
            f"unknown calendar {name!r}: expected an ISO country such as 'DE', a subdivision such"
            f" as 'US-CA', or one of {', '.join(own_names())}"
        )
    version, years = f"holidays-{library_version}", _library_years(name)
    return Calendar(name, version, name, frozenset(), frozenset(), "S", years)


@functools.cache
def own_names() -> tuple[str, ...]:
    """The authorities with a data file of their own."""
    folder = resources.files(__package__).joinpath("data")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def _own(name: str) -> Calendar:
    """Read an authority's corrections over its base."""
    text = resources.files(__package__).joinpath("data", f"{name}.toml").read_bytes()
    raw = tomllib.loads(text.decode())
    try:
        return Calendar(
            name=name,
            version=f"{raw['version']}+holidays-{library_version}",
            base=raw.get("base"),
            added=_dates(raw["closed"]),
            removed=_dates(raw.get("open", ())),
            evidence=raw["evidence"],
            years=(_year(raw["first_year"]), _year(raw["last_year"])),
        )
    except KeyError as missing:
        raise CalendarError(f"{name}.toml: expected the field {missing}, it is absent") from None


def _year(value: object) -> int:
    """A year as TOML writes a whole number."""
    if not isinstance(value, int) or value not in range(*_ALWAYS):
        raise CalendarError(f"expected a year such as 2026, got {value!r}")
    return value


def _dates(entries: Iterable[object]) -> frozenset[date]:
    """Real TOML dates only; a quoted date is a mistake."""
    days = tuple(entries)
    wrong = next((day for day in days if type(day) is not date), None)
    if wrong is not None:
        raise CalendarError(f"expected a TOML date such as 2026-12-24, got {wrong!r}")
    return frozenset(day for day in days if isinstance(day, date))


def _library_knows(name: str) -> bool:
    """Whether the library has this country, and this subdivision of it."""
    country, _, subdivision = name.partition("-")
    known = holidays.list_supported_countries()
    return country in known and (not subdivision or subdivision in known[country])


def _library_years(name: str) -> tuple[int, int]:
    """The years for which the library knows this country."""
    country, _, subdivision = name.partition("-")
    known = holidays.country_holidays(country, subdiv=subdivision or None)
    return known.start_year, known.end_year


@functools.lru_cache(maxsize=512)
def _library_days(name: str, year: int) -> frozenset[date]:
    """One year of public holidays from the library."""
    country, _, subdivision = name.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))
