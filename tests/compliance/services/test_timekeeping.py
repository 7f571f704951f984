"""Clocks that disagree are said once, watched past, and move no deadline."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from compliance.audit import log
from compliance.clock import host, now
from compliance.models import ClockInstance
from compliance.services import deadline, timekeeping
from tests.compliance.papers import house_clock, make_incident

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> Iterator[None]:
    yield
    timekeeping.forget()


class Hands:
    """Clocks that a test sets: the machine's, the database's, and the one nobody can set."""

    def __init__(self) -> None:
        self.began = host()
        self.machine = self.database = timedelta(0)
        self.passed = 0.0

    def watch(self) -> timekeeping.Watch:
        return timekeeping.Watch(
            read=lambda: host() + self.database,
            wall=lambda: self.began + self.machine + timedelta(seconds=self.passed),
            steady=lambda: self.passed,
        )


def said() -> list[log.Line]:
    return log.entries(actions=["clock.skew"])


def test_the_database_is_asked_for_its_time() -> None:
    assert abs(timekeeping.database_now() - host()) < timekeeping.MOST
    assert timekeeping.ahead() == timedelta(0)


def test_clocks_that_agree_say_nothing() -> None:
    Hands().watch().look()
    assert timekeeping.skew() is None
    assert said() == []


@pytest.mark.parametrize(
    "off", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=730)], ids=str
)
def test_a_database_that_disagrees_is_one_episode_with_an_end(off) -> None:
    hands = Hands()
    watch = hands.watch()
    hands.database = -off
    for _ in range(3):
        watch.look()
    found = timekeeping.skew()
    assert found is not None
    assert abs(found.seconds - off.total_seconds()) < 5
    assert abs(found.since - (host() - off)) < timekeeping.MOST, "by the clock that is right"
    assert found.is_database_right
    assert [line.after for line in said()] == ["apart"]
    hands.database = timedelta(0)
    watch.look()
    assert timekeeping.skew() is None
    assert [line.after for line in said()] == ["apart", "together"]


def test_a_database_that_moves_by_itself_does_not_put_the_machine_in_the_wrong() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.database = timedelta(hours=-1)
    watch.look()
    found = timekeeping.skew()
    assert found is not None
    assert not found.is_machine_wrong
    hands.database = timedelta(0)
    watch.look()
    hands.machine = timedelta(hours=1)
    watch.look()
    found = timekeeping.skew()
    assert found is not None
    assert found.is_machine_wrong
    assert found.is_database_right


def test_a_distance_that_grows_is_told_anew_and_began_when_it_began() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.database = timedelta(seconds=-6)
    watch.look()
    first = timekeeping.skew()
    hands.database = timedelta(seconds=-8)
    watch.look()
    assert timekeeping.skew() == first, "a little more is nothing new"
    hands.database = timedelta(hours=-1)
    watch.look()
    last = timekeeping.skew()
    assert first is not None
    assert last is not None
    assert (first.seconds, last.seconds) == (6, 3600)
    assert last.since == first.since
    assert [line.after for line in said()] == ["apart", "apart"]


def test_a_machine_whose_clock_jumps_is_found_out_without_any_other() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.passed = 60.0
    assert watch.look() == timedelta(0), "time that went by is no jump"
    hands.machine = timedelta(hours=-1)
    assert watch.look() == timedelta(hours=-1)
    found = timekeeping.skew()
    assert found is not None
    assert abs(found.since - (hands.began + timedelta(seconds=60))) < timekeeping.MOST


def test_a_database_that_jumped_along_is_no_witness() -> None:
    hands = Hands()
    watch = hands.watch()
    hands.machine = hands.database = timedelta(hours=1)
    watch.look()
    found = timekeeping.skew()
    assert found is not None
    assert not found.is_database_right


def test_a_process_looks_for_an_episode_at_most_every_ten_seconds(
    django_assert_num_queries,
) -> None:
    timekeeping.forget()
    at = [0.0]
    assert timekeeping.told(lambda: at[0]) is None
    at[0] = timekeeping.KEPT_SECONDS - 0.1
    with django_assert_num_queries(0):
        timekeeping.told(lambda: at[0])
    at[0] = timekeeping.KEPT_SECONDS
    with django_assert_num_queries(1):
        timekeeping.told(lambda: at[0])


def test_what_this_process_notes_it_tells_at_once() -> None:
    hands = Hands()
    watch = hands.watch()
    assert timekeeping.told() is None
    hands.database = timedelta(hours=-1)
    watch.look()
    assert timekeeping.told() is not None
    hands.database = timedelta(0)
    watch.look()
    assert timekeeping.told() is None


def test_deadlines_are_watched_by_the_database_and_none_is_moved(root) -> None:
    found = house_clock(make_incident(), by=root)
    due = found.target_due
    for off in (timedelta(hours=-1), timedelta(hours=1), timedelta(days=730)):
        at = timekeeping.moment(lambda off=off: host() - off)
        assert abs(at - (now() - off)) < timekeeping.MOST
    deadline.recount(deadline.About(found.about_kind, found.about_uuid), reason="again", by=root)
    assert ClockInstance.objects.get(replaced_by=None, regime="house-72h").target_due == due
