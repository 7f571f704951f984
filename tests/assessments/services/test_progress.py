from decimal import Decimal

import pytest

from assessments.models import Scan, ScanShard
from assessments.services import progress
from config.env import Price


def piece(state="queued", what="prompts", *, n_done=0, seconds=0.0, speed=None, **more):
    total = 0 if what == "coverage" and state == "queued" else 10
    return ScanShard(
        what=what, state=state, n_tokens=1000, n_done=n_done, n_total=total,
        device_seconds=seconds, tokens_per_second=speed, **more,
    )  # fmt: skip


def of(*shards, state="reading"):
    return progress.of(Scan(state=state), shards)


def test_prompts_are_counted_and_what_an_earlier_try_read_is_not():
    found = of(
        piece("done", n_done=10), piece("running", n_done=4), piece("queued", n_done=7),
        piece("done", "coverage", n_done=10),
    )  # fmt: skip
    assert (found.n_done, found.n_total) == (14, 30)


def test_speed_is_that_of_all_who_read_now():
    found = of(
        piece("running", speed=300.0), piece("running", speed=20.0), piece("done", speed=9.0)
    )
    assert found.tokens_per_second == 320.0


def test_the_rest_goes_as_fast_as_what_was_read_and_is_shared_among_those_who_read():
    found = of(
        piece("done", seconds=10.0),
        piece("running", n_done=5, seconds=5.0),
        piece("running", n_done=5, seconds=5.0),
        piece(),
    )  # fmt: skip
    # 2,000 tokens in 20 s; 2,000 are left.
    assert (found.device_seconds, found.device_seconds_expected) == (20.0, 40.0)
    assert found.seconds_left == 10.0


def test_lost_tries_cost_too():
    assert of(piece("done", seconds=10.0), piece(seconds=30.0)).device_seconds == 40.0


@pytest.mark.parametrize(
    "shards",
    [
        [],
        [piece(), piece()],
        [piece("running", seconds=3.0), piece()],
        [piece("running", "coverage", seconds=3.0)],
    ],
)
def test_what_cannot_be_known_is_not_guessed(shards):
    found = of(*shards)
    assert found.seconds_left is found.device_seconds_expected is None


def test_without_a_worker_there_is_no_time_left_to_tell():
    found = of(piece("done", seconds=10.0), piece())
    assert (found.seconds_left, found.device_seconds_expected) == (None, 20.0)


def test_in_the_end_everything_is_known():
    found = of(piece("done", seconds=10.0), piece("done", seconds=6.0), state="done")
    assert found.device_seconds == found.device_seconds_expected == 16.0
    assert found.stage == ""


@pytest.mark.parametrize(
    ("state", "stages", "told"),
    [
        ("queued", [], ""),
        ("running", [], "loading"),
        ("reading", [], ""),
        ("reading", [""], "loading"),
        ("reading", ["loading", "coverage"], "coverage"),
        ("reading", ["coverage", "reading", "loading"], "reading"),
        ("read", [], ""),
        ("merging", [], "testing"),
    ],
)
def test_the_stage_is_that_of_the_furthest(state, stages, told):
    assert of(*(piece("running", stage=stage) for stage in stages), state=state).stage == told


def test_money_is_told_only_where_a_price_is_set(settings):
    found = of(piece("done", seconds=1800.0), piece())
    settings.STRATA_SCAN_COST_PER_HOUR = None
    assert found.cost() is None
    settings.STRATA_SCAN_COST_PER_HOUR = Price(Decimal("2.49"), "EUR")
    assert found.cost() == (Decimal("1.25"), Decimal("2.49"), "EUR")
    assert of(piece("running", seconds=3.0)).cost() == (Decimal("0.01"), None, "EUR")
