"""F10: one Idempotency-Key, fifty callers."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.test import Client

from compliance.ids import uuid7
from compliance.permissions import Permission
from compliance.services import account, idempotency
from compliance.services.idempotency import InFlight
from incidents.models import Incident
from tests.checks.outcome import Found
from tests.checks.stage import MAKER, Stage
from tests.incidents import cast

CALLERS = 50


def fifty(stage: Stage) -> Found:
    """Fifty at once with one key: one effect. Another body: 422. While the first works: 409."""
    stage.by("bo")
    deployment, _version = cast.watched()
    text = account.make_token(
        "checks", [Permission.INCIDENT_OPEN, Permission.EVENT_READ], by=MAKER
    )[1]
    headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "one"}
    body = {"deployment": deployment.key, "title": "Fifty at once", "severity": "sev2"}
    start = threading.Barrier(CALLERS)

    def call(_number: int) -> tuple[int, str, str]:
        try:
            start.wait(30)
            answer = Client().post("/api/v1/incidents", body, "application/json", headers=headers)
            return (
                answer.status_code,
                answer.headers.get("Retry-After", ""),
                answer.content.decode(),
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(call, range(CALLERS)))
    statuses = Counter(status for status, _, _ in answers)
    bodies = {content for status, _, content in answers if status == 201}
    told = all(after == "1" for status, after, _ in answers if status == 409)
    effects = Incident.objects.filter(title="Fifty at once").count()
    other = Client().post(
        "/api/v1/incidents", {**body, "title": "Other"}, "application/json", headers=headers
    )
    in_flight = _in_flight()
    holds = (
        effects == 1
        and len(bodies) == 1
        and set(statuses) <= {201, 409}
        and told
        and other.status_code == 422
        and in_flight
    )
    return Found(
        holds,
        {
            "calls": CALLERS,
            "effects": effects,
            "answered_201": statuses[201],
            "told_409_with_retry_after": statuses[409],
            "another_body": other.status_code,
            "in_flight_refused": in_flight,
        },
    )


def _in_flight() -> bool:
    """While one works, another connection is told to come back, and afterwards gets the answer."""
    caller, begun, go_on = uuid7(), threading.Event(), threading.Event()

    def slowly() -> dict[str, int]:
        begun.set()
        go_on.wait(10)
        return {"n": 1}

    def first() -> object:
        try:
            return idempotency.once(caller, "k", "a" * 64, slowly, status=201)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(first)
        begun.wait(10)
        idempotency._held.clear()  # as in another process: only the database's lock is left
        try:
            idempotency.once(caller, "k", "a" * 64, lambda: {"n": 2}, status=201)
            refused = False
        except InFlight:
            refused = True
        go_on.set()
        answer = working.result()
    later = idempotency.once(caller, "k", "a" * 64, lambda: {"n": 3}, status=201)
    return refused and later == answer
