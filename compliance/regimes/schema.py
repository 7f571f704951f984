"""What a regime is: an immutable, versioned document about who must tell whom, what and by when.

These are values only; `reading` builds them from TOML and refuses what does not fit. What is
meant for people is a `Phrase`; a `str` is a name that programs use.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from compliance.permissions import Role
from compliance.phrase import Phrase, listed
from compliance.regimes.counting import Kind, Period
from compliance.regimes.fields import KnownKind, RequiredField
from compliance.regimes.terms import (
    AuthorityRole,
    Causation,
    Direction,
    Knows,
    LateRule,
    PackKind,
    RelationKind,
    ReportKind,
    Round,
    Sense,
    Several,
)
from compliance.regimes.vocabulary import Instant, Limb, Milestone, StageId


class Status(StrEnum):
    """Where a regime stands as law; only the first three can ever start a clock."""

    IN_FORCE = "in_force"
    FORMALLY_APPLICABLE = "formally_applicable"
    ENACTED_NOT_EFFECTIVE = "enacted_not_effective"
    PROPOSED = "proposed"
    CONTESTED = "contested"
    REPEALED = "repealed"


BEYOND_PROPOSAL = frozenset(Status) - {Status.PROPOSED}
"""Statuses of what is or was law: one of these versions judges a case, a proposal never does."""


class Evidence(StrEnum):
    """How a statement of law was learnt."""

    PRIMARY = "P"
    SECONDARY = "S"
    MEMORY = "M"
    HOUSE = "H"
    """Not law: a rule of the house."""


class ZoneSource(StrEnum):
    """Whose clock on the wall decides."""

    RECIPIENT = "recipient"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """An instrument and the place in it."""

    instrument: Phrase
    article: Phrase
    evidence: Evidence
    source: Phrase
    celex: str
    """Its number in EUR-Lex; empty where it has none."""
    verified_on: date | None
    """When the copy that this rests on was last read; None for what is from memory."""


@dataclass(frozen=True, slots=True)
class Applicability:
    """A start date that depends on a fact; the regime starts at the earliest that holds."""

    predicate: str
    expected: bool
    starts_on: date
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ScopeCondition:
    """One condition of scope: at least one of the predicates has the expected value."""

    any_of: tuple[str, ...]
    expected: bool
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Exclusion:
    """When a fact holds, only these limbs stay reportable."""

    predicate: str
    limit_to: tuple[Limb, ...]
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence worth reading when a fact has this value."""

    predicate: str
    expected: bool
    text: Phrase
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Trigger:
    """The instant that starts the clock; of several, the earliest recorded one."""

    instant: Instant
    standard: Phrase
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class LimbDefinition:
    """A limb as this regime understands it, in our own words."""

    id: Limb
    title: Phrase
    definition: Phrase
    cite: Phrase
    evidence: Evidence
    causation: tuple[Causation, ...]
    """How close the system must be to the harm; any of these is enough."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a stage counts from: the trigger, an instant, or a submission of a stage."""

    instant: Instant | None = None
    submission_of: StageId | None = None
    of_several: Several = Several.FIRST

    @property
    def is_trigger(self) -> bool:
        """Counts from whatever started the regime's clock."""
        return self.instant is None and self.submission_of is None

    def __str__(self) -> str:
        """As the packs write it."""
        if self.submission_of is not None:
            return f"submitted:{self.submission_of}"
        return "trigger" if self.instant is None else str(self.instant)


@dataclass(frozen=True, slots=True)
class Rule:
    """One way a stage may be counted; of those that hold, the shortest decides."""

    anchor: Anchor
    period: Period | None
    """None: a duty without a number, such as "without delay"."""
    kind: Kind
    cite: Phrase
    limbs: tuple[Limb, ...]
    entities: tuple[str, ...]
    when: tuple[tuple[str, bool], ...]
    is_required: bool
    """The stage waits for this rule's anchor even when another rule could already count."""
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Stage:
    """One report a regime asks for."""

    id: StageId
    title: Phrase
    rules: tuple[Rule, ...]
    recipient: str | None
    only_if: str | None
    repeats_until: Instant | None
    soft_duty: Phrase
    accepts_incomplete: bool
    late_rule: LateRule
    late_cite: Phrase
    """Where the late rule stands; empty where there is none."""
    no_relief_for: tuple[str, ...]

    @property
    def cite(self) -> Phrase:
        """Every place the stage rests on, each once."""
        return listed(dict.fromkeys(rule.cite for rule in self.rules), "; ")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who receives a report, and by which door."""

    id: str
    name: Phrase
    routing: Phrase
    channel: Phrase
    evidence: Evidence
    authorities: tuple[str, ...]
    """Ids in `authorities`: whose zone, calendar, languages and channel are on file."""
    role: AuthorityRole | None
    """What kind of national authority it is, where each Member State has its own."""
    per_state: bool
    """One report to each Member State concerned."""


@dataclass(frozen=True, slots=True)
class Relation:
    """How the regime stands to another one, or takes similar incidents together."""

    kind: RelationKind
    regime: str
    """The key of the other regime; empty where it is about incidents of this one."""
    text: Phrase
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a class of records must be kept at least."""

    record_class: str
    min_period: str
    counted_from: str
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class StandingDuty:
    """A duty without a clock of its own."""

    id: str
    text: Phrase
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Template:
    """A form for the report, and whether the law makes anyone use it."""

    name: Phrase
    version: str
    issued_on: date | None
    is_final: bool
    is_binding: bool
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Admission:
    """The text by which reporting is no admission of anything."""

    text: Phrase
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Challenge:
    """What disputes the regime's validity; whether it still counts is the status's matter."""

    instrument: Phrase
    text: Phrase
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class DateRule:
    """One way a standing duty is dated; of several, the earliest decides."""

    anchor: Milestone | None
    on: date | None
    """A date that the text itself names, in place of an anchor."""
    period: Period | None
    """None: the anchor's own date."""
    direction: Direction
    kind: Kind
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Slip:
    """How much later it may be, and on what condition. Nothing is scheduled by it."""

    period: Period
    kind: Kind
    condition: Phrase
    cite: Phrase
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class CalendarDuty:
    """A duty that falls due by the calendar, with the role that owns it and what proves it done."""

    id: str
    title: Phrase
    text: Phrase
    cite: Phrase
    evidence: Evidence
    owner: Role
    proof: Phrase
    sense: Sense
    rules: tuple[DateRule, ...]
    every: Period | None
    counts_from: Round
    slip: Slip | None
    calendars: tuple[str, ...]
    """Whose working days count; of several, the stricter is worked to."""
    only_if: str | None
    """A predicate without which the duty does not arise."""
    inbound: Phrase
    """The legal basis that an authority's request names, where one sets the duty going."""


@dataclass(frozen=True, slots=True)
class StandingCase:
    """A worked case of a standing duty: from these anchors it must come to these dates."""

    name: Phrase
    duty: str
    anchors: dict[str, object]
    expect: dict[str, str]


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A worked case inside the pack: these facts must come to these deadlines."""

    name: Phrase
    at: str
    facts: dict[str, object]
    expect: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Regime:
    """A reporting regime, as one file describes it."""

    key: str
    version: str
    supersedes: str
    """The version before this one; empty for the first."""
    kind: PackKind
    title: Phrase
    summary: Phrase
    status: Status
    is_internal: bool
    jurisdiction: tuple[str, ...]
    addressee: tuple[str, ...]
    evidence: Evidence
    valid_from: date
    valid_to: date | None
    zone: str
    zone_source: ZoneSource
    calendar: str
    legal_basis: tuple[LegalBasis, ...]
    applicability: tuple[Applicability, ...]
    scope: tuple[ScopeCondition, ...]
    exclusions: tuple[Exclusion, ...]
    remarks: tuple[Remark, ...]
    triggers: tuple[Trigger, ...]
    limbs: tuple[LimbDefinition, ...]
    stages: tuple[Stage, ...]
    recipients: tuple[Recipient, ...]
    fields: tuple[RequiredField, ...]
    kinds: tuple[KnownKind, ...]
    relations: tuple[Relation, ...]
    retention: tuple[Retention, ...]
    duties: tuple[StandingDuty, ...]
    calendar_duties: tuple[CalendarDuty, ...]
    templates: tuple[Template, ...]
    admission: Admission | None
    challenges: tuple[Challenge, ...]
    requires_counsel: tuple[Phrase, ...]
    tests: tuple[GoldenCase, ...]
    standing_tests: tuple[StandingCase, ...]
    file: str
    digest: str
    """SHA-256 of the file's bytes, in hex."""

    @property
    def reference(self) -> str:
        """The name a started clock keeps: "key@version"."""
        return f"{self.key}@{self.version}"

    def stage(self, stage_id: str) -> Stage:
        """One stage by its id.

        Raises:
            KeyError: The regime has no such stage.
        """
        return {str(stage.id): stage for stage in self.stages}[stage_id]

    def recipient(self, stage_id: str) -> Recipient | None:
        """Who receives this stage's report; None under an internal rule.

        Raises:
            KeyError: The regime has no such stage.
        """
        wanted = self.stage(stage_id).recipient
        return next((each for each in self.recipients if each.id == wanted), None)

    def knows(self, kind: str) -> Knows:
        """Whether the recipient knows a kind of report; what the pack does not say is unknown."""
        return next((each.known for each in self.kinds if each.id == kind), Knows.UNKNOWN)

    def offers(self, kind: str) -> bool:
        """Whether a report may be of this kind.

        What nobody found out may be tried, except a withdrawal: a recipient that knows none would
        be told nothing that it can act on.
        """
        known = self.knows(kind)
        return known is Knows.YES or (known is Knows.UNKNOWN and kind != ReportKind.WITHDRAWAL)

    def calendar_duty(self, duty_id: str) -> CalendarDuty:
        """One standing duty by its id.

        Raises:
            KeyError: The pack has no such duty.
        """
        return {duty.id: duty for duty in self.calendar_duties}[duty_id]

    def fields_for(self, stage_id: StageId) -> tuple[RequiredField, ...]:
        """What this stage's report must say."""
        return tuple(field for field in self.fields if stage_id in field.stages)
