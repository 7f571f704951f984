"""The marks of a clock: when half of its time is gone, a day and four hours before it ends, its end.

Warnings are rung at marks, and nothing else is: a clock is looked at again when its next one comes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from compliance.models import ClockInstance

A_DAY: Final = timedelta(days=1)
FOUR_HOURS: Final = timedelta(hours=4)


class Mark(NamedTuple):
    """One point of a clock."""

    name: str
    at: datetime


def of(clock: ClockInstance) -> list[Mark]:
    """Its marks by time; one that is longer than the clock itself is left out."""
    due, started = clock.target_due, clock.started_at
    if due is None:
        return []
    whole = None if started is None else due - started
    found = [Mark("half", due - whole / 2)] if whole is not None else []
    before = (("a_day", A_DAY), ("four_hours", FOUR_HOURS))
    found += [Mark(name, due - left) for name, left in before if whole is None or whole > left]
    return sorted([*found, Mark("overdue", due)], key=lambda mark: mark.at)


def passed(clock: ClockInstance, at: datetime) -> list[str]:
    """Which marks lie behind, in their order."""
    return [mark.name for mark in of(clock) if mark.at <= at]


def next_at(clock: ClockInstance, at: datetime) -> datetime | None:
    """When the next mark comes; None when all lie behind."""
    return next((mark.at for mark in of(clock) if mark.at > at), None)
