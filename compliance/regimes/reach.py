"""Which regimes reach a system before anything has happened, by what is settled about it.

Only standing facts are asked for. What an incident brings is left to whoever classifies it: a
regime that applies here still waits for an incident that is one in its sense.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from compliance.phrase import Phrase, listed
from compliance.regimes import load
from compliance.regimes.counting import local_date
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import Applies, Reason
from compliance.regimes.schema import Regime, ScopeCondition
from compliance.regimes.scope import (
    derivations,
    first_cite,
    meets,
    not_law,
    sentences,
    starts_on,
)
from compliance.regimes.vocabulary import LIMBS, OF_INCIDENT, PREDICATES


@dataclass(frozen=True, slots=True)
class Reach:
    """One regime: whether it reaches the system, and because of what."""

    key: str
    title: Phrase
    applies: Applies
    because: tuple[Reason, ...]


def reach_all(facts: Facts, at: datetime) -> tuple[Reach, ...]:
    """Every current regime, whether it reaches the system or not, each with its reasons."""
    return tuple(reach(regime, facts, at) for regime in load.current())


def reach(regime: Regime, facts: Facts, at: datetime) -> Reach:
    """Whether one regime reaches the system, as seen at one instant.

    A question that nobody answered is asked for; it counts neither as yes nor as no.
    """
    applies, because = _verdict(regime, facts, at)
    return Reach(regime.key, regime.title, applies, because)


def _verdict(regime: Regime, facts: Facts, at: datetime) -> tuple[Applies, tuple[Reason, ...]]:
    """The first ground that decides."""
    if law := not_law(regime):
        return law
    if failed := tuple(_answered(regime, facts, met=False)):
        return Applies.DOES_NOT_APPLY, failed
    dates = tuple(_dates(regime, facts, at))
    if unanswered := tuple(_unanswered(regime, facts)):
        return Applies.FACTS_NEEDED, (*unanswered, *dates)
    met = (*_answered(regime, facts, met=True), *_remarks(regime, facts))
    if dates:
        return Applies.NOT_IN_FORCE, (*dates, *met)
    return Applies.APPLIES, met or (_no_condition(regime),)


def _standing(regime: Regime) -> Iterator[ScopeCondition]:
    """The conditions of scope that something other than an incident can settle."""
    return (each for each in regime.scope if not OF_INCIDENT.issuperset(each.any_of))


def _answered(regime: Regime, facts: Facts, *, met: bool) -> Iterator[Reason]:
    for condition in _standing(regime):
        if meets(condition, facts) is met:
            answer = condition.expected is met
            yield Reason(sentences(condition, facts, answer=answer), condition.cite)
            yield from derivations(condition, facts)


def _unanswered(regime: Regime, facts: Facts) -> Iterator[Reason]:
    for condition in _standing(regime):
        if meets(condition, facts) is None:
            what = sentences(condition, facts, answer=None)
            yield Reason(Phrase("To be confirmed: %(what)s", what=what), condition.cite)


def _dates(regime: Regime, facts: Facts, at: datetime) -> Iterator[Reason]:
    """Why an incident of this day would not fall under it yet, or no longer."""
    day = local_date(at, ZoneInfo(regime.zone))
    start, ground = starts_on(regime, facts)
    if day < start:
        yield Reason(Phrase("Applies to incidents from %(start)s.", start=str(start)), ground)
    if regime.valid_to is not None and day > regime.valid_to:
        ended = Phrase("Applied to incidents until %(end)s.", end=str(regime.valid_to))
        yield Reason(ended, first_cite(regime))


def _remarks(regime: Regime, facts: Facts) -> Iterator[Reason]:
    """What a reader should know because a fact has this value."""
    for exclusion in regime.exclusions:
        if facts.holds(exclusion.predicate):
            left = listed(LIMBS[limb] for limb in exclusion.limit_to)
            sentence = Phrase(
                "%(because)s Only %(left)s stays reportable.",
                because=PREDICATES[exclusion.predicate].says,
                left=left or Phrase("nothing"),
            )
            yield Reason(sentence, exclusion.cite)
    for remark in regime.remarks:
        if facts.holds(remark.predicate) is remark.expected:
            yield Reason(remark.text, remark.cite)


def _no_condition(regime: Regime) -> Reason:
    sentence = Phrase("It reaches every system; the incident alone decides.")
    return Reason(sentence, first_cite(regime))
