"""What the demo shares from step to step: where things are, who acts, and how it speaks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import translation
from tqdm import tqdm

from compliance import phrase
from compliance.actors import Actor
from compliance.models import User
from compliance.services import account, wording
from config.demo.neighbours import Ports
from config.processes import House

WAIT = 240.0  # seconds that a worker may take for one piece of work


class DemoFailed(RuntimeError):
    """A step did not come to its end; the message says which and where to look."""


@dataclass
class Stage:
    """Everything that one step leaves for the next."""

    var: Path
    house: House
    ports: Ports | None = None
    people: dict[str, User] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def by(self, name: str) -> Actor:
        """A person of the cast, as the services see them now."""
        return account.actor_for(self.people[name], via="cli")

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """Announce a step and say how long it took."""
        say(f"\n{number:>2}  {title}")
        began = time.monotonic()
        yield
        say(f"    done in {time.monotonic() - began:.0f} s")

    def address(self, thing: Any) -> str:
        """Where a thing can be read in the browser."""
        return f"http://127.0.0.1:{self.house.port}{thing.path}"


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tell(line: str) -> None:
    """One line within a step."""
    say(f"    {line}")


def share(value: object) -> str:
    """A share as a reader wants it, or a dash."""
    return f"{float(str(value)):.1%}".replace("%", " %") if value is not None else "\u2013"


def figure(value: object) -> str:
    """A figure in three digits, or a dash."""
    return f"{float(str(value)):.3g}" if value is not None else "\u2013"


def counted(n: int) -> str:
    """How often."""
    return "once" if n == 1 else f"{n} times"


def told(words: object) -> str:
    """A sentence of the house as a person reads it."""
    return phrase.said(wording.phrase(words), translation)


def moment(at: datetime | None, zone: str = "") -> str:
    """An instant as a person reads it, or a dash."""
    return wording.moment(at, zone) if at else "\u2013"


def wait_for(what: str, done: Callable[[], bool], *, seconds: float = WAIT) -> None:
    """Wait for other processes, or fail naming what did not happen."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise DemoFailed(f"{what}: nothing within {seconds:.0f} s; look into var/logs.")
        time.sleep(0.3)


def watch(label: str, read: Callable[[], tuple[int, int, bool]], *, seconds: float = WAIT) -> None:
    """A progress bar over work that another process does; without a terminal, one line at the end.

    `read` gives (done, total, is over).
    """
    began, until = time.monotonic(), time.monotonic() + seconds
    form = "{desc} {percentage:3.0f}% |{bar:30}| {elapsed}"
    with tqdm(
        total=100, desc=f"    {label}", bar_format=form, ascii=" =", disable=not sys.stderr.isatty()
    ) as bar:
        while True:
            done, total, is_over = read()
            share = 100 if is_over else min(99, 100 * done // total) if total else 0
            bar.update(max(0, share - bar.n))
            if is_over:
                break
            if time.monotonic() > until:
                raise DemoFailed(f"{label}: not over within {seconds:.0f} s; look into var/logs.")
            time.sleep(0.5)
    tell(f"{label}: over after {time.monotonic() - began:.0f} s")
