"""A circuit breaker for one way: a recipient that is down is asked by one filing, not by all.

Closed, everything may try. After so many failures in a row it opens: nothing may, until its time
is up. Then it is half open: one trial may go; its success closes the breaker, its failure opens it
again for twice as long. Deadlines beat it: what would be due before it closes may always try.

Pure: a frozen value and functions from one to the next; the caller keeps it, one per way, and
writes it back only over the value that was read (`version`).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from compliance.clock import stamp


class Position(StrEnum):
    """Where the breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Limits:
    """When it opens and for how long."""

    failures: int = 5
    """In a row; then it opens."""
    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(minutes=15)
    trial: timedelta = timedelta(minutes=2)
    """A trial that was not heard of for so long is given up, and another may go."""


LIMITS = Limits()


@dataclass(frozen=True)
class Breaker:
    """The breaker of one way."""

    position: Position = Position.CLOSED
    failures: int = 0
    """In a row."""
    openings: int = 0
    """In a row, without a success between."""
    until: datetime | None = None
    """Open: until when. Half open: until when its trial is waited for."""
    version: int = 0
    """Grows with each change."""

    def row(self) -> dict[str, Any]:
        """As JSON."""
        until = stamp(self.until) if self.until else ""
        return {**vars(self), "position": self.position.value, "until": until}

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """From JSON; an empty row is a closed breaker."""
        until = row.get("until")
        return cls(
            position=Position(row.get("position", Position.CLOSED)),
            failures=int(row.get("failures", 0)),
            openings=int(row.get("openings", 0)),
            until=datetime.fromisoformat(until) if until else None,
            version=int(row.get("version", 0)),
        )


def ask(
    breaker: Breaker, at: datetime, *, target: datetime | None = None, limits: Limits = LIMITS
) -> tuple[bool, Breaker]:
    """Whether a filing that is due at `target` may try now, and the breaker after asking.

    Whoever was let through says afterwards what came of it: `succeeded` or `failed`.
    """
    if breaker.position is Position.CLOSED:
        return True, breaker
    if breaker.until is None or at >= breaker.until:
        return True, _changed(breaker, position=Position.HALF_OPEN, until=at + limits.trial)
    return target is not None and target <= _next(breaker.until, limits), breaker


def succeeded(breaker: Breaker) -> Breaker:
    """The recipient answered: a receipt or a refusal, both show that it is up."""
    if breaker.position is Position.CLOSED and not breaker.failures:
        return breaker
    return Breaker(version=breaker.version + 1)


def failed(
    breaker: Breaker,
    at: datetime,
    *,
    asked_seconds: float | None = None,
    limits: Limits = LIMITS,
) -> Breaker:
    """The recipient could not be reached, was busy or broken; `asked_seconds` is its Retry-After."""
    failures = breaker.failures + 1
    if breaker.position is Position.CLOSED and failures < limits.failures:
        return _changed(breaker, failures=failures)
    if breaker.position is Position.OPEN:
        # One that deadlines let through, or that was under way when it opened: nothing new.
        return _changed(breaker, failures=failures)
    openings = breaker.openings + 1
    return _changed(
        breaker,
        position=Position.OPEN,
        failures=failures,
        openings=openings,
        until=at + _open_for(openings, asked_seconds, limits),
    )


def free_at(breaker: Breaker) -> datetime | None:
    """When the next filing may try; None when it may at once."""
    return None if breaker.position is Position.CLOSED else breaker.until


def _open_for(openings: int, asked_seconds: float | None, limits: Limits) -> timedelta:
    doubled = limits.first * (1 << min(openings - 1, 20))
    asked = timedelta(seconds=min(max(asked_seconds or 0.0, 0.0), limits.longest.total_seconds()))
    return min(limits.longest, max(doubled, asked))


def _next(until: datetime, limits: Limits) -> datetime:
    """When it could be closed again at the earliest: its time is up, and a trial has come back."""
    return until + limits.trial


def _changed(breaker: Breaker, **columns: Any) -> Breaker:
    return replace(breaker, **columns, version=breaker.version + 1)
