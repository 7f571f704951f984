"""Filing over HTTP, to a recipient that signs for what it receives."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from compliance.egress import Answer, Egress, EgressFailed, EgressRefused
from compliance.filing import wire
from compliance.filing.base import (
    FilingError,
    FilingPackage,
    OutcomeUnknown,
    Proof,
    Receipt,
    Rejected,
)
from compliance.filing.receipt import ReceiptRefused, Statement, key_id, open_receipt
from compliance.hostile import clean, one_line

_LOOKED_AT_AND_REFUSED: Final = frozenset({400, 409, 413, 415, 422})
_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class HttpFiling:
    """One recipient's endpoint, the key it signs with, and our token there."""

    url: str
    public_key: Ed25519PublicKey
    egress: Egress = field(repr=False)
    simulation: bool
    """Whether the other side is a sandbox; only what is marked so goes there, and nothing else."""
    token: str = field(default="", repr=False)
    is_idempotent: bool = True

    def submit(self, package: FilingPackage, key: str) -> Receipt | Rejected:
        """Send the package and read what comes back."""
        self._check_simulation(package)
        body = wire.encode(package)
        headers = {"Content-Type": body.content_type, "Idempotency-Key": key, **self._authorised()}
        try:
            answer = self.egress.post(self.url, body.content, headers)
        except EgressRefused as error:
            raise FilingError(str(error), permanent=True) from error
        except EgressFailed as error:
            if error.sent:
                raise OutcomeUnknown(f"{error}; it may have been filed, ask by its key") from error
            raise FilingError(f"{error}; nothing was filed", permanent=False) from error
        return self._judge(answer, package, key)

    def find(self, package: FilingPackage, key: str) -> Receipt | None:
        """Ask the recipient whether it has something under this key."""
        try:
            answer = self.egress.get(f"{self.url}?key={quote(key, safe='')}", self._authorised())
        except EgressRefused as error:
            raise FilingError(str(error), permanent=True) from error
        except EgressFailed as error:
            raise FilingError(str(error), permanent=False) from error
        if answer.status == _NOT_FOUND:
            return None
        if answer.is_success:
            return self._receipt(answer, package, key)
        raise _error(answer)

    def _judge(self, answer: Answer, package: FilingPackage, key: str) -> Receipt | Rejected:
        if answer.is_success:
            return self._receipt(answer, package, key)
        if answer.status in _LOOKED_AT_AND_REFUSED:
            reason = clean(answer.body.decode(errors="replace"), 1_000)
            return Rejected(reason or f"HTTP {answer.status} without a reason", answer)
        if answer.is_broken:
            raise OutcomeUnknown(
                f"the recipient answered {answer.status} and may have filed it; ask by its key",
                answer=answer,
            )
        raise _error(answer)

    def _receipt(self, answer: Answer, package: FilingPackage, key: str) -> Receipt:
        """A receipt worth the name: signed by the recipient, and for exactly this package."""
        try:
            statement = open_receipt(answer.body, self.public_key)
            _check_same(statement, package, key)
        except ReceiptRefused as error:
            raise OutcomeUnknown(
                f"the recipient answered {answer.status}, but its receipt proves nothing: {error}",
                answer=answer,
            ) from error
        return Receipt(
            reference=one_line(statement.reference, 120),
            received_at=statement.received_at,
            proof=Proof.SIGNED,
            raw=answer.body,
            key_id=key_id(self.public_key),
            answer=answer,
        )

    def _check_simulation(self, package: FilingPackage) -> None:
        if package.simulation != self.simulation:
            theirs, ours = (
                "a simulation" if each else "in earnest"
                for each in (self.simulation, package.simulation)
            )
            raise FilingError(
                f"this channel is {theirs} and the package is {ours}; nothing was sent",
                permanent=True,
            )

    def _authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def _check_same(statement: Statement, package: FilingPackage, key: str) -> None:
    expected = {
        "filing": str(package.filing),
        "key": key,
        "pdf_sha256": package.pdf_sha256,
        "json_sha256": package.twin_sha256,
        "simulation": package.simulation,
    }
    for name, value in expected.items():
        came = getattr(statement, name)
        if came != value:
            raise ReceiptRefused(f"it is for {name} {one_line(str(came), 80)}, not {value}")


def _error(answer: Answer) -> FilingError:
    return FilingError(
        f"the recipient answered {answer.status}; nothing was filed",
        permanent=not (answer.is_not_now or answer.is_broken),
        retry_after_seconds=answer.retry_after_seconds,
        answer=answer,
    )
