import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compliance import clock, loopback
from compliance.egress import Egress, Policy
from compliance.loopback import Reply, Request
from incidents.targets.base import DeploymentTarget, OutcomeUnknown, TargetError
from incidents.targets.http import HttpTarget
from incidents.targets.local import LocalTarget

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)
BAD, GOOD = "b" * 64, "a" * 64


@pytest.fixture
def process(tmp_path: Path) -> LocalTarget:
    with clock.held(NOON):
        return LocalTarget.at(tmp_path / "target", serving=BAD)


@contextmanager
def target(
    process: LocalTarget, answer: Callable[[Request], Reply] | None = None, **policy: float
) -> Iterator[HttpTarget]:
    with loopback.serving(answer or process.answer) as base:
        allowed = frozenset({base.removeprefix("http://")})
        yield HttpTarget(base, process.token, Egress(Policy(allowed, loopback=True, **policy)))


def said(status: int = 200, **changes: object) -> Reply:
    whole = {
        "to": GOOD,
        "before": BAD,
        "at": "2026-08-02T12:00:00Z",
        "is_repeat": False,
        "digest": GOOD,
        "since": "2026-08-02T12:00:00Z",
    }
    return Reply(status, json.dumps(whole | changes).encode())


def test_a_target_says_what_it_serves_and_since_when(process):
    with target(process) as asked:
        serving = asked.serving()
    assert (serving.digest, serving.since) == (BAD, NOON)
    assert BAD.encode() in serving.raw


def test_a_switch_is_done_once_per_key_and_seen_by_asking(process):
    with target(process) as told:
        with clock.held(NOON):
            first, second = told.switch(GOOD, "k1"), told.switch(GOOD, "k1")
        assert told.serving().digest == GOOD
    assert (first.to, first.before, first.at, first.is_repeat) == (GOOD, BAD, NOON, False)
    assert (second.before, second.is_repeat) == (BAD, True)
    assert len(process.history) == 2


def test_a_target_that_is_stuck_promises_and_is_found_out_by_asking(tmp_path):
    process = LocalTarget.at(tmp_path, serving=BAD, is_stuck=True)
    with target(process) as told:
        assert told.switch(GOOD, "k1").to == GOOD
        assert told.serving().digest == BAD


def test_a_target_that_answers_too_late_may_have_switched_and_did(tmp_path):
    process = LocalTarget.at(tmp_path, serving=BAD, delay_seconds=1.2)
    with (
        target(process, total_seconds=0.8) as told,
        pytest.raises(OutcomeUnknown, match="ask what it serves"),
    ):
        told.switch(GOOD, "k1")
    with target(process) as asked:
        assert asked.serving().digest == GOOD


def test_a_target_that_is_away_switched_nothing(process):
    with target(process) as told:
        pass
    for ask in (told.serving, lambda: told.switch(GOOD, "k1")):
        with pytest.raises(TargetError) as caught:
            ask()
        assert not caught.value.permanent
        assert not isinstance(caught.value, OutcomeUnknown)


def test_a_target_that_is_not_allowed_is_never_called(process):
    with target(process) as told:
        closed = replace(told, egress=Egress(Policy(frozenset())))
        for ask in (closed.serving, lambda: closed.switch(GOOD, "k1")):
            with pytest.raises(TargetError) as caught:
                ask()
            assert caught.value.permanent
    assert len(process.history) == 1


def test_another_token_is_turned_away_for_good(process):
    with target(process) as told:
        stranger = replace(told, token="guess")
        for ask in (stranger.serving, lambda: stranger.switch(GOOD, "k1")):
            with pytest.raises(TargetError, match="401") as caught:
                ask()
            assert caught.value.permanent
    assert len(process.history) == 1
    assert process.token not in repr(told)


@pytest.mark.parametrize(
    ("status", "error", "permanent"),
    [
        (404, TargetError, True),
        (422, TargetError, True),
        (302, TargetError, True),
        (429, TargetError, False),
        (503, TargetError, False),
        (500, OutcomeUnknown, False),
        (504, OutcomeUnknown, False),
    ],
)
def test_a_status_says_whether_anything_was_switched(process, status, error, permanent):
    with (
        target(process, lambda _: Reply(status, b"no\x00pe")) as told,
        pytest.raises(TargetError, match=str(status)) as caught,
    ):
        told.switch(GOOD, "k1")
    assert type(caught.value) is error
    assert caught.value.permanent is permanent


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b""),
        Reply(200, b"[]"),
        Reply(200, b"[" * 100_000),
        said(to="latest"),
        said(to=BAD),
        said(before=None),
        said(at="2026-08-02T12:00:00"),
        said(at=7),
        said(is_repeat="no"),
    ],
)
def test_an_unclear_answer_to_a_switch_is_not_knowing(process, reply):
    with target(process, lambda _: reply) as told, pytest.raises(OutcomeUnknown):
        told.switch(GOOD, "k1")


@pytest.mark.parametrize(
    "reply",
    [Reply(200, b"ok"), said(digest="latest"), said(digest=GOOD.upper()), said(since=None)],
)
def test_an_unclear_answer_to_the_question_is_no_answer(process, reply):
    with (
        target(process, lambda _: reply) as asked,
        pytest.raises(TargetError, match="does not say what it serves") as caught,
    ):
        asked.serving()
    assert not caught.value.permanent


@pytest.mark.parametrize("to", ["", "latest", GOOD.upper(), GOOD + "\n", GOOD[:-1]])
def test_what_is_no_digest_is_never_asked_for(process, to):
    with target(process) as told, pytest.raises(TargetError, match="64 lower-case") as caught:
        told.switch(to, "k1")
    assert caught.value.permanent


def test_it_is_a_deployment_target(process):
    with target(process) as told:
        kept: DeploymentTarget = told
        assert kept.serving().digest == BAD
