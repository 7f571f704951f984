"""Filing by hand: a portal, the steps to take there, and proof to bring back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from compliance import clock
from compliance.filing import portals
from compliance.filing.base import FilingError, FilingPackage, HandOver, Proof, Receipt
from compliance.hostile import one_line

MAX_PROOF_BYTES: Final = 20 << 20


@dataclass(frozen=True)
class ManualFiling:
    """A recipient that only people can reach."""

    portal: str
    """Where, as a URL or an address."""
    steps: tuple[str, ...]
    """What to do there, in the words of whoever configured it."""
    checklist: str = ""
    """The key of a portal that is described (`portals`), or empty."""
    is_idempotent: bool = False

    def submit(self, package: FilingPackage, key: str) -> HandOver:
        """Nothing is sent; a person gets the steps, and texts from the package ready to copy."""
        del key
        if not self.checklist:
            return HandOver(self.portal, self.steps)
        filled = portals.get(self.checklist).checklist(package)
        return HandOver(self.portal or filled.where, self.steps or filled.steps, filled)

    def find(self, package: FilingPackage, key: str) -> Receipt | None:
        """Only a person can know."""
        raise FilingError(
            f"{package.filing} is filed by hand, so nobody can be asked; "
            f"look at {self.portal} and upload the proof (key {key})",
            permanent=True,
        )

    def receive(self, *, reference: str, received_at: datetime, proof: bytes) -> Receipt:
        """The receipt a person brought back; a second person must look at it.

        Raises:
            FilingError: there is no reference or no proof, or the time lies ahead.
        """
        if not reference.strip():
            raise FilingError("a receipt needs the recipient's reference", permanent=True)
        if not 0 < len(proof) <= MAX_PROOF_BYTES:
            raise FilingError(
                f"the proof must have 1 to {MAX_PROOF_BYTES} bytes; came {len(proof)}",
                permanent=True,
            )
        if clock.in_utc(received_at) > clock.now():
            raise FilingError(
                f"received at {clock.stamp(received_at)}, which is still to come", permanent=True
            )
        return Receipt(one_line(reference, 120), clock.in_utc(received_at), Proof.BY_HAND, proof)
