"""Receipts that come later, by themselves: each is posted to one address on this machine.

What is owed stands on the disk, so a sandbox that was stopped pays after its next start.
"""

import threading
import time
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from compliance.egress import Egress, EgressError, Policy
from compliance.filing.sandbox.store import Filed

HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
TRIES: Final = 30
LONGEST_WAIT: Final = 5.0


@dataclass(frozen=True)
class Callbacks:
    """Where receipts go."""

    url: str
    """On loopback; empty where nobody is told, and the receipt can only be asked for."""
    egress: Egress

    @classmethod
    def to(cls, url: str) -> Self:
        """Callbacks to this address.

        Raises:
            ValueError: it is not on this machine.
        """
        parts = urlsplit(url)
        if url and (parts.scheme != "http" or parts.hostname not in HOSTS or not parts.port):
            raise ValueError(f"expected http://127.0.0.1:PORT/…; came {url[:80]!r}")
        return cls(url, Egress(Policy(frozenset({parts.netloc}), loopback=True)))

    def owe(self, filed: Filed, seconds: float) -> None:
        """Release and send the receipt after some time, from a thread of its own."""
        threading.Thread(target=self._pay, args=(filed, seconds), daemon=True).start()

    def _pay(self, filed: Filed, seconds: float) -> None:
        time.sleep(seconds)
        for number in range(TRIES if self.url else 0):
            if self._sent(filed):
                break
            time.sleep(min(LONGEST_WAIT, 0.1 * 2**number))
        filed.release()

    def _sent(self, filed: Filed) -> bool:
        """Whether the other side took it. The receipt is its own proof, by its signature."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": filed.about["key"]}
        try:
            return self.egress.post(self.url, filed.envelope, headers).is_success
        except EgressError:
            return False
