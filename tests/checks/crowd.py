"""Many filings at once, to a recipient that fails in every way, by workers that get every bell twice."""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from datetime import timedelta
from typing import Final

from django.db import close_old_connections, connections

from compliance import clock
from compliance.clock import now
from compliance.models import Filing, Report
from compliance.services import submission, sweep
from tests.checks.door import door
from tests.checks.outcome import Found
from tests.checks.stage import Stage

WORKERS: Final = 4
FAULTS: Final = (
    "503=0", "429=0", "500", "500-after", "drop", "drop-after", "malformed", "truncated",
    "duplicate", "slow=0.05", "callback=0.2", "rejected",
)  # fmt: skip
# One first sending in three meets a fault; where most fail, the breaker lets a few through at a time.
ROTATED: Final = tuple(each for fault in FAULTS for each in ("ok", "ok", fault))
MOST_ROUNDS: Final = 20


def thousand(stage: Stage) -> Found:
    """All are queued, then all are sent at once; afterwards each is accepted once, and none lost."""
    n = 60 if stage.is_small else stage.n_filings
    began = time.monotonic()
    with door() as callback, stage.regulator(callback=callback, seconds=10.0) as there:
        there.plan(rotate=ROTATED)
        filings = [stage.filed(there.config, made).pk for made in stage.crowd(n)]
        prepared = time.monotonic()
        with clock.held(now()) as held:
            for _ in range(MOST_ROUNDS):
                _all_at_once(_open(filings))
                if not _open(filings):
                    break
                held.pass_by(timedelta(minutes=20))
                sweep.take_back_lapsed()
                while submission.reconcile_due():
                    pass
        seconds = time.monotonic() - prepared
        accepted = Counter(each.about["filing"] for each in there.sandbox.filings())
    return _judged(filings, accepted, prepared - began, seconds)


def _open(filings: list[int]) -> list[int]:
    ended = ("acknowledged", "rejected")
    rows = Filing.objects.filter(pk__in=filings).exclude(state__in=ended)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _all_at_once(filings: list[int]) -> None:
    """Four processes; each has the bells of all that are open, in an order of its own."""
    connections.close_all()
    sys.stdout.flush()
    children = []
    for number in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            _work(filings, number)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def _work(filings: list[int], number: int) -> None:
    try:
        order = random.Random(number).sample(filings, len(filings))  # noqa: S311 - an order
        for pk in order:
            close_old_connections()
            submission.send(pk)
    except BaseException as error:  # noqa: BLE001 - said aloud; the parent counts
        sys.stderr.write(f"worker {number}: {type(error).__name__}: {error}\n")
    finally:
        os._exit(0)


def _judged(filings: list[int], accepted: Counter[str], preparing: float, seconds: float) -> Found:
    rows = list(Filing.objects.filter(pk__in=filings).select_related("report"))
    states = Counter(row.state for row in rows)
    rejected = {str(row.uuid) for row in rows if row.state == "rejected"}
    twice = sum(times > 1 for times in accepted.values())
    once = sum(accepted[str(row.uuid)] == 1 for row in rows if row.state == "acknowledged")
    lost = len(filings) - states["acknowledged"] - states["rejected"]
    receipts = sum(row.receipt_id is not None for row in rows if row.state == "acknowledged")
    reports = Report.objects.filter(filings__in=filings, state="acknowledged").count()
    wrongly = len(rejected & set(accepted))
    holds = (
        lost == twice == wrongly == 0
        and once == receipts == reports == states["acknowledged"] == len(accepted)
        and len(rejected) == len(range(ROTATED.index("rejected"), len(filings), len(ROTATED)))
    )
    tries = sum(row.tries.count() for row in rows)
    return Found(
        holds,
        {
            "filings": len(filings),
            "accepted_exactly_once": once,
            "accepted_twice": twice,
            "rejected_by_plan": len(rejected),
            "lost": lost,
            "attempts": tries,
            "preparing_s": round(preparing, 1),
            "sending_s": round(seconds, 1),
        },
    )
