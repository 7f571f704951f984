"""The door itself: a real scan of a tiny model, by the tasks that a scan worker runs."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError

from tests.factories import MAKER, make_system
from tests.scanner.conftest import model_folder, sae, sae_folder

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.django_db]

from assessments import worker
from assessments.models import Scan
from assessments.scanner import run, shards
from assessments.scanner.contract import Family, Progress, ScanFailed, Stage, WatchedLatent
from assessments.scanner.prompts import suite
from assessments.services import job, scan, shard
from assessments.services import sae as saes
from assessments.services import suite as suites
from assessments.services import watchlist as watchlists
from assessments.worker import Held, merge_scan, run_scan, work_shard
from compliance import clock, queries
from compliance.services import registry

__all__ = ["model_folder", "sae", "sae_folder"]
READING = Progress(Stage.READING, 1, 10, 5.0)


@pytest.fixture
def asked(model_folder, sae_folder):
    model = registry.register_model(make_system(), "Tiny", by=MAKER)
    version = registry.register_version(model, "1.0.0", model_folder, by=MAKER)
    registered = saes.register("Tiny SAE", sae_folder, by=MAKER)
    worker.check_sae(registered.pk)
    registered.refresh_from_db()
    watched = [
        WatchedLatent(0, Family.CYBER, "random", 0.01),
        WatchedLatent(20, Family.DECEPTION, "random", 0.01),
    ]
    watchlist = watchlists.register(registered, "tiny", watched, by=MAKER)
    prompts = suites.register("tiny", suite(per_family=1, n_frames=6), by=MAKER)
    return scan.request(version, sae=registered, watchlist=watchlist, suite=prompts, by=MAKER)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    """The suite of these tests in several shards."""
    plain = shards.split
    monkeypatch.setattr(shards, "split", lambda asked: plain(asked, tokens_a_shard=8000))


def work_shards(asked):
    """Ring for every shard that waits, as the broker would."""
    for pk in asked.shards.filter(state="queued").values_list("pk", flat=True):
        work_shard(pk)


def everything(asked):
    """All the bells of one scan."""
    run_scan(asked.pk)
    work_shards(asked)
    merge_scan(asked.pk)
    asked.refresh_from_db()


def test_workers_scan_and_attest_what_they_measured(asked):
    everything(asked)
    assert (asked.state, asked.problem) == ("done", "")
    assert asked.shards.count() == asked.run["n_shards"] > 2
    assert asked.run["model_sha256"] == asked.version.weights_sha256
    assert asked.findings.exists()
    assert asked.suppression.filter(scope="concern").count() == 2
    assert asked.coverage["n_tokens"] > 0
    newest = queries.newest_evidence(asked.version)
    assert set(newest) == {"sae_scan", "suppression"}
    # Random weights explain little: the instrument must say that it sees too little.
    assert newest["sae_scan"].status == "inconclusive"


def test_shards_give_exactly_what_one_run_gives(asked):
    run_scan(asked.pk)
    work_shards(asked)
    claimed = scan.claim_merge(asked.pk)
    handed = worker.merged(claimed)
    whole = run.run(job.of(asked))
    assert whole.run.n_shards < handed.run.n_shards
    same = {"seconds": 0, "tokens_per_second": 0, "n_shards": 0}
    assert replace(handed, run=replace(handed.run, **same)) == replace(
        whole, run=replace(whole.run, **same)
    )


def test_second_bells_do_nothing(asked):
    everything(asked)
    run_scan(asked.pk)
    for pk in asked.shards.values_list("pk", flat=True):
        work_shard(pk)
    merge_scan(asked.pk)
    assert set(asked.shards.values_list("attempts", flat=True)) == {1}
    assert asked.version.evidence.count() == 2


def test_files_that_changed_since_registration_fail_the_scan_for_good(asked):
    type(asked.version).objects.filter(pk=asked.version_id).update(weights_sha256="0" * 64)
    run_scan(asked.pk)
    work_shards(asked)
    asked.refresh_from_db()
    assert asked.state == "failed"
    assert "expected model sha256" in asked.problem
    assert set(asked.shards.values_list("state", flat=True)) == {"failed", "stopped"}
    assert not asked.findings.exists()


def test_a_suite_that_is_not_the_pinned_one_fails_before_anything_is_read(asked):
    type(asked.suite).objects.filter(pk=asked.suite_id).update(sha256="0" * 64)
    run_scan(asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.shards.count()) == ("failed", 0)
    assert "the prompts give" in asked.problem


def test_a_worker_that_would_read_otherwise_says_so(asked, monkeypatch):
    run_scan(asked.pk)
    with monkeypatch.context() as upgraded:
        upgraded.setattr(worker, "reader_sha256", lambda: "8" * 64)
        work_shards(asked)
        asked.refresh_from_db()
        assert asked.state == "failed"
        assert "bring all scan workers to the same version" in asked.problem
    scan.retry(asked, by=MAKER)
    everything(asked)
    assert asked.state == "done"


def test_what_breaks_unforeseen_may_be_tried_again(asked, monkeypatch):
    run_scan(asked.pk)
    with monkeypatch.context() as broken:
        broken.setattr(worker.working, "work", lambda *_: 1 / 0)
        work_shards(asked)
    rows = asked.shards.all()
    assert {(row.state, row.problem) for row in rows} == {
        ("queued", "ZeroDivisionError: division by zero")
    }
    with clock.held(clock.now() + timedelta(minutes=1)):
        work_shards(asked)
        merge_scan(asked.pk)
    asked.refresh_from_db()
    assert asked.state == "done"


def test_a_scan_cancelled_while_it_is_read_stops_and_writes_nothing(asked, monkeypatch):
    run_scan(asked.pk)
    plain = worker.working.work

    def cancelled_midway(job, wanted, report):
        def tell(progress):
            if progress.stage is Stage.READING and progress.done == progress.total:
                scan.cancel(Scan.objects.get(pk=asked.pk), by=MAKER)
            return report(progress)

        return plain(job, wanted, tell)

    monkeypatch.setattr(worker.working, "work", cancelled_midway)
    work_shards(asked)
    asked.refresh_from_db()
    assert asked.state == "cancelled"
    assert set(asked.shards.values_list("state", flat=True)) == {"done", "stopped"}
    assert not asked.findings.exists()


def test_between_two_beats_work_goes_on(asked):
    run_scan(asked.pk)
    claimed = shard.claim(asked.shards.get(number=1).pk, device="cpu")
    held = Held(lambda progress, seconds: shard.beat(claimed, progress, seconds=seconds))
    assert held.report(READING)
    scan.cancel(Scan.objects.get(pk=asked.pk), by=MAKER)
    assert held.report(replace(READING, done=2)), "less than a second has passed"
    assert not held.report(replace(READING, done=10))


def test_a_database_that_is_away_for_a_beat_does_not_end_the_work():
    def away(*_):
        raise OperationalError("database is locked")

    assert Held(away).report(READING)


def test_work_that_tells_nothing_keeps_its_lease_for_a_while(settings, monkeypatch):
    settings.STRATA_SCAN_LEASE_SECONDS = 0.04
    told, twice = [], threading.Event()

    def beat(progress, _seconds):
        told.append(progress)
        if len(told) > 1:
            twice.set()
        return True

    with Held(beat):
        assert twice.wait(10)
    assert set(told) == {None}
    monkeypatch.setattr(worker, "LONGEST_SILENCE", 0.0)
    told.clear()
    with Held(beat) as held:
        held.thread.join(10)
        assert not held.thread.is_alive()
    assert told == []


def test_a_failure_is_handed_back_only_by_who_still_holds_the_lease(asked):
    claimed = scan.claim(asked.pk)
    scan.cancel(Scan.objects.get(pk=asked.pk), by=MAKER)

    def lost():
        raise ScanFailed("the disk was away", permanent=True)

    worker.do("scan", lost, finish=scan.finish, fail=lambda error: scan.fail(claimed, error))
    assert Scan.objects.get(pk=asked.pk).state == "cancelled"


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cuda", "STRATA_SCAN_DEVICE is cuda, and torch"),
        ("cuda:0-3", "STRATA_SCAN_DEVICE is cuda:0-3, and torch"),
        ("cuda:3-0", "expected a range that runs upwards"),
    ],
)
def test_a_worker_without_its_device_does_not_start(device, said):
    tried = subprocess.run(
        [sys.executable, "-c", "import django; django.setup(); import assessments.worker"],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "STRATA_SCAN_DEVICE": device,
            "CUDA_VISIBLE_DEVICES": "",
        },
        cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tried.returncode != 0
    assert said in tried.stderr
