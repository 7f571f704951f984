"""When warnings are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from compliance.models import ClockInstance
from compliance.services import marks

BEGUN = datetime(2027, 3, 1, tzinfo=UTC)


def counting(hours: float) -> ClockInstance:
    return ClockInstance(started_at=BEGUN, target_due=BEGUN + timedelta(hours=hours))


def test_marks_come_in_the_order_of_time() -> None:
    assert [mark.name for mark in marks.of(counting(72))] == [
        "half", "a_day", "four_hours", "overdue",
    ]  # fmt: skip
    assert [mark.name for mark in marks.of(counting(30))] == [
        "a_day", "half", "four_hours", "overdue",
    ]  # fmt: skip


def test_a_short_clock_has_no_mark_longer_than_itself() -> None:
    clock = counting(10)
    assert marks.passed(clock, BEGUN + timedelta(hours=1)) == []
    assert marks.passed(clock, BEGUN + timedelta(hours=11)) == ["half", "four_hours", "overdue"]


def test_the_next_mark_is_the_first_that_is_to_come() -> None:
    clock = counting(72)
    assert marks.next_at(clock, BEGUN) == BEGUN + timedelta(hours=36)
    assert marks.next_at(clock, BEGUN + timedelta(hours=36)) == BEGUN + timedelta(hours=48)
    assert marks.next_at(clock, BEGUN + timedelta(hours=72)) is None


def test_without_a_date_there_is_nothing_to_warn_of() -> None:
    assert marks.of(ClockInstance(started_at=BEGUN)) == []
    assert marks.next_at(ClockInstance(), BEGUN) is None
