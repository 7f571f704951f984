from datetime import UTC, datetime, timedelta, timezone

import pytest

from compliance import clock

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)


def test_now_is_an_instant_in_utc():
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC


def test_a_held_clock_stands_still_until_moved_and_then_is_released():
    with clock.held(NOON) as held:
        assert clock.now() == clock.now() == NOON
        held.pass_by(timedelta(hours=72))
        assert clock.now() == NOON + timedelta(hours=72)
    assert clock.now() != NOON


def test_blocks_nest():
    with clock.held(NOON):
        with clock.held(NOON + timedelta(days=1)):
            assert clock.now() == NOON + timedelta(days=1)
        assert clock.now() == NOON


def test_a_held_clock_is_released_by_an_error():
    with pytest.raises(RuntimeError), clock.held(NOON):
        raise RuntimeError
    assert clock.now() > NOON


def test_an_instant_is_written_in_utc_with_microseconds():
    cest = timezone(timedelta(hours=2))
    assert clock.stamp(datetime(2026, 8, 2, 14, tzinfo=cest)) == "2026-08-02T12:00:00.000000Z"


def test_a_time_without_zone_is_no_instant():
    with pytest.raises(ValueError, match="without one"):
        clock.stamp(datetime(2026, 8, 2, 12))  # noqa: DTZ001  That is the point.
