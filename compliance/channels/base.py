"""What every way of telling somebody has in common.

A message goes out at least once: after a crash it is sent again with the same key, and channels
carry the key so that the other side can tell a repeat.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class DeliveryState(StrEnum):
    """How far a message is known to have come."""

    SENT = "sent"
    """The provider took it; whether a person read it, only the person can say."""
    SHOWN_ONLY = "shown_only"
    """It left this installation by no way: it can be read in the log and on the page."""


@dataclass(frozen=True)
class Message:
    """One thing to tell one recipient."""

    key: UUID
    """Stays the same when the message is sent again."""
    to: str
    """What the channel calls the recipient: an address, a person's name."""
    subject: str
    body: str
    url: str
    """Where to read on, or empty."""
    severity: str
    """In the sender's own words, such as `sev1`."""


@dataclass(frozen=True)
class Delivery:
    """What became of a message."""

    state: DeliveryState
    at: datetime
    reference: str = ""
    """What the provider calls it, or what we told the provider to call it."""
    note: str = ""


class ChannelError(Exception):
    """A message did not go out."""

    def __init__(
        self, message: str, *, permanent: bool, retry_after_seconds: float | None = None
    ) -> None:
        """Say what happened; `permanent` means the same message will fail the same way again."""
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds


class Channel(Protocol):
    """A way to tell somebody something."""

    def send(self, message: Message) -> Delivery:
        """Hand a message over.

        Raises:
            ChannelError: it was not taken.
        """
        ...
