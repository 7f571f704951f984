"""Every clock judged again, and the round that rings, against loops over rows."""

from __future__ import annotations

import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.frame import Measured, Row, answer, apart, house

TITLE = "Clocks: judging all of them again, and ringing the due ones"
CLOCKS = int(os.environ.get("BENCH_CLOCKS", "1000000"))
NAIVE = min(int(os.environ.get("BENCH_NAIVE", "10000")), CLOCKS)
ABOUT = f"""
{CLOCKS:,} clocks that stand, of incidents under the regimes of four kinds of organisation (AI Act
and GDPR; a signatory of the Code; finance; critical infrastructure with products), awareness spread over
two years, on SQLite. One clock in 5,000 says something wrong, as after a corrected calendar.

*Judged again.* Ours: rows are read in bulk, facts parsed once an incident and dated by the engine's
way without words, and what differs is computed in full, with its row, trace and log entry. Once in one
process, once in two that share the rows. Baseline: the same rules row by row through the ORM in one
process (fetch the clock, its submissions, `engine.evaluate`, compare, save what differs, without log
or history), timed on {NAIVE:,} clocks; its rate is taken to hold for all.

*Rung.* One round of the sweep with 100 marks that have come. Ours asks the index for them. Baseline: every
counting clock is loaded and its marks compared with the time, timed on {NAIVE:,} and scaled.
"""
AT = datetime(2029, 1, 1, 12, tzinfo=UTC)
ONE_WRONG_IN = 5_000
DUE = 100
ROUNDS = 20
TRUE_OF: tuple[tuple[str, ...], ...] = (
    ("provider", "annex_iii", "personal_data_breach", "controller", "eu_personal_data",
     "uk_personal_data"),
    ("provider", "annex_iii", "gpai_systemic_risk_provider", "code_signatory"),
    ("provider", "annex_iii", "financial_entity", "major_ict_incident"),
    ("nis2_entity_in_scope", "significant_incident", "product_manufacturer",
     "actively_exploited_vulnerability", "severe_product_incident"),
)  # fmt: skip
ALWAYS = ("serious_incident", "eu_market")
PLACES = (("Europe/Berlin", "DE"), ("Europe/Paris", "FR"), ("Europe/Lisbon", "PT"))
LIMBS = ("death", "health", "rights", "critical_infrastructure", "cyber_breach")


def run() -> list[Row]:
    """One database for all, filled once; with BENCH_VAR in that folder, and kept for the next time."""
    with tempfile.TemporaryDirectory(prefix="strata-bench-clocks-") as made:
        var = os.environ.get("BENCH_VAR", made)
        env = {"STRATA_VAR": var}
        if not (Path(var) / "strata.sqlite3").exists():
            apart("bench.deadlines", "fill", env)
        apart("bench.deadlines", "spoil", env)
        naive = apart("bench.deadlines", "naive", env)
        alone = apart("bench.deadlines", "all", env)
        apart("bench.deadlines", "spoil", env)
        both = _together(env)
        rows = [
            Row("judged again, one process", alone, naive, "clocks a second"),
            Row("judged again, two processes", both, naive, "clocks a second"),
        ]
        apart("bench.deadlines", "due", env)
        ringing = apart("bench.deadlines", "ring", env)
        scanning = apart("bench.deadlines", "scan", env)
        rows.append(Row("rounds that look for what is due", ringing, scanning, "an hour"))
    _SAID.append(_spoken(alone, both, naive, ringing, scanning))
    return rows


_SAID: list[str] = []


def remarks() -> str:
    """The same in seconds, for whoever asks how long it takes."""
    return _SAID[-1]


def _spoken(
    alone: Measured, both: Measured, naive: Measured, ringing: Measured, scanning: Measured
) -> str:
    return (
        f"All {CLOCKS:,} clocks: {CLOCKS / both.rate:.1f} s in two processes, {CLOCKS / alone.rate:.1f} s"
        f" in one, {CLOCKS / naive.rate:,.0f} s row by row; of the processor, {both.more['cpu']:.1f} s,"
        f" {alone.more['cpu']:.1f} s and {naive.more['cpu'] * CLOCKS / NAIVE:,.0f} s. Changed and written in full:"
        f" {both.more['changed']:.0f} incidents in two processes, {alone.more['changed']:.0f} in one."
        f" One look for what is due: {3_600_000 / ringing.rate:,.1f} ms against"
        f" {3_600_000 / scanning.rate:,.0f} ms."
    )


def _together(env: dict[str, str]) -> Measured:
    """Both halves at the same time; the slower one says how long it took."""
    found: dict[str, Measured] = {}

    def half(case: str) -> None:
        found[case] = apart("bench.deadlines", case, env)

    halves = [threading.Thread(target=half, args=(case,)) for case in ("half-0", "half-1")]
    for each in halves:
        each.start()
    for each in halves:
        each.join()
    slowest = max(each.more["seconds"] for each in found.values())
    n_judged = sum(each.more["judged"] for each in found.values())
    more = {name: sum(each.more[name] for each in found.values()) for name in ("changed", "cpu")}
    return Measured(n_judged / slowest, sum(each.rss for each in found.values()), more)


def fill() -> float:
    """Clocks of incidents, dated by the engine; as many as were asked for.

    Of each kind of organisation one incident is written as the product does it; the others are
    copies of its rows with a moment, facts and dates of their own.
    """
    house()
    from django.db import connection, transaction

    from compliance.services import subject

    place = subject.make("incident", "Bench")
    chance = random.Random(7)  # noqa: S311 - the same clocks in every run
    kinds = [_Kind(names, zone, place, chance) for names in TRUE_OF for zone in PLACES]
    n_made = sum(len(kind.rows) for kind in kinds)
    began = time.monotonic()
    marks = ", ".join(["%s"] * len(kinds[0].names_of_columns))
    names = ", ".join(kinds[0].names_of_columns)
    insert = f"INSERT INTO compliance_clockinstance ({names}) VALUES ({marks})"
    while n_made < CLOCKS:
        batch: list[list[Any]] = []
        while len(batch) < 20_000 and n_made + len(batch) < CLOCKS:
            batch += chance.choice(kinds).copies(chance)[: CLOCKS - n_made - len(batch)]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(insert, batch)
        n_made += len(batch)
    return n_made / (time.monotonic() - began)


class _Kind:
    """One kind of organisation in one place: its rows, and its regimes ready to date others."""

    def __init__(
        self, names: tuple[str, ...], place: tuple[str, str], subject: Any, chance: random.Random
    ) -> None:
        from django.db import connection

        from compliance.ids import uuid7
        from compliance.models import ClockInstance
        from compliance.regimes import load
        from compliance.regimes.fast import Plan
        from compliance.services import deadline

        self.names, self.place = names, place
        about = deadline.About("incident", uuid7())
        facts = self.facts(chance)
        made = deadline.compute(subject, about, facts, by=deadline.TIMEKEEPER, at=AT)
        versions = {clock.regime: clock.regime_version for clock in made}
        self.plans = {
            key: Plan(load.get(f"{key}@{version}"), AT, assume_scope=False)
            for key, version in versions.items()
        }
        fields = ClockInstance._meta.concrete_fields  # noqa: SLF001 - how Django tells the columns
        self.names_of_columns = [str(field.column) for field in fields if field.column != "id"]
        self.at = {name: place for place, name in enumerate(self.names_of_columns)}
        with connection.cursor() as cursor:
            columns = ", ".join(self.names_of_columns)
            cursor.execute(
                f"SELECT {columns} FROM compliance_clockinstance"
                " WHERE about_uuid = %s AND replaced_by_id IS NULL ORDER BY id",
                [about.uuid.hex],
            )
            self.rows = [list(row) for row in cursor.fetchall()]

    def facts(self, chance: random.Random) -> Any:
        """An incident of this kind at a moment within two years."""
        from compliance.regimes.facts import Facts
        from compliance.regimes.outcome import zulu
        from compliance.regimes.vocabulary import PREDICATES

        aware = datetime(2027, 12, 10, tzinfo=UTC) + timedelta(
            minutes=chance.randrange(2 * 365 * 24 * 60)
        )
        known = ("aware_at", "model_involvement_aware_at", "classified_at", "reasonable_belief_at")
        return Facts.from_json(
            {
                **dict.fromkeys(known, zulu(aware)),
                **{name: name in (*self.names, *ALWAYS) for name in PREDICATES},
                "limbs": [chance.choice(LIMBS)],
                "recipient_zone": self.place[0],
                "calendar": self.place[1],
            }
        )

    def copies(self, chance: random.Random) -> list[list[Any]]:
        """The rows of a further incident of this kind."""
        from compliance.ids import uuid7
        from compliance.services.judging import Basis

        facts, about, at = self.facts(chance), uuid7().hex, self.at
        kept = json.dumps(Basis(facts).as_json())
        dated = {
            (key, str(each.id)): each
            for key, plan in self.plans.items()
            for each in plan.dates(facts)
        }
        found = []
        for row in self.rows:
            columns = list(row)
            dates = dated[row[at["regime"]], row[at["stage"]]]
            columns[at["uuid"]], columns[at["about_uuid"]] = uuid7().hex, about
            columns[at["state"]], columns[at["facts"]] = str(dates.state), kept
            for name in ("strict", "nominal", "legal_latest", "target_due"):
                columns[at[name]] = _stored(getattr(dates, name))
            columns[at["next_mark_at"]] = _stored(AT + timedelta(days=1))
            found.append(columns)
        return found


def _stored(moment: datetime | None) -> str | None:
    """An instant as SQLite keeps it."""
    return None if moment is None else str(moment.astimezone(UTC).replace(tzinfo=None))


def spoil() -> float:
    """One clock in so many says a wrong target, an hour off."""
    house()
    from django.db.models import F

    from compliance.models import ClockInstance

    dated = ClockInstance.objects.filter(replaced_by=None, target_due__isnull=False)
    wrong = list(dated.order_by("pk").values_list("pk", flat=True)[::ONE_WRONG_IN])
    rows = ClockInstance.objects.filter(pk__in=wrong)
    return float(rows.update(target_due=F("target_due") + timedelta(hours=1), inputs_sha256="?"))


def everything(part: int = 0, parts: int = 1) -> tuple[float, dict[str, float]]:
    """Ours."""
    house()
    from compliance.services import deadline, recomputing

    began, cpu = time.monotonic(), time.process_time()
    done = recomputing.everything(
        reason="bench", by=deadline.TIMEKEEPER, at=AT, part=part, parts=parts
    )
    took, spent = time.monotonic() - began, time.process_time() - cpu
    more = {"changed": done.changed, "judged": done.judged, "seconds": took, "cpu": spent}
    return done.judged / took, more


def naive() -> tuple[float, dict[str, float]]:
    """The baseline: the same rules, a row at a time."""
    house()
    from compliance.models import ClockInstance, Filing
    from compliance.regimes import engine, load
    from compliance.regimes.facts import Facts

    pks = list(ClockInstance.objects.order_by("pk").values_list("pk", flat=True)[:NAIVE])
    began, cpu = time.monotonic(), time.process_time()
    for pk in pks:
        clock = ClockInstance.objects.get(pk=pk)
        facts = Facts.from_json(clock.facts)
        list(Filing.objects.filter(report__about_uuid=clock.about_uuid, state="acknowledged"))
        regime = load.get(f"{clock.regime}@{clock.regime_version}")
        found = engine.evaluate(regime, facts, AT).stage(clock.stage)
        if (clock.state, clock.target_due) != (str(found.state), found.target_due):
            clock.state, clock.target_due = str(found.state), found.target_due
            clock.strict, clock.nominal = found.strict, found.nominal
            clock.legal_latest = found.legal_latest
            clock.save()
    return len(pks) / (time.monotonic() - began), {"cpu": time.process_time() - cpu}


def due() -> float:
    """Some marks have come."""
    house()
    from compliance.models import ClockInstance

    come = ClockInstance.objects.filter(replaced_by=None, next_mark_at__lte=AT)
    come.update(next_mark_at=AT + timedelta(days=1))
    running = ClockInstance.objects.filter(replaced_by=None, state="running")
    some = list(running.order_by("pk").values_list("pk", flat=True)[:DUE])
    return float(ClockInstance.objects.filter(pk__in=some).update(next_mark_at=AT))


def ring() -> float:
    """Rounds an hour that find the marks that have come."""
    house()
    from compliance.services import deadline

    began = time.monotonic()
    for _ in range(ROUNDS):
        found = list(deadline.to_look_at(AT))
        if len(found) != DUE:
            raise RuntimeError(f"expected {DUE} clocks with a mark that has come, got {len(found)}")
    return 3600 * ROUNDS / (time.monotonic() - began)


def scan() -> float:
    """The baseline: every counting clock is loaded to see whether its mark has come."""
    house()
    from compliance.models import ClockInstance
    from compliance.services import marks

    counting = ("running", "overdue", "overdue_immediate")
    rows = ClockInstance.objects.filter(replaced_by=None, state__in=counting)
    n_all = rows.count()
    began = time.monotonic()
    n_read = sum(bool(marks.passed(clock, AT)) or True for clock in rows.order_by("pk")[:NAIVE])
    return 3600 / ((time.monotonic() - began) / n_read * n_all)


CASES: dict[str, Callable[[], float | tuple[float, dict[str, float]]]] = {
    "fill": fill,
    "spoil": spoil,
    "all": everything,
    "half-0": lambda: everything(0, 2),
    "half-1": lambda: everything(1, 2),
    "naive": naive,
    "due": due,
    "ring": ring,
    "scan": scan,
}

if __name__ == "__main__":
    answer(CASES)
