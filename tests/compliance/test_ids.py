import os
import threading
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, uuid4

import pytest

from compliance import ids


def test_the_example_of_rfc_9562_tells_its_time():
    example = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert ids.timestamp_of(example) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_an_id_is_of_version_7_and_of_now():
    made = ids.uuid7()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert abs(ids.timestamp_of(made) - datetime.now(UTC)) < timedelta(seconds=5)


def test_ids_rise_in_the_order_they_were_made():
    made = [ids.uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert [str(each) for each in made] == sorted(str(each) for each in made)


def test_ids_made_by_threads_never_meet():
    made: list[list[UUID]] = [[] for _ in range(8)]

    def make(bucket: list[UUID]) -> None:
        bucket.extend(ids.uuid7() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(bucket,)) for bucket in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [each.int >> 64 for bucket in made for each in bucket]
    assert len(set(times)) == 16_000
    assert all(bucket == sorted(bucket) for bucket in made)


@pytest.mark.parametrize("second", [1_000_000_000, 999_000_000, 0])
def test_a_clock_that_stands_or_goes_back_does_not_break_the_order(second):
    ticks = ids.Ticks()
    assert ticks.next(1_000_000_000) < ticks.next(second) < ticks.next(second)


def test_a_child_process_is_not_locked_by_its_parents_thread():
    with ids._ticks.lock:
        child = os.fork()
        if child == 0:  # pragma: no cover  The child leaves no coverage behind.
            os._exit(0 if ids.uuid7().version == 7 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_id_without_time_is_refused():
    with pytest.raises(ValueError, match="version 4"):
        ids.timestamp_of(uuid4())
