"""The peers write their autoencoders once a session, in a process of their own."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-peers/bin/python"
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "SPARSIFY_DISABLE_TRITON": "1",
    "WANDB_MODE": "disabled",
    "WANDB_ERROR_REPORTING": "false",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="session")
def written(tmp_path_factory, worker_id) -> Path:
    """The folder that `write.py` filled; several test processes share one."""
    if worker_id == "master":
        return _written(tmp_path_factory.mktemp("peers") / "cases")
    shared = tmp_path_factory.getbasetemp().parent / "peers"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return shared if shared.exists() else _written(shared)


def _written(folder: Path) -> Path:
    if not PYTHON.exists():
        pytest.fail("The peers' packages are not here: run `make peers`.", pytrace=False)
    unfinished = folder.with_suffix(".unfinished")
    done = subprocess.run(
        [str(PYTHON), str(Path(__file__).with_name("write.py")), str(unfinished)],
        env={"PATH": os.environ["PATH"], "HOME": str(folder.parent), **QUIET},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"The peers could not write:\n{done.stderr[-3000:]}", pytrace=False)
    return unfinished.rename(folder)
