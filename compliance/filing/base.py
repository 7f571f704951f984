"""What every way of filing has in common.

The bytes are frozen before approval; the attempt is written down before the call. After it there
are four endings, and they are kept apart: a receipt, a refusal, an error that certainly filed
nothing, and not knowing. From not knowing nobody sends blindly again: one asks by the key.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID, uuid5

from compliance.audit.canonical import dumps
from compliance.egress import Answer
from compliance.filing.checklist import Checklist
from compliance.filing.exchange import Exchange

MANIFEST_VERSION: Final = "strata.filing/v1"


@dataclass(frozen=True)
class FilingPackage:
    """What is filed: the paper, its machine-readable twin, and what they are."""

    filing: UUID
    recipient: str
    """The regime's key of the authority."""
    pdf: bytes = field(repr=False)
    twin: bytes = field(repr=False)
    """JSON."""
    simulation: bool
    """Whether this is an exercise. It is asked for every time; there is no safe default."""
    supersedes: UUID | None = None
    signatures: bytes = field(default=b"", repr=False)
    """Our detached signature of the manifest (`signing.signed`), or empty."""

    @property
    def pdf_sha256(self) -> str:
        """The digest of the paper."""
        return hashlib.sha256(self.pdf).hexdigest()

    @property
    def twin_sha256(self) -> str:
        """The digest of the JSON."""
        return hashlib.sha256(self.twin).hexdigest()

    def manifest(self) -> bytes:
        """What the package says of itself, in canonical JSON."""
        return dumps(
            {
                "v": MANIFEST_VERSION,
                "filing": str(self.filing),
                "recipient": self.recipient,
                "simulation": self.simulation,
                "supersedes": str(self.supersedes) if self.supersedes else "",
                "pdf": {"sha256": self.pdf_sha256, "size": len(self.pdf)},
                "json": {"sha256": self.twin_sha256, "size": len(self.twin)},
            }
        )


def idempotency_key(package: FilingPackage) -> str:
    """The key under which exactly these bytes are filed, however often they are sent."""
    return str(uuid5(package.filing, hashlib.sha256(package.manifest()).hexdigest()))


class Proof(StrEnum):
    """What a receipt rests on."""

    SIGNED = "signed"
    """The recipient's signature, checked against its key."""
    BY_HAND = "by_hand"
    """What a person uploaded and another must look at."""


@dataclass(frozen=True)
class Receipt:
    """The recipient has it."""

    reference: str
    """What the recipient calls the filing."""
    received_at: datetime
    """By the recipient's clock."""
    proof: Proof
    raw: bytes = field(repr=False)
    """The proof itself, as it came: a signed envelope, or an uploaded file."""
    key_id: str = ""
    """Digest of the public key that signed, if one did."""
    answer: Answer | None = None
    exchange: Exchange | None = None

    @property
    def raw_sha256(self) -> str:
        """The digest of the proof."""
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True)
class FieldProblem:
    """What the recipient says of one field of the report."""

    field: str
    """As the recipient calls it."""
    detail: str


@dataclass(frozen=True)
class Rejected:
    """The recipient looked at it and does not take it; sent again it is rejected again."""

    reason: str
    answer: Answer
    fields: tuple[FieldProblem, ...] = ()
    exchange: Exchange | None = None


@dataclass(frozen=True)
class HandOver:
    """Nothing was sent: a person must file it and bring back the proof."""

    portal: str
    steps: tuple[str, ...]
    checklist: Checklist | None = None
    exchange: Exchange | None = None


@dataclass(frozen=True)
class Delivered(HandOver):
    """It was handed to the carrier, and nothing proves that the recipient has it.

    It is no acceptance: a person looks for the recipient's answer and enters it as the receipt.
    """

    reference: str = ""
    """What it can be found by: a Message-ID, a path."""
    at: datetime | None = None
    """When the carrier took it, by our clock."""


Outcome = Receipt | Rejected | HandOver


class FilingError(Exception):
    """The recipient did not take it, and nothing was filed."""

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        retry_after_seconds: float | None = None,
        answer: Answer | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        """Say what happened; `permanent` means that somebody must change something first."""
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds
        self.answer = answer
        self.exchange = exchange


class OutcomeUnknown(FilingError):
    """It may have been filed. Ask with `find()` before doing anything else."""

    def __init__(
        self,
        message: str,
        *,
        answer: Answer | None = None,
        exchange: Exchange | None = None,
        retry_after_seconds: float | None = None,
        needs_human: bool = False,
    ) -> None:
        """Say what is not known and why; `needs_human` means that asking again cannot tell."""
        super().__init__(
            message,
            permanent=False,
            answer=answer,
            exchange=exchange,
            retry_after_seconds=retry_after_seconds,
        )
        self.needs_human = needs_human


class ReceiptPending(OutcomeUnknown):
    """The recipient says that it has the filing and that the receipt comes later."""


class FilingChannel(Protocol):
    """A way to file."""

    @property
    def is_idempotent(self) -> bool:
        """Whether the recipient promises that one key files once, however often it is sent.

        Only then may a package be sent again after its outcome was unknown (`asking.carry`).
        """
        ...

    def submit(self, package: FilingPackage, key: str) -> Outcome:
        """File a package under a key.

        Raises:
            FilingError: nothing was filed.
            OutcomeUnknown: something may have been.
        """
        ...

    def find(self, package: FilingPackage, key: str) -> Receipt | Delivered | None:
        """The receipt of an earlier submission, or None when the recipient knows of none.

        Raises:
            FilingError: the recipient cannot be asked.
            OutcomeUnknown: it has something, and what it shows proves nothing yet.
        """
        ...
