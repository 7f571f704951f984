"""Filing over HTTP, to a recipient that signs for what it receives.

We show who we are by a bearer token or, over mutual TLS, by a certificate; the exact body and the
manifest in it are signed with the installation's key.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from compliance.audit.checkpoint import Signer
from compliance.egress import Answer, Egress, EgressFailed, EgressRefused
from compliance.filing import proof, signing, wire
from compliance.filing.base import (
    FilingError,
    FilingPackage,
    OutcomeUnknown,
    Receipt,
    ReceiptPending,
    Rejected,
)
from compliance.filing.earnest import check_simulation
from compliance.filing.exchange import Exchange
from compliance.filing.receipt import ReceiptRefused
from compliance.filing.refusal import rejected

_LOOKED_AT_AND_REFUSED: Final = frozenset({400, 409, 413, 415, 422})
_TAKEN_FOR_NOW: Final = 202
_THERE_BEFORE: Final = 409
_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class HttpFiling:
    """One recipient's endpoint, the key it signs with, and what we show there."""

    url: str
    public_key: Ed25519PublicKey
    egress: Egress = field(repr=False)
    """Its TLS holds our certificate, where the recipient asks for one."""
    simulation: bool
    """Whether the other side is a sandbox; only what is marked so goes there, and nothing else."""
    token: str = field(default="", repr=False)
    is_idempotent: bool = True
    signer: Signer | None = field(default=None, repr=False)
    """The installation's key; without it nothing is signed."""

    def submit(self, package: FilingPackage, key: str) -> Receipt | Rejected:
        """Send the package and read what comes back."""
        check_simulation(package, channel_is_simulation=self.simulation)
        body = wire.encode(signing.signed(package, self.signer))
        headers = {"Content-Type": body.content_type, "Idempotency-Key": key, **self._authorised()}
        if self.signer is not None:
            headers[signing.HEADER] = signing.header(body.content, self.signer)
        sent = sha256(body.content).hexdigest()
        try:
            answer = self.egress.post(self.url, body.content, headers)
        except EgressRefused as error:
            raise FilingError(str(error), permanent=True) from error
        except EgressFailed as error:
            raise _failed(error, key, sent) from error
        return self._judge(answer, package, Exchange.of(answer, key, sent))

    def find(self, package: FilingPackage, key: str) -> Receipt | None:
        """Ask the recipient whether it has something under this key."""
        try:
            answer = self.egress.get(f"{self.url}?key={quote(key, safe='')}", self._authorised())
        except EgressRefused as error:
            raise FilingError(str(error), permanent=True) from error
        except EgressFailed as error:
            exchange = Exchange(key, tls_sha256=error.tls_sha256)
            raise FilingError(str(error), permanent=False, exchange=exchange) from error
        exchange = Exchange.of(answer, key)
        if answer.status == _NOT_FOUND:
            return None
        if answer.is_success:
            return self._receipt(answer, package, exchange)
        raise _error(answer, exchange)

    def _judge(
        self, answer: Answer, package: FilingPackage, exchange: Exchange
    ) -> Receipt | Rejected:
        if answer.is_success:
            return self._receipt(answer, package, exchange)
        if answer.status == _THERE_BEFORE and (found := self._earlier(answer, package, exchange)):
            return found
        if answer.status in _LOOKED_AT_AND_REFUSED:
            return rejected(answer, exchange)
        if answer.is_broken:
            raise OutcomeUnknown(
                f"the recipient answered {answer.status} and may have filed it; ask by its key",
                answer=answer,
                exchange=exchange,
                retry_after_seconds=answer.retry_after_seconds,
            )
        raise _error(answer, exchange)

    def _receipt(self, answer: Answer, package: FilingPackage, exchange: Exchange) -> Receipt:
        """The receipt of this package, or not knowing."""
        try:
            return self._proved(answer, package, exchange)
        except ReceiptRefused as error:
            if answer.status == _TAKEN_FOR_NOW:
                raise ReceiptPending(
                    "the recipient has it, and its receipt comes later; ask by its key",
                    answer=answer,
                    exchange=exchange,
                    retry_after_seconds=answer.retry_after_seconds,
                ) from error
            raise OutcomeUnknown(
                f"the recipient answered {answer.status}, but its receipt proves nothing: {error}",
                answer=answer,
                exchange=exchange,
            ) from error

    def _earlier(
        self, answer: Answer, package: FilingPackage, exchange: Exchange
    ) -> Receipt | None:
        """The receipt of the first time, which some recipients send with a 409."""
        try:
            return self._proved(answer, package, exchange)
        except ReceiptRefused:
            return None

    def _proved(self, answer: Answer, package: FilingPackage, exchange: Exchange) -> Receipt:
        return proof.prove(
            answer.body,
            self.public_key,
            package,
            exchange.key,
            answer=answer,
            exchange=exchange,
        )

    def _authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def _failed(error: EgressFailed, key: str, sent_sha256: str) -> FilingError:
    """No whole answer came; whether that settles anything depends on what had left."""
    exchange = Exchange(key, sent_sha256 if error.sent else "", tls_sha256=error.tls_sha256)
    if error.sent:
        return OutcomeUnknown(f"{error}; it may have been filed, ask by its key", exchange=exchange)
    return FilingError(f"{error}; nothing was filed", permanent=False, exchange=exchange)


def _error(answer: Answer, exchange: Exchange) -> FilingError:
    return FilingError(
        f"the recipient answered {answer.status}; nothing was filed",
        permanent=not (answer.is_not_now or answer.is_broken),
        retry_after_seconds=answer.retry_after_seconds,
        answer=answer,
        exchange=exchange,
    )
