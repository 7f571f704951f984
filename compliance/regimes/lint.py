"""Read every pack as a sceptical colleague would, and run the worked cases inside them."""

from collections.abc import Iterator

from compliance.regimes import load
from compliance.regimes.engine import evaluate
from compliance.regimes.facts import Facts, FactsError, instant
from compliance.regimes.questions import INSTANT_QUESTIONS, LIMB_QUESTIONS, PREDICATE_QUESTIONS
from compliance.regimes.schema import Evidence, GoldenCase, Regime, StandingCase, Status
from compliance.regimes.standing import case_dates
from compliance.regimes.table import RegimeError
from compliance.regimes.terms import PackKind
from compliance.regimes.vocabulary import PREDICATES, Instant, Limb

_READ = frozenset({Evidence.PRIMARY, Evidence.SECONDARY})
"""What somebody has read, and so on a day."""


def complaints() -> tuple[str, ...]:
    """Everything wrong with the packs, as sentences; empty when all is well."""
    try:
        load.check()
        packs = load.regimes()
    except RegimeError as error:
        return (str(error),)
    found = [complaint for pack in packs for complaint in examine(pack)]
    return (*found, *_unasked())


def examine(regime: Regime) -> Iterator[str]:
    """What is missing or wrong in one pack beyond its schema."""
    for complaint in (*_thin(regime), *_wrong_cases(regime)):
        yield f"{regime.file}: {complaint}"


def _thin(regime: Regime) -> Iterator[str]:
    """Parts a lawyer would miss."""
    is_standing = regime.kind is PackKind.STANDING
    if not regime.tests and not regime.standing_tests:
        yield "expected at least one worked case [[test]], got none"
    if not regime.retention and not is_standing:
        yield "expected a retention period, got none"
    for stage in regime.stages:
        if not regime.fields_for(stage.id):
            yield f"stage {stage.id}: expected the fields its report must have, got none"
    for base in regime.legal_basis:
        if base.verified_on is None and base.evidence in _READ:
            yield (
                f"legal_basis {base.instrument}, evidence {base.evidence}: expected verified_on,"
                " the day on which the copy was read, got none"
            )
    if regime.evidence is not Evidence.PRIMARY and not regime.is_internal:
        yield from _uncounselled(regime)
    if regime.status in {Status.PROPOSED, Status.CONTESTED} and not regime.requires_counsel:
        yield f"status {regime.status}: expected a note for counsel, got none"
    if regime.status is Status.CONTESTED and not regime.challenges:
        yield "status contested: expected a [[challenge]] that says what disputes it, got none"


def _uncounselled(regime: Regime) -> Iterator[str]:
    """What was not read in the original carries a note for counsel."""
    if not regime.requires_counsel:
        yield f"evidence {regime.evidence}: expected a note in requires_counsel, got none"


def _wrong_cases(regime: Regime) -> Iterator[str]:
    """Worked cases whose arithmetic does not come out."""
    for case in regime.tests:
        try:
            yield from check_case(regime, case)
        except FactsError as error:
            yield f"test {case.name!r}: {error}"
    for worked in regime.standing_tests:
        try:
            yield from check_standing_case(regime, worked)
        except FactsError as error:
            yield f"test {worked.name!r}: {error}"


def check_case(regime: Regime, case: GoldenCase) -> Iterator[str]:
    """Every value of a worked case that the engine answers differently.

    Raises:
        FactsError: The case's own facts are wrong.
    """
    outcome = evaluate(
        regime, Facts.from_json(case.facts), instant("at", case.at), assume_scope=True
    )
    for stage, expected in case.expect.items():
        answered = outcome.stage(stage).as_json()
        for name, value in expected.items():
            came = "null" if answered.get(name) is None else str(answered[name])
            if came != value:
                yield f"test {case.name!r}, stage {stage}: expected {name} {value}, got {came}"


def check_standing_case(regime: Regime, case: StandingCase) -> Iterator[str]:
    """Every date of a worked case of a standing duty that comes out differently.

    Raises:
        FactsError: The case's own anchors are wrong.
    """
    answered = case_dates(regime, case)
    for name, value in case.expect.items():
        came = answered.get(name, "null")
        if came != value:
            yield f"test {case.name!r}, duty {case.duty}: expected {name} {value}, got {came}"


def _unasked() -> Iterator[str]:
    """Words of the vocabulary nobody asks the classifier about."""
    asked = {question.id for question in (*LIMB_QUESTIONS, *PREDICATE_QUESTIONS)}
    asked |= {question.id for question in INSTANT_QUESTIONS}
    for word in (*Limb, *Instant, *PREDICATES):
        if word not in asked:
            yield f"questions.py: expected a question for {word}, got none"
