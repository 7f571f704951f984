"""The sandbox's authority on loopback: it signs with OpenSSL, and answers as badly as it is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from compliance import loopback
from compliance.egress import Egress, Policy
from compliance.filing.sandbox.time_stamper import PATH, TimeStamper
from compliance.loopback import Reply, Request
from compliance.timestamps import token
from compliance.timestamps.base import TimeStampingAuthority
from compliance.timestamps.http import HttpAuthority

Spoil = Callable[[Request, Reply], Reply]


@dataclass
class Asked:
    """Where it listens, what it was asked, and what is done to its answers."""

    url: str
    stamper: TimeStamper
    spoil: Spoil = lambda _request, reply: reply
    seen: list[Request] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://").partition("/")[0]

    def loaded(self) -> TimeStampingAuthority:
        """As the product reaches it, with less patience."""
        bounds = Policy(
            frozenset({self.host}), loopback=True, total_seconds=1, max_bytes=token.MAX_TOKEN
        )
        return HttpAuthority(self.url, token.trust(self.stamper.root), Egress(bounds))

    def configure(self, settings) -> None:
        settings.STRATA_TSA_URL = self.url
        settings.STRATA_TSA_CERTIFICATES = self.stamper.root
        settings.STRATA_EGRESS = [*settings.STRATA_EGRESS, self.host]


@contextmanager
def authority(folder: Path) -> Iterator[Asked]:
    stamper = TimeStamper.at(folder)
    found = Asked("", stamper)

    def answer(request: Request) -> Reply:
        found.seen.append(request)
        return found.spoil(request, stamper.answer(request))

    with loopback.serving(answer) as base:
        found.url = f"{base}{PATH}"
        yield found
