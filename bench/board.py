"""The board of clocks with 100,000 open ones: a page at a time, against all of them at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bench.frame import Measured, Row, answer, apart, house

TITLE = "The board of clocks, 100,000 open"
ABOUT = """
SQLite, 100,000 open clocks of 1,000 incidents, a person who may see them all. Ours: the first page of
the board as the web server answers it, template and all. Baseline: every open clock is loaded with its
report and made into what the page shows of it, without a template; timed with 10,000 and divided by ten.
"""
OPEN, TIMED, INCIDENTS = 100_000, 10_000, 1_000
PAGES = 10
HOUR = 3_600
_told: dict[str, Measured] = {}


def run() -> list[Row]:
    """First pages an hour."""
    _told["ours"] = apart("bench.board", "pages")
    return [Row("first pages", _told["ours"], apart("bench.board", "all"), "an hour")]


def remarks() -> str:
    """Seconds and queries of a page."""
    ours = _told["ours"]
    return (
        f"A first page took {HOUR / ours.rate:.2f} s (the slowest {ours.more['slowest']:.2f} s) in"
        f" {ours.more['queries']:.0f} queries; with 50 clocks it takes"
        f" {ours.more['queries_few']:.0f}. The last page, which skips all before it, took"
        f" {ours.more['last']:.2f} s."
    )


def pages() -> tuple[float, dict[str, float]]:
    """Through the web's own door."""
    client = _client()
    _fill(50)
    _page(client)
    few = _queries(client)
    _fill(OPEN - 50)
    _page(client)
    took = [_seconds(client) for _ in range(PAGES)]
    last = _seconds(client, page=str(OPEN // 50))
    more = {
        "slowest": max(took),
        "queries": _queries(client),
        "queries_few": few,
        "last": last,
    }
    return PAGES / sum(took) * HOUR, more


def all_at_once() -> float:
    """Every open clock, as the board once did it."""
    client = _client()
    _fill(TIMED)
    del client
    from compliance import queries
    from compliance.models import User
    from compliance.services import account
    from compliance.views import duties

    who = account.actor_for(User.objects.get())
    began = time.perf_counter()
    duties.all_shown(queries.clocks_for(who).order_by("target_due"), who)
    return TIMED / OPEN / (time.perf_counter() - began) * HOUR


def _client() -> Any:
    house()
    from django.conf import settings
    from django.test import Client

    from compliance.actors import system
    from compliance.permissions import Role
    from compliance.services import account

    settings.ALLOWED_HOSTS = ["*"]
    person = account.make("bench@example.org", "Bench", [Role.FILING_OFFICER], by=system("bench"))
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def _fill(n: int) -> None:
    from compliance.clock import now
    from compliance.ids import uuid7
    from compliance.models import ClockInstance, Subject
    from compliance.regimes import load

    regime, at = load.get("eu-gdpr-33"), now()
    places = Subject.objects.bulk_create(
        [Subject(kind="incident", label=f"INC-2026-{each:04d}") for each in range(INCIDENTS)]
    )
    rows = (
        ClockInstance(
            subject=places[number % INCIDENTS],
            about_kind="incident",
            about_uuid=uuid7(),
            regime=regime.key,
            regime_version=regime.version,
            regime_sha256=regime.digest,
            regime_title=regime.title,
            stage="notification",
            state="running",
            zone="Europe/Berlin",
            started_at=at - timedelta(hours=10),
            strict=at + timedelta(seconds=30 * number + 3600),
            target_due=at + timedelta(seconds=30 * number + 3600),
            inputs_sha256="0" * 64,
            computed_at=at,
        )
        for number in range(n)
    )
    ClockInstance.objects.bulk_create(rows, batch_size=2_000)


def _page(client: Any, **asked: str) -> None:
    got = client.get("/duties/", asked, secure=False)
    assert got.status_code == 200, got.status_code


def _seconds(client: Any, **asked: str) -> float:
    began = time.perf_counter()
    _page(client, **asked)
    return time.perf_counter() - began


def _queries(client: Any) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        _page(client)
    return len(captured.captured_queries)


CASES: dict[str, Callable[[], float | tuple[float, dict[str, float]]]] = {
    "pages": pages,
    "all": all_at_once,
}

if __name__ == "__main__":
    answer(CASES)
