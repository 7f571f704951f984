"""A scan is shared by real workers; one is killed in the middle, and nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from config.processes import House, Process, free_port
from tests.scanner.conftest import model_folder, sae, sae_folder
from tests.walks.conftest import BASE, arrange, manage

pytestmark = [pytest.mark.walk, pytest.mark.torch, pytest.mark.xdist_group("walks")]
__all__ = ["model_folder", "sae", "sae_folder"]
PATIENCE = 120.0
RUNNING = """SELECT number FROM assessments_scanshard
             WHERE state = 'running' AND number > 0 AND lease_owner LIKE ?"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A database and a keeper; nobody needs pages here, and workers come with the tests."""
    env = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "STRATA_SWEEP_SECONDS": "1",
        "STRATA_SCAN_LEASE_SECONDS": "5",
        "DATABASE_URL": "",
        "CELERY_BROKER_URL": "",
        "OMP_NUM_THREADS": "1",
    }
    var = tmp_path_factory.mktemp("shards")
    with House(base=BASE, var=var, port=free_port(), env=env) as made:
        manage(made, "migrate", "--verbosity", "0")
        made.keeper()
        yield made
        for process in made.processes:
            # Nobody waits for four workers to say goodbye.
            assert process.child is not None
            process.child.kill()


@pytest.fixture(scope="module")
def asked(house: House, model_folder: Path, sae_folder: Path) -> dict[str, Any]:
    """The uuid of a scan that was asked for, and what one process finds alone."""
    folders = {"model_folder": str(model_folder), "sae_folder": str(sae_folder)}
    found: dict[str, Any] = arrange(house, "scan_asked", **folders)
    return found


def rows(house: House, query: str, *values: str) -> list[Any]:
    """What stands in the house's database now."""
    address = f"file:{house.var / 'strata.sqlite3'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=20)) as database:
        return database.execute(query, values).fetchall()


def until(true: Callable[[], Any]) -> Any:
    """Wait for other processes."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, f"nothing within {PATIENCE:.0f} s"
        time.sleep(0.02)
    return found


def wait_for_end(house: House, uuid: str) -> None:
    """Until the scan is over, which it is well."""
    query = "SELECT state, problem FROM assessments_scan WHERE uuid = ?"
    over = {"done", "failed", "cancelled"}
    said = until(lambda: [row for row in rows(house, query, hexed(uuid)) if row[0] in over])
    assert said == [("done", "")]


def hexed(uuid: str) -> str:
    """As SQLite keeps it."""
    return uuid.replace("-", "")


def kill_in_the_middle(house: House, worker: Process) -> int:
    """Kill a worker while it reads a shard that is not its first; which."""
    assert worker.child is not None
    pid = worker.child.pid
    while True:
        until(lambda: rows(house, RUNNING, f"%:{pid}"))
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.1)
        # Standing still, it cannot end the shard between our look and the blow.
        if held := rows(house, RUNNING, f"%:{pid}"):
            os.kill(pid, signal.SIGKILL)
            worker.child.wait()
            return int(held[0][0])
        os.kill(pid, signal.SIGCONT)


def test_a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    house: House, asked: dict[str, Any]
) -> None:
    number = kill_in_the_middle(house, house.scan_worker())
    assert house.restart_dead() == ["scans"]
    wait_for_end(house, asked["uuid"])
    tries = dict(rows(house, "SELECT number, attempts FROM assessments_scanshard"))
    assert (tries[0], tries[number] > 1) == (1, True), "what was read stays, the rest is read again"
    outcome = arrange(house, "scan_outcome", uuid=asked["uuid"])
    assert outcome["found"] == asked["alone"]
    assert outcome["log"]["shard.requeue"] >= 1
    assert outcome["log"]["shard.finish"] == len(tries) >= 5
    assert outcome["n_evidence"] == 2


def test_four_workers_find_what_one_finds(house: House, asked: dict[str, Any]) -> None:
    workers = [each for each in house.processes if each.name.startswith("scans") and each.is_alive]
    workers += [house.scan_worker(name=f"more-scans-{n}") for n in range(4 - len(workers))]
    pids = {str(each.child.pid) for each in workers if each.child}
    beats = "SELECT name FROM compliance_workerbeat WHERE what = 'worker: scans'"
    until(lambda: pids <= {name.rpartition(":")[2] for (name,) in rows(house, beats)})
    again = str(arrange(house, "scan_asked_again", uuid=asked["uuid"]))
    wait_for_end(house, again)
    outcome = arrange(house, "scan_outcome", uuid=again)
    assert outcome["found"] == asked["alone"]
    readers = """SELECT DISTINCT worker FROM assessments_scanshard
                 JOIN assessments_scan ON assessments_scan.id = scan_id
                 WHERE assessments_scan.uuid = ?"""
    assert len(rows(house, readers, hexed(again))) > 1
