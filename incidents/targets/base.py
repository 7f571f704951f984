"""What every deployment target has in common: it serves one digest, and can be told another.

What a target answers to a switch is a promise; what it says it serves afterwards, and what
telemetry observes, is the fact.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Serving:
    """What a target says it serves."""

    digest: str
    """Of the model version, sha256 in 64 lower-case hexadecimal digits."""
    since: datetime
    raw: bytes = field(repr=False)
    """The answer as it came."""


@dataclass(frozen=True)
class SwitchOutcome:
    """What a target says to a switch."""

    to: str
    """The digest it took."""
    before: str
    """What it served until then."""
    at: datetime
    """By the target's clock."""
    is_repeat: bool
    """Whether it had done this under the same key before, and now did nothing."""
    raw: bytes = field(repr=False)


class TargetError(Exception):
    """A target did not do what was asked, and nothing was switched."""

    def __init__(
        self, message: str, *, permanent: bool, retry_after_seconds: float | None = None
    ) -> None:
        """Say what happened; `permanent` means that somebody must change something first."""
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknown(TargetError):
    """It may have switched. Ask what it serves before doing anything else."""

    def __init__(self, message: str) -> None:
        """Say what is not known and why."""
        super().__init__(message, permanent=False)


class DeploymentTarget(Protocol):
    """A place that serves a model version."""

    def serving(self) -> Serving:
        """What is served now, by the target's own word.

        Raises:
            TargetError: it cannot be asked, or its answer is not one.
        """
        ...

    def switch(self, to: str, key: str) -> SwitchOutcome:
        """Tell the target to serve another digest; the same key switches once.

        Raises:
            TargetError: nothing was switched.
            OutcomeUnknown: something may have been.
        """
        ...


def is_digest(text: str) -> bool:
    """Whether a text is a sha256 as targets write it."""
    return _DIGEST.match(text) is not None


def check_digest(digest: str) -> str:
    """The digest, if it is one.

    Raises:
        TargetError: it is none; permanent.
    """
    if not is_digest(digest):
        raise TargetError(
            f"a version is named by 64 lower-case hexadecimal digits; came {digest[:80]!r}",
            permanent=True,
        )
    return digest
