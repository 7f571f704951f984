"""F05: a worker is killed at each step of a filing, and the recipient fails in five ways meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from compliance import clock, lease
from compliance.clock import now
from compliance.egress import Egress
from compliance.loopback import Request
from compliance.models import Filing
from compliance.services import receipt, submission
from compliance.services import report as reports
from tests.checks.outcome import Found
from tests.checks.stage import (
    Regulator,
    Stage,
    fresh,
    in_child,
    keepers_round,
    nothing,
)

# What the recipient does with the first sending.
ANSWERS = {
    "accepts": "ok",
    "accepts, then drops": "drop-after",
    "500 after accepting": "500-after",
    "429": "429=0",
    "hangs": "hang",
}
ENDED = frozenset({"acknowledged", "rejected"})
MOST_ROUNDS = 12

Point = tuple[Any, str, bool]
# Where a worker dies: the object, the function in it, and whether after the function (or before).
IN_THE_WORKER: dict[str, Point] = {
    "claimed, nothing written": (lease, "claim", True),
    "attempt written": (submission, "_begun", True),
    "package read": (submission, "package", True),
    "connection about to open": (Egress, "post", False),
    "call over, nothing written": (Egress, "post", True),
    "attempt ended, transaction open": (receipt, "_kept", False),
    "receipt's bytes on disk, row not": (receipt, "_kept", True),
    "filing moved, report not": (receipt, "_acknowledge", False),
    "clock stopped, not committed": (reports, "met_by_receipt", True),
    "committed, worker not back": (submission, "_judge", True),
}
# Where it dies while the recipient works: before or after the recipient took the filing.
AT_THE_RECIPIENT = {"on the wire, not taken": False, "taken, not answered": True}
POINTS = (*IN_THE_WORKER, *AT_THE_RECIPIENT)


def die(marker: Path) -> None:
    """Once: whoever comes second goes on."""
    try:
        marker.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def armed(name: str, marker: Path) -> None:
    """Put the trap into this process; it is a child and is not used again."""
    if name not in IN_THE_WORKER:
        return
    owner, function, is_after = IN_THE_WORKER[name]
    kept = getattr(owner, function)

    def trapped(*args: Any, **kwargs: Any) -> Any:
        if not is_after:
            die(marker)
        try:
            return kept(*args, **kwargs)
        finally:  # whether it came back with an answer or with an error
            if is_after:
                die(marker)

    setattr(owner, function, trapped)


def killed_by_hand(marker: Path) -> Callable[[Request], None]:
    """The recipient's side: the worker whose sending this is dies now."""

    def kill(request: Request) -> None:
        if request.method == "POST" and request.path == "/filings" and marker.exists():
            victim = int(marker.read_text() or 0)
            if victim:
                marker.unlink()
                os.kill(victim, signal.SIGKILL)

    return kill


def send_in_child(filing: Filing, name: str, marker: Path) -> int:
    """One try in a process of its own, with the trap."""

    def work() -> None:
        if marker.exists():
            marker.write_text(str(os.getpid()))
        armed(name, marker)
        submission.send(filing.pk)

    return in_child(work)


@contextmanager
def traps(there: Regulator, name: str, marker: Path) -> Iterator[None]:
    """The traps on the recipient's side."""
    if name in AT_THE_RECIPIENT:
        side = "after" if AT_THE_RECIPIENT[name] else "before"
        setattr(there, side, killed_by_hand(marker))
    try:
        yield
    finally:
        there.before = there.after = nothing


def survives(stage: Stage, there: Regulator, name: str, answer: str) -> tuple[bool, bool, str]:
    """Whether the worker died there, whether it was accepted once, and how the filing ended."""
    marker = stage.folder / "marker"
    there.plan(each=(ANSWERS[answer],))
    with clock.held(now()) as held:
        filing = stage.filed(there.config)
        marker.touch()
        died = False
        with traps(there, name, marker):
            for _ in range(MOST_ROUNDS):
                died = send_in_child(filing, name, marker) == -signal.SIGKILL or died
                if fresh(filing).state in ENDED and not marker.exists():
                    break
                keepers_round(held)
        marker.unlink(missing_ok=True)
    return died, there.accepted(filing) == 1, str(fresh(filing).state)


def matrix(stage: Stage) -> Found:
    """Each point with each answer; in small, each point once and each answer at least twice."""
    cells = list(product(POINTS, ANSWERS))
    if stage.is_small:
        answers = list(ANSWERS)
        cells = [(point, answers[n % 5]) for n, point in enumerate(POINTS)]
    bad = []
    n_died = n_once = n_acknowledged = 0
    with stage.regulator() as there:
        for point, answer in cells:
            died, once, state = survives(stage, there, point, answer)
            n_died, n_once = n_died + died, n_once + once
            n_acknowledged += state == "acknowledged"
            if not (died and once and state == "acknowledged"):
                bad.append(f"{point} / {answer}: died={died} once={once} {state}")
    return Found(
        not bad,
        {
            "runs": len(cells),
            "killed": n_died,
            "accepted_exactly_once": n_once,
            "acknowledged": n_acknowledged,
            "bad": bad[:5],
        },
    )


assert len(POINTS) == 12
