"""The circuit breaker of each way, kept in a row: a recipient that is down is asked by one filing.

The rules are `compliance.filing.breaker`'s; here they are read and written back over what was read,
so that of several workers one makes the trial call.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from compliance.clock import now
from compliance.filing import breaker
from compliance.filing.breaker import LIMITS, Breaker, Position
from compliance.models import WayBreaker


def may_call(name: str, *, target: datetime | None) -> bool:
    """Whether a call may go by this way now; with it a trial may be taken, which others then await.

    What would be due before the breaker closes again may always go.
    """
    row = WayBreaker.objects.filter(name=name).first()
    if row is None or row.state == WayBreaker.State.CLOSED:
        return True
    before = _read(row)
    may, after = breaker.ask(before, now(), target=target)
    if after == before:
        return may
    return _write(row, after) or _may_urgently(before, target)


def _may_urgently(standing: Breaker, target: datetime | None) -> bool:
    """Another worker took the trial: only what cannot wait for its end goes all the same."""
    at = now()
    return target is not None and target <= at + LIMITS.trial and standing.until is not None


def free_at(name: str) -> datetime | None:
    """When the next call may go; none when it may at once."""
    row = WayBreaker.objects.filter(name=name).first()
    return breaker.free_at(_read(row)) if row else None


def succeeded(name: str) -> None:
    """The recipient answered: the breaker closes."""
    WayBreaker.objects.filter(name=name).exclude(state=WayBreaker.State.CLOSED, failures=0).update(
        state=WayBreaker.State.CLOSED, failures=0, opened_at=None
    )


def failed(name: str) -> None:
    """The recipient could not be reached, was busy or broken."""
    row, _made = WayBreaker.objects.get_or_create(name=name)
    if row.state == WayBreaker.State.OPEN:
        return  # one that was under way when it opened, or that could not wait
    _write(row, breaker.failed(_read(row), now()))


def _read(row: WayBreaker) -> Breaker:
    """The row as the rules know it: openings and ends follow from failures and since when."""
    openings = max(row.failures - LIMITS.failures + 1, 0)
    until = None
    if row.opened_at is not None:
        is_trial = row.state == WayBreaker.State.HALF_OPEN
        until = row.opened_at + (LIMITS.trial if is_trial else _open_for(openings))
    return Breaker(Position(row.state), row.failures, openings, until)


def _open_for(openings: int) -> timedelta:
    """Twice as long with each opening; what a recipient asks for is honoured filing by filing."""
    doubled: timedelta = LIMITS.first * 2 ** min(max(openings - 1, 0), 20)
    return min(LIMITS.longest, doubled)


def _write(row: WayBreaker, after: Breaker) -> bool:
    """Over what was read alone; False when another worker was faster."""
    is_closed = after.position is Position.CLOSED
    same = WayBreaker.objects.filter(
        pk=row.pk, state=row.state, failures=row.failures, opened_at=row.opened_at
    )
    return bool(
        same.update(
            state=after.position.value,
            failures=after.failures,
            opened_at=None if is_closed else now(),
        )
    )
