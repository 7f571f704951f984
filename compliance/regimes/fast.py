"""The dates of many clocks at once: the engine's answers without its words.

What depends on the standing facts alone (scope, limbs, zone, calendar, which rules hold) is worked
out once for each distinct profile and kept. What a period in days comes to depends on the local
date of its anchor alone and is kept by date. Left for each row are a few look-ups and additions.

`tests/compliance/regimes/test_fast.py` holds every answer against `engine.evaluate`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from functools import cache
from itertools import repeat
from typing import NamedTuple
from zoneinfo import ZoneInfo

from compliance.regimes.case import case, known_stages, learnt, stand_in, submission
from compliance.regimes.counting import (
    DaySpan,
    Figures,
    Kind,
    Period,
    Place,
    Unit,
    day_figures,
    day_span,
    hour_figures,
    last_date,
    local_date,
    noon_after,
)
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import State
from compliance.regimes.schema import Regime, Rule, Stage
from compliance.regimes.scope import failed, not_law, starts_on, unanswered
from compliance.regimes.stages import (
    is_brought,
    is_chained,
    is_past,
    relieved,
    rule_holds,
    state_of,
)
from compliance.regimes.vocabulary import Instant, Limb, StageId

_MOST_PROFILES = 10_000
"""Kept at once; a stream of facts that never repeat must not fill the memory."""


class StageDates(NamedTuple):
    """One stage as `evaluate` dates it; the dates are null in the last four states."""

    id: StageId
    state: State
    strict: datetime | None
    nominal: datetime | None
    legal_latest: datetime | None
    target_due: datetime | None


Reckoner = Callable[[datetime], Figures]
"""From an anchor in UTC to what a period comes to."""


class _RuleOf(NamedTuple):
    """A rule that holds for a profile, with its arithmetic."""

    rule: Rule
    reckon: Reckoner | None
    """None: a duty without a number."""


class _StageOf(NamedTuple):
    """A stage for a profile: a state that no instant changes, or the rules that hold."""

    stage: Stage
    fixed: StageDates | None
    rules: tuple[_RuleOf, ...]


class _Profile(NamedTuple):
    """What the standing facts settle about a regime."""

    zone: ZoneInfo
    starts: date
    stages: tuple[_StageOf, ...]
    fixed: tuple[StageDates, ...] | None
    """The answer where no instant changes it, once the regime is in force."""


class Plan:
    """One regime, ready to date many sets of facts as seen at one instant."""

    def __init__(self, regime: Regime, at: datetime, *, assume_scope: bool) -> None:
        """Settle what depends on the regime alone."""
        self.regime = regime
        self.at = at.astimezone(UTC)
        self._assume_scope = assume_scope
        self._triggers: tuple[Instant, ...] = tuple(each.instant for each in regime.triggers)
        self._not_in_force = tuple(undated(stage.id, State.NOT_IN_FORCE) for stage in regime.stages)
        self._is_law = not_law(regime) is None
        self._profiles: dict[object, _Profile] = {}
        self._reckoners: dict[tuple[Kind, Period, Place], Reckoner] = {}

    def dates(self, facts: Facts, learnt_at: datetime | None = None) -> tuple[StageDates, ...]:
        """Every stage for one set of facts.

        Raises:
            FactsError: A submission names a stage this regime does not have.
        """
        if facts.submitted:
            known_stages(self.regime, facts)
        if not self._is_law:
            return self._not_in_force
        profile = self._profile(facts)
        recorded = [facts.instants[name] for name in self._triggers if name in facts.instants]
        trigger = min(recorded) if recorded else None
        day = local_date(trigger or stand_in(facts) or self.at, profile.zone)
        ends = self.regime.valid_to
        if day < profile.starts or (ends is not None and day > ends):
            return self._not_in_force
        if profile.fixed is not None:
            return profile.fixed
        return tuple(
            each.fixed or self._stage(each, facts, trigger, learnt_at) for each in profile.stages
        )

    def _stage(
        self, of: _StageOf, facts: Facts, trigger: datetime | None, learnt_at: datetime | None
    ) -> StageDates:
        """One stage whose state depends on the instants."""
        best: Figures | None = None
        missing: Rule | None = None
        is_held, has_anchor = False, False
        for rule, reckon in of.rules:
            start = self._anchor(of.stage, rule, facts, trigger)
            if start is None:
                missing = missing or rule
                is_held = is_held or rule.is_required
                continue
            has_anchor = True
            if reckon is not None:
                found = reckon(start if start.tzinfo is UTC else start.astimezone(UTC))
                if best is None or found.target_due < best.target_due:
                    best = found
        if missing is not None and (is_held or not has_anchor):
            waits = State.PENDING_ANCHOR if is_brought(missing) else State.FACTS_NEEDED
            return undated(of.stage.id, waits)
        return self._dated(of.stage, best, facts, learnt_at)

    def _anchor(
        self, stage: Stage, rule: Rule, facts: Facts, trigger: datetime | None
    ) -> datetime | None:
        """Where a rule counts from, if that has come."""
        anchor = rule.anchor
        if anchor.submission_of is not None:
            return submission(self.regime, facts, stage, rule) if facts.submitted else None
        return trigger if anchor.instant is None else facts.instants.get(anchor.instant)

    def _dated(
        self, stage: Stage, figures: Figures | None, facts: Facts, learnt_at: datetime | None
    ) -> StageDates:
        """A stage whose anchor has come."""
        done = facts.submissions(self.regime.key, stage.id) if facts.submitted else ()
        ended = None if stage.repeats_until is None else facts.instants.get(stage.repeats_until)
        state = state_of(stage, figures, self.at, done, ended, ())
        if figures is None or state is State.NOT_APPLICABLE:
            return undated(stage.id, state)
        if state is State.OVERDUE and any(
            is_past(figures, moment) for moment in learnt(facts, learnt_at)
        ):
            state = State.OVERDUE_IMMEDIATE
        strict, nominal, latest = figures
        return StageDates(
            stage.id, state, strict, nominal, latest, strict if nominal is None else nominal
        )

    def _profile(self, facts: Facts) -> _Profile:
        """The profile of these facts, worked out at their first appearance."""
        key = (
            facts.limbs,
            facts.entity,
            facts.recipient_zone,
            facts.calendar,
            tuple(facts.predicates.items()),
            tuple(facts.numbers.items()),
        )
        found = self._profiles.get(key)
        if found is None:
            if len(self._profiles) >= _MOST_PROFILES:
                self._profiles.clear()
            found = self._profiles[key] = self._settle(facts)
        return found

    def _settle(self, facts: Facts) -> _Profile:
        """What the standing facts settle."""
        judged = case(self.regime, facts, self.at, assume_scope=self._assume_scope)
        place, starts = judged.place, starts_on(self.regime, facts)[0]
        stages = self.regime.stages
        if any(failed(judged)):
            outside = tuple(undated(stage.id, State.NOT_APPLICABLE) for stage in stages)
            return _Profile(place.zone, starts, (), outside)
        if judged.lacks_limb or (not self._assume_scope and any(unanswered(judged))):
            held = tuple(
                undated(stage.id, State.PENDING_ANCHOR if is_chained(stage) else State.FACTS_NEEDED)
                for stage in stages
            )
            return _Profile(place.zone, starts, (), held)
        live = tuple(self._live(stage, facts, judged.limbs, place) for stage in stages)
        return _Profile(place.zone, starts, live, None)

    def _live(self, stage: Stage, facts: Facts, limbs: tuple[Limb, ...], place: Place) -> _StageOf:
        """A stage of a regime that applies, with the rules that hold."""
        is_gated = stage.only_if is not None and facts.holds(stage.only_if) is False
        rules = tuple(
            _RuleOf(rule, self._reckoner(rule, relieved(place, stage, facts)))
            for rule in stage.rules
            if rule_holds(rule, facts, limbs)
        )
        if is_gated or not rules:
            return _StageOf(stage, undated(stage.id, State.NOT_APPLICABLE), ())
        return _StageOf(stage, None, rules)

    def _reckoner(self, rule: Rule, place: Place) -> Reckoner | None:
        """The arithmetic of a rule at a place, shared by every profile that counts so."""
        if rule.period is None:
            return None
        key = (rule.kind, rule.period, place)
        if key not in self._reckoners:
            make = _hours if rule.period.unit is Unit.HOUR else _days
            self._reckoners[key] = make(*key)
        return self._reckoners[key]


def plan(
    regime: Regime,
    rows: Iterable[Facts],
    at: datetime,
    *,
    assume_scope: bool = False,
    learnt: Iterable[datetime | None] | None = None,
) -> Iterator[tuple[StageDates, ...]]:
    """Date one set of facts after the other."""
    ready = Plan(regime, at, assume_scope=assume_scope)
    for facts, learnt_at in zip(rows, repeat(None) if learnt is None else learnt, strict=False):
        yield ready.dates(facts, learnt_at)


@cache
def undated(stage: StageId, state: State) -> StageDates:
    """A stage without dates."""
    return StageDates(stage, state, None, None, None, None)


def _hours(kind: Kind, period: Period, place: Place) -> Reckoner:
    """Hours: an addition, and for DORA a relief that depends on the date of the end alone."""
    if kind is not Kind.DORA:
        return lambda start: hour_figures(kind, start, period, place)
    reliefs: dict[date, datetime | None] = {}
    plain = Kind.ELAPSED

    def reckon(start: datetime) -> Figures:
        due = hour_figures(plain, start, period, place).strict
        ends = last_date(due, place.zone)
        if ends not in reliefs:
            reliefs[ends] = noon_after(ends, place)
        return Figures(due, None, reliefs[ends] or due)

    return reckon


def _days(kind: Kind, period: Period, place: Place) -> Reckoner:
    """Days: a span for each local date, kept, and the time of the event on top."""
    spans: dict[date, DaySpan] = {}

    def reckon(start: datetime) -> Figures:
        first = local_date(start, place.zone)
        span = spans.get(first)
        if span is None:
            span = spans[first] = day_span(kind, first, period, place)
        return day_figures(start, span)

    return reckon
