"""Public identifiers: UUIDv7 of RFC 9562, in the order they were made within one process.

Layout: 48 bits of Unix milliseconds, version, 12 bits of sub-millisecond time (method 3 of
section 6.2), variant, 62 random bits. Should the host's clock stand still or go back, the 60 bits
of time count on by one, so order holds.

The host's clock is read here and not `compliance.clock`: an identifier made while a test
holds time in another year must not drag every later one with it.
"""

import os
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import RFC_4122, UUID

_SUB_BITS: Final = 12
_SUB_MASK: Final = (1 << _SUB_BITS) - 1
_NS_PER_MS: Final = 1_000_000
_VERSION: Final = 7
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Ticks:
    """Strictly rising readings of the clock, in 1/4096 ms."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.last = 0
        self.lock = threading.Lock()

    def next(self, ns: int) -> int:
        """The reading at `ns` nanoseconds, or the one after the last if that is greater."""
        ms, rest = divmod(ns, _NS_PER_MS)
        reading = ms << _SUB_BITS | rest * (_SUB_MASK + 1) // _NS_PER_MS
        with self.lock:
            self.last = max(reading, self.last + 1)
            return self.last

    def renew_lock(self) -> None:
        """Forget a lock that another thread held while this process was forked."""
        self.lock = threading.Lock()


_ticks = Ticks()
os.register_at_fork(after_in_child=_ticks.renew_lock)


def uuid7() -> UUID:
    """A new identifier, greater than every earlier one of this process."""
    return _assemble(_ticks.next(time.time_ns()), secrets.randbits(62))


def timestamp_of(identifier: UUID) -> datetime:
    """When an identifier was made (UTC, to the millisecond).

    Raises:
        ValueError: it is no UUIDv7, so it holds no time.
    """
    if identifier.version != _VERSION or identifier.variant != RFC_4122:
        raise ValueError(
            f"{identifier} is of version {identifier.version}; only version 7 holds its time"
        )
    return _EPOCH + timedelta(milliseconds=identifier.int >> 80)


def _assemble(ticks: int, noise: int) -> UUID:
    ms, sub = ticks >> _SUB_BITS, ticks & _SUB_MASK
    return UUID(int=ms << 80 | _VERSION << 76 | sub << 64 | 0b10 << 62 | noise)
