"""The record: entries in a tree that one process grows, against a chain that every writer extends."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.frame import Measured, Row, answer, apart, house

TITLE = "The record under concurrent writers"
ABOUT = """
Sixteen writers on PostgreSQL (or one on SQLite) each commit transactions that do 5 ms of work, make an entry, and do
5 ms more. Ours: the entry waits unsequenced; one sequencer beside the writers grows the Merkle
tree and signs; the clock stops when the last entry is under a signed checkpoint. Baseline: the
same entry, and in the same transaction the head of a hash chain is locked, extended and written,
without any signature.
"""
SECONDS = 8.0
WRITERS = {"postgres": 16, "sqlite": 1}
HALF_OF_THE_WORK = 0.005


def run() -> list[Row]:
    """Both databases."""
    many = Row(
        "entries, 16 writers, PostgreSQL",
        _on_postgres("tree-postgres"),
        _on_postgres("chain-postgres"),
        "a second",
    )
    alone = Row(
        "entries, one writer, SQLite",
        apart("bench.log", "tree-sqlite"),
        apart("bench.log", "chain-sqlite"),
        "a second",
    )
    return [many, alone]


def _on_postgres(case: str) -> Measured:
    """On a cluster of its own, without fsync: what is compared is waiting for each other."""
    from tests.servers import PostgreSQL

    with PostgreSQL() as url:
        return apart("bench.log", case, {"DATABASE_URL": url})


def tree(kind: str) -> float:
    """Entries a second until all of them are signed for."""
    thing = _ready()
    from compliance.audit import sequencer

    over = threading.Event()

    def keep() -> None:
        while not over.is_set() or sequencer.n_waiting():
            if not sequencer.sequence():
                time.sleep(0.05)

    keeper = threading.Thread(target=_closing(keep))
    keeper.start()
    began = time.monotonic()
    n_entries = _write(kind, lambda: _entry(thing))
    over.set()
    keeper.join()
    return n_entries / (time.monotonic() - began)


def chain(kind: str) -> float:
    """Entries a second with the head of a chain in every transaction."""
    thing = _ready()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS bench_head (id integer PRIMARY KEY, hash varchar(64))"
        )
        cursor.execute("DELETE FROM bench_head")
        cursor.execute("INSERT INTO bench_head VALUES (1, %s)", ["0" * 64])
    lock = "SELECT hash FROM bench_head WHERE id = 1" + (
        " FOR UPDATE" if kind == "postgres" else ""
    )

    def extend() -> None:
        uuid = _entry(thing)
        with connection.cursor() as cursor:
            cursor.execute(lock)
            (head,) = cursor.fetchone()
            grown = hashlib.sha256(f"{head}{uuid}".encode()).hexdigest()
            cursor.execute("UPDATE bench_head SET hash = %s WHERE id = 1", [grown])

    began = time.monotonic()
    n_entries = _write(kind, extend)
    return n_entries / (time.monotonic() - began)


def _ready() -> Any:
    house()
    from compliance.actors import system
    from compliance.services import registry

    return registry.register_entity("Bench", "DE", by=system("bench"))


def _entry(thing: Any) -> object:
    from compliance.actors import system
    from compliance.audit.log import record

    return record(
        "entity.register", thing, by=system("bench"), words={"name": "Bench"}, country="DE"
    )


def _write(kind: str, entry: Callable[[], object]) -> int:
    """All writers for a while; how many transactions they committed."""
    from django.db import transaction

    until = time.monotonic() + SECONDS
    counts: list[int] = []

    def write() -> None:
        n_done = 0
        while time.monotonic() < until:
            with transaction.atomic():
                time.sleep(HALF_OF_THE_WORK)
                entry()
                time.sleep(HALF_OF_THE_WORK)
            n_done += 1
        counts.append(n_done)

    writers = [threading.Thread(target=_closing(write)) for _ in range(WRITERS[kind])]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return sum(counts)


def _closing(work: Callable[[], None]) -> Callable[[], None]:
    """A thread's own connection ends with the thread."""

    def closed() -> None:
        from django.db import connection

        try:
            work()
        finally:
            connection.close()

    return closed


CASES: dict[str, Callable[[], float]] = {
    "tree-postgres": lambda: tree("postgres"),
    "chain-postgres": lambda: chain("postgres"),
    "tree-sqlite": lambda: tree("sqlite"),
    "chain-sqlite": lambda: chain("sqlite"),
}

if __name__ == "__main__":
    answer(CASES)
