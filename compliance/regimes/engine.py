"""Facts and a regime become deadlines with their reasons.

1. Which version judges? The one a clock is pinned to, or else the one in force at the trigger.
2. Is it law at all, and was it in force at the instant that starts the clock? (`scope`)
3. Do the facts bring the case within its scope? What nobody has said is asked for, not assumed.
4. For each stage: which rules hold, from which anchor, and which is the shortest? (`stages`)
5. Where does that leave the stage at the instant asked about?

`dates` answers 2 to 5 for many sets of facts at once, without the words. Nothing here reads a
clock: `at` is handed in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from compliance.phrase import Phrase
from compliance.regimes import load
from compliance.regimes.case import Case, case, known_stages, stand_in, trigger, zone
from compliance.regimes.counting import local_date
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.fast import StageDates, plan
from compliance.regimes.outcome import Applies, RegimeOutcome, StageOutcome
from compliance.regimes.schema import BEYOND_PROPOSAL, Regime, Status
from compliance.regimes.scope import applies
from compliance.regimes.stages import stage_outcome
from compliance.regimes.terms import PackKind

_NO_PINS: Mapping[str, str] = {}


def evaluate(
    regime: Regime,
    facts: Facts,
    at: datetime,
    *,
    assume_scope: bool = False,
    learnt_at: datetime | None = None,
) -> RegimeOutcome:
    """What one regime asks, given these facts, as seen at one instant.

    Args:
        regime: The version to judge by; a started clock keeps its own.
        facts: What a person recorded.
        at: The instant to judge states at, with an offset.
        assume_scope: Take unanswered questions of scope as answered in favour of the regime. For
            whoever asks about one regime by name; an answer of "no" still stands.
        learnt_at: When the organisation came to the classification that counts now, if it was
            classified anew. What was already past by then is due at once rather than late.

    Raises:
        FactsError: `at` or `learnt_at` has no offset, a submission names a stage this regime does
            not have, or the pack holds standing duties and judges no incident.
    """
    _check(regime, facts, at, learnt_at)
    judged = case(regime, facts, at, assume_scope=assume_scope, learnt_at=learnt_at)
    verdict, because = applies(judged)
    stages = tuple(stage_outcome(judged, stage, verdict, because) for stage in regime.stages)
    if verdict is Applies.FACTS_NEEDED and any(stage.target_due for stage in stages):
        verdict = Applies.APPLIES  # A stage with an anchor of its own runs without the trigger.
    return RegimeOutcome(
        regime=regime.reference,
        key=regime.key,
        title=regime.title,
        applies=verdict,
        because=because,
        stages=stages,
        requires_counsel=(*regime.requires_counsel, *_gap_notes(judged, stages)),
    )


def evaluate_all(
    facts: Facts,
    at: datetime,
    *,
    pinned: Mapping[str, str] = _NO_PINS,
    learnt_at: datetime | None = None,
) -> tuple[RegimeOutcome, ...]:
    """Every regime, applicable or not, each with its reasons.

    Args:
        facts: What a person recorded.
        at: The instant to judge states at, with an offset.
        pinned: The version by key that a started clock keeps. A newer one never judges it again.
        learnt_at: As in `evaluate`.

    Raises:
        FactsError: A submission does not say which regime it was made under.
        UnknownRegime: A pin names a version that nobody has.
    """
    for name in facts.submitted:
        if ":" not in name:
            raise FactsError(
                f"submitted: expected 'regime:stage' when several regimes are judged, got {name!r}"
            )
    chosen = (_judging(key, facts, at, pinned) for key in load.all_keys())
    return tuple(evaluate(regime, facts, at, learnt_at=learnt_at) for regime in chosen)


def _judging(key: str, facts: Facts, at: datetime, pinned: Mapping[str, str]) -> Regime:
    """The version that judges a key in this case; what began before a repeal ends as it began."""
    version = pinned.get(key)
    if version is None:
        return version_for(key, facts, at)
    kept = load.get(f"{key}@{version}")
    is_repealed = kept.status is Status.REPEALED
    return replace(kept, status=Status.IN_FORCE) if is_repealed else kept


def version_for(key: str, facts: Facts, at: datetime) -> Regime:
    """The version of a regime whose validity holds the instant that starts the clock.

    Raises:
        UnknownRegime: There is no such key.
    """
    return choose(load.versions(key), facts, at)


def choose(versions: Sequence[Regime], facts: Facts, at: datetime) -> Regime:
    """Which of several versions, the oldest first, judges a case.

    Of those whose validity holds the trigger's instant the newest. Before the first one begins, the
    first that was not repealed; after the last one has ended, the last: they say themselves that they
    are not in force. A proposal judges nothing as long as there is anything else.
    """
    candidates = [each for each in versions if each.status in BEYOND_PROPOSAL] or list(versions)
    if len(candidates) == 1:
        return candidates[0]
    days = [(each, _day(each, facts, at)) for each in candidates]
    holding = [each for each, day in days if _holds_on(each, day)]
    begun = [each for each, day in days if each.valid_from <= day]
    if holding or begun:
        return (holding or begun)[-1]
    return next((each for each in candidates if each.status is not Status.REPEALED), candidates[0])


def _day(regime: Regime, facts: Facts, at: datetime) -> date:
    """The local date at which validity is judged under this version."""
    moment, _ = trigger(regime, facts)
    return local_date(moment or stand_in(facts) or at, zone(regime, facts))


def _holds_on(regime: Regime, day: date) -> bool:
    """Whether a date lies within a version's validity."""
    return regime.valid_from <= day and (regime.valid_to is None or day <= regime.valid_to)


def dates(
    regime: Regime,
    rows: Iterable[Facts],
    at: datetime,
    *,
    assume_scope: bool = False,
    learnt: Iterable[datetime | None] | None = None,
) -> Iterator[tuple[StageDates, ...]]:
    """For many sets of facts, what `evaluate` answers without its words, in the order of the rows.

    Args:
        regime: The version to judge by.
        rows: One set of facts after the other; read as they come.
        at: The instant to judge states at, with an offset.
        assume_scope: As in `evaluate`.
        learnt: For each row `learnt_at` as in `evaluate`, or None.

    Raises:
        FactsError: As `evaluate`.
    """
    _check(regime, Facts(), at, None)
    return plan(regime, rows, at, assume_scope=assume_scope, learnt=learnt)


def _check(regime: Regime, facts: Facts, at: datetime, learnt_at: datetime | None) -> None:
    """Refuse what would be silently ignored."""
    if regime.kind is PackKind.STANDING:
        raise FactsError(f"{regime.key}: expected a regime of incidents, got standing duties")
    for name, moment in (("at", at), ("learnt_at", learnt_at)):
        if moment is not None and moment.utcoffset() is None:
            raise FactsError(f"{name}: expected an instant with an offset, got one without")
    known_stages(regime, facts)


def _gap_notes(judged: Case, stages: tuple[StageOutcome, ...]) -> Iterator[Phrase]:
    """That a holiday calendar did not reach, once for the regime."""
    years = sorted({year for stage in stages for year in stage.gaps})
    if years:
        yield Phrase(
            "The holiday calendar %(calendar)s does not cover %(years)s; confirm the holidays.",
            calendar=judged.place.calendar.reference,
            years=", ".join(map(str, years)),
        )
