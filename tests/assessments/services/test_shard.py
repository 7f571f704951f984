import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from assessments.models import Scan, ScanShard
from assessments.scanner.contract import Progress, ScanFailed, Stage
from assessments.services import scan, shard
from compliance import clock, lease
from compliance.audit import log
from compliance.machines import TransitionRefused
from compliance.services import sweep
from tests.assessments.results import (
    READER,
    claim_shard,
    finish,
    plans,
    read,
    request_scan,
    split,
)
from tests.factories import make_version

PASSING = ScanFailed("the disk was away", permanent=False)
LASTING = ScanFailed("digest differs", permanent=True)
READING = Progress(Stage.READING, 2, 5, 310.0)


@pytest.fixture
def asked(db):
    return request_scan(make_version())


def later(seconds):
    return clock.held(clock.now() + timedelta(seconds=seconds))


def states(asked):
    return list(asked.shards.order_by("number").values_list("state", flat=True))


def state(asked):
    return Scan.objects.get(pk=asked.pk).state


def test_a_split_writes_every_shard_and_rings_for_each(asked, django_capture_on_commit_callbacks):
    claimed = scan.claim(asked.pk)
    with django_capture_on_commit_callbacks() as bells:
        done = scan.split(claimed, plans(2), reader_sha256=READER)
    assert (done.state, done.lease_until, len(bells)) == ("reading", None, 3)
    rows = asked.shards.order_by("number")
    assert [(row.what, row.n_tokens, row.n_total, row.state) for row in rows] == [
        ("coverage", 1000, 0, "queued"),
        ("prompts", 400, 5, "queued"),
        ("prompts", 400, 5, "queued"),
    ]
    said = log.entries(objects=[asked.uuid])[-1]
    assert (said.action, said.facts["n_shards"], said.facts["n_kept"]) == ("scan.split", 3, 0)


def test_only_one_worker_gets_a_shard_and_all_get_the_same_job(asked):
    split(asked)
    first, second = claim_shard(asked, 1), claim_shard(asked, 2)
    assert first.job == second.job
    assert first.plan == plans()[1]
    assert first.reader_sha256 == READER
    row = asked.shards.get(number=1)
    assert (row.worker, row.attempts) == (lease.me(), 1)
    assert shard.claim(row.pk, device="cpu") is None


def test_a_worker_with_another_device_leaves_a_shard_alone(asked):
    split(asked)
    pk = asked.shards.get(number=1).pk
    assert shard.claim(pk, device="cuda") is None
    assert ScanShard.objects.get(pk=pk).attempts == 0


def test_a_beat_writes_progress_and_prolongs_the_lease(asked):
    split(asked)
    claimed = claim_shard(asked, 1)
    assert shard.beat(claimed, Progress(Stage.LOADING, 0, 1), seconds=1.0)
    assert asked.shards.get(number=1).n_total == 5, "loading is not counted in prompts"
    at = clock.now() + timedelta(seconds=50)
    with clock.held(at):
        assert shard.beat(claimed, READING, seconds=9.0)
    row = asked.shards.get(number=1)
    assert (row.stage, row.n_done, row.n_total, row.tokens_per_second) == ("reading", 2, 5, 310.0)
    assert (row.device_seconds, row.lease_until) == (9.0, at + timedelta(seconds=60))


def test_a_beat_without_progress_says_only_that_the_worker_lives(asked):
    split(asked)
    claimed = claim_shard(asked, 1)
    shard.beat(claimed, READING, seconds=9.0)
    assert shard.beat(claimed)
    row = asked.shards.get(number=1)
    assert (row.n_done, row.device_seconds) == (2, 9.0)


def test_the_last_shard_asks_for_the_parts_to_be_put_together(
    asked, django_capture_on_commit_callbacks
):
    split(asked)
    for number, n_bells in ((2, 0), (0, 0), (1, 1)):
        assert state(asked) == "reading"
        claimed = claim_shard(asked, number)
        with django_capture_on_commit_callbacks() as bells:
            shard.finish(claimed, shard.pack({"number": number}), seconds=2.0)
        assert len(bells) == n_bells
    assert state(asked) == "read"
    assert shard.parts(asked.pk) == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_floats_of_a_part_survive_exactly():
    floats = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 2 / 3]
    kept = shard.unpack(shard.pack({"floats": floats}))["floats"]
    assert [each.hex() for each in kept] == [each.hex() for each in floats]


@pytest.mark.parametrize("n", [6])
def test_of_many_workers_that_end_at_once_exactly_one_sees_the_last(committing, n):
    asked = request_scan(make_version())
    split(asked, n - 1)
    claimed = [claim_shard(asked, number) for number in range(n)]
    together, broke = threading.Barrier(n), []

    def end(mine):
        together.wait()
        try:
            shard.finish(mine, shard.pack({"number": mine.number}), seconds=1.0)
        except (TransitionRefused, DatabaseError) as error:
            broke.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=end, args=(mine,)) for mine in claimed]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert broke == []
    assert state(asked) == "read"
    said = [line.action for line in log.entries(objects=[asked.uuid])]
    assert said.count("scan.collect") == 1


def test_a_shard_whose_worker_died_is_read_by_another_and_the_dead_ones_part_counts_for_nothing(
    asked,
):
    split(asked)
    dead = claim_shard(asked, 1)
    shard.beat(dead, READING, seconds=30.0)
    with later(61):
        assert sweep.take_back_lapsed() == 1
        assert not shard.beat(dead, READING, seconds=62.0)
        living = claim_shard(asked, 1)
        with pytest.raises(TransitionRefused):
            shard.finish(dead, shard.pack({"number": 1}), seconds=62.0)
        shard.finish(living, shard.pack({"number": 1}), seconds=5.0)
        with pytest.raises(TransitionRefused):
            shard.finish(dead, shard.pack({"number": 1}), seconds=63.0)
    row = asked.shards.get(number=1)
    assert (row.state, row.attempts, row.device_seconds) == ("done", 2, 35.0)
    actions = [line.action for line in log.entries(objects=[row.uuid])]
    assert actions == ["shard.requeue", "shard.finish"]


def test_what_may_pass_is_tried_again_later_and_in_the_end_fails_the_scan(asked):
    split(asked)
    with clock.held(clock.now()) as time:
        for tries in (1, 2):
            row = shard.fail(claim_shard(asked, 1), PASSING, seconds=3.0)
            assert (row.state, row.attempts) == ("queued", tries)
            assert row.next_try_at == clock.now() + timedelta(seconds=5 * 2 ** (tries - 1))
            assert shard.claim(row.pk, device="cpu") is None, "not before its time"
            time.pass_by(timedelta(seconds=20))
        row = shard.fail(claim_shard(asked, 1), PASSING, seconds=3.0)
    assert (row.state, row.device_seconds) == ("failed", 9.0)
    failed = Scan.objects.get(pk=asked.pk)
    assert (failed.state, failed.problem) == ("failed", "the disk was away")
    assert failed.ended_at is not None


def test_a_failure_for_good_fails_the_scan_and_stops_the_others(asked):
    split(asked)
    other = claim_shard(asked, 2)
    shard.fail(claim_shard(asked, 1), LASTING)
    assert states(asked) == ["stopped", "failed", "stopped"]
    assert Scan.objects.get(pk=asked.pk).problem == "digest differs"
    assert not shard.beat(other, READING)
    with pytest.raises(TransitionRefused):
        shard.finish(other, shard.pack({}), seconds=1.0)
    with pytest.raises(TransitionRefused):
        shard.fail(other, PASSING)


def test_cancel_reaches_running_shards_at_their_next_beat(asked, bo, as_actor):
    split(asked)
    shard.finish(claim_shard(asked, 0), shard.pack({}), seconds=1.0)
    running = claim_shard(asked, 1)
    assert shard.beat(running, READING)
    scan.cancel(Scan.objects.get(pk=asked.pk), by=as_actor(bo))
    assert not shard.beat(running, READING)
    assert not shard.beat(running)
    assert states(asked) == ["done", "stopped", "stopped"]
    assert shard.claim(asked.shards.get(number=2).pk, device="cpu") is None
    assert bytes(asked.shards.get(number=0).part) == b""


def failed_after_one(asked):
    """A scan that failed with its coverage read and one shard untouched."""
    split(asked)
    shard.finish(claim_shard(asked, 0), shard.pack({"number": 0}), seconds=7.0)
    shard.fail(claim_shard(asked, 1), LASTING, seconds=2.0)
    return Scan.objects.get(pk=asked.pk)


def test_trying_again_keeps_what_was_read(asked, bo, as_actor):
    failed = failed_after_one(asked)
    assert scan.retry(failed, by=as_actor(bo)).state == "queued"
    split(asked)
    assert states(asked) == ["done", "queued", "queued"]
    said = log.entries(objects=[asked.uuid])[-1]
    assert (said.action, said.facts["n_kept"]) == ("scan.split", 1)
    kept, fresh = asked.shards.get(number=0), asked.shards.get(number=1)
    assert (kept.attempts, fresh.attempts, fresh.device_seconds) == (1, 0, 2.0)
    read(asked)
    assert shard.parts(asked.pk) == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_what_was_read_in_another_way_is_read_again(asked, bo, as_actor):
    scan.retry(failed_after_one(asked), by=as_actor(bo))
    split(asked, reader_sha256="8" * 64)
    assert states(asked) == ["queued", "queued", "queued"]
    assert shard.claim(asked.shards.get(number=0).pk, device="cpu").reader_sha256 == "8" * 64


def test_a_scan_that_is_split_otherwise_keeps_only_what_is_the_same(asked, bo, as_actor):
    scan.retry(failed_after_one(asked), by=as_actor(bo))
    changed = plans(1)
    changed[0] |= {"n_tokens": 999}
    scan.split(scan.claim(asked.pk), changed, reader_sha256=READER)
    assert states(asked) == ["queued", "queued"]


def test_when_nothing_is_left_to_read_the_parts_are_put_together_again(asked, bo, as_actor):
    split(asked)
    read(asked)
    failed = scan.fail(scan.claim_merge(asked.pk), LASTING)
    assert failed.state == "failed"
    scan.retry(failed, by=as_actor(bo))
    assert split(asked).state == "read"
    assert scan.claim_merge(asked.pk).attempts == 1


def test_a_late_worker_of_an_earlier_try_writes_nothing(asked, bo, as_actor):
    split(asked)
    late = claim_shard(asked, 2)
    shard.fail(claim_shard(asked, 1), LASTING)
    scan.retry(Scan.objects.get(pk=asked.pk), by=as_actor(bo))
    split(asked)
    assert not shard.beat(late, READING)
    with pytest.raises(TransitionRefused, match="begun anew"):
        shard.finish(late, shard.pack({}), seconds=1.0)
    assert states(asked) == ["queued", "queued", "queued"]


def test_a_shard_that_kills_its_workers_is_given_up_and_fails_the_scan(asked):
    split(asked)
    with clock.held(clock.now()) as time:
        for _ in range(ScanShard.MOST_ATTEMPTS):
            claim_shard(asked, 1)
            time.pass_by(timedelta(seconds=61))
            sweep.take_back_lapsed()
        assert states(asked) == ["queued", "failed", "queued"]
        assert shard.fail_with_given_up() == 1
        assert shard.fail_with_given_up() == 0
    failed = Scan.objects.get(pk=asked.pk)
    assert failed.state == "failed"
    assert "Shard 1 ended its worker 3 times" in failed.problem
    assert states(asked) == ["stopped", "failed", "stopped"]


def test_the_keeper_rings_for_shards_and_for_what_is_to_be_put_together(
    asked, django_capture_on_commit_callbacks
):
    for prepare, n_bells in (
        (lambda: None, 1),
        (lambda: split(asked, 20), ScanShard.MOST_BELLS),
        (lambda: read(asked), 1),
    ):
        prepare()
        with django_capture_on_commit_callbacks() as bells:
            assert sweep.ring_waiting() == n_bells
        assert len(bells) == n_bells
    scan.claim_merge(asked.pk)
    with later(61):
        assert sweep.take_back_lapsed() == 1
    assert state(asked) == "read"


def test_a_scan_that_is_over_is_left_in_peace(asked):
    finish(asked)
    assert sweep.ring_waiting() == sweep.take_back_lapsed() == shard.fail_with_given_up() == 0
