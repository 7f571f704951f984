import math
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.filing import backoff

# ruff: noqa: S311  Draws that can be repeated, not secrets.

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SPANS = st.timedeltas(min_value=timedelta(seconds=8), max_value=timedelta(days=90))


def longest(low: float, high: float) -> float:
    return high


@given(failures=st.integers(1, 10_000), remaining=SPANS, seed=st.integers())
def test_a_wait_is_never_longer_than_an_eighth_of_what_is_left(failures, remaining, seed):
    wait = backoff.delay(failures, remaining=remaining, draw=Random(seed).uniform)
    assert timedelta(0) <= wait <= min(remaining / 8, timedelta(minutes=15))


def test_each_failure_doubles_the_span_up_to_the_cap():
    spans = [backoff.delay(n, remaining=None, draw=longest).total_seconds() for n in range(1, 11)]
    assert spans == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_ten_thousand_draws_are_spread_evenly_over_the_span():
    """Kolmogorov and Smirnov's distance from the even distribution, at p = 0.01."""
    draw, span = Random(7).uniform, backoff.cap(HOUR).total_seconds()
    waits = sorted(
        backoff.delay(30, remaining=HOUR, draw=draw).total_seconds() / span for _ in range(10_000)
    )
    distance = max(
        max(abs(wait - n / 10_000), abs(wait - (n + 1) / 10_000)) for n, wait in enumerate(waits)
    )
    assert distance < 1.628 / math.sqrt(10_000)


@given(asked=st.floats(0, 1e9), remaining=SPANS, seed=st.integers())
def test_a_recipient_is_heeded_but_cannot_put_us_off_past_the_deadline(asked, remaining, seed):
    wait = backoff.delay(3, remaining=remaining, asked_seconds=asked, draw=Random(seed).uniform)
    assert wait < remaining
    assert wait >= min(timedelta(seconds=min(asked, 3_600)), remaining / 2) - timedelta(seconds=1)


def test_retry_after_is_kept_and_jittered_on_top():
    wait = backoff.delay(1, remaining=None, asked_seconds=120, draw=longest)
    assert wait == timedelta(seconds=125)


def test_trying_goes_on_until_the_deadline_and_after_it():
    at, tries, end = timedelta(0), 0, 72 * HOUR
    while at < end:
        tries += 1
        last, at = at, at + backoff.delay(tries, remaining=end - at, draw=longest)
    assert end - last < timedelta(seconds=8)
    assert 288 < tries < 500
    assert backoff.cap(timedelta(seconds=-1)) == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("failures", "trying", "remaining", "whole", "needed"),
    [
        (0, HOUR, HOUR, 72 * HOUR, False),
        (1, MINUTE, 60 * HOUR, 72 * HOUR, False),
        (2, 9 * MINUTE, None, None, False),
        (3, MINUTE, 60 * HOUR, 72 * HOUR, True),
        (1, 10 * MINUTE, 60 * HOUR, 72 * HOUR, True),
        (1, MINUTE, 17 * HOUR, 72 * HOUR, True),
        (1, MINUTE, -HOUR, 72 * HOUR, True),
    ],
)
def test_people_hear_of_it_in_time(failures, trying, remaining, whole, needed):
    said = backoff.needs_people(failures, trying=trying, remaining=remaining, whole=whole)
    assert said is needed
