"""The entries of a pack, each built from its own table; a tag that is absent is the pack's."""

import re
from collections.abc import Iterator

from compliance.phrase import Phrase
from compliance.regimes.counting import UNITS, Kind, Period, Unit
from compliance.regimes.fields import KnownKind, Option, RequiredField
from compliance.regimes.schema import (
    Admission,
    Anchor,
    Applicability,
    Challenge,
    Evidence,
    Exclusion,
    GoldenCase,
    LegalBasis,
    LimbDefinition,
    Recipient,
    Relation,
    Remark,
    Retention,
    Rule,
    ScopeCondition,
    Stage,
    StandingDuty,
    Template,
    Trigger,
)
from compliance.regimes.table import Table
from compliance.regimes.terms import (
    Audience,
    AuthorityRole,
    Causation,
    FieldType,
    Knows,
    LateRule,
    RelationKind,
    ReportKind,
    Sensitivity,
    Several,
    UnknownPolicy,
)
from compliance.regimes.vocabulary import ENTITIES, SOURCES, Instant, Limb, StageId

_SUBMITTED = "submitted:"
_CELEX = re.compile(r"[1-9]\d{4}[A-Z]{1,2}\d{4}")
"""Sector, year, kind of act, number."""
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def evidence(entry: Table) -> Evidence:
    """The entry's own tag, or else the pack's."""
    inherited = Evidence(entry.inherited) if entry.inherited else None
    return entry.choice("evidence", Evidence, inherited)


def legal_basis(entry: Table) -> LegalBasis:
    """An instrument and the place in it."""
    return LegalBasis(
        entry.words("instrument"),
        entry.words("article"),
        entry.choice("evidence", Evidence),
        entry.words("source", ""),
        _celex(entry),
        entry.optional_day("verified_on"),
    )


def _celex(entry: Table) -> str:
    number = entry.text("celex", "")
    if number and _CELEX.fullmatch(number) is None:
        raise entry.wrong("celex", "a CELEX number such as 32024R1689", number)
    return number


def applicability(entry: Table) -> Applicability:
    """A start that depends on a fact."""
    return Applicability(
        entry.predicate("if"),
        entry.flag("is", default=True),
        entry.day("from"),
        entry.words("cite"),
        entry.choice("evidence", Evidence),
    )


def scope(entry: Table) -> ScopeCondition:
    """A condition of scope."""
    names = tuple(entry.known("any_of", name) for name in entry.texts("any_of"))
    if not names:
        raise entry.wrong("any_of", "at least one predicate", names)
    return ScopeCondition(
        names, entry.flag("is", default=True), entry.words("cite"), evidence(entry)
    )


def exclusion(entry: Table) -> Exclusion:
    """What a fact takes out."""
    return Exclusion(
        entry.predicate("if"),
        entry.choices("limit_to", Limb),
        entry.words("cite"),
        evidence(entry),
    )


def remark(entry: Table) -> Remark:
    """A sentence that a fact calls for."""
    return Remark(
        entry.predicate("if"),
        entry.flag("is", default=True),
        entry.words("text"),
        entry.words("cite"),
        evidence(entry),
    )


def trigger(entry: Table) -> Trigger:
    """What starts the clock."""
    return Trigger(
        entry.choice("instant", Instant),
        entry.words("standard"),
        entry.words("cite"),
        evidence(entry),
    )


def limb(entry: Table) -> LimbDefinition:
    """A kind of harm."""
    return LimbDefinition(
        entry.choice("id", Limb),
        entry.words("title"),
        entry.words("definition"),
        entry.words("cite"),
        evidence(entry),
        _causation(entry),
    )


def _causation(entry: Table) -> tuple[Causation, ...]:
    named = entry.choices("causation", Causation)
    if not named or (Causation.UNKNOWN in named and len(named) > 1):
        raise entry.wrong(
            "causation", f"some of {', '.join(Causation)}; unknown stands alone", list(named)
        )
    return named


def stage(entry: Table) -> Stage:
    """A report with its rules."""
    return Stage(
        id=entry.choice("id", StageId),
        title=entry.words("title"),
        rules=entry.each("rule", _rule),
        recipient=entry.text("recipient", "") or None,
        only_if=optional_predicate(entry, "only_if"),
        repeats_until=_optional_instant(entry, "repeats_until"),
        soft_duty=entry.words("soft_duty", ""),
        accepts_incomplete=entry.flag("accepts_incomplete", default=False),
        late_rule=entry.choice("late_rule", LateRule, LateRule.NONE),
        late_cite=entry.words("late_cite", ""),
        no_relief_for=tuple(_entities(entry, "no_relief_for")),
    )


def _rule(entry: Table) -> Rule:
    kind = entry.choice("kind", Kind)
    return Rule(
        anchor=_anchor(entry),
        period=period(entry, kind),
        kind=kind,
        cite=entry.words("cite"),
        limbs=entry.choices("limbs", Limb),
        entities=tuple(_entities(entry, "entities")),
        when=tuple(_when(entry)),
        is_required=entry.flag("required", default=False),
        evidence=evidence(entry),
    )


def _anchor(entry: Table) -> Anchor:
    word = entry.text("anchor")
    if word == "trigger":
        return Anchor()
    if word in set(Instant):
        return Anchor(instant=Instant(word))
    followed = word.removeprefix(_SUBMITTED)
    if word.startswith(_SUBMITTED) and followed in set(StageId):
        return Anchor(
            submission_of=StageId(followed), of_several=entry.choice("of_several", Several)
        )
    raise entry.wrong("anchor", "'trigger', the name of an instant, or 'submitted:STAGE'", word)


def period(entry: Table, kind: Kind) -> Period | None:
    """A number of units that this kind of law counts; nothing where there is no amount."""
    amount = entry.positive("amount")
    if amount is None:
        return None
    unit = entry.choice("unit", Unit)
    if unit not in UNITS[kind]:
        raise entry.wrong("unit", f"a unit that {kind} counts: {', '.join(UNITS[kind])}", unit)
    return Period(amount, unit)


def _entities(entry: Table, asked: str) -> Iterator[str]:
    for name in entry.texts(asked):
        if name not in ENTITIES:
            raise entry.wrong(asked, f"only words from {', '.join(sorted(ENTITIES))}", name)
        yield name


def _when(entry: Table) -> Iterator[tuple[str, bool]]:
    for name, value in entry.table("when").items():
        if not isinstance(value, bool):
            raise entry.wrong("when", "predicates with true or false", value)
        yield entry.known("when", name), value


def optional_predicate(entry: Table, asked: str) -> str | None:
    """The name of a known predicate, or nothing."""
    name = entry.text(asked, "")
    return entry.known(asked, name) if name else None


def _optional_instant(entry: Table, asked: str) -> Instant | None:
    name = entry.text(asked, "")
    if name and name not in set(Instant):
        raise entry.wrong(asked, f"one of {', '.join(Instant)}", name)
    return Instant(name) if name else None


def recipient(entry: Table) -> Recipient:
    """Who receives it."""
    return Recipient(
        entry.text("id"),
        entry.words("name"),
        entry.words("routing"),
        entry.words("channel"),
        evidence(entry),
        entry.texts("authorities"),
        entry.choice("role", AuthorityRole) if entry.has("role") else None,
        entry.flag("per_state", default=False),
    )


def field(entry: Table) -> RequiredField:
    """What it must say."""
    return RequiredField(
        id=entry.text("id"),
        label=entry.words("label"),
        cite=entry.words("cite"),
        source=_source(entry),
        stages=entry.choices("stages", StageId),
        evidence=evidence(entry),
        type=entry.choice("type", FieldType),
        choices=entry.each("choice", _option),
        unit=entry.words("unit", ""),
        audience=entry.choice("audience", Audience),
        sensitivity=entry.choice("sensitivity", Sensitivity),
        unknown_policy=entry.choice("unknown_policy", UnknownPolicy),
    )


def _source(entry: Table) -> str:
    name = entry.text("source")
    if name not in SOURCES:
        raise entry.wrong("source", f"one of {', '.join(sorted(SOURCES))}", name)
    return name


def _option(entry: Table) -> Option:
    code = entry.text("id")
    if _CODE.fullmatch(code) is None:
        raise entry.wrong("id", "a code in small letters such as other_person", code)
    return Option(code, entry.words("label"))


def kind(entry: Table) -> KnownKind:
    """Whether the recipient knows a kind of report; where that was found out, where it stands."""
    found = entry.choice("known", Knows)
    is_open = found is Knows.UNKNOWN
    return KnownKind(
        entry.choice("id", ReportKind),
        found,
        entry.words("cite", "" if is_open else None),
        evidence(entry),
    )


def relation(entry: Table) -> Relation:
    """How it stands to another regime."""
    found = entry.choice("kind", RelationKind)
    is_among_its_own = found is RelationKind.MERGE_RULE
    return Relation(
        found,
        entry.text("regime", "" if is_among_its_own else None),
        entry.words("text"),
        entry.words("cite"),
        evidence(entry),
    )


def retention(entry: Table) -> Retention:
    """How long records are kept."""
    return Retention(
        entry.text("record"),
        entry.text("period"),
        entry.text("from"),
        entry.words("cite"),
        entry.choice("evidence", Evidence),
    )


def duty(entry: Table) -> StandingDuty:
    """A duty without a clock."""
    return StandingDuty(entry.text("id"), entry.words("text"), entry.words("cite"), evidence(entry))


def template(entry: Table) -> Template:
    """A form for the report."""
    return Template(
        entry.words("name"),
        entry.text("version", ""),
        entry.optional_day("issued_on"),
        entry.flag("final", default=False),
        entry.flag("binding", default=False),
        entry.words("cite"),
        entry.choice("evidence", Evidence),
    )


def admission(entry: Table) -> Admission:
    """The text that reporting admits nothing."""
    return Admission(entry.words("text"), entry.words("cite"), entry.choice("evidence", Evidence))


def challenge(entry: Table) -> Challenge:
    """What disputes the regime."""
    return Challenge(
        entry.words("instrument"),
        entry.words("text"),
        entry.words("cite"),
        entry.choice("evidence", Evidence),
    )


def worked_case(entry: Table) -> GoldenCase:
    """A case with the dates it must come to."""
    return GoldenCase(
        Phrase(entry.text("name")),
        entry.text("at"),
        entry.table("facts"),
        dict(_expectations(entry)),
    )


def _expectations(entry: Table) -> Iterator[tuple[str, dict[str, str]]]:
    for name, values in entry.table("expect").items():
        if not isinstance(values, dict) or not values:
            raise entry.wrong("expect", f"a table of values for stage {name}", values)
        yield name, {each: str(value) for each, value in values.items()}
