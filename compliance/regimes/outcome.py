"""What the engine answers: does a regime apply, why, and by when each stage is due."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from compliance.phrase import Phrase
from compliance.regimes.fields import RequiredField
from compliance.regimes.vocabulary import StageId


class Applies(StrEnum):
    """Whether a regime binds in this case."""

    APPLIES = "applies"
    DOES_NOT_APPLY = "does_not_apply"
    FACTS_NEEDED = "facts_needed"
    NOT_IN_FORCE = "not_in_force"
    CONTESTED = "contested"


class State(StrEnum):
    """Where one stage stands; the last four carry no dates."""

    RUNNING = "running"
    MET = "met"
    OVERDUE = "overdue"
    OVERDUE_IMMEDIATE = "overdue_immediate"
    PENDING_ANCHOR = "pending_anchor"
    FACTS_NEEDED = "facts_needed"
    NOT_APPLICABLE = "not_applicable"
    NOT_IN_FORCE = "not_in_force"


@dataclass(frozen=True, slots=True)
class Reason:
    """A plain sentence and the place in the law it rests on."""

    sentence: Phrase
    cite: Phrase


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """One stage: its state, its deadlines in UTC, and the rule that led to them."""

    id: StageId
    title: Phrase
    state: State
    strict: datetime | None
    nominal: datetime | None
    legal_latest: datetime | None
    target_due: datetime | None
    cite: Phrase
    recipient: str | None
    required_fields: tuple[RequiredField, ...]
    trace: tuple[Phrase, ...]
    earliest_if_confirmed: datetime | None
    """The target if a person confirmed now what is still open; only while facts are needed."""
    is_late: bool
    """Submitted after its target."""
    gaps: tuple[int, ...] = ()
    """Years for which the holiday calendar had to fall back."""

    def as_json(self) -> dict[str, Any]:
        """The public shape, in English: instants in UTC ending in Z, null where there is no value."""
        return {
            "id": str(self.id),
            "state": str(self.state),
            "strict": zulu(self.strict),
            "nominal": zulu(self.nominal),
            "legal_latest": zulu(self.legal_latest),
            "target_due": zulu(self.target_due),
            "cite": self.cite,
            "recipient": self.recipient,
            "trace": list(self.trace),
        }


@dataclass(frozen=True, slots=True)
class RegimeOutcome:
    """One regime: whether it applies, because of what, and its stages."""

    regime: str
    """The reference a started clock keeps: "key@version"."""
    key: str
    title: Phrase
    applies: Applies
    because: tuple[Reason, ...]
    stages: tuple[StageOutcome, ...]
    requires_counsel: tuple[Phrase, ...]
    """What the pack leaves to counsel, and what this case adds: a calendar that does not reach."""

    def stage(self, stage_id: str) -> StageOutcome:
        """One stage by its id."""
        return {str(stage.id): stage for stage in self.stages}[stage_id]

    def as_json(self) -> dict[str, Any]:
        """The public shape."""
        return {"regime": self.regime, "stages": [stage.as_json() for stage in self.stages]}


def zulu(moment: datetime | None) -> str | None:
    """An instant in UTC, ending in Z; fractions only where they exist."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
