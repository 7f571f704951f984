"""The files under `data/`, read once, validated, and found by environment.

A file that is wrong is refused with its name, the criterion and the field.
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any

from assessments.policies.schema import (
    Criterion,
    GatePolicy,
    Limit,
    PolicyError,
    ScanCriteria,
    Supply,
)
from compliance.phrase import Phrase

SCAN_FILE = "scan_criteria.toml"
SEVERITIES = ("low", "medium", "high", "critical")


@functools.cache
def policies() -> tuple[GatePolicy, ...]:
    """Every gate policy, by key. No two speak of the same environment.

    Raises:
        PolicyError: a file is wrong, or two claim one environment.
    """
    folder = resources.files(__package__).joinpath("data")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    found = tuple(
        parse_policy(folder.joinpath(name).read_bytes(), file=name)
        for name in names
        if name != SCAN_FILE
    )
    _refuse_overlap(found)
    return found


def policy_for(environment: str) -> GatePolicy:
    """The policy that judges this environment.

    Raises:
        PolicyError: none does.
    """
    for policy in policies():
        if environment in policy.environments:
            return policy
    raise PolicyError(
        f"no gate policy for environment {environment!r}; there is one for {', '.join(environments())}"
    )


def environments() -> tuple[str, ...]:
    """Every environment that some policy judges."""
    return tuple(name for policy in policies() for name in policy.environments)


@functools.cache
def scan_criteria() -> ScanCriteria:
    """When a scan counts as met."""
    content = resources.files(__package__).joinpath("data", SCAN_FILE).read_bytes()
    return parse_scan_criteria(content, file=SCAN_FILE)


def parse_policy(content: bytes, *, file: str) -> GatePolicy:
    """One policy from its bytes; the digest is of exactly these bytes.

    Raises:
        PolicyError: the bytes are no valid policy.
    """
    raw = _toml(content, file)
    criteria = tuple(
        _criterion(_fields(each, f"{file}, criterion {number}"))
        for number, each in enumerate(raw.get("criterion", []), start=1)
    )
    if not criteria:
        raise PolicyError(f"{file}: expected at least one [[criterion]], found none")
    keys = [one.key for one in criteria]
    if twins := {key for key in keys if keys.count(key) > 1}:
        raise PolicyError(f"{file}: criterion {', '.join(sorted(twins))} stands there twice")
    head = _fields(raw, file)
    return GatePolicy(
        key=head.text("key"),
        version=head.text("version"),
        title=head.words("title"),
        environments=head.texts("environments"),
        cite=head.words("cite"),
        waiver_days=head.count("waiver_days"),
        waiver_people=head.count("waiver_people"),
        criteria=criteria,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def parse_scan_criteria(content: bytes, *, file: str) -> ScanCriteria:
    """The scan criteria from their bytes.

    Raises:
        PolicyError: a field is missing or wrong.
    """
    head = _fields(_toml(content, file), file)
    severities = head.texts("blocking_severities")
    if unknown := set(severities) - set(SEVERITIES):
        raise PolicyError(
            f"{file}: unknown severity {sorted(unknown)}; expected some of {SEVERITIES}"
        )
    return ScanCriteria(
        version=head.text("version"),
        title=head.words("title"),
        cite=head.words("cite"),
        coverage=head.limits("coverage"),
        fewest_templates=head.count("fewest_templates"),
        fewest_pairs=head.count("fewest_pairs"),
        largest_detectable_ratio=head.number("largest_detectable_ratio"),
        largest_rise=head.number("largest_rise"),
        least_recall=head.number("least_recall"),
        fewest_attempts=head.count("fewest_attempts"),
        blocking_severities=severities,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _criterion(fields: _fields) -> Criterion:
    return Criterion(
        key=fields.text("key"),
        title=fields.words("title"),
        evidence=fields.text("evidence"),
        why=fields.words("why"),
        cite=fields.words("cite"),
        freshness_days=fields.count("freshness_days"),
        supply=fields.supply("supply"),
        waivable=fields.truth("waivable"),
        limits=fields.limits("limit"),
    )


def _toml(content: bytes, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode(), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{file}: expected TOML in UTF-8, got {error}") from None


def _refuse_overlap(found: tuple[GatePolicy, ...]) -> None:
    names = [name for policy in found for name in policy.environments]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PolicyError(f"two gate policies judge {', '.join(twice)}; one must let go of it")


class _fields:  # noqa: N801 - it reads as a function: the fields of a table
    """A TOML table that knows its place, so that every complaint names it."""

    def __init__(self, raw: Mapping[str, Any], where: str) -> None:
        self._raw = raw
        self._where = where

    def _wrong(self, name: str, expected: str) -> PolicyError:
        return PolicyError(
            f"{self._where}, {name}: expected {expected}, got {self._raw.get(name)!r}"
        )

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self._raw.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(name, "a text")
        return value

    def words(self, name: str) -> Phrase:
        """A text for people."""
        return Phrase(self.text(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts with at least one."""
        value = self._raw.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise self._wrong(name, "a list of texts")
        return tuple(value)

    def count(self, name: str) -> int:
        """A whole number above zero."""
        value = self._raw.get(name)
        if type(value) is not int or value < 1:
            raise self._wrong(name, "a whole number above zero")
        return value

    def number(self, name: str) -> Decimal:
        """A number, kept exact."""
        value = self._raw.get(name)
        if type(value) not in {int, Decimal}:
            raise self._wrong(name, "a number")
        return Decimal(str(value))

    def truth(self, name: str) -> bool:
        """True or false."""
        value = self._raw.get(name)
        if type(value) is not bool:
            raise self._wrong(name, "true or false")
        return value

    def supply(self, name: str) -> Supply:
        """One of the ways evidence comes in."""
        try:
            return Supply(self.text(name))
        except ValueError:
            raise self._wrong(name, f"one of {', '.join(Supply)}") from None

    def limits(self, name: str) -> tuple[Limit, ...]:
        """A list of tables {figure, words, at_most | at_least}; it may be absent."""
        return tuple(
            _fields(each, f"{self._where}, {name} {number}")._limit()  # noqa: SLF001 - the same class
            for number, each in enumerate(self._raw.get(name, []), start=1)
        )

    def _limit(self) -> Limit:
        given = [name for name in ("at_most", "at_least") if name in self._raw]
        if len(given) != 1:
            raise self._wrong("at_most", "either at_most or at_least")
        try:
            bound = self.number(given[0])
        except InvalidOperation:
            raise self._wrong(given[0], "a number") from None
        return Limit(self.text("figure"), self.words("words"), **{given[0]: bound})
