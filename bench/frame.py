"""What every benchmark shares: a row, a case in a process of its own, and the table at the end.

A benchmark is a module here with `TITLE`, `ABOUT`, `CASES` (name to function giving a rate) and
`run() -> list[Row]`; with `remarks() -> str` it may say more under its table. Each case runs in a
fresh process, so that its memory is its own and nothing is warm that the other side had to warm.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Measured:
    """One case: how much a second, and the process's peak memory in MiB."""

    rate: float
    rss: float
    more: dict[str, float] = field(default_factory=dict)
    """Whatever else the case found worth telling."""


@dataclass(frozen=True)
class Row:
    """Ours beside the baseline, both measured now, in the same unit (more is better)."""

    what: str
    ours: Measured
    baseline: Measured
    unit: str
    ratios: tuple[float, ...] = ()
    """Of each round, where cases were run in turns; their spread is printed."""

    @property
    def ratio(self) -> float:
        """How many times the baseline."""
        return self.ours.rate / self.baseline.rate

    def cells(self) -> tuple[str, ...]:
        """As the table prints it."""
        return (
            self.what,
            f"{self.ours.rate:,.0f}",
            f"{self.baseline.rate:,.0f}",
            self.unit,
            f"{self.ratio:.2f}" + self._spread(),
            f"{self.ours.rss:.0f} / {self.baseline.rss:.0f}",
        )

    def _spread(self) -> str:
        return f" ({min(self.ratios):.2f} to {max(self.ratios):.2f})" if self.ratios else ""


HEADS = ("What", "Ours", "Baseline", "Unit", "Ratio", "Peak MiB, ours / baseline")


def apart(
    module: str, case: str, env: Mapping[str, str] | None = None, *, python: str = sys.executable
) -> Measured:
    """Run one case of a benchmark in a process of its own, on a var folder of its own."""
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as var:
        done = subprocess.run(
            [python, "-m", module, case],
            cwd=ROOT,
            env={**os.environ, "STRATA_VAR": var, "HF_HUB_OFFLINE": "1", **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(
            f"{module} {case} ended with code {done.returncode}:\n{done.stderr[-3000:]}"
        )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


@dataclass(frozen=True)
class Side:
    """One of several that are measured in turns: a case of a module, and who runs it."""

    module: str
    case: str
    python: str = sys.executable


def in_turns(
    sides: Mapping[str, Side], rounds: int, env: Mapping[str, str]
) -> dict[str, list[Measured]]:
    """Every side once a round, each in a process of its own that was made ready beforehand.

    What else the machine does falls on all sides alike. A side's case comes from `serve`.
    """
    running = {name: _Running(side, env) for name, side in sides.items()}
    try:
        for _ in range(rounds):
            for each in running.values():
                each.once()
        return {name: each.ended() for name, each in running.items()}
    finally:
        for each in running.values():
            each.stop()


class _Running:
    """A side's process, which does one pass for each line that it is sent."""

    def __init__(self, side: Side, env: Mapping[str, str]) -> None:
        self.passes: list[dict[str, float]] = []
        self.side = side
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # Closed by `stop`.
        self.child = subprocess.Popen(
            [side.python, "-m", side.module, side.case],
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self._told("ready")

    def once(self) -> None:
        """One pass."""
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        self.passes.append(self._told("rate"))

    def ended(self) -> list[Measured]:
        """Every pass, with the process's peak memory."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        rss = self._told("rss")["rss"]
        return [Measured(each["rate"], rss, {"cpu": each["cpu"]}) for each in self.passes]

    def stop(self) -> None:
        """Nothing is left running."""
        self.child.kill()
        self.child.wait()
        self.errors.close()

    def _told(self, key: str) -> dict[str, float]:
        """The next thing the process says of `key`; what its libraries print is passed over."""
        assert self.child.stdout is not None
        for line in self.child.stdout:
            if line.startswith(f'{{"{key}":'):
                said: dict[str, float] = json.loads(line)
                return said
        self.errors.seek(0)
        raise RuntimeError(
            f"{self.side} ended without a word of {key}:\n{self.errors.read()[-3000:]}"
        )


def serve(cases: Mapping[str, Callable[[], tuple[Callable[[], object], float]]]) -> None:
    """The other end of `in_turns`: make a case ready, then one pass for each line that comes.

    A case gives what is done in a pass, and how much that is.
    """
    once, amount = cases[sys.argv[1]]()
    once()
    print(json.dumps({"ready": 1}), flush=True)
    for _ in sys.stdin:
        began, cpu = time.perf_counter(), time.process_time()
        once()
        took, spent = time.perf_counter() - began, time.process_time() - cpu
        print(json.dumps({"rate": amount / took, "cpu": amount / spent}), flush=True)
    print(
        json.dumps({"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True
    )


def middle(measured: Sequence[Measured]) -> Measured:
    """The median rate, by the clock and by processor time, with the peak memory."""
    return Measured(
        statistics.median(each.rate for each in measured),
        max(each.rss for each in measured),
        {"cpu": statistics.median(each.more["cpu"] for each in measured)},
    )


def beside(what: str, unit: str, ours: Sequence[Measured], baseline: Sequence[Measured]) -> Row:
    """A row of what was measured in turns."""
    ratios = tuple(a.rate / b.rate for a, b in zip(ours, baseline, strict=True))
    return Row(what, middle(ours), middle(baseline), unit, ratios)


def answer(cases: Mapping[str, Callable[[], float | tuple[float, dict[str, float]]]]) -> None:
    """The other end of `apart`: run the case that was asked for and print what came of it."""
    found = cases[sys.argv[1]]()
    rate, more = found if isinstance(found, tuple) else (found, {})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": rate, "rss": peak, "more": more}))


def house() -> None:
    """Django, set up on this process's own folder, with its tables."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def device() -> str:
    """What this ran on, in words."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or "unknown processor",
    )
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def table(rows: list[Row]) -> str:
    """Markdown, readable as it is."""
    lines = [HEADS, *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEADS))]
    drawn = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(drawn)
