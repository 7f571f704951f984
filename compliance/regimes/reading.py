"""Build a regime from a TOML pack, or say which file, which entry and which field is wrong."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from compliance.phrase import Phrase
from compliance.regimes.calendars import WEEKENDS_ONLY, CalendarError, calendar
from compliance.regimes.counting import UNITS, Kind, Period, Unit
from compliance.regimes.schema import (
    Anchor,
    Applicability,
    Evidence,
    Exclusion,
    GoldenCase,
    LateRule,
    LegalBasis,
    LimbDefinition,
    Recipient,
    Regime,
    Remark,
    RequiredField,
    Retention,
    Rule,
    ScopeCondition,
    Stage,
    StandingDuty,
    Status,
    Trigger,
    ZoneSource,
)
from compliance.regimes.vocabulary import ENTITIES, PREDICATES, Instant, Limb, StageId

Choice = TypeVar("Choice", bound=StrEnum)
Built = TypeVar("Built")
_SUBMITTED = "submitted:"


class RegimeError(ValueError):
    """A regime pack does not say what a pack must say."""


class Table:
    """A TOML table that knows where it stands, so that every complaint can name the place.

    Each field is asked for once; `close` refuses what nobody asked for, which is how a misspelt
    optional field is found.
    """

    def __init__(self, raw: Mapping[str, object], where: str) -> None:
        """Remember the table and the words for its place in the file."""
        self._left = dict(raw)
        self._where = where

    def wrong(self, field: str, expected: str, came: object) -> RegimeError:
        """The complaint: file, entry, field, what was expected, what came."""
        return RegimeError(f"{self._where}, field {field!r}: expected {expected}, got {came!r}")

    def text(self, field: str, default: str | None = None) -> str:
        """A string that is not blank, unless the default says it may be absent."""
        value = self._left.pop(field, default)
        if not isinstance(value, str) or (not value.strip() and default is None):
            raise self.wrong(field, "a non-empty text", value)
        return value.strip()

    def words(self, field: str, default: str | None = None) -> Phrase:
        """A text for people; `makemessages` knows these fields by their names."""
        return Phrase(self.text(field, default))

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings; absent means none."""
        value = self._left.pop(field, [])
        if not isinstance(value, list):
            raise self.wrong(field, "a list of texts", value)
        return tuple(self._each_text(field, value))

    def _each_text(self, field: str, items: list[object]) -> Iterator[str]:
        for item in items:
            if not isinstance(item, str) or not item.strip():
                raise self.wrong(field, "a list of non-empty texts", item)
            yield item

    def flag(self, field: str, *, default: bool) -> bool:
        """True or false."""
        value = self._left.pop(field, default)
        if not isinstance(value, bool):
            raise self.wrong(field, "true or false", value)
        return value

    def day(self, field: str) -> date:
        """A TOML date."""
        value = self._left.pop(field, None)
        if type(value) is not date:
            raise self.wrong(field, "a date such as 2027-01-01 without quotes", value)
        return value

    def optional_day(self, field: str) -> date | None:
        """A TOML date, or nothing."""
        return self.day(field) if field in self._left else None

    def positive(self, field: str) -> int | None:
        """A whole number above zero, or nothing."""
        value = self._left.pop(field, None)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise self.wrong(field, "a whole number above zero", value)
        return value

    def choice(self, field: str, of: type[Choice], default: Choice | None = None) -> Choice:
        """One word of a closed vocabulary."""
        word = self.text(field, default)
        if word not in set(of):
            raise self.wrong(field, f"one of {', '.join(of)}", word)
        return of(word)

    def choices(self, field: str, of: type[Choice]) -> tuple[Choice, ...]:
        """Several words of a closed vocabulary."""
        words = self.texts(field)
        for word in words:
            if word not in set(of):
                raise self.wrong(field, f"only words from {', '.join(of)}", word)
        return tuple(of(word) for word in words)

    def predicate(self, field: str) -> str:
        """The name of a known predicate."""
        return self.known(field, self.text(field))

    def known(self, field: str, name: str) -> str:
        """The name itself, once it is known to be a predicate."""
        if name not in PREDICATES:
            raise self.wrong(field, "a predicate of the vocabulary", name)
        return name

    def table(self, field: str) -> dict[str, object]:
        """A nested table as it stands; absent means empty."""
        value = self._left.pop(field, {})
        if not isinstance(value, dict):
            raise self.wrong(field, "a table", value)
        return value

    def each(self, field: str, build: Callable[["Table"], Built]) -> tuple[Built, ...]:
        """Build one value from each entry of a list of tables, and close each entry."""
        value = self._left.pop(field, [])
        if not isinstance(value, list):
            raise self.wrong(field, f"entries written [[{field}]]", value)
        return tuple(self._entry(field, place, raw, build) for place, raw in enumerate(value, 1))

    def _entry(
        self, field: str, place: int, raw: object, build: Callable[["Table"], Built]
    ) -> Built:
        if not isinstance(raw, dict):
            raise self.wrong(field, "tables", raw)
        name = raw.get("id", raw.get("name", f"number {place}"))
        entry = Table(raw, f"{self._where}, {field} {name}")
        built = build(entry)
        entry.close()
        return built

    def close(self) -> None:
        """Refuse fields that nobody asked for."""
        if self._left:
            field, value = next(iter(self._left.items()))
            raise self.wrong(field, "no such field here (is it misspelt?)", value)


def regime(raw: Mapping[str, object], *, file: str, digest: str) -> Regime:
    """Build one regime from a parsed pack.

    Raises:
        RegimeError: The pack is incomplete, misspelt or contradicts itself.
    """
    top = Table(raw, file)
    built = Regime(
        key=top.text("key"),
        version=top.text("version"),
        title=top.words("title"),
        summary=top.words("summary"),
        status=top.choice("status", Status),
        is_internal=top.flag("internal", default=False),
        jurisdiction=top.texts("jurisdiction"),
        addressee=top.texts("addressee"),
        evidence=top.choice("evidence", Evidence),
        valid_from=top.day("valid_from"),
        valid_to=top.optional_day("valid_to"),
        zone=_zone(top),
        zone_source=top.choice("zone_source", ZoneSource),
        calendar=_calendar(top),
        legal_basis=top.each("legal_basis", _legal_basis),
        applicability=top.each("applicability", _applicability),
        scope=top.each("scope", _scope),
        exclusions=top.each("exclusion", _exclusion),
        remarks=top.each("remark", _remark),
        triggers=top.each("trigger", _trigger),
        limbs=top.each("limb", _limb),
        stages=top.each("stage", _stage),
        recipients=top.each("recipient", _recipient),
        fields=top.each("field", _field),
        retention=top.each("retention", _retention),
        duties=top.each("duty", _duty),
        requires_counsel=tuple(map(Phrase, top.texts("requires_counsel"))),
        tests=top.each("test", _test),
        file=file,
        digest=digest,
    )
    top.close()
    _check(built)
    return built


def _zone(top: Table) -> str:
    name = top.text("zone")
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        raise top.wrong("zone", "an IANA zone such as 'Europe/Brussels'", name) from None


def _calendar(top: Table) -> str:
    name = top.text("calendar", WEEKENDS_ONLY)
    try:
        return calendar(name).name
    except CalendarError as error:
        raise top.wrong("calendar", str(error), name) from None


def _legal_basis(entry: Table) -> LegalBasis:
    return LegalBasis(
        entry.words("instrument"),
        entry.words("article"),
        entry.choice("evidence", Evidence),
        entry.words("source", ""),
    )


def _applicability(entry: Table) -> Applicability:
    return Applicability(
        entry.predicate("if"),
        entry.flag("is", default=True),
        entry.day("from"),
        entry.words("cite"),
        entry.choice("evidence", Evidence),
    )


def _scope(entry: Table) -> ScopeCondition:
    names = tuple(entry.known("any_of", name) for name in entry.texts("any_of"))
    if not names:
        raise entry.wrong("any_of", "at least one predicate", names)
    return ScopeCondition(names, entry.flag("is", default=True), entry.words("cite"))


def _exclusion(entry: Table) -> Exclusion:
    return Exclusion(entry.predicate("if"), entry.choices("limit_to", Limb), entry.words("cite"))


def _remark(entry: Table) -> Remark:
    return Remark(
        entry.predicate("if"),
        entry.flag("is", default=True),
        entry.words("text"),
        entry.words("cite"),
    )


def _trigger(entry: Table) -> Trigger:
    return Trigger(entry.choice("instant", Instant), entry.words("standard"), entry.words("cite"))


def _limb(entry: Table) -> LimbDefinition:
    return LimbDefinition(
        entry.choice("id", Limb),
        entry.words("title"),
        entry.words("definition"),
        entry.words("cite"),
    )


def _stage(entry: Table) -> Stage:
    return Stage(
        id=entry.choice("id", StageId),
        title=entry.words("title"),
        rules=entry.each("rule", _rule),
        recipient=entry.text("recipient", "") or None,
        only_if=_optional_predicate(entry, "only_if"),
        repeats_until=_optional_instant(entry, "repeats_until"),
        soft_duty=entry.words("soft_duty", ""),
        accepts_incomplete=entry.flag("accepts_incomplete", default=False),
        late_rule=entry.choice("late_rule", LateRule, LateRule.NONE),
        no_relief_for=tuple(_entities(entry, "no_relief_for")),
    )


def _rule(entry: Table) -> Rule:
    kind = entry.choice("kind", Kind)
    return Rule(
        anchor=_anchor(entry),
        period=_period(entry, kind),
        kind=kind,
        cite=entry.words("cite"),
        limbs=entry.choices("limbs", Limb),
        entities=tuple(_entities(entry, "entities")),
        when=tuple(_when(entry)),
        is_required=entry.flag("required", default=False),
    )


def _anchor(entry: Table) -> Anchor:
    word = entry.text("anchor")
    if word == "trigger":
        return Anchor()
    if word in set(Instant):
        return Anchor(instant=Instant(word))
    stage = word.removeprefix(_SUBMITTED)
    if word.startswith(_SUBMITTED) and stage in set(StageId):
        return Anchor(submission_of=StageId(stage))
    raise entry.wrong("anchor", "'trigger', the name of an instant, or 'submitted:STAGE'", word)


def _period(entry: Table, kind: Kind) -> Period | None:
    amount = entry.positive("amount")
    if amount is None:
        return None
    unit = entry.choice("unit", Unit)
    if unit not in UNITS[kind]:
        raise entry.wrong("unit", f"a unit that {kind} counts: {', '.join(UNITS[kind])}", unit)
    return Period(amount, unit)


def _entities(entry: Table, field: str) -> Iterator[str]:
    for name in entry.texts(field):
        if name not in ENTITIES:
            raise entry.wrong(field, f"only words from {', '.join(sorted(ENTITIES))}", name)
        yield name


def _when(entry: Table) -> Iterator[tuple[str, bool]]:
    for name, value in entry.table("when").items():
        if not isinstance(value, bool):
            raise entry.wrong("when", "predicates with true or false", value)
        yield entry.known("when", name), value


def _optional_predicate(entry: Table, field: str) -> str | None:
    name = entry.text(field, "")
    return entry.known(field, name) if name else None


def _optional_instant(entry: Table, field: str) -> Instant | None:
    name = entry.text(field, "")
    if name and name not in set(Instant):
        raise entry.wrong(field, f"one of {', '.join(Instant)}", name)
    return Instant(name) if name else None


def _recipient(entry: Table) -> Recipient:
    return Recipient(
        entry.text("id"),
        entry.words("name"),
        entry.words("routing"),
        entry.words("channel"),
        entry.choice("evidence", Evidence),
    )


def _field(entry: Table) -> RequiredField:
    return RequiredField(
        entry.text("id"),
        entry.words("label"),
        entry.words("cite"),
        entry.text("source"),
        entry.choices("stages", StageId),
    )


def _retention(entry: Table) -> Retention:
    return Retention(
        entry.text("record"),
        entry.text("period"),
        entry.text("from"),
        entry.words("cite"),
        entry.choice("evidence", Evidence),
    )


def _duty(entry: Table) -> StandingDuty:
    return StandingDuty(entry.text("id"), entry.words("text"), entry.words("cite"))


def _test(entry: Table) -> GoldenCase:
    return GoldenCase(
        entry.text("name"),
        entry.text("at"),
        entry.table("facts"),
        dict(_expectations(entry)),
    )


def _expectations(entry: Table) -> Iterator[tuple[str, dict[str, str]]]:
    for stage, values in entry.table("expect").items():
        if not isinstance(values, dict) or not values:
            raise entry.wrong("expect", f"a table of values for stage {stage}", values)
        yield stage, {name: str(value) for name, value in values.items()}


def _check(built: Regime) -> None:
    """What one field alone cannot show."""
    for complaint in _contradictions(built):
        raise RegimeError(f"{built.file}, {complaint}")


def _contradictions(built: Regime) -> Iterator[str]:
    """Every way a pack can contradict itself, each as the rest of a sentence."""
    yield from _missing_parts(built)
    yield from _bad_dates(built)
    for stage in built.stages:
        yield from _bad_stage(built, stage)
    for required in built.fields:
        if not set(required.stages) <= {stage.id for stage in built.stages}:
            yield f"field {required.id}, field 'stages': names a stage this regime does not have"
    for case in built.tests:
        if not set(case.expect) <= {str(stage.id) for stage in built.stages}:
            yield f"test {case.name}, field 'expect': names a stage this regime does not have"


def _missing_parts(built: Regime) -> Iterator[str]:
    if not built.stages:
        yield "field 'stage': expected at least one stage, got none"
    if not built.triggers:
        yield "field 'trigger': expected at least one trigger, got none"
    if bool(built.legal_basis) is built.is_internal:
        yield "field 'legal_basis': expected for law, and only for law; 'internal' contradicts it"
    for limb in _repeated([str(limb.id) for limb in built.limbs]):
        yield f"limb {limb}: expected once, got twice"
    for stage in _repeated([str(stage.id) for stage in built.stages]):
        yield f"stage {stage}: expected once, got twice"


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
    for rule in stage.rules:
        yield from _bad_rule(built, stage, rule)


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
