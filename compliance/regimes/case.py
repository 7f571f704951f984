"""One regime meeting one set of facts: where and when it is judged, and what it counts from."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from compliance.phrase import Phrase
from compliance.regimes.calendars import Calendar, calendar
from compliance.regimes.counting import Place
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.schema import Regime, Rule, Stage, ZoneSource
from compliance.regimes.terms import Several
from compliance.regimes.vocabulary import Instant, Limb

WAITED_FOR = frozenset({Instant.MEASURE_AVAILABLE, Instant.RESOLVED})
"""Instants the world brings by itself; all others a person has to record."""

NOT_AWARENESS = frozenset({Instant.OCCURRED, *WAITED_FOR})
"""Instants that can never stand in for a missing trigger."""

LEARNT = (Instant.CLASSIFIED, Instant.DETERMINED)
"""When the organisation came to the classification that the clock now rests on."""


@dataclass(frozen=True, slots=True)
class Case:
    """One regime meeting one set of facts."""

    regime: Regime
    facts: Facts
    at: datetime
    place: Place
    trigger: datetime | None
    trigger_note: Phrase
    limbs: tuple[Limb, ...]
    assume_scope: bool
    learnt: tuple[datetime, ...]
    """When the classification that counts now was made, as far as recorded."""

    @property
    def lacks_limb(self) -> bool:
        """Somebody must first record which harm occurred."""
        return bool(self.regime.limbs) and not self.facts.limbs


def case(
    regime: Regime,
    facts: Facts,
    at: datetime,
    *,
    assume_scope: bool,
    learnt_at: datetime | None = None,
) -> Case:
    """Settle the place, the trigger and the reportable limbs once."""
    moment, note = trigger(regime, facts)
    return Case(
        regime=regime,
        facts=facts,
        at=at.astimezone(UTC),
        place=Place(zone(regime, facts), holidays(regime, facts)),
        trigger=moment,
        trigger_note=note,
        limbs=reportable(regime, facts),
        assume_scope=assume_scope,
        learnt=learnt(facts, learnt_at),
    )


def known_stages(regime: Regime, facts: Facts) -> None:
    """Refuse submissions of stages that the regime does not have.

    Raises:
        FactsError: There is one; the message names it.
    """
    stages = {str(stage.id) for stage in regime.stages}
    for name in facts.submitted:
        key, _, stage = name.rpartition(":")
        if key in {"", regime.key} and stage not in stages:
            raise FactsError(
                f"submitted: {regime.key} has no stage {stage!r}; expected one of"
                f" {', '.join(sorted(stages))}"
            )


def learnt(facts: Facts, learnt_at: datetime | None) -> tuple[datetime, ...]:
    """Every instant at which the organisation came to know what the clock rests on."""
    known = tuple(facts.instants[name] for name in LEARNT if name in facts.instants)
    return known if learnt_at is None else (*known, learnt_at)


def zone(regime: Regime, facts: Facts) -> ZoneInfo:
    """The recipient's zone where the regime leaves it open, otherwise the regime's own."""
    if regime.zone_source is ZoneSource.RECIPIENT and facts.recipient_zone is not None:
        return ZoneInfo(facts.recipient_zone)
    return ZoneInfo(regime.zone)


def holidays(regime: Regime, facts: Facts) -> Calendar:
    """The recipient's holidays where the regime leaves them open, otherwise the regime's own."""
    if regime.zone_source is ZoneSource.RECIPIENT and facts.calendar is not None:
        return calendar(facts.calendar)
    return calendar(regime.calendar)


def trigger(regime: Regime, facts: Facts) -> tuple[datetime | None, Phrase]:
    """The earliest recorded trigger and how it was chosen."""
    recorded = [
        (facts.instants[each.instant], each)
        for each in regime.triggers
        if each.instant in facts.instants
    ]
    if not recorded:
        return None, Phrase(
            "The clock starts at %(instants)s, which nobody has recorded.",
            instants=_alternatives(str(each.instant) for each in regime.triggers),
        )
    moment, chosen = min(recorded, key=lambda pair: pair[0])
    several = Phrase("the earliest of several triggers")
    return moment, Phrase(
        "The clock starts at %(instant)s (%(standard)s).",
        instant=str(chosen.instant),
        standard=several if len(recorded) > 1 else chosen.standard,
    )


def _alternatives(names: Iterable[str]) -> str:
    """Names of which any would do."""
    first, *others = names
    for other in others:
        first = Phrase("%(one)s or %(other)s", one=first, other=other)
    return first


def reportable(regime: Regime, facts: Facts) -> tuple[Limb, ...]:
    """The recorded limbs this regime makes reportable."""
    known = {limb.id for limb in regime.limbs}
    for exclusion in regime.exclusions:
        if facts.holds(exclusion.predicate):
            known &= set(exclusion.limit_to)
    return tuple(limb for limb in facts.limbs if limb in known)


def stand_in(facts: Facts) -> datetime | None:
    """The earliest instant at which the organisation could be said to have known anything."""
    return min(
        (moment for name, moment in facts.instants.items() if name not in NOT_AWARENESS),
        default=None,
    )


def anchored(case: Case, stage: Stage, rule: Rule) -> datetime | None:
    """The instant a rule counts from, if it has come."""
    anchor = rule.anchor
    if anchor.is_trigger:
        return case.trigger
    if anchor.instant is not None:
        return case.facts.instants.get(anchor.instant)
    return submission(case.regime, case.facts, stage, rule)


def submission(regime: Regime, facts: Facts, stage: Stage, rule: Rule) -> datetime | None:
    """The submission a rule follows: the first or the latest, as the law says.

    A recurring stage follows its own last submission once it has one, unless what it follows came
    later still.
    """
    followed = rule.anchor.submission_of
    if followed is None:
        return None
    found = facts.submissions(regime.key, followed)
    if not found:
        return None
    chosen = found[0] if rule.anchor.of_several is Several.FIRST else found[-1]
    if stage.repeats_until is None:
        return chosen
    return max((chosen, *facts.submissions(regime.key, stage.id)))
