"""What a gate policy and a set of scan criteria say, as frozen dataclasses. No Django here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from compliance.phrase import Phrase


class Supply(StrEnum):
    """How the evidence for a criterion comes into the house."""

    SCAN = "scan"
    CAMPAIGN = "campaign"
    ATTEST = "attest"


@dataclass(frozen=True)
class Limit:
    """One figure of the evidence's payload and what it may be at most, or at least."""

    figure: str
    """The path in the payload, as `coverage.fvu`."""
    words: Phrase
    """What the figure is called in a sentence."""
    at_most: Decimal | None = None
    at_least: Decimal | None = None

    def holds(self, value: Decimal) -> bool:
        """Whether the value keeps the limit."""
        if self.at_most is not None and value > self.at_most:
            return False
        return self.at_least is None or value >= self.at_least

    @property
    def phrase(self) -> Phrase:
        """The figure with its bound, in words."""
        if self.at_most is not None:
            return Phrase("%(figure)s at most %(n)s", figure=self.words, n=str(self.at_most))
        return Phrase("%(figure)s at least %(n)s", figure=self.words, n=str(self.at_least))

    def __str__(self) -> str:
        return self.phrase


@dataclass(frozen=True)
class Criterion:
    """One thing that must be shown before a version may serve."""

    key: str
    title: Phrase
    evidence: str
    """The kind of evidence that can meet it."""
    why: Phrase
    cite: Phrase
    freshness_days: int
    supply: Supply
    waivable: bool
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class GatePolicy:
    """What the gate asks for in some environments. A change is a new version."""

    key: str
    version: str
    title: Phrase
    environments: tuple[str, ...]
    cite: Phrase
    waiver_days: int
    """A waiver lives at most so long."""
    waiver_people: int
    """So many people grant it; none of them asked for it."""
    criteria: tuple[Criterion, ...]
    sha256: str

    def criterion(self, key: str) -> Criterion:
        """The criterion of that key.

        Raises:
            PolicyError: the policy has none.
        """
        for one in self.criteria:
            if one.key == key:
                return one
        known = ", ".join(one.key for one in self.criteria)
        raise PolicyError(f"policy {self.key} {self.version}: no criterion {key!r}; it has {known}")


@dataclass(frozen=True)
class ScanCriteria:
    """When a scan counts as met, not met or inconclusive; settled before it runs."""

    version: str
    title: Phrase
    cite: Phrase
    coverage: tuple[Limit, ...]
    """Below these the instrument sees too little: inconclusive."""
    fewest_templates: int
    fewest_pairs: int
    largest_detectable_ratio: Decimal
    """A test that could only have seen larger effects than this is inconclusive."""
    largest_rise: Decimal
    """How much the hit rate under deployment frames may lie above the previous version's."""
    least_recall: Decimal
    """A watched latent that is not shown to find so many controls may signal, and never clear."""
    fewest_attempts: int
    """A red-team campaign with fewer attempts is inconclusive."""
    blocking_severities: tuple[str, ...]
    sha256: str


class PolicyError(ValueError):
    """A policy file does not say what a policy must say, or there is none."""
