"""The keeper: lost bells ring again, lapsed leases come back, poison is stopped aloud."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from compliance import clock, lease
from compliance.actors import system
from compliance.audit import log
from compliance.models import Notice, Schedule, WorkerBeat
from compliance.services import notice, subject, sweep

pytestmark = pytest.mark.django_db
MAKER = system("tests")


@pytest.fixture
def row(db):
    place = subject.make("incident", "Leak")
    return notice.queue(place, channel="null", to="x", title="t", body="b", by=MAKER)


def claim(row):
    return lease.claim(Notice, row.pk, waiting="queued", running="sending")


def later(seconds):
    return clock.held(clock.now() + timedelta(seconds=seconds))


@pytest.mark.parametrize("model", sweep.kinds_of_work(), ids=lambda model: model.__name__)
def test_every_kind_of_work_can_be_taken_back_and_given_up(model):
    moves = model.MACHINE.moves
    for leg in model.legs():
        assert (leg.running, "requeue") in moves
        assert (leg.running, "give_up") in moves
        assert (leg.waiting, "give_up") in moves
        assert moves[leg.running, "give_up"].to not in {leg.waiting, leg.running}
        assert moves[leg.running, "requeue"].to != leg.running


def test_a_lost_bell_rings_again(row, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as bells:
        assert sweep.ring_waiting() == 1
    assert len(bells) == 1


def test_what_is_not_due_stays_quiet(row):
    Notice.objects.filter(pk=row.pk).update(next_try_at=clock.now() + timedelta(minutes=1))
    assert sweep.ring_waiting() == 0
    with later(61):
        assert sweep.ring_waiting() == 1


def test_running_work_with_a_living_lease_is_left_alone(row):
    claim(row)
    assert sweep.ring_waiting() == 0
    assert sweep.take_back_lapsed() == 0


def test_a_dead_workers_work_comes_back_and_its_late_answer_counts_for_nothing(row):
    dead = claim(row)
    with later(61):
        assert sweep.take_back_lapsed() == 1
        row.refresh_from_db()
        assert (row.state, row.lease_owner) == ("queued", "")
        assert not lease.beat(dead)
        notice.send(row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("shown_only", 2)
    said = [line for line in log.entries(objects=[row.uuid]) if line.action == "notice.requeue"]
    assert [line.actor_label for line in said] == ["keeper"]


def test_work_that_kills_its_worker_every_time_is_given_up(row):
    for _ in range(Notice.MOST_ATTEMPTS):
        assert claim(row) is not None
        with later(61):
            sweep.take_back_lapsed()
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", Notice.MOST_ATTEMPTS)
    with later(120):
        assert sweep.ring_waiting() == sweep.take_back_lapsed() == 0
    assert log.entries(objects=[row.uuid])[-1].action == "notice.give_up"


def test_waiting_work_at_the_end_of_its_tries_is_given_up_aloud(row):
    Notice.objects.filter(pk=row.pk).update(attempts=Notice.MOST_ATTEMPTS)
    assert sweep.ring_waiting() == 0
    row.refresh_from_db()
    assert row.state == "failed"


def test_the_schedule_is_what_the_settings_say(settings):
    settings.STRATA_SCHEDULE = [("a", "default", 60), ("b", "scan", 10)]
    sweep.seed_schedule()
    settings.STRATA_SCHEDULE = [("b", "scan", 20)]
    due = Schedule.objects.get(name="b").next_due
    sweep.seed_schedule()
    left = Schedule.objects.get()
    assert (left.name, left.every_seconds, left.next_due) == ("b", 20, due)


def test_of_two_keepers_one_rings(settings):
    settings.STRATA_SCHEDULE = [("a", "default", 60)]
    sweep.seed_schedule()
    row = Schedule.objects.get()
    with later(1):
        assert sweep.ring_schedule() == 1
        # The second keeper saw the row as it was before: its conditional update finds nothing.
        won = Schedule.objects.filter(pk=row.pk, next_due=row.next_due).update(next_due=clock.now())
        assert won == 0
        assert sweep.ring_schedule() == 0


def test_a_keeper_that_slept_does_not_catch_up_twice(settings):
    settings.STRATA_SCHEDULE = [("a", "default", 60)]
    sweep.seed_schedule()
    with later(3600):
        assert sweep.ring_schedule() == 1
        assert sweep.ring_schedule() == 0
        assert Schedule.objects.get().next_due == clock.now() + timedelta(seconds=60)


def test_a_beat_is_one_row_a_process():
    sweep.beat("keeper")
    with later(5):
        sweep.beat("keeper")
        beat = WorkerBeat.objects.get()
        assert (beat.name, beat.at) == (lease.me(), clock.now())


def test_who_was_silent_for_a_day_is_forgotten():
    sweep.beat("worker: " + "very-long-queue, " * 5)
    assert sweep.forget_silent() == 0
    with later(86_401):
        assert sweep.forget_silent() == 1
    assert not WorkerBeat.objects.exists()


def test_one_round_of_the_keeper_does_it_all(row, settings, django_capture_on_commit_callbacks):
    settings.STRATA_SCHEDULE = [("compliance.recompute_clocks", "default", 60)]
    with django_capture_on_commit_callbacks() as bells:
        call_command("keeper", "--once")
    assert len(bells) == 2
    assert WorkerBeat.objects.get().what == "keeper"
    assert log.signed([row.uuid]) == {row.uuid}
