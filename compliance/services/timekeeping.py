"""Whether the clocks of the installation agree: this machine's, the database's, and the steady one.

Every process asks its own machine for the time; the database is the one thing that all of them share.
Where it disagrees with a machine, deadlines are watched by the database's clock. Dates that stand
are never moved by any of this: they were counted from what people recorded.

On SQLite both are the same clock. Then only a clock that jumps while the keeper runs can be seen, by
holding it against one that nobody can set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _

from compliance.actors import system
from compliance.audit import log
from compliance.audit.log import record
from compliance.clock import host, now, stamp
from compliance.models import Subject
from compliance.services import subject

MOST: Final = timedelta(seconds=5)
"""What clocks may differ by; a deadline is counted in minutes."""
KEPT_SECONDS: Final = 10.0
"""How long a process believes its last look for an episode."""
KEEPER: Final = system("timekeeper")
APART, TOGETHER = "apart", "together"
_AT: Final = {
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
    "postgresql": "SELECT clock_timestamp()",
}


class Skew(NamedTuple):
    """Clocks that disagree, as a page may say it."""

    since: datetime
    """When it was noticed, by the clock that is right."""
    seconds: int
    """How far the machine is ahead; behind, if negative."""
    is_machine_wrong: bool = True
    """Whether it is known that the machine's clock jumped; else the two only disagree."""
    is_database_right: bool = True
    """Whether the database's clock went on as it should; SQLite has none of its own."""


class _Timekeeping:
    """Timekeeping as a thing in the log: one subject for the whole installation."""

    kind = "timekeeping"

    def __init__(self) -> None:
        standing = Subject.objects.filter(kind=self.kind).first()
        self.subject: Subject = standing or subject.make(self.kind, _("Timekeeping"))
        self.uuid: UUID = self.subject.uuid


def database_now() -> datetime:
    """What the database's clock says, in UTC."""
    with connection.cursor() as cursor:
        cursor.execute(_AT[connection.vendor])
        (said,) = cursor.fetchone()
    found = said if isinstance(said, datetime) else datetime.fromisoformat(said)
    return found.astimezone(UTC)


def ahead(read: Callable[[], datetime] = database_now) -> timedelta:
    """How far this machine is ahead of the database; nothing, within what clocks may differ by."""
    before = host()
    theirs = read()
    between = before + (host() - before) / 2  # the answer was given somewhere between
    found = between - theirs
    return found if abs(found) > MOST else timedelta(0)


def moment(read: Callable[[], datetime] = database_now) -> datetime:
    """The present instant by which deadlines are watched: the database's, where clocks disagree."""
    return now() - ahead(read)


class Watch:
    """Compares clocks for as long as a process lives; to be asked often."""

    def __init__(
        self,
        *,
        read: Callable[[], datetime] = database_now,
        wall: Callable[[], datetime] = host,
        steady: Callable[[], float] | None = None,
    ) -> None:
        """Take this moment as the one that later ones are held against.

        Args:
            read: the database's clock.
            wall: this machine's clock.
            steady: seconds of a clock that nobody sets, also while the machine sleeps.
        """
        self._read, self._wall = read, wall
        self._steady = steady or _since_boot
        self._began = (wall(), self._steady())

    def look(self) -> timedelta:
        """How far this machine is ahead now; an episode is recorded at its beginning and its end."""
        jumped = self._jumped()
        found = max(ahead(self._read), jumped, key=abs)
        right = self._wall() - found
        is_right = abs(self._read() - right) <= MOST
        _note(found, right, is_machine_wrong=bool(jumped), is_database_right=is_right)
        return found

    def _jumped(self) -> timedelta:
        """How far this machine's clock went that time did not go, since the process began."""
        wall, steady = self._began
        should = wall + timedelta(seconds=self._steady() - steady)
        found = self._wall() - should
        return found if abs(found) > MOST else timedelta(0)


def _since_boot() -> float:
    """Seconds that pass whatever the clock is set to."""
    kind = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(kind)


@transaction.atomic
def _note(
    found: timedelta, right: datetime, *, is_machine_wrong: bool, is_database_right: bool
) -> None:
    """Write the change down, if it is one: disagreeing clocks are one episode until they agree.

    Where they come to differ by as much again or more, the episode is told anew with its distance.
    """
    before = skew()
    seconds = round(found.total_seconds())
    if before is None and not found:
        return
    if before is not None and found and abs(seconds - before.seconds) <= _told_apart(before):
        return
    record(
        "clock.skew",
        _Timekeeping(),
        by=KEEPER,
        before=APART if before is not None else TOGETHER,
        after=APART if found else TOGETHER,
        ahead_seconds=seconds,
        machine_at=stamp(host()),
        right_at=stamp(before.since if before is not None and found else right),
        is_machine_wrong=is_machine_wrong,
        is_database_right=is_database_right,
    )
    forget()


def _told_apart(before: Skew) -> float:
    """By how many seconds a distance must change to be another one; a drifting clock is told seldom."""
    return max(MOST.total_seconds(), abs(before.seconds))


def skew() -> Skew | None:
    """The episode that lasts; None while the clocks agree."""
    place = Subject.objects.filter(kind=_Timekeeping.kind).values_list("uuid", flat=True).first()
    if place is None:
        return None
    last = log.entries(objects=[place], limit=1, newest_first=True)
    if not last or last[0].after != APART:
        return None
    facts = last[0].facts
    return Skew(
        datetime.fromisoformat(facts.get("right_at") or stamp(last[0].at)),
        int(facts["ahead_seconds"]),
        bool(facts.get("is_machine_wrong", True)),
        bool(facts.get("is_database_right", True)),
    )


class _Look(NamedTuple):
    """What was found, and when by a clock that nobody sets."""

    at: float
    found: Skew | None


_looks: list[_Look] = []


def told(steady: Callable[[], float] = time.monotonic) -> Skew | None:
    """The episode that lasts, for the frame of every page: looked up at most every ten seconds.

    A page must not pay for it with queries of its own, so each process keeps its last look. Its age
    is taken from the steady clock: the other one is what is in doubt.
    """
    last = next(iter(_looks), None)
    if last is None or steady() - last.at >= KEPT_SECONDS:
        last = _Look(steady(), skew())
        _looks[:] = [last]
    return last.found


def forget() -> None:
    """Look again at the next page."""
    _looks.clear()
