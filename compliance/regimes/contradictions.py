"""What one field alone cannot show: the ways in which a pack can contradict itself."""

from collections.abc import Iterator

from compliance.regimes.counting import Kind
from compliance.regimes.fields import RequiredField
from compliance.regimes.schema import (
    CalendarDuty,
    DateRule,
    Evidence,
    Regime,
    Rule,
    Stage,
)
from compliance.regimes.table import RegimeError
from compliance.regimes.terms import (
    Audience,
    FieldType,
    LateRule,
    PackKind,
    ReportKind,
    UnknownPolicy,
)
from compliance.regimes.vocabulary import Milestone

_MUST_SAY = (ReportKind.FINAL_NON_REPORTABLE, ReportKind.WITHDRAWAL)
"""Kinds of report by which a started clock ends otherwise than as planned."""
_FROM_AUTHORITIES = frozenset(
    {
        Milestone.AUTHORITY_REQUEST_RECEIVED,
        Milestone.AUTHORITY_PERIOD_ENDS,
        Milestone.CORRECTIVE_ORDER_RECEIVED,
    }
)
"""What a letter of an authority says, or its coming in."""
_REPORT_KIND = "report.kind"


def refuse(built: Regime) -> None:
    """Stop at the first contradiction.

    Raises:
        RegimeError: The pack contradicts itself; the message names file, entry and field.
    """
    for complaint in _contradictions(built):
        raise RegimeError(f"{built.file}, {complaint}")


def _contradictions(built: Regime) -> Iterator[str]:
    """Every way a pack can contradict itself, each as the rest of a sentence."""
    yield from _missing_parts(built)
    yield from _bad_dates(built)
    for stage in built.stages:
        yield from _bad_stage(built, stage)
    for duty in built.calendar_duties:
        yield from _bad_duty(duty)
    for required in built.fields:
        yield from _bad_field(built, required)
    yield from _bad_kinds(built)
    yield from _bad_links(built)
    for case in built.tests:
        if not set(case.expect) <= {str(stage.id) for stage in built.stages}:
            yield f"test {case.name}, field 'expect': names a stage this regime does not have"
    for worked in built.standing_tests:
        if worked.duty not in {duty.id for duty in built.calendar_duties}:
            yield f"test {worked.name}, field 'duty': names a duty this pack does not have"


def _missing_parts(built: Regime) -> Iterator[str]:
    if built.kind is PackKind.STANDING:
        yield from _not_standing(built)
    else:
        yield from _not_of_incidents(built)
    if bool(built.legal_basis) is built.is_internal:
        yield "field 'legal_basis': expected for law, and only for law; 'internal' contradicts it"
    if built.supersedes == built.version:
        yield "field 'supersedes': expected the version before this one, got its own"
    for limb in _repeated([str(limb.id) for limb in built.limbs]):
        yield f"limb {limb}: expected once, got twice"
    for stage in _repeated([str(stage.id) for stage in built.stages]):
        yield f"stage {stage}: expected once, got twice"
    for field in _repeated([field.id for field in built.fields]):
        yield f"field {field}: expected once, got twice"


def _not_of_incidents(built: Regime) -> Iterator[str]:
    if not built.stages:
        yield "field 'stage': expected at least one stage, got none"
    if not built.triggers:
        yield "field 'trigger': expected at least one trigger, got none"
    if built.calendar_duties:
        yield "field 'standing': expected only where kind is 'standing'"


def _not_standing(built: Regime) -> Iterator[str]:
    if not built.calendar_duties:
        yield "field 'standing': expected at least one standing duty, got none"
    for name, entries in (
        ("stage", built.stages),
        ("trigger", built.triggers),
        ("limb", built.limbs),
    ):
        if entries:
            yield f"field {name!r}: expected none where kind is 'standing'"
    for duty in _repeated([duty.id for duty in built.calendar_duties]):
        yield f"standing {duty}: expected once, got twice"


def _bad_duty(duty: CalendarDuty) -> Iterator[str]:
    if not duty.rules:
        yield f"standing {duty.id}, field 'rule': expected at least one rule, got none"
    for rule in duty.rules:
        yield from _bad_date_rule(duty, rule)
    if duty.inbound and not any(rule.anchor in _FROM_AUTHORITIES for rule in duty.rules):
        yield (
            f"standing {duty.id}, field 'inbound': expected a rule that counts from what an"
            " authority's letter says"
        )


def _bad_date_rule(duty: CalendarDuty, rule: DateRule) -> Iterator[str]:
    if (rule.anchor is None) is (rule.on is None):
        yield f"standing {duty.id}, rule {rule.cite}: expected either 'anchor' or 'on'"
    if rule.kind is Kind.ELAPSED and (rule.anchor is None or rule.period is None):
        yield f"standing {duty.id}, rule {rule.cite}: expected hours from an 'anchor'"


def _bad_dates(built: Regime) -> Iterator[str]:
    if built.valid_to is not None and built.valid_to < built.valid_from:
        yield f"field 'valid_to': expected on or after {built.valid_from}, got {built.valid_to}"
    for condition in built.applicability:
        if condition.starts_on < built.valid_from:
            yield (
                f"applicability {condition.predicate}, field 'from': expected on or after"
                f" valid_from {built.valid_from}, got {condition.starts_on}"
            )


def _bad_stage(built: Regime, stage: Stage) -> Iterator[str]:
    if not stage.rules:
        yield f"stage {stage.id}, field 'rule': expected at least one rule, got none"
    if stage.recipient not in {None, *(recipient.id for recipient in built.recipients)}:
        yield (
            f"stage {stage.id}, field 'recipient': expected the id of a [[recipient]] of this"
            f" pack, got {stage.recipient!r}"
        )
    if stage.recipient is None and not built.is_internal:
        yield f"stage {stage.id}, field 'recipient': expected for a legal duty, got none"
    if bool(stage.late_cite) is (stage.late_rule is LateRule.NONE):
        yield f"stage {stage.id}, field 'late_cite': expected with a late rule, and only with one"
    for rule in stage.rules:
        yield from _bad_rule(built, stage, rule)


def _bad_field(built: Regime, required: RequiredField) -> Iterator[str]:
    place = f"field {required.id}, field"
    if not set(required.stages) <= {stage.id for stage in built.stages}:
        yield f"{place} 'stages': names a stage this regime does not have"
    if (required.type is FieldType.CHOICE) is not (len(required.choices) > 1):
        yield (
            f"{place} 'choice': expected two or more [[field.choice]] where type is 'choice', and"
            f" only there; type is '{required.type}', got {len(required.choices)}"
        )
    for code in _repeated([each.id for each in required.choices]):
        yield f"{place} 'choice': expected {code} once, got it twice"
    if required.unit and required.type is not FieldType.NUMBER:
        yield f"{place} 'unit': expected only where type is 'number', got type '{required.type}'"
    if required.type is FieldType.HARM and not built.limbs:
        yield f"{place} 'type': 'harm' expects a [[limb]] in this pack, got none"
    if (required.type is FieldType.KIND) is not (required.source == _REPORT_KIND):
        yield f"{place} 'type': expected 'kind' with source '{_REPORT_KIND}', and only with it"
    if required.type is FieldType.KIND and required.unknown_policy is not UnknownPolicy.NONE:
        yield f"{place} 'unknown_policy': expected 'none' where type is 'kind'"
    if (required.audience is Audience.INTERNAL) is not built.is_internal:
        yield f"{place} 'audience': expected 'internal' in a rule of the house, and only there"


def _bad_kinds(built: Regime) -> Iterator[str]:
    stated = [str(each.id) for each in built.kinds]
    for name in _repeated(stated):
        yield f"report_kind {name}: expected once, got twice"
    if built.kind is PackKind.STANDING:
        if stated:
            yield "field 'report_kind': expected none where kind is 'standing'"
        return
    for must in _MUST_SAY:
        if must not in stated:
            yield (
                f"report_kind {must}, field 'known': expected yes, no or unknown in a"
                " [[report_kind]] of its own, got none"
            )


def _bad_links(built: Regime) -> Iterator[str]:
    for each in built.relations:
        if each.regime == built.key:
            yield f"relation {each.kind}, field 'regime': expected another regime, got its own key"
    for base in built.legal_basis:
        if base.verified_on is not None and base.evidence is Evidence.MEMORY:
            yield (
                f"legal_basis {base.instrument}, field 'verified_on': expected none for what is"
                f" from memory, got {base.verified_on}"
            )


def _bad_rule(built: Regime, stage: Stage, rule: Rule) -> Iterator[str]:
    known = {limb.id for limb in built.limbs}
    if not set(rule.limbs) <= known:
        strange = next(limb for limb in rule.limbs if limb not in known)
        yield f"stage {stage.id}, rule {rule.cite}: limb {strange} is not a [[limb]] of this pack"
    followed = rule.anchor.submission_of
    if followed is not None and followed not in {other.id for other in built.stages}:
        yield f"stage {stage.id}, rule {rule.cite}: follows stage {followed}, which does not exist"


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
