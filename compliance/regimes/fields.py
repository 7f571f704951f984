"""What a report must say and which kinds of report there are, as a pack says it: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compliance.phrase import Phrase
from compliance.regimes.terms import (
    KEPT_BACK,
    Audience,
    FieldType,
    Knows,
    ReportKind,
    Sensitivity,
    UnknownPolicy,
)

if TYPE_CHECKING:
    from compliance.regimes.schema import Evidence
    from compliance.regimes.vocabulary import StageId

LATE_REASONS = "report.late_reasons"
"""The source of a field that the law asks for only when the report comes late: why it does."""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer of a closed list: its code in records, its words for people."""

    id: str
    label: Phrase


@dataclass(frozen=True, slots=True)
class RequiredField:
    """Something the report must say, the article that asks for it, where our records hold it."""

    id: str
    label: Phrase
    cite: Phrase
    source: str
    stages: tuple[StageId, ...]
    evidence: Evidence
    type: FieldType = FieldType.TEXT
    choices: tuple[Option, ...] = ()
    unit: Phrase = Phrase("")  # noqa: RUF009 - an immutable text
    """What a number counts."""
    audience: Audience = Audience.AUTHORITY
    sensitivity: Sensitivity = Sensitivity.UNKNOWN
    unknown_policy: UnknownPolicy = UnknownPolicy.EXPLICIT_UNKNOWN

    @property
    def is_only_if_late(self) -> bool:
        """Asked for only once the stage's legal limit has passed."""
        return self.source == LATE_REASONS

    @property
    def is_kept_back(self) -> bool:
        """On record here, and in no paper that is filed."""
        return self.audience in KEPT_BACK


@dataclass(frozen=True, slots=True)
class KnownKind:
    """Whether the recipient's form, or the law, knows a kind of report."""

    id: ReportKind
    known: Knows
    cite: Phrase
    """Empty where nobody found out."""
    evidence: Evidence
