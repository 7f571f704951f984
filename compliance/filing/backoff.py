"""How long to wait before the next try, and when a person must hear of it.

Exponential, with full jitter: anywhere between now and twice as long as last time, so that a
thousand filings that failed together do not come back together. No wait is longer than an eighth
of what is left until the target, so trying never ends before the deadline: in the time that is
left there is always room for eight more tries. Nor does it end after it.
"""

from collections.abc import Callable
from datetime import timedelta
from random import SystemRandom
from typing import Final

BASE: Final = timedelta(seconds=5)
LONGEST: Final = timedelta(minutes=15)
SHARE: Final = 8
SHORTEST_CAP: Final = timedelta(seconds=1)
"""In the last eight seconds an eighth becomes nothing; a recipient is not hammered for that."""
LONGEST_ASKED: Final = timedelta(hours=1)
"""What a recipient may ask us to wait at most."""

FAILURES: Final = 3
TRYING: Final = timedelta(minutes=10)
QUARTER: Final = 4

Draw = Callable[[float, float], float]
"""A number between two, each as likely as the next: `random.Random.uniform`."""
_uniform: Final[Draw] = SystemRandom().uniform


def cap(remaining: timedelta | None) -> timedelta:
    """The longest wait: 15 minutes, or an eighth of what is left until the target.

    `remaining` is None where there is no target. After the target 15 minutes stand again.
    """
    if remaining is None or remaining <= timedelta(0):
        return LONGEST
    return max(SHORTEST_CAP, min(LONGEST, remaining / SHARE))


def delay(
    failures: int,
    *,
    remaining: timedelta | None,
    asked_seconds: float | None = None,
    base: timedelta = BASE,
    draw: Draw = _uniform,
) -> timedelta:
    """How long to wait after so many failures in a row, the first being 1.

    `asked_seconds` is the recipient's Retry-After. It is honoured, with the jitter on top, up to an
    hour and to half of what is left: a recipient may put us off, not past the deadline.
    """
    longest = cap(remaining)
    # Beyond 20 doublings every base is longer than any cap.
    doubled = min(longest, base * (1 << min(max(failures - 1, 0), 20)))
    jitter = timedelta(seconds=draw(0.0, doubled.total_seconds()))
    return _asked(asked_seconds, remaining) + jitter


def _asked(seconds: float | None, remaining: timedelta | None) -> timedelta:
    asked = timedelta(seconds=min(max(seconds or 0.0, 0.0), LONGEST_ASKED.total_seconds()))
    if remaining is None or remaining <= timedelta(0):
        return asked
    return min(asked, remaining / 2)


def needs_people(
    failures: int, *, trying: timedelta, remaining: timedelta | None, whole: timedelta | None
) -> bool:
    """Whether a person must hear of a filing that does not get through. Trying goes on meanwhile.

    After three failures, or ten minutes of trying, or in the last quarter of the time there was,
    whichever comes first. `whole` is the time from the clock's start to its target.
    """
    if failures <= 0:
        return False
    last_quarter = remaining is not None and whole is not None and remaining * QUARTER < whole
    return failures >= FAILURES or trying >= TRYING or last_quarter
