"""Wait a while for a worker, without keeping the web from answering others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONGEST = 30.0
"""Seconds; less than any web server's own patience."""
EVERY = 0.5
MOST_AT_ONCE = 2
"""So many calls of one process wait; the others are answered at once and ask again."""

_SEATS = threading.BoundedSemaphore(MOST_AT_ONCE)


def until(is_over: Callable[[], bool], *, seconds: float) -> bool:
    """Look again and again; True once it is over, False when the time is up or no seat is free.

    Args:
        is_over: reads the database; is not called again after it said True.
        seconds: the longest wait, at most `LONGEST`.
    """
    if not _SEATS.acquire(blocking=False):
        return is_over()
    try:
        return watch(is_over, seconds=min(seconds, LONGEST))
    finally:
        _SEATS.release()


def watch(is_over: Callable[[], bool], *, seconds: float, every: float = EVERY) -> bool:
    """The same for a process that has nothing else to do, however long."""
    end = time.monotonic() + seconds
    while not is_over():
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(every, left))
    return True
