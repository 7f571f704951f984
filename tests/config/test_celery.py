"""A worker process says that it lives, and takes no work without keys."""

import os
import threading
import time
from types import SimpleNamespace

import pytest

from compliance import lease
from compliance.audit.keys import KeysMissing
from compliance.models import WorkerBeat
from config import celery


@pytest.fixture
def parent():
    """What the step reads of a worker: which queues it takes from."""
    queues = SimpleNamespace(consume_from={"events": None, "default": None})
    return SimpleNamespace(app=SimpleNamespace(amqp=SimpleNamespace(queues=queues)), steps=[])


def within(seconds, true):
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


def test_every_worker_takes_the_step():
    assert celery.Alive in celery.app.steps["worker"]


def test_a_worker_beats_from_a_thread_of_its_own_until_it_stops(committing, parent):
    step = celery.Alive(parent)
    step.start(parent)
    assert within(10, WorkerBeat.objects.exists)
    beat = WorkerBeat.objects.get()
    assert (beat.name, beat.what) == (lease.me(), "worker: default, events")
    step.stop(parent)
    assert within(10, lambda: not step.thread.is_alive())


def test_no_child_is_forked_in_the_middle_of_a_beat():
    exits = []

    def fork():
        child = os.fork()
        if not child:
            os._exit(0 if celery._beating.acquire(blocking=False) else 1)
        exits.append(os.waitpid(child, 0)[1])

    forking = threading.Thread(target=fork)
    with celery._beating:
        forking.start()
        forking.join(0.2)
        assert forking.is_alive()
    forking.join(10)
    assert exits == [0]


def test_a_worker_without_keys_does_not_start(settings, tmp_path, parent):
    settings.STRATA_CREATE_KEYS = False
    settings.STRATA_KEK_FILE = tmp_path / "kek"
    with pytest.raises(KeysMissing, match="make_keys"):
        celery.Alive(parent).start(parent)
