"""A bounded run of the scorecard's checks, on a PostgreSQL of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What takes longest, or is the suite's in other words, is run by hand: F05b, F05c, F06.
KEYS = ("F01", "F02", "F03", "F04", "F05", "F05d", "F07", "F08", "F09", "F10", "F11", "F12")


@pytest.fixture(scope="module")
def printed() -> str:
    """What the runner prints; it is a program, with an environment of its own."""
    mine = {
        name: said
        for name, said in os.environ.items()
        if not name.startswith(("STRATA_", "CELERY_", "DATABASE_", "PYTEST"))
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.checks", "--small", *KEYS],
        cwd=ROOT,
        env=mine,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return f"{ran.stdout}\n{ran.stderr[-4000:]}"


@pytest.mark.postgres
@pytest.mark.parametrize("key", KEYS)
def test_the_check_passes(printed: str, key: str) -> None:
    lines = [line for line in printed.splitlines() if line.startswith(f"{key} ")]
    assert [line.split()[1] for line in lines] == ["PASS"], printed
