"""The one place that asks the time; everything else asks here, so that tests can hold it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class HeldClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, at: datetime) -> None:
        """Stop at an instant; its zone must be known."""
        self.at = in_utc(at)

    def pass_by(self, duration: timedelta) -> None:
        """Let time pass."""
        self.at += duration


# Shared by all threads on purpose: a test that holds the clock serves pages from another thread.
_held: list[HeldClock] = []


def now() -> datetime:
    """The present instant, in UTC."""
    return _held[-1].at if _held else datetime.now(UTC)


def host() -> datetime:
    """What this machine's own clock says, in UTC, whether or not time is held.

    For comparing clocks alone; whatever asks for the time asks `now`.
    """
    return datetime.now(UTC)


@contextmanager
def held(at: datetime) -> Iterator[HeldClock]:
    """Stop the clock at an instant until the block ends; blocks may nest."""
    clock = HeldClock(at)
    _held.append(clock)
    try:
        yield clock
    finally:
        _held.remove(clock)


def in_utc(at: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        ValueError: `at` names no zone, so it is no instant.
    """
    if at.tzinfo is None:
        raise ValueError(f"expected an instant with its zone; came {at.isoformat()} without one")
    return at.astimezone(UTC)


def stamp(at: datetime) -> str:
    """An instant as records write it: UTC, microseconds, a final Z."""
    return in_utc(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
