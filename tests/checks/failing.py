"""The sandbox failing in every way; down for three days; and a receipt that never comes."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from compliance import clock
from compliance.clock import now
from compliance.filing.sandbox.faults import Kind, Plan
from compliance.models import ClockInstance, Filing, Report
from compliance.services import filing_watch, report, submission
from incidents.models import Incident, Page
from incidents.services import filing_alarm, incident, knowledge, warning
from tests.checks.door import door
from tests.checks.outcome import Found
from tests.checks.stage import Stage, fresh, in_child, keepers_round, nothing
from tests.incidents import cast

MOST_ROUNDS = 12
SECONDS = {Kind.SLOW: 0.3, Kind.BUSY: 0.0, Kind.LIMITED: 0.0, Kind.CALLBACK: 0.2}
STEP = timedelta(minutes=15)


def every_way(stage: Stage) -> Found:
    """Each fault once: accepted once and acknowledged, or rejected and never accepted."""
    bad = []
    ends: dict[str, int] = {}
    with door() as callback, stage.regulator(callback=callback) as there:
        for kind in Kind:
            seconds = SECONDS.get(kind)
            there.plan(each=(kind.value if seconds is None else f"{kind.value}={seconds}",))
            with clock.held(now()) as held:
                filing = stage.filed(there.config)
                for _ in range(MOST_ROUNDS):
                    submission.send(filing.pk)
                    if fresh(filing).state in {"acknowledged", "rejected"}:
                        break
                    if fresh(filing).state == "awaiting":
                        time.sleep(0.5)  # the receipt comes by itself, in real time
                    keepers_round(held)
            state, times = str(fresh(filing).state), there.accepted(filing)
            ends[state] = ends.get(state, 0) + 1
            expected = ("rejected", 0) if kind is Kind.REJECTED else ("acknowledged", 1)
            if (state, times) != expected:
                bad.append(f"{kind}: {state}, accepted {times} times")
    return Found(not bad, {"ways": len(Kind), **ends, "bad": bad})


def down_for_three_days(stage: Stage) -> Found:
    """F06: down for 71 h 50 min of 72; filed before the deadline, and people called on the way."""
    with stage.regulator() as there, clock.held(now()) as held:
        # In small, somebody became aware 66 hours ago: the last six of them are played.
        aware = held.at - timedelta(hours=66 if stage.is_small else 0)
        found, due = _incident_with_report(stage, aware)
        there.sandbox.plan = Plan.of(is_down=True)
        filing = stage.filed(there.config, found)
        up_at = due - timedelta(minutes=10)
        _until(held, up_at, filing, due)
        there.sandbox.plan = Plan()
        _until(held, due, filing, due)
        ended: Filing = fresh(filing)
    marks = _marks(found, ended)
    wanted = {"four_hours", "failing", "receipt"}
    wanted |= set() if stage.is_small else {"half", "a_day"}
    in_time = ended.sent_at is not None and ended.sent_at < due
    holds = ended.state == "acknowledged" and in_time and wanted <= marks
    left = round((due - ended.sent_at).total_seconds()) if ended.sent_at else "none"
    return Found(
        holds,
        {
            "state": ended.state,
            "tries": ended.tries.count(),
            "seconds_left": left,
            "paged_at": "/".join(sorted(marks & wanted)),
            "accepted": there.accepted(ended),
        },
    )


def _incident_with_report(stage: Stage, at: datetime) -> tuple[Report, datetime]:
    """An incident of which somebody became aware this instant, with its approved 72-hour report."""
    opened = cast.opened(cast.watched()[0])
    stage.by("bo")
    incident.classify(
        opened,
        facts={"aware_at": at.isoformat()},
        limbs=["cyber_breach"],
        serious=True,
        reasons="A check.",
        by=stage.by("rae"),
    )
    drafted = Report.objects.filter(about_uuid=opened.uuid, regime="house-72h").earliest("pk")
    Report.objects.filter(pk=drafted.pk).update(is_simulation=True)
    drafted.is_simulation = True
    report.refill(drafted, knowledge.of(opened), by=stage.by("rae"))
    unknown = {"status": "unknown", "why": "a check"}
    report.revise(
        drafted, {each.id: unknown for each in report.missing(drafted)}, by=stage.by("rae")
    )
    standing = ClockInstance.objects.get(
        about_uuid=opened.uuid, regime="house-72h", replaced_by=None
    )
    if standing.target_due is None:
        raise AssertionError("the house's clock does not count")
    return stage.approve(fresh(drafted)), standing.target_due


def _until(held: clock.HeldClock, end: datetime, filing: Filing, due: datetime) -> None:
    """Time passes from one thing that is due to the next."""
    while held.at < end and fresh(filing).state != "acknowledged":
        submission.send(filing.pk)
        submission.reconcile_due()
        warning.ring(held.at)
        filing_alarm.ring()
        coming = fresh(filing).next_try_at or held.at + STEP
        held.at = min(end, max(held.at + timedelta(seconds=1), min(coming, held.at + STEP)))
    del due


def _marks(found: Report, filing: Filing) -> set[str]:
    """For which reasons somebody was called."""
    about = Incident.objects.get(uuid=found.about_uuid)
    causes = Page.objects.filter(incident=about).values_list("cause", flat=True)
    of_filing = {cause.split(":")[2] for cause in causes if cause.startswith(filing.ref)}
    return of_filing | {cause.split(":")[2] for cause in causes if cause.startswith("clock:")}


def no_receipt(stage: Stage) -> Found:
    """F11: taken in and never signed for; people hear of it within an hour."""
    with stage.regulator() as there, clock.held(now()) as held:
        there.plan(each=("callback=3600",))
        filing = stage.filed(there.config)
        submission.send(filing.pk)
        heard = []
        for minute in range(0, 91, 5):
            marks = filing_watch.marks_of(fresh(filing), held.at)
            if "receipt" in marks:
                heard.append(minute)
            held.pass_by(timedelta(minutes=5))
        state = fresh(filing).state
    first = heard[0] if heard else None
    return Found(
        first == 60 and state == "awaiting", {"state": state, "heard_after_minutes": first}
    )


def restarted(stage: Stage) -> Found:
    """The database is killed while workers send; afterwards every filing is there, accepted once."""
    n = 6 if stage.is_small else 40
    n_kills = 2 if stage.is_small else 6
    with stage.regulator() as there:
        filings = [stage.filed(there.config, made) for made in stage.crowd(n)]
        kills = set(range(1, n, max(1, n // n_kills)))
        done = [0]

        def kill_now(request: object) -> None:
            if getattr(request, "method", "") != "POST":
                return
            done[0] += 1
            if done[0] in kills:
                stage.database.restart()

        there.after = kill_now
        n_broken = sum(
            in_child(lambda filing=filing: submission.send(filing.pk)) != 0 for filing in filings
        )
        there.after = nothing
        with clock.held(now()) as held:
            for _ in range(MOST_ROUNDS):
                waiting = [each for each in filings if fresh(each).state != "acknowledged"]
                if not waiting:
                    break
                keepers_round(held)
                for filing in waiting:
                    submission.send(filing.pk)
        states = [fresh(filing).state for filing in filings]
        once = sum(there.accepted(filing) == 1 for filing in filings)
    lost = sum(state != "acknowledged" for state in states)
    return Found(
        lost == 0 and once == n and n_broken > 0,
        {
            "filings": n,
            "database_killed": len(kills),
            "workers_broken": n_broken,
            "accepted_exactly_once": once,
            "lost": lost,
        },
    )
