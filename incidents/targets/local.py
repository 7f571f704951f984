"""A deployment target on this machine: a process that serves one digest and can be switched.

    python -m incidents.targets.local --port 8802 --state var/target --serving SHA256

    GET  /serving    {"digest", "since"}
    POST /switch     {"to"}, with an Idempotency-Key: {"to", "before", "at", "is_repeat"}
    GET  /history    every switch, oldest first

All three want `Authorization: Bearer`, with the token of the file `token` in the state folder. The
history is the state: it is only ever appended to, and a restart goes on from its last line.
"""

import argparse
import hmac
import json
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from compliance import clock, loopback
from compliance.loopback import Reply, Request
from incidents.targets.base import is_digest

_KEY: Final = re.compile(r"[!-~]{1,200}\Z")


@dataclass(frozen=True)
class Switch:
    """One line of the history; the first has neither key nor before."""

    to: str
    before: str
    at: str
    key: str
    took_effect: bool


@dataclass
class LocalTarget:
    """What is served, how it came to be, and who may change it."""

    state: Path
    token: str = field(repr=False)
    history: list[Switch]
    known: frozenset[str] = frozenset()
    """The digests it can serve; empty means it does not check."""
    is_stuck: bool = False
    """For tests: promises to switch and does not."""
    delay_seconds: float = 0.0
    """For tests: how long it thinks before it answers a switch, which is done by then."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def at(
        cls,
        state: Path,
        *,
        serving: str,
        known: frozenset[str] = frozenset(),
        is_stuck: bool = False,
        delay_seconds: float = 0.0,
    ) -> Self:
        """Go on where the state folder left off, or begin by serving a digest."""
        state.mkdir(parents=True, exist_ok=True)
        token, history = _token(state / "token"), _history(state / "history.jsonl")
        target = cls(state, token, history, known, is_stuck, delay_seconds)
        if not history:
            target._append(Switch(serving, "", clock.stamp(clock.now()), "", took_effect=True))
        return target

    @property
    def current(self) -> Switch:
        """The switch that made what is served now."""
        return next(switch for switch in reversed(self.history) if switch.took_effect)

    def answer(self, request: Request) -> Reply:
        """The reply to any request."""
        if not self._is_authorised(request):
            return _problem(401, "expected the bearer token of the state folder's file `token`")
        match request.method, request.path:
            case "GET", "/serving":
                return _json(200, {"digest": self.current.to, "since": self.current.at})
            case "GET", "/history":
                return _json(200, [vars(switch) for switch in self.history])
            case "POST", "/switch":
                with self._lock:
                    reply = self._switch(request)
                time.sleep(self.delay_seconds)
                return reply
        return _problem(404, "there is /serving, /switch and /history")

    def _switch(self, request: Request) -> Reply:
        key, to = request.headers.get("idempotency-key", ""), _wanted(request.body)
        if not _KEY.match(key):
            return _problem(400, "expected an Idempotency-Key of 1 to 200 visible characters")
        if to is None:
            return _problem(400, 'expected {"to": sha256}')
        for earlier in self.history:
            if earlier.key == key:
                return _repeated(earlier, to)
        if self.known and to not in self.known:
            return _problem(422, "no artefact of this digest is here to be served")
        switch = Switch(to, self.current.to, clock.stamp(clock.now()), key, not self.is_stuck)
        self._append(switch)
        return _outcome(switch, is_repeat=False)

    def _append(self, switch: Switch) -> None:
        with (self.state / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(vars(switch)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.history.append(switch)

    def _is_authorised(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {self.token}".encode())


def _wanted(body: bytes) -> str | None:
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    to = said.get("to") if isinstance(said, dict) else None
    return to if isinstance(to, str) and is_digest(to) else None


def _repeated(earlier: Switch, to: str) -> Reply:
    if earlier.to != to:
        return _problem(409, "the key was used for another digest")
    return _outcome(earlier, is_repeat=True)


def _outcome(switch: Switch, *, is_repeat: bool) -> Reply:
    said = {"to": switch.to, "before": switch.before, "at": switch.at, "is_repeat": is_repeat}
    return _json(200, said)


def _problem(status: int, detail: str) -> Reply:
    body = json.dumps({"status": status, "detail": detail}).encode()
    return Reply(status, body, "application/problem+json")


def _json(status: int, value: object) -> Reply:
    return Reply(status, json.dumps(value).encode())


def _token(path: Path) -> str:
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii").strip()


def _history(path: Path) -> list[Switch]:
    if not path.exists():
        return []
    return [Switch(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _digest_argument(text: str) -> str:
    if not is_digest(text):
        raise argparse.ArgumentTypeError("expected 64 lower-case hexadecimal digits")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m incidents.targets.local",
        description="A deployment target on this machine that serves one digest.",
    )
    add = parser.add_argument
    add("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    add("--state", type=Path, required=True, help="where token and history are kept")
    add(
        "--serving",
        type=_digest_argument,
        required=True,
        metavar="SHA256",
        help="what to begin with; a history that is there already wins",
    )
    add(
        "--known",
        type=_digest_argument,
        action="append",
        default=[],
        metavar="SHA256",
        help="may be repeated: refuse to serve any other",
    )
    add("--stuck", action="store_true", help="for tests: promise to switch, and do not")
    add("--delay", type=float, default=0.0, metavar="SECONDS", help="for tests: answer late")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    chosen = _parser().parse_args(arguments)
    known = frozenset([*chosen.known, chosen.serving] if chosen.known else [])
    target = LocalTarget.at(
        chosen.state,
        serving=chosen.serving,
        known=known,
        is_stuck=chosen.stuck,
        delay_seconds=chosen.delay,
    )
    loopback.run("deployment target", chosen.port, target.answer)


if __name__ == "__main__":
    main()
