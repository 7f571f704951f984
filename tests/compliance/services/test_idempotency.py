"""One key, one effect, however many ask at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection

from compliance.ids import uuid7
from compliance.models import IdempotencyKey
from compliance.services import idempotency
from compliance.services.idempotency import InFlight, KeyReused

CALLER = uuid7()


def ask(work: Any, key: str = "k", sha256: str = "a" * 64) -> Any:
    return idempotency.once(CALLER, key, sha256, work, status=201)


@pytest.mark.django_db
def test_a_repeat_is_answered_from_memory_and_another_body_refused() -> None:
    assert ask(lambda: {"n": 1}) == (201, {"n": 1})
    assert ask(lambda: {"n": 2}) == (201, {"n": 1})
    with pytest.raises(KeyReused):
        ask(lambda: {"n": 3}, sha256="b" * 64)


@pytest.mark.django_db
def test_what_failed_may_be_asked_again() -> None:
    def fails() -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(fails)
    assert ask(lambda: {"n": 2}) == (201, {"n": 2})


def test_while_the_first_call_works_others_are_told_to_come_back(committing) -> None:
    begun, go_on = Event(), Event()

    def slowly() -> dict[str, Any]:
        begun.set()
        assert go_on.wait(10)
        return {"n": 1}

    def first() -> Any:
        try:
            return ask(slowly)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(first)
        assert begun.wait(10)
        with pytest.raises(InFlight) as told:
            ask(lambda: {"n": 2})
        assert told.value.retry_after_seconds == 1
        go_on.set()
        assert answer.result() == (201, {"n": 1})
    assert ask(lambda: {"n": 3}) == (201, {"n": 1})
    assert IdempotencyKey.objects.filter(caller=CALLER).count() == 1
