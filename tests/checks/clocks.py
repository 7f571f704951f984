"""F01 to F04 and F12: counting, clocks that go wrong, and a schedule that hangs on no hour."""

from __future__ import annotations

import ast
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from compliance import clock
from compliance.audit import log
from compliance.clock import now
from compliance.models import ClockInstance
from compliance.regimes import cases, lint, load
from compliance.services import deadline, timekeeping
from incidents.models import Page
from incidents.services import incident, warning
from tests.checks.outcome import Found
from tests.checks.stage import Stage
from tests.incidents import cast

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ("assessments", "compliance", "config", "incidents")
# Whoever calls these asks for a wall clock's hour, somewhere.
LOCAL_CALLS = frozenset({"localtime", "localdate", "crontab", "today", "make_naive", "mktime"})
SCREENS = ("views", "templatetags", "forms", "documents", "wording", "demo", "calendar")


def seventy_two_hours(stage: Stage) -> Found:
    """F01: every change of clocks from 2026 to 2028 in eight zones; 259,200 s each time."""
    del stage
    walked = cases.elapsed()
    return Found(
        walked.zones >= 8 and walked.counted > 0 and not walked.wrong,
        {
            "zones": walked.zones,
            "changes": walked.changes,
            "counted": walked.counted,
            "wrong": len(walked.wrong),
        },
    )


def vectors(stage: Stage) -> Found:
    """F02: the reference's numbered cases and those inside the packs."""
    del stage
    rows = cases.rows()
    wrong = [f"{row.case} {row.what}" for row in rows if not row.is_equal]
    complaints = lint.complaints()
    inside = sum(len(pack.tests) + len(pack.standing_tests) for pack in load.regimes())
    return Found(
        bool(rows) and not wrong and not complaints,
        {
            "cases": len({row.case for row in rows}),
            "values": len(rows),
            "wrong": wrong,
            "cases_in_packs": inside,
            "complaints": len(complaints),
        },
    )


def _classified(stage: Stage, aware: datetime) -> list[ClockInstance]:
    stage.by("bo")
    opened = cast.opened(cast.watched()[0])
    incident.classify(
        opened,
        facts={"aware_at": aware.isoformat()},
        limbs=["cyber_breach"],
        serious=True,
        reasons="A check.",
        by=stage.by("rae"),
    )
    return list(ClockInstance.objects.filter(about_uuid=opened.uuid, replaced_by=None))


def skewed(stage: Stage) -> Found:
    """F03: this machine's clock is set wrong while the database's is right: banner, entry, dates.

    The machine's clock is handed in, since nobody may set the real one.
    """
    _classified(stage, now() - timedelta(hours=1))
    columns = ("pk", "target_due", "legal_latest", "state")
    before = list(ClockInstance.objects.order_by("pk").values_list(*columns))
    seen: dict[str, str] = {}
    slowest = 0.0
    for name, off in {
        "-1h": timedelta(hours=-1),
        "+1h": timedelta(hours=1),
        "+2y": timedelta(days=730),
    }.items():
        began = time.monotonic()
        wrong = [timedelta(0)]
        watch = timekeeping.Watch(wall=lambda wrong=wrong: datetime.now(UTC) + wrong[0])
        wrong[0] = off
        found = watch.look()
        is_right = abs(found - off) < timedelta(seconds=5) and _has_banner(stage)
        seen[name] = "seen" if is_right else f"missed ({found})"
        slowest = max(slowest, time.monotonic() - began)
        wrong[0] = timedelta(0)
        watch.look()
        if _has_banner(stage):
            seen[name] = "banner stays"
        deadline.tick(timekeeping.moment(), by=deadline.TIMEKEEPER)
    after = list(ClockInstance.objects.order_by("pk").values_list(*columns))
    entries = len(log.entries(actions=["clock.skew"]))
    # The keeper's round, then the age of what a web process believes, then the look itself.
    within = settings.STRATA_SWEEP_SECONDS + timekeeping.KEPT_SECONDS + slowest
    return Found(
        set(seen.values()) == {"seen"} and before == after and entries == 6 and within < 60,
        {
            **seen,
            "dates_moved": sum(one != other for one, other in zip(before, after, strict=True)),
            "entries": entries,
            "slowest_s": round(slowest, 2),
            "banner_within_s": round(within, 1),
        },
    )


def _has_banner(stage: Stage) -> bool:
    """Whether a page says so to somebody who is signed in."""
    stage.by("rae")
    browser = Client()
    browser.force_login(stage.people["rae"], backend=settings.AUTHENTICATION_BACKENDS[0])
    return 'id="skew"' in browser.get(reverse("compliance:duties")).content.decode()


def _every(task: str) -> int:
    return next((seconds for name, _, seconds in settings.STRATA_SCHEDULE if name == task), 0)


def stopped(stage: Stage) -> Found:
    """F04: everything stands still across three marks; after the start each is noted once."""
    with clock.held(now()) as held:
        clocks = _classified(stage, held.at)
        house = next(each for each in clocks if each.regime == "house-72h")
        warning.ring(held.at)
        held.pass_by(timedelta(hours=69))  # half, a day and four hours passed meanwhile
        began = time.monotonic()
        for _ in range(3):
            warning.ring(held.at)
        seconds = time.monotonic() - began
    house.refresh_from_db()
    noted = Counter(
        str(line.facts["mark"])
        for line in log.entries(objects=[house.uuid])
        if line.action == "clock.warn"
    )
    pages = Page.objects.filter(cause__startswith=house.ref)
    each_once = set(noted) == {"half", "a_day", "four_hours"} and set(noted.values()) == {1}
    aloud = {cause.rsplit(":", 1)[1] for cause in pages.values_list("cause", flat=True)}
    every = _every("incidents.ring_deadlines")
    return Found(
        each_once and len(aloud) >= 1 and every + seconds <= 30,
        {
            "noted": "/".join(f"{mark} {times}" for mark, times in noted.items()),
            "said_aloud": "/".join(sorted(aloud)),
            "pages": pages.count(),
            "round_s": every,
            "took_s": round(seconds, 2),
        },
    )


def schedule(stage: Stage) -> Found:
    """F12: the schedule counts seconds, and no work below the pages asks for a local hour."""
    del stage
    dated = [
        name
        for name, _, seconds in settings.STRATA_SCHEDULE
        if type(seconds) is not int or not 0 < seconds <= 3_600
    ]
    local = [] if settings.CELERY_TIMEZONE == "UTC" and settings.CELERY_ENABLE_UTC else ["celery"]
    local += [] if settings.USE_TZ and str(timezone.get_default_timezone()) == "UTC" else ["django"]
    found = [f"{path.relative_to(ROOT)}:{line}" for path in _work() for line in _local_hours(path)]
    return Found(
        not (dated or local or found),
        {
            "scheduled": len(settings.STRATA_SCHEDULE),
            "by_the_hour": dated,
            "not_utc": local,
            "files": len(list(_work())),
            "local_hours": found,
        },
    )


def _work() -> Iterator[Path]:
    for storey in HOUSE:
        for path in sorted((ROOT / storey).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" not in parts and not any(
                word in part for part in parts for word in SCREENS
            ):
                yield path


def _local_hours(path: Path) -> Iterator[int]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in LOCAL_CALLS:
                yield node.lineno
