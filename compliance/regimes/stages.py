"""Where one stage stands: which rules hold, from which anchor, and which of them is the shortest."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from compliance.phrase import Phrase
from compliance.regimes.case import WAITED_FOR, Case, anchored, stand_in
from compliance.regimes.counting import Counted, Figures, Place, count
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import Applies, Reason, StageOutcome, State
from compliance.regimes.schema import Rule, Stage
from compliance.regimes.scope import named, unanswered
from compliance.regimes.terms import Several
from compliance.regimes.vocabulary import PREDICATES, Limb


@dataclass(frozen=True, slots=True)
class _Choice:
    """The rule that decides a stage, and what it comes to."""

    rule: Rule
    start: datetime
    counted: Counted | None


def stage_outcome(
    case: Case, stage: Stage, applies: Applies, because: tuple[Reason, ...]
) -> StageOutcome:
    """One stage, once it is known whether the regime applies."""
    if applies is Applies.DOES_NOT_APPLY:
        return _undated(case, stage, State.NOT_APPLICABLE, *_words(because))
    if applies in {Applies.NOT_IN_FORCE, Applies.CONTESTED}:
        return _undated(case, stage, State.NOT_IN_FORCE, *_words(because))
    if applies is Applies.FACTS_NEEDED and _is_held(case):
        return _held(case, stage, *_words(because))
    return _live(case, stage, _words(tuple(unanswered(case))))


def _is_held(case: Case) -> bool:
    """Nothing may count before scope and limb are recorded; a missing trigger alone holds less."""
    return case.lacks_limb or (not case.assume_scope and any(unanswered(case)))


def _held(case: Case, stage: Stage, *why: Phrase) -> StageOutcome:
    """A stage of a regime that may or may not apply."""
    if is_chained(stage):
        follows = Phrase("Follows what has not started.")
        return _undated(case, stage, State.PENDING_ANCHOR, follows, *why)
    return _asking(case, stage, *why)


def _words(reasons: tuple[Reason, ...]) -> tuple[Phrase, ...]:
    """Reasons as lines of a trace."""
    return tuple(_cited(reason.sentence, reason.cite) for reason in reasons)


def _cited(sentence: Phrase, cite: Phrase) -> Phrase:
    """A sentence with its place in the law."""
    return Phrase("%(sentence)s (%(cite)s)", sentence=sentence, cite=cite)


def is_chained(stage: Stage) -> bool:
    """Counts only from what another stage or the world brings, never from the trigger."""
    return all(is_brought(rule) for rule in stage.rules)


def is_brought(rule: Rule) -> bool:
    """Its anchor is a submission, or comes with the world; nobody records it as knowledge."""
    return rule.anchor.submission_of is not None or rule.anchor.instant in WAITED_FOR


def _live(case: Case, stage: Stage, notes: tuple[Phrase, ...]) -> StageOutcome:
    """A stage of a regime that applies."""
    gate = case.facts.holds(stage.only_if) if stage.only_if is not None else True
    if gate is False:
        denied = PREDICATES[stage.only_if or ""].denies
        return _undated(case, stage, State.NOT_APPLICABLE, denied)
    rules = _holding(case, stage)
    if not rules:
        none = Phrase("No rule of this stage holds here.")
        return _undated(case, stage, State.NOT_APPLICABLE, none)
    missing = [rule for rule in rules if anchored(case, stage, rule) is None]
    if any(rule.is_required for rule in missing) or len(missing) == len(rules):
        return _waiting(case, stage, missing[0])
    return _dated(case, stage, _shortest(case, stage, rules), notes)


def _holding(case: Case, stage: Stage) -> tuple[Rule, ...]:
    """The rules of a stage that the facts select."""
    return tuple(rule for rule in stage.rules if rule_holds(rule, case.facts, case.limbs))


def rule_holds(rule: Rule, facts: Facts, limbs: tuple[Limb, ...]) -> bool:
    """By limb, by kind of entity and by predicate; what a rule does not ask about does not bind."""
    return (
        (not rule.limbs or not set(rule.limbs).isdisjoint(limbs))
        and (not rule.entities or facts.entity in rule.entities)
        and all(bool(facts.holds(name)) is expected for name, expected in rule.when)
    )


def _shortest(case: Case, stage: Stage, rules: tuple[Rule, ...]) -> _Choice:
    """Of several rules that can count, the one that is due first."""
    place = relieved(case.place, stage, case.facts)
    choices = []
    for rule in rules:
        start = anchored(case, stage, rule)
        if start is not None:
            choices.append(_Choice(rule, start, _counted(rule, start, place)))
    return min(choices, key=_due_first)


def relieved(place: Place, stage: Stage, facts: Facts) -> Place:
    """The place, without a relief that the stage refuses to this kind of entity."""
    return replace(place, is_relieved=facts.entity not in stage.no_relief_for)


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


def _dated(case: Case, stage: Stage, choice: _Choice, notes: tuple[Phrase, ...]) -> StageOutcome:
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
        gaps=counted.gaps,
    )


def _state(case: Case, stage: Stage, counted: Counted | None) -> tuple[State, bool]:
    """Where a dated stage stands, and whether it was submitted late."""
    facts = case.facts
    done = facts.submissions(case.regime.key, stage.id)
    ended = None if stage.repeats_until is None else facts.instants.get(stage.repeats_until)
    figures = None if counted is None else counted.dates
    state = state_of(stage, figures, case.at, done, ended, case.learnt)
    is_late = (
        state is State.MET
        and stage.repeats_until is None
        and figures is not None
        and is_past(figures, done[0])
    )
    return state, is_late


def state_of(
    stage: Stage,
    figures: Figures | None,
    at: datetime,
    done: tuple[datetime, ...],
    ended: datetime | None,
    learnt: tuple[datetime, ...],
) -> State:
    """Where a dated stage stands.

    Args:
        stage: Which.
        figures: Its dates; None for a duty without a number.
        at: The instant asked about.
        done: When it was submitted, in order.
        ended: When a recurring stage came to its end.
        learnt: When the classification it rests on was made.
    """
    if stage.repeats_until is None:
        if done:
            return State.MET
    elif ended is not None and (figures is None or not is_past(figures, ended)):
        return State.MET if done else State.NOT_APPLICABLE
    if figures is None or not is_past(figures, at):
        return State.RUNNING
    if any(is_past(figures, moment) for moment in learnt):
        return State.OVERDUE_IMMEDIATE
    return State.OVERDUE


def is_past(figures: Figures, moment: datetime) -> bool:
    """Hours end with their last instant; days end before the midnight that is stored."""
    if figures.nominal is None:
        return moment > figures.strict
    return moment >= figures.nominal


def _trace(case: Case, stage: Stage, choice: _Choice) -> Iterator[Phrase]:
    """The rule, its anchor, its arithmetic, and the duty that no number replaces."""
    rule = choice.rule
    if rule.anchor.is_trigger:
        yield _cited(case.trigger_note, rule.cite)
    elif rule.anchor.submission_of is not None:
        yield _followed(case, stage, rule)
    else:
        yield Phrase("Counts from %(anchor)s (%(cite)s).", anchor=str(rule.anchor), cite=rule.cite)
    shared = [limb for limb in case.limbs if limb in rule.limbs]
    if shared:
        yield Phrase(
            "Limb that decides: %(limbs)s; the shortest period prevails (%(cite)s).",
            limbs=named(shared),
            cite=rule.cite,
        )
    if choice.counted is not None:
        yield from choice.counted.trace
    else:
        yield Phrase("The text sets no number of hours or days for this stage.")
    if stage.soft_duty:
        yield Phrase("Inside that limit the duty is: %(duty)s.", duty=stage.soft_duty)


def _followed(case: Case, stage: Stage, rule: Rule) -> Phrase:
    """Which submission a chained stage counts from."""
    if stage.repeats_until is not None and case.facts.submissions(case.regime.key, stage.id):
        return Phrase("Counts from its own latest submission (%(cite)s).", cite=rule.cite)
    several = {
        Several.FIRST: Phrase(
            "Counts from the first submission it follows (%(anchor)s; %(cite)s).",
            anchor=str(rule.anchor),
            cite=rule.cite,
        ),
        Several.LATEST: Phrase(
            "Counts from the latest submission it follows (%(anchor)s; %(cite)s).",
            anchor=str(rule.anchor),
            cite=rule.cite,
        ),
    }
    return several[rule.anchor.of_several]


def _closing(case: Case, stage: Stage, state: State, *, is_late: bool) -> Iterator[Phrase]:
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


def _waiting(case: Case, stage: Stage, rule: Rule) -> StageOutcome:
    """The rule's anchor has not come: a person must record it, or the world must bring it."""
    if is_brought(rule):
        waits = Phrase("Waits for %(anchor)s.", anchor=str(rule.anchor))
        return _undated(case, stage, State.PENDING_ANCHOR, waits)
    if rule.anchor.is_trigger:
        return _asking(case, stage, case.trigger_note)
    unrecorded = Phrase(
        "Nobody has recorded %(anchor)s (%(cite)s).", anchor=str(rule.anchor), cite=rule.cite
    )
    return _asking(case, stage, unrecorded)


def _asking(case: Case, stage: Stage, *why: Phrase) -> StageOutcome:
    """Facts are needed; say when it would be due at the earliest if they were confirmed."""
    blank = _undated(case, stage, State.FACTS_NEEDED, *why)
    return replace(blank, earliest_if_confirmed=_earliest(case, stage))


def _earliest(case: Case, stage: Stage) -> datetime | None:
    """The target under the earliest instants on record and the gravest limb not ruled out."""
    start = case.trigger or stand_in(case.facts)
    gate = case.facts.holds(stage.only_if) if stage.only_if is not None else True
    if start is None or gate is False:
        return None
    limbs = case.limbs or tuple(limb.id for limb in case.regime.limbs)
    imagined = replace(case, trigger=start, limbs=limbs)
    dues = (_due_if_now(imagined, stage, rule) for rule in _holding(imagined, stage))
    return min((due for due in dues if due is not None), default=None)


def _due_if_now(case: Case, stage: Stage, rule: Rule) -> datetime | None:
    """When a rule would fall due if whatever it still misses were recorded at this moment."""
    counted = _counted(rule, anchored(case, stage, rule) or case.at, case.place)
    return None if counted is None else counted.target_due


def _undated(case: Case, stage: Stage, state: State, *why: Phrase) -> StageOutcome:
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
