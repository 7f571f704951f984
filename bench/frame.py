"""What every benchmark shares: a row, a case in a process of its own, and the table at the end.

A benchmark is a module here with `TITLE`, `ABOUT`, `CASES` (name to function giving a rate) and
`run() -> list[Row]`. Each case runs in a fresh process, so that its memory is its own and nothing
is warm that the other side had to warm.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Measured:
    """One case: how much a second, and the process's peak memory in MiB."""

    rate: float
    rss: float


@dataclass(frozen=True)
class Row:
    """Ours beside the baseline, both measured now, in the same unit (more is better)."""

    what: str
    ours: Measured
    baseline: Measured
    unit: str

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
            f"{self.ratio:.2f}",
            f"{self.ours.rss:.0f} / {self.baseline.rss:.0f}",
        )


HEADS = ("What", "Ours", "Baseline", "Unit", "Ratio", "Peak MiB, ours / baseline")


def apart(module: str, case: str, env: Mapping[str, str] | None = None) -> Measured:
    """Run one case of a benchmark in a process of its own, on a var folder of its own."""
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as var:
        done = subprocess.run(
            [sys.executable, "-m", module, case],
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


def answer(cases: Mapping[str, Callable[[], float]]) -> None:
    """The other end of `apart`: run the case that was asked for and print what came of it."""
    rate = cases[sys.argv[1]]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": rate, "rss": peak}))


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
