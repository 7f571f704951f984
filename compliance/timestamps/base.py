"""What every time-stamping authority has in common: it is shown a digest, and signs when it saw it.

A token proves that the stamped bytes existed at its time; it says nothing of what became of them.
Nothing is believed unchecked: what an authority returns is a stamp only after `token.check`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from compliance.phrase import Phrase


@dataclass(frozen=True)
class Stamp:
    """What a token says, after it was checked."""

    token: bytes = field(repr=False)
    """The authority's answer as it came, in DER: what other programs call a `.tsr` file."""
    at: datetime
    """By the authority's clock."""
    imprint_sha256: str
    """Of the bytes that were stamped."""
    authority: str
    """As the certificate that signed calls it."""
    serial: str
    """The authority's number for this token, hexadecimal."""
    policy: str
    """The OID of the policy it was issued under."""


class TimeStampError(Exception):
    """There is no time-stamp."""

    def __init__(
        self,
        why: Phrase,
        *,
        permanent: bool,
        retry_after_seconds: float | None = None,
        is_unreached: bool = False,
    ) -> None:
        """Say what happened.

        `permanent` means that somebody must change something first; `is_unreached`, that the
        authority did not answer, or only that it cannot now.
        """
        super().__init__(why)
        self.why = why
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds
        self.is_unreached = is_unreached


class TokenRefused(TimeStampError):
    """Something came that calls itself a time-stamp and does not hold."""

    def __init__(self, why: Phrase) -> None:
        """Say what was expected and what came."""
        super().__init__(why, permanent=True)


class TimeStampingAuthority(Protocol):
    """Somebody outside who says when it was shown something."""

    def stamp(self, content: bytes) -> Stamp:
        """A checked stamp over these bytes; only their digest leaves the house.

        Raises:
            TimeStampError: there is none.
            TokenRefused: what came does not hold.
        """
        ...
