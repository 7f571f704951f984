"""How the sandbox fails: the ways there are, and who meets which.

A fault is written `kind` or `kind=number`, as in `slow=2`; the number is seconds, of waiting or of
Retry-After. `…-after` and what spoils an answer come once the filing was accepted: the caller
cannot know, and has to ask.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from compliance.loopback import Reply


class Kind(StrEnum):
    """The ways to fail."""

    OK = "ok"
    SLOW = "slow"
    """Accepts, and answers late."""
    HANG = "hang"
    """Accepts nothing and never answers."""
    HANG_AFTER = "hang-after"
    BUSY = "503"
    LIMITED = "429"
    BROKEN = "500"
    """Accepts nothing, which the caller cannot know."""
    BROKEN_AFTER = "500-after"
    DROP = "drop"
    """Hangs up without a word and accepts nothing."""
    DROP_AFTER = "drop-after"
    MALFORMED = "malformed"
    """Accepts, and answers what is no receipt."""
    TRUNCATED = "truncated"
    """Accepts, and hangs up in the middle of the receipt."""
    REJECTED = "rejected"
    """Refuses, field by field (problem+json)."""
    DUPLICATE = "duplicate"
    """Accepts, and answers 409 with the receipt, as after an earlier sending."""
    CALLBACK = "callback"
    """Accepts with 202; the receipt comes by itself, so many seconds later."""


_FOR_EVER: Final = 3_600.0
_USUAL: Final = {
    Kind.SLOW: 2.0,
    Kind.HANG: _FOR_EVER,
    Kind.HANG_AFTER: _FOR_EVER,
    Kind.BUSY: 2.0,
    Kind.LIMITED: 2.0,
    Kind.CALLBACK: 1.0,
}
MOST: Final = 10_000


@dataclass(frozen=True)
class Fault:
    """One way to fail, with its seconds."""

    kind: Kind = Kind.OK
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `slow=2`.

        Raises:
            ValueError: there is no such fault, or its number is none.
        """
        name, _, number = text.strip().partition("=")
        try:
            kind = Kind(name)
            seconds = float(number) if number else _USUAL.get(kind, 0.0)
        except ValueError:
            raise ValueError(f"expected one of {', '.join(Kind)}; came {text[:40]!r}") from None
        if not 0 <= seconds <= _FOR_EVER:
            raise ValueError(f"expected 0 to {_FOR_EVER:g} seconds; came {text[:40]!r}")
        return cls(kind, seconds)

    def instead(self) -> Reply | None:
        """What is answered without looking at the filing; None where it is looked at."""
        match self.kind:
            case Kind.BUSY | Kind.LIMITED:
                return problem(
                    int(self.kind.value),
                    "the sandbox is busy, as it was told to be",
                    headers={"Retry-After": f"{self.seconds:g}"},
                )
            case Kind.BROKEN:
                return problem(500, "the sandbox broke, as it was told to")
            case Kind.DROP:
                return Reply(500, b"", cut_at=-1)
            case Kind.HANG:
                return Reply(500, b"", wait_seconds=self.seconds, cut_at=-1)
            case _:
                return None

    def afterwards(self, receipt: Reply) -> Reply:
        """What is answered once the filing was accepted."""
        spoiled = {
            Kind.SLOW: replace(receipt, wait_seconds=self.seconds),
            Kind.HANG_AFTER: Reply(500, b"", wait_seconds=self.seconds, cut_at=-1),
            Kind.BROKEN_AFTER: problem(500, "the sandbox broke after it had accepted"),
            Kind.DROP_AFTER: Reply(500, b"", cut_at=-1),
            Kind.MALFORMED: Reply(receipt.status, b'{"receipt": "\xff\x00 thank you'),
            Kind.TRUNCATED: replace(receipt, cut_at=len(receipt.body) // 2),
            Kind.DUPLICATE: replace(receipt, status=409),
        }
        return spoiled.get(self.kind, receipt)


@dataclass
class Plan:
    """Who meets which fault. Afterwards, and without a plan, everything goes well."""

    steps: list[Fault] = field(default_factory=list)
    """The next requests, whoever they are from, one each."""
    each: tuple[Fault, ...] = ()
    """Every key meets all of these, one a request, in this order."""
    rotate: tuple[Fault, ...] = ()
    """Every key meets one of these with its first request: the first key the first, and so on."""
    is_down: bool = False
    """Everything is answered with 503, questions too."""
    _met: Counter[str] = field(default_factory=Counter)
    _keys: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(
        cls,
        steps: Iterable[str] = (),
        each: Iterable[str] = (),
        rotate: Iterable[str] = (),
        *,
        is_down: bool = False,
    ) -> Self:
        """From faults as they are written.

        Raises:
            ValueError: one of them is none.
        """
        lists = [[Fault.parse(text) for text in texts] for texts in (steps, each, rotate)]
        if any(len(faults) > MOST for faults in lists):
            raise ValueError(f"expected at most {MOST} faults in a list")
        return cls(lists[0], tuple(lists[1]), tuple(lists[2]), is_down)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """From JSON: `{"steps": ["503"], "each": [], "rotate": [], "down": false}`, all optional.

        Raises:
            ValueError: it is not that.
        """
        said = json.loads(content)
        names = ("steps", "each", "rotate")
        if not isinstance(said, dict) or set(said) - {*names, "down"}:
            raise ValueError("expected an object with steps, each, rotate and down")
        lists = {name: said.get(name, []) for name in names}
        if not all(isinstance(faults, list) for faults in lists.values()):
            raise ValueError("expected lists of faults")
        texts = {name: [str(each) for each in faults] for name, faults in lists.items()}
        return cls.of(**texts, is_down=said.get("down") is True)

    def next(self, key: str) -> Fault:
        """What the next request under this key meets."""
        with self._lock:
            if self.steps:
                return self.steps.pop(0)
            number = self._keys.setdefault(key, len(self._keys))
            met, self._met[key] = self._met[key], self._met[key] + 1
            if self.rotate and met == 0:
                return self.rotate[number % len(self.rotate)]
            return self.each[met] if met < len(self.each) else Fault()


def problem(
    status: int,
    detail: str,
    *,
    errors: Iterable[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """An answer as problem+json (RFC 9457), with what is wrong field by field."""
    said: dict[str, object] = {"status": status, "detail": detail}
    if listed := [{"field": name, "detail": words} for name, words in errors]:
        said["errors"] = listed
    return Reply(status, json.dumps(said).encode(), "application/problem+json", headers or {})
