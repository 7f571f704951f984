"""What follows from a figure: training compute and revenue against the thresholds of the law.

The thresholds are data (`data/thresholds.toml`). A person's own statement always goes first; a figure
that nobody stated proves nothing.
"""

import functools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from compliance.phrase import Phrase
from compliance.regimes.schema import Evidence
from compliance.regimes.table import RegimeError, Table
from compliance.regimes.vocabulary import NUMBERS, Number

FILE = "thresholds.toml"


class Otherwise(StrEnum):
    """What a figure that does not pass the threshold proves."""

    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Derivation:
    """A threshold, and the predicate that follows when a figure passes it."""

    number: Number
    more_than: float
    gives: str
    needs: str | None
    otherwise: Otherwise
    text: Phrase
    cite: Phrase
    evidence: Evidence

    def sentence(self, figure: float) -> Phrase:
        """The comparison in words."""
        return Phrase(
            "%(number)s: %(figure)s, threshold: more than %(threshold)s. %(text)s",
            number=NUMBERS[self.number],
            figure=f"{figure:g}",
            threshold=f"{self.more_than:g}",
            text=self.text,
        )


def derived(
    predicate: str, numbers: Mapping[Number, float], holds: Callable[[str], bool | None]
) -> bool | None:
    """What the figures say about a predicate; None where they say nothing.

    Args:
        predicate: Its name.
        numbers: The figures that were stated.
        holds: What is known of another predicate, for a threshold that rests on one.
    """
    rule = deriving(predicate)
    if rule is None:
        return None
    needed = True if rule.needs is None else holds(rule.needs)
    figure = numbers.get(rule.number)
    if needed is False:
        return False
    if figure is None:
        return None
    if figure <= rule.more_than:
        return False if rule.otherwise is Otherwise.NO else None
    return needed


def deriving(predicate: str) -> Derivation | None:
    """The derivation that gives a predicate, if one does."""
    return _by_predicate().get(predicate)


@functools.cache
def derivations() -> tuple[Derivation, ...]:
    """Every derivation.

    Raises:
        RegimeError: The file is wrong; the message names entry and field.
    """
    content = resources.files(__package__).joinpath("data", FILE).read_bytes()
    return parse(content)


def parse(content: bytes, *, file: str = FILE) -> tuple[Derivation, ...]:
    """The derivations of one file.

    Raises:
        RegimeError: The bytes are no valid list of derivations.
    """
    try:
        raw = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegimeError(f"{file}: expected TOML in UTF-8, got {error}") from None
    top = Table(raw, file)
    found = top.each("derivation", _derivation)
    top.close()
    names = [each.gives for each in found]
    for name in names:
        if names.count(name) > 1:
            raise RegimeError(f"{file}, field 'gives': expected {name} once, got it twice")
    return found


@functools.cache
def _by_predicate() -> dict[str, Derivation]:
    return {each.gives: each for each in derivations()}


def _derivation(entry: Table) -> Derivation:
    needs = entry.text("needs", "")
    return Derivation(
        number=entry.choice("number", Number),
        more_than=entry.number("more_than"),
        gives=entry.predicate("gives"),
        needs=entry.known("needs", needs) if needs else None,
        otherwise=entry.choice("otherwise", Otherwise),
        text=entry.words("text"),
        cite=entry.words("cite"),
        evidence=entry.choice("evidence", Evidence),
    )
