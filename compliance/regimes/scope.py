"""Does a regime bind, and because of what? Law, date, scope and harm, in this order.

Questions of scope are three-valued: met, not met, or not yet said. What nobody said is asked for.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime

from compliance.phrase import Phrase, listed
from compliance.regimes.case import Case, stand_in
from compliance.regimes.counting import local_date
from compliance.regimes.derivations import deriving
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import Applies, Reason
from compliance.regimes.schema import Applicability, Regime, ScopeCondition, Status
from compliance.regimes.vocabulary import LIMBS, PREDICATES, Limb

_NO_LAW = {
    Status.PROPOSED: Phrase("%(regime)s is proposed; it starts no clock."),
    Status.REPEALED: Phrase("%(regime)s is repealed; it starts no clock."),
}
"""Statuses of what is not law, with the sentence for each."""


def applies(case: Case) -> tuple[Applies, tuple[Reason, ...]]:
    """The verdict on the regime as a whole; the first ground that decides is the one given."""
    law = not_law(case.regime) or _not_yet(case)
    if law is not None:
        return law
    grounds = tuple(failed(case))
    if grounds:
        return Applies.DOES_NOT_APPLY, grounds
    open_scope = tuple(unanswered(case))
    open_questions = (*_open_questions(case), *(() if case.assume_scope else open_scope))
    if open_questions:
        return Applies.FACTS_NEEDED, open_questions
    return Applies.APPLIES, (*_met(case), *open_scope, *_remarks(case))


def not_law(regime: Regime) -> tuple[Applies, tuple[Reason, ...]] | None:
    """Proposals, contested and repealed texts never start a clock."""
    cite = first_cite(regime)
    if regime.status is Status.CONTESTED:
        sentence = Phrase(
            "%(regime)s is contested; no clock is run under it until that is settled.",
            regime=regime.title,
        )
        disputes = (Reason(each.text, each.cite) for each in regime.challenges)
        return Applies.CONTESTED, (Reason(sentence, cite), *disputes)
    if regime.status in _NO_LAW:
        sentence = Phrase(_NO_LAW[regime.status], regime=regime.title)
        return Applies.NOT_IN_FORCE, (Reason(sentence, cite),)
    return None


def _not_yet(case: Case) -> tuple[Applies, tuple[Reason, ...]] | None:
    """Validity is judged at the trigger's local date, not at today's."""
    regime = case.regime
    day = local_date(validity_instant(case), case.place.zone)
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


def validity_instant(case: Case) -> datetime:
    """The trigger; before there is one, what else was recorded, or else the instant asked about."""
    if case.trigger is not None:
        return case.trigger
    return stand_in(case.facts) or case.at


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


def failed(case: Case) -> Iterator[Reason]:
    """Every ground on which the regime does not apply."""
    for condition in case.regime.scope:
        if meets(condition, case.facts) is False:
            answer = not condition.expected
            yield Reason(sentences(condition, case.facts, answer=answer), condition.cite)
            yield from derivations(condition, case.facts)
    if case.regime.limbs and case.facts.limbs and not case.limbs:
        yield Reason(*_no_reportable_limb(case))


def _no_reportable_limb(case: Case) -> tuple[Phrase, Phrase]:
    """Which harm was recorded, and why this regime does not ask for it."""
    recorded = named(case.facts.limbs)
    for exclusion in case.regime.exclusions:
        if case.facts.holds(exclusion.predicate):
            sentence = Phrase(
                "%(because)s Only %(left)s stays reportable, not %(recorded)s.",
                because=PREDICATES[exclusion.predicate].says,
                left=named(exclusion.limit_to),
                recorded=recorded,
            )
            return sentence, exclusion.cite
    sentence = Phrase(
        "The recorded harm (%(recorded)s) is none that this regime makes reportable.",
        recorded=recorded,
    )
    return sentence, case.regime.limbs[0].cite


def named(limbs: Iterable[Limb]) -> Phrase:
    """Kinds of harm in words."""
    return listed(LIMBS[limb] for limb in limbs)


def unanswered(case: Case) -> Iterator[Reason]:
    """Questions of scope nobody has answered: to be confirmed, or assumed when so asked."""
    for condition in case.regime.scope:
        if meets(condition, case.facts) is None:
            what = sentences(condition, case.facts, answer=None)
            if case.assume_scope:
                yield Reason(Phrase("Assumed: %(what)s", what=what), condition.cite)
            else:
                yield Reason(Phrase("To be confirmed: %(what)s", what=what), condition.cite)


def _open_questions(case: Case) -> Iterator[Reason]:
    """Facts without which no clock can start even where the regime applies."""
    if case.trigger is None:
        yield Reason(case.trigger_note, case.regime.triggers[0].cite)
    if case.lacks_limb:
        sentence = Phrase("Nobody has recorded which harm occurred.")
        yield Reason(sentence, case.regime.limbs[0].cite)


def _met(case: Case) -> Iterator[Reason]:
    """The conditions of scope that were recorded as met, and what started the clock."""
    for condition in case.regime.scope:
        if meets(condition, case.facts) is True:
            answer = condition.expected
            yield Reason(sentences(condition, case.facts, answer=answer), condition.cite)
            yield from derivations(condition, case.facts)
    yield Reason(case.trigger_note, case.regime.triggers[0].cite)


def _remarks(case: Case) -> Iterator[Reason]:
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


def derivations(condition: ScopeCondition, facts: Facts) -> Iterator[Reason]:
    """The figures that answered a condition nobody answered in words."""
    for name in condition.any_of:
        rule = deriving(name)
        if rule is None or name in facts.predicates or facts.holds(name) is None:
            continue
        figure = facts.numbers.get(rule.number)
        if figure is not None:
            yield Reason(rule.sentence(figure), rule.cite)


def first_cite(regime: Regime) -> Phrase:
    """Where the regime comes from, for reasons about the regime as a whole."""
    if not regime.legal_basis:
        return Phrase("Internal policy")
    basis = regime.legal_basis[0]
    return listed((basis.instrument, basis.article))
