"""The whole suite, in three passes, bringing up what it needs (`make test`).

1. Everything but browser and walks, on SQLite and the filesystem broker, two at a time.
2. What touches the database once more, on a PostgreSQL and a Redis of its own.
3. The browser and the walks.

`python -m tests.run 2` runs only the second; words after `--` go to pytest. The last lines are
pytest's own closing lines, pass by pass.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.servers import PostgreSQL, Redis

ROOT = Path(__file__).resolve().parent.parent
COMMON = ("--durations=10", "--cov", "--cov-append", "--cov-report=")
QUIET = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Pass:
    """One run of pytest: what it is called, what it selects, whether it needs the servers."""

    title: str
    arguments: tuple[str, ...]
    with_servers: bool = False


PASSES = {
    "1": Pass(
        "SQLite and the filesystem broker",
        ("-n", "2", "-m", "not browser and not walk"),
    ),
    "2": Pass(
        "PostgreSQL and Redis",
        ("-n", "2", "-p", "tests.only_database", "-m", "not browser and not walk and not torch"),
        with_servers=True,
    ),
    # The browser beside the walks, which mostly wait; each of the two in one process, in its order.
    "3": Pass("Browser and walks", ("-n", "2", "--dist", "loadgroup", "-m", "browser or walk")),
}


@dataclass(frozen=True)
class Ran:
    """How a pass ended."""

    title: str
    code: int
    seconds: float
    closing: str


def run(one: Pass, extra: list[str]) -> Ran:
    """Run a pass; its output goes to the terminal as it comes."""
    print(f"\n== {one.title}", flush=True)
    began = time.monotonic()
    with ExitStack() as stack:
        env = {**os.environ, **QUIET}
        if one.with_servers:
            env["DATABASE_URL"] = stack.enter_context(PostgreSQL())
            env["CELERY_BROKER_URL"] = stack.enter_context(Redis())
        else:
            # What a person has in the environment must not decide what this pass runs on.
            env.pop("DATABASE_URL", None)
            env.pop("CELERY_BROKER_URL", None)
        code, closing = _pytest([*COMMON, *one.arguments, *extra], env)
    return Ran(one.title, code, time.monotonic() - began, closing)


def _pytest(arguments: list[str], env: dict[str, str]) -> tuple[int, str]:
    """Exit status and pytest's last line."""
    closing = "(pytest said nothing)"
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    with child:
        for line in child.stdout:
            print(line, end="", flush=True)
            if line.strip():
                closing = line.rstrip()
    return child.returncode, closing


def main(words: list[str]) -> int:
    """All passes, then coverage, then the closing lines."""
    chosen = [word for word in words if word in PASSES] or list(PASSES)
    extra = words[words.index("--") + 1 :] if "--" in words else []
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "erase"], cwd=ROOT, check=False)
    ran = [run(PASSES[key], extra) for key in chosen]
    print("\n== Coverage of all passes together", flush=True)
    subprocess.run([*coverage, "report"], cwd=ROOT, check=False)
    print(f"\n== {sum(one.seconds for one in ran):.0f} s in all")
    for one in ran:
        print(
            f"{one.title} ({one.seconds:.0f} s, {'passed' if one.code == 0 else f'exit {one.code}'}):"
        )
        print(one.closing)
    return max(one.code for one in ran)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
