"""Telemetry at the door: one durable row a request, against one row a span."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.frame import Row, answer, apart, house

TITLE = "Telemetry at the door"
ABOUT = """
Requests of 50 spans each, OTLP/JSON, one sender, SQLite with synchronous=FULL. Ours: the body is committed as one row
and the sender has its answer; judging comes later. Baseline: the request is decoded and every span is
committed as a row of its own before the answer, in one transaction a request.
"""
SECONDS = 6.0
SPANS = 50


def run() -> list[Row]:
    """Spans a second until the sender may forget them."""
    return [
        Row(
            "spans durable before the answer",
            apart("bench.ingest", "inbox"),
            apart("bench.ingest", "rows"),
            "a second",
        )
    ]


def inbox() -> float:
    """Through the real door."""
    deployment = _ready()
    from incidents.ingest import inbox as door

    return _timed(lambda body: door.accept(deployment, body, content_type="application/json"))


def rows() -> float:
    """Decode, stitch and insert first."""
    deployment = _ready()
    from django.db import transaction

    from compliance.clock import now
    from incidents.ingest import otlp, stitch, store

    def accept(body: bytes) -> None:
        at = now()
        decoded = otlp.decode(body, content_type="application/json", received_at=at)
        stitched = stitch.stitch(decoded.spans, received_at=at, deployment=deployment.key)
        with transaction.atomic():
            store.keep(deployment, stitched.records, received_at=at)

    return _timed(accept)


def _ready() -> Any:
    house()
    from tests import factories

    return factories.make_deployment()


def _timed(accept: Callable[[bytes], object]) -> float:
    from tests.incidents.cast import body, tool_call

    bodies = [
        body(
            *(tool_call(request * SPANS + at + 1, "search_docs") for at in range(SPANS)),
            key="bench",
        )
        for request in range(400)
    ]
    n_spans = 0
    began = time.monotonic()
    for each in bodies:
        accept(each)
        n_spans += SPANS
        if time.monotonic() - began > SECONDS:
            break
    return n_spans / (time.monotonic() - began)


CASES: dict[str, Callable[[], float]] = {"inbox": inbox, "rows": rows}

if __name__ == "__main__":
    answer(CASES)
