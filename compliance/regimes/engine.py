"""Facts and a regime become deadlines with their reasons.

1. Is the regime law at all, and was it in force at the instant that starts the clock?
2. Do the facts bring the case within its scope? What nobody has said is asked for, not assumed.
3. Which limbs of harm are reportable?
4. For each stage: which rules hold, from which anchor, and which of them is the shortest?
5. Where does that leave the stage at the instant asked about?

Nothing here reads a clock: `at` is handed in.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from compliance.phrase import Phrase, listed
from compliance.regimes import load
from compliance.regimes.calendars import Calendar, calendar
from compliance.regimes.counting import Counted, Place, count, local_date
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.outcome import Applies, Reason, RegimeOutcome, StageOutcome, State
from compliance.regimes.schema import (
    Applicability,
    Regime,
    Rule,
    ScopeCondition,
    Stage,
    Status,
    ZoneSource,
)
from compliance.regimes.vocabulary import LIMBS, PREDICATES, Instant, Limb

_WAITED_FOR = frozenset({Instant.MEASURE_AVAILABLE, Instant.RESOLVED})
"""Instants the world brings by itself; all others a person has to record."""

_NOT_AWARENESS = frozenset({Instant.OCCURRED, *_WAITED_FOR})
"""Instants that can never stand in for a missing trigger."""

_LEARNT = (Instant.CLASSIFIED, Instant.DETERMINED)
"""When the organisation came to the classification that the clock now rests on."""

_NO_LAW = {
    Status.PROPOSED: Phrase("%(regime)s is proposed; it starts no clock."),
    Status.REPEALED: Phrase("%(regime)s is repealed; it starts no clock."),
}
"""Statuses of what is not law, with the sentence for each."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One regime meeting one set of facts."""

    regime: Regime
    facts: Facts
    at: datetime
    place: Place
    trigger: datetime | None
    trigger_note: Phrase
    limbs: tuple[Limb, ...]
    assume_scope: bool

    @property
    def lacks_limb(self) -> bool:
        """Somebody must first record which harm occurred."""
        return bool(self.regime.limbs) and not self.facts.limbs


@dataclass(frozen=True, slots=True)
class _Choice:
    """The rule that decides a stage, and what it comes to."""

    rule: Rule
    start: datetime
    counted: Counted | None


def evaluate(
    regime: Regime, facts: Facts, at: datetime, *, assume_scope: bool = False
) -> RegimeOutcome:
    """What one regime asks, given these facts, as seen at one instant.

    Args:
        regime: The version to judge by; a started clock keeps its own.
        facts: What a person recorded.
        at: The instant to judge states at, with an offset.
        assume_scope: Take unanswered questions of scope as answered in favour of the regime. For
            whoever asks about one regime by name; an answer of "no" still stands.

    Raises:
        FactsError: `at` has no offset, or a submission names a stage this regime does not have.
    """
    _check(regime, facts, at)
    case = _case(regime, facts, at, assume_scope=assume_scope)
    applies, because = _applies(case)
    stages = tuple(_stage(case, stage, applies, because) for stage in regime.stages)
    if applies is Applies.FACTS_NEEDED and any(stage.target_due for stage in stages):
        applies = Applies.APPLIES  # A stage with an anchor of its own runs without the trigger.
    return RegimeOutcome(
        regime=regime.reference,
        key=regime.key,
        title=regime.title,
        applies=applies,
        because=because,
        stages=stages,
        requires_counsel=regime.requires_counsel,
    )


def evaluate_all(facts: Facts, at: datetime) -> tuple[RegimeOutcome, ...]:
    """Every current regime, applicable or not, each with its reasons.

    Raises:
        FactsError: A submission does not say which regime it was made under.
    """
    for name in facts.submitted:
        if ":" not in name:
            raise FactsError(
                f"submitted: expected 'regime:stage' when several regimes are judged, got {name!r}"
            )
    return tuple(evaluate(regime, facts, at) for regime in load.current())


def _check(regime: Regime, facts: Facts, at: datetime) -> None:
    """Refuse what would be silently ignored."""
    if at.utcoffset() is None:
        raise FactsError("at: expected an instant with an offset, got one without")
    stages = {str(stage.id) for stage in regime.stages}
    for name in facts.submitted:
        key, _, stage = name.rpartition(":")
        if key in {"", regime.key} and stage not in stages:
            raise FactsError(
                f"submitted: {regime.key} has no stage {stage!r}; expected one of"
                f" {', '.join(sorted(stages))}"
            )


def _case(regime: Regime, facts: Facts, at: datetime, *, assume_scope: bool) -> _Case:
    """Settle the place, the trigger and the reportable limbs once."""
    trigger, note = _trigger(regime, facts)
    return _Case(
        regime=regime,
        facts=facts,
        at=at.astimezone(UTC),
        place=Place(_zone(regime, facts), _calendar(regime, facts)),
        trigger=trigger,
        trigger_note=note,
        limbs=_limbs(regime, facts),
        assume_scope=assume_scope,
    )


def _zone(regime: Regime, facts: Facts) -> ZoneInfo:
    """The recipient's zone where the regime leaves it open, otherwise the regime's own."""
    if regime.zone_source is ZoneSource.RECIPIENT and facts.recipient_zone is not None:
        return ZoneInfo(facts.recipient_zone)
    return ZoneInfo(regime.zone)


def _calendar(regime: Regime, facts: Facts) -> Calendar:
    """The recipient's holidays where the regime leaves them open, otherwise the regime's own."""
    if regime.zone_source is ZoneSource.RECIPIENT and facts.calendar is not None:
        return calendar(facts.calendar)
    return calendar(regime.calendar)


def _trigger(regime: Regime, facts: Facts) -> tuple[datetime | None, Phrase]:
    """The earliest recorded trigger and how it was chosen."""
    recorded = [
        (facts.instants[trigger.instant], trigger)
        for trigger in regime.triggers
        if trigger.instant in facts.instants
    ]
    if not recorded:
        return None, Phrase(
            "The clock starts at %(instants)s, which nobody has recorded.",
            instants=_alternatives(str(trigger.instant) for trigger in regime.triggers),
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


def _limbs(regime: Regime, facts: Facts) -> tuple[Limb, ...]:
    """The recorded limbs this regime makes reportable."""
    known = {limb.id for limb in regime.limbs}
    for exclusion in regime.exclusions:
        if facts.holds(exclusion.predicate):
            known &= set(exclusion.limit_to)
    return tuple(limb for limb in facts.limbs if limb in known)


def _applies(case: _Case) -> tuple[Applies, tuple[Reason, ...]]:
    """The verdict on the regime as a whole; the first ground that decides is the one given."""
    law = not_law(case.regime) or _not_yet(case)
    if law is not None:
        return law
    failed = tuple(_failed(case))
    if failed:
        return Applies.DOES_NOT_APPLY, failed
    unanswered = tuple(_unanswered(case))
    open_questions = (*_open_questions(case), *(() if case.assume_scope else unanswered))
    if open_questions:
        return Applies.FACTS_NEEDED, open_questions
    return Applies.APPLIES, (*_met(case), *unanswered, *_remarks(case))


def not_law(regime: Regime) -> tuple[Applies, tuple[Reason, ...]] | None:
    """Proposals, contested and repealed texts never start a clock."""
    cite = first_cite(regime)
    if regime.status is Status.CONTESTED:
        sentence = Phrase(
            "%(regime)s is contested; no clock is run under it until that is settled.",
            regime=regime.title,
        )
        return Applies.CONTESTED, (Reason(sentence, cite),)
    if regime.status in _NO_LAW:
        sentence = Phrase(_NO_LAW[regime.status], regime=regime.title)
        return Applies.NOT_IN_FORCE, (Reason(sentence, cite),)
    return None


def _not_yet(case: _Case) -> tuple[Applies, tuple[Reason, ...]] | None:
    """Validity is judged at the trigger's local date, not at today's."""
    regime = case.regime
    day = local_date(_validity_instant(case), case.place.zone)
    start, ground = starts_on(regime, case.facts)
    if day < start:
        sentence = Phrase(
            "Applies to incidents from %(start)s; this one counts from %(day)s.",
            start=str(start),
            day=str(day),
        )
        return Applies.NOT_IN_FORCE, (Reason(sentence, ground),)
    if regime.valid_to is not None and day > regime.valid_to:
        sentence = Phrase(
            "This version applied until %(end)s; this case counts from %(day)s.",
            end=str(regime.valid_to),
            day=str(day),
        )
        return Applies.NOT_IN_FORCE, (Reason(sentence, first_cite(regime)),)
    return None


def _validity_instant(case: _Case) -> datetime:
    """The trigger; before there is one, what else was recorded, or else the instant asked about."""
    if case.trigger is not None:
        return case.trigger
    return _stand_in(case.facts) or case.at


def _stand_in(facts: Facts) -> datetime | None:
    """The earliest instant at which the organisation could be said to have known anything."""
    return min(
        (moment for name, moment in facts.instants.items() if name not in _NOT_AWARENESS),
        default=None,
    )


def starts_on(regime: Regime, facts: Facts) -> tuple[date, Phrase]:
    """The earliest start among the conditions that hold, or that may still turn out to hold."""
    possible = [one for one in regime.applicability if _may_hold(one, facts)]
    if not possible:
        return regime.valid_from, first_cite(regime)
    stated = [one for one in possible if facts.holds(one.predicate) is not None]
    first = min(stated or possible, key=lambda one: one.starts_on)
    return first.starts_on, first.cite


def _may_hold(condition: Applicability, facts: Facts) -> bool:
    """Not ruled out by what was recorded."""
    return facts.holds(condition.predicate) in {condition.expected, None}


def _failed(case: _Case) -> Iterator[Reason]:
    """Every ground on which the regime does not apply."""
    for condition in case.regime.scope:
        if meets(condition, case.facts) is False:
            answer = not condition.expected
            yield Reason(sentences(condition, case.facts, answer=answer), condition.cite)
    if case.regime.limbs and case.facts.limbs and not case.limbs:
        yield Reason(*_no_reportable_limb(case))


def _no_reportable_limb(case: _Case) -> tuple[Phrase, Phrase]:
    """Which harm was recorded, and why this regime does not ask for it."""
    recorded = _named(case.facts.limbs)
    for exclusion in case.regime.exclusions:
        if case.facts.holds(exclusion.predicate):
            sentence = Phrase(
                "%(because)s Only %(left)s stays reportable, not %(recorded)s.",
                because=PREDICATES[exclusion.predicate].says,
                left=_named(exclusion.limit_to),
                recorded=recorded,
            )
            return sentence, exclusion.cite
    sentence = Phrase(
        "The recorded harm (%(recorded)s) is none that this regime makes reportable.",
        recorded=recorded,
    )
    return sentence, case.regime.limbs[0].cite


def _named(limbs: Iterable[Limb]) -> Phrase:
    """Kinds of harm in words."""
    return listed(LIMBS[limb] for limb in limbs)


def _unanswered(case: _Case) -> Iterator[Reason]:
    """Questions of scope nobody has answered: to be confirmed, or assumed when so asked."""
    for condition in case.regime.scope:
        if meets(condition, case.facts) is None:
            what = sentences(condition, case.facts, answer=None)
            if case.assume_scope:
                yield Reason(Phrase("Assumed: %(what)s", what=what), condition.cite)
            else:
                yield Reason(Phrase("To be confirmed: %(what)s", what=what), condition.cite)


def _open_questions(case: _Case) -> Iterator[Reason]:
    """Facts without which no clock can start even where the regime applies."""
    if case.trigger is None:
        yield Reason(case.trigger_note, case.regime.triggers[0].cite)
    if case.lacks_limb:
        sentence = Phrase("Nobody has recorded which harm occurred.")
        yield Reason(sentence, case.regime.limbs[0].cite)


def _met(case: _Case) -> Iterator[Reason]:
    """The conditions of scope that were recorded as met, and what started the clock."""
    for condition in case.regime.scope:
        if meets(condition, case.facts) is True:
            answer = condition.expected
            yield Reason(sentences(condition, case.facts, answer=answer), condition.cite)
    yield Reason(case.trigger_note, case.regime.triggers[0].cite)


def _remarks(case: _Case) -> Iterator[Reason]:
    """What a reader should know because a fact has this value."""
    for remark in case.regime.remarks:
        if case.facts.holds(remark.predicate) is remark.expected:
            yield Reason(remark.text, remark.cite)


def meets(condition: ScopeCondition, facts: Facts) -> bool | None:
    """Three-valued: met, not met, or not yet said."""
    answers = [facts.holds(name) for name in condition.any_of]
    if condition.expected in answers:
        return True
    return None if None in answers else False


def sentences(condition: ScopeCondition, facts: Facts, *, answer: bool | None) -> Phrase:
    """The predicates of a condition that have this answer, in words; open ones as alternatives."""
    names = [name for name in condition.any_of if facts.holds(name) is answer]
    wording = condition.expected if answer is None else answer
    said = [PREDICATES[name].says if wording else PREDICATES[name].denies for name in names]
    if answer is not None:
        return listed(said, " ")
    first, *others = said
    for other in others:
        first = Phrase("%(one)s Or: %(other)s", one=first, other=other)
    return first


def first_cite(regime: Regime) -> Phrase:
    """Where the regime comes from, for reasons about the regime as a whole."""
    if not regime.legal_basis:
        return Phrase("Internal policy")
    basis = regime.legal_basis[0]
    return listed((basis.instrument, basis.article))


def _stage(
    case: _Case, stage: Stage, applies: Applies, because: tuple[Reason, ...]
) -> StageOutcome:
    """One stage, once it is known whether the regime applies."""
    if applies is Applies.DOES_NOT_APPLY:
        return _undated(case, stage, State.NOT_APPLICABLE, *_words(because))
    if applies in {Applies.NOT_IN_FORCE, Applies.CONTESTED}:
        return _undated(case, stage, State.NOT_IN_FORCE, *_words(because))
    if applies is Applies.FACTS_NEEDED and _is_held(case):
        return _held(case, stage, *_words(because))
    return _live(case, stage, _words(tuple(_unanswered(case))))


def _is_held(case: _Case) -> bool:
    """Nothing may count before scope and limb are recorded; a missing trigger alone holds less."""
    return case.lacks_limb or (not case.assume_scope and any(_unanswered(case)))


def _held(case: _Case, stage: Stage, *why: Phrase) -> StageOutcome:
    """A stage of a regime that may or may not apply."""
    if _is_chained(stage):
        follows = Phrase("Follows what has not started.")
        return _undated(case, stage, State.PENDING_ANCHOR, follows, *why)
    return _asking(case, stage, *why)


def _words(reasons: tuple[Reason, ...]) -> tuple[Phrase, ...]:
    """Reasons as lines of a trace."""
    return tuple(_cited(reason.sentence, reason.cite) for reason in reasons)


def _cited(sentence: Phrase, cite: Phrase) -> Phrase:
    """A sentence with its place in the law."""
    return Phrase("%(sentence)s (%(cite)s)", sentence=sentence, cite=cite)


def _is_chained(stage: Stage) -> bool:
    """Counts only from what another stage or the world brings, never from the trigger."""
    return all(
        rule.anchor.submission_of is not None or rule.anchor.instant in _WAITED_FOR
        for rule in stage.rules
    )


def _live(case: _Case, stage: Stage, notes: tuple[Phrase, ...]) -> StageOutcome:
    """A stage of a regime that applies."""
    gate = case.facts.holds(stage.only_if) if stage.only_if is not None else True
    if gate is False:
        denied = PREDICATES[stage.only_if or ""].denies
        return _undated(case, stage, State.NOT_APPLICABLE, denied)
    rules = _holding(case, stage)
    if not rules:
        none = Phrase("No rule of this stage holds here.")
        return _undated(case, stage, State.NOT_APPLICABLE, none)
    missing = [rule for rule in rules if _anchor(case, stage, rule) is None]
    if any(rule.is_required for rule in missing) or len(missing) == len(rules):
        return _waiting(case, stage, missing[0])
    return _dated(case, stage, _shortest(case, stage, rules), notes)


def _holding(case: _Case, stage: Stage) -> tuple[Rule, ...]:
    """The rules of a stage that the facts select."""
    return tuple(rule for rule in stage.rules if _holds(case, rule))


def _holds(case: _Case, rule: Rule) -> bool:
    """By limb, by kind of entity and by predicate; what a rule does not ask about does not bind."""
    facts = case.facts
    return (
        (not rule.limbs or not set(rule.limbs).isdisjoint(case.limbs))
        and (not rule.entities or facts.entity in rule.entities)
        and all(bool(facts.holds(name)) is expected for name, expected in rule.when)
    )


def _anchor(case: _Case, stage: Stage, rule: Rule) -> datetime | None:
    """The instant a rule counts from, if it has come."""
    anchor = rule.anchor
    if anchor.is_trigger:
        return case.trigger
    if anchor.instant is not None:
        return case.facts.instants.get(anchor.instant)
    return _last_submission(case, stage, rule)


def _last_submission(case: _Case, stage: Stage, rule: Rule) -> datetime | None:
    """The latest submission of the stage followed; a recurring stage then follows itself."""
    followed = rule.anchor.submission_of
    if followed is None:
        return None
    found = case.facts.submissions(case.regime.key, followed)
    if found and stage.repeats_until is not None:
        found += case.facts.submissions(case.regime.key, stage.id)
    return max(found, default=None)


def _shortest(case: _Case, stage: Stage, rules: tuple[Rule, ...]) -> _Choice:
    """Of several rules that can count, the one that is due first."""
    place = replace(case.place, is_relieved=case.facts.entity not in stage.no_relief_for)
    choices = []
    for rule in rules:
        start = _anchor(case, stage, rule)
        if start is not None:
            choices.append(_Choice(rule, start, _counted(rule, start, place)))
    return min(choices, key=_due_first)


def _counted(rule: Rule, start: datetime, place: Place) -> Counted | None:
    """What a rule comes to; None for a duty without a number."""
    if rule.period is None:
        return None
    return count(rule.kind, start, rule.period, place)


def _due_first(choice: _Choice) -> tuple[bool, float]:
    """Numbered duties by their target, then duties without a number."""
    if choice.counted is None:
        return True, 0.0
    return False, choice.counted.target_due.timestamp()


def _dated(case: _Case, stage: Stage, choice: _Choice, notes: tuple[Phrase, ...]) -> StageOutcome:
    """A stage whose anchor has come."""
    counted = choice.counted
    state, is_late = _state(case, stage, counted)
    trace = (*notes, *_trace(case, stage, choice), *_closing(case, stage, state, is_late=is_late))
    if counted is None or state is State.NOT_APPLICABLE:
        return replace(_undated(case, stage, state, *trace), cite=choice.rule.cite)
    return StageOutcome(
        id=stage.id,
        title=stage.title,
        state=state,
        strict=counted.strict,
        nominal=counted.nominal,
        legal_latest=counted.legal_latest,
        target_due=counted.target_due,
        cite=choice.rule.cite,
        recipient=stage.recipient,
        required_fields=case.regime.fields_for(stage.id),
        trace=trace,
        earliest_if_confirmed=None,
        is_late=is_late,
    )


def _state(case: _Case, stage: Stage, counted: Counted | None) -> tuple[State, bool]:
    """Where a dated stage stands, and whether it was submitted late."""
    done = case.facts.submissions(case.regime.key, stage.id)
    if stage.repeats_until is not None:
        return _recurring(case, stage, counted, done)
    if done:
        return State.MET, counted is not None and _is_past(counted, done[0])
    return _open(case, counted), False


def _recurring(
    case: _Case, stage: Stage, counted: Counted | None, done: tuple[datetime, ...]
) -> tuple[State, bool]:
    """A stage that comes round until its end is reached."""
    ended = case.facts.instants.get(stage.repeats_until) if stage.repeats_until else None
    if ended is None or (counted is not None and _is_past(counted, ended)):
        return _open(case, counted), False
    return (State.MET if done else State.NOT_APPLICABLE), False


def _open(case: _Case, counted: Counted | None) -> State:
    """A stage nobody has submitted yet."""
    if counted is None or not _is_past(counted, case.at):
        return State.RUNNING
    learnt = [case.facts.instants[name] for name in _LEARNT if name in case.facts.instants]
    if any(_is_past(counted, moment) for moment in learnt):
        return State.OVERDUE_IMMEDIATE
    return State.OVERDUE


def _is_past(counted: Counted, moment: datetime) -> bool:
    """Hours end with their last instant; days end before the midnight that is stored."""
    if counted.nominal is None:
        return moment > counted.strict
    return moment >= counted.nominal


def _trace(case: _Case, stage: Stage, choice: _Choice) -> Iterator[Phrase]:
    """The rule, its anchor, its arithmetic, and the duty that no number replaces."""
    rule = choice.rule
    if rule.anchor.is_trigger:
        yield _cited(case.trigger_note, rule.cite)
    elif rule.anchor.submission_of is not None:
        yield Phrase(
            "Counts from the last submission it follows (%(anchor)s; %(cite)s).",
            anchor=str(rule.anchor),
            cite=rule.cite,
        )
    else:
        yield Phrase("Counts from %(anchor)s (%(cite)s).", anchor=str(rule.anchor), cite=rule.cite)
    shared = [limb for limb in case.limbs if limb in rule.limbs]
    if shared:
        yield Phrase(
            "Limb that decides: %(limbs)s; the shortest period prevails (%(cite)s).",
            limbs=_named(shared),
            cite=rule.cite,
        )
    if choice.counted is not None:
        yield from choice.counted.trace
    else:
        yield Phrase("The text sets no number of hours or days for this stage.")
    if stage.soft_duty:
        yield Phrase("Inside that limit the duty is: %(duty)s.", duty=stage.soft_duty)


def _closing(case: _Case, stage: Stage, state: State, *, is_late: bool) -> Iterator[Phrase]:
    """The line that explains the state."""
    done = case.facts.submissions(case.regime.key, stage.id)
    if is_late:
        yield Phrase(
            "Submitted %(at)s, after the target; give the reasons.", at=f"{done[0]:%Y-%m-%d %H:%M}Z"
        )
    elif done and state is State.MET:
        yield Phrase("Submitted %(at)s.", at=f"{done[-1]:%Y-%m-%d %H:%M}Z")
    if state is State.OVERDUE_IMMEDIATE:
        yield Phrase(
            "The deadline had already passed when the classification was made: report at once."
        )


def _waiting(case: _Case, stage: Stage, rule: Rule) -> StageOutcome:
    """The rule's anchor has not come: a person must record it, or the world must bring it."""
    if rule.anchor.submission_of is not None or rule.anchor.instant in _WAITED_FOR:
        waits = Phrase("Waits for %(anchor)s.", anchor=str(rule.anchor))
        return _undated(case, stage, State.PENDING_ANCHOR, waits)
    if rule.anchor.is_trigger:
        return _asking(case, stage, case.trigger_note)
    unrecorded = Phrase(
        "Nobody has recorded %(anchor)s (%(cite)s).", anchor=str(rule.anchor), cite=rule.cite
    )
    return _asking(case, stage, unrecorded)


def _asking(case: _Case, stage: Stage, *why: Phrase) -> StageOutcome:
    """Facts are needed; say when it would be due at the earliest if they were confirmed."""
    blank = _undated(case, stage, State.FACTS_NEEDED, *why)
    return replace(blank, earliest_if_confirmed=_earliest(case, stage))


def _earliest(case: _Case, stage: Stage) -> datetime | None:
    """The target under the earliest instants on record and the gravest limb not ruled out."""
    start = case.trigger or _stand_in(case.facts)
    gate = case.facts.holds(stage.only_if) if stage.only_if is not None else True
    if start is None or gate is False:
        return None
    limbs = case.limbs or tuple(limb.id for limb in case.regime.limbs)
    imagined = replace(case, trigger=start, limbs=limbs)
    dues = (_due_if_now(imagined, stage, rule) for rule in _holding(imagined, stage))
    return min((due for due in dues if due is not None), default=None)


def _due_if_now(case: _Case, stage: Stage, rule: Rule) -> datetime | None:
    """When a rule would fall due if whatever it still misses were recorded at this moment."""
    counted = _counted(rule, _anchor(case, stage, rule) or case.at, case.place)
    return None if counted is None else counted.target_due


def _undated(case: _Case, stage: Stage, state: State, *why: Phrase) -> StageOutcome:
    """A stage without dates, and why."""
    return StageOutcome(
        id=stage.id,
        title=stage.title,
        state=state,
        strict=None,
        nominal=None,
        legal_latest=None,
        target_due=None,
        cite=stage.cite,
        recipient=stage.recipient,
        required_fields=case.regime.fields_for(stage.id),
        trace=why,
        earliest_if_confirmed=None,
        is_late=False,
    )
