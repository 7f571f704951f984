"""The door itself: a real scan of a tiny model, by the task that a scan worker runs."""

import pytest

from tests.factories import MAKER, make_system
from tests.scanner.conftest import model_folder, sae, sae_folder

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.django_db]

from assessments.models import Scan
from assessments.scanner.contract import Family, Progress, Stage, WatchedLatent
from assessments.scanner.prompts import suite
from assessments.services import instrument, scan
from assessments.worker import heartbeat, run_scan
from compliance import queries
from compliance.services import registry

__all__ = ["model_folder", "sae", "sae_folder"]


@pytest.fixture
def asked(model_folder, sae_folder):
    model = registry.register_model(make_system(), "Tiny", by=MAKER)
    version = registry.register_version(model, "1.0.0", model_folder, by=MAKER)
    registered = instrument.register_sae("Tiny SAE", sae_folder, by=MAKER)
    watched = [
        WatchedLatent(0, Family.CYBER, "random", 0.01),
        WatchedLatent(20, Family.DECEPTION, "random", 0.01),
    ]
    watchlist = instrument.register_watchlist(registered, "tiny", watched, by=MAKER)
    prompts = instrument.register_suite("tiny", suite(per_family=1, n_frames=6), by=MAKER)
    return scan.request(version, sae=registered, watchlist=watchlist, suite=prompts, by=MAKER)


def test_a_worker_scans_and_attests_what_it_measured(asked):
    run_scan(asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.problem) == ("done", "")
    assert asked.run["model_sha256"] == asked.version.weights_sha256
    assert asked.findings.exists()
    assert asked.suppression.filter(scope="concern").count() == 2
    assert asked.coverage["n_tokens"] > 0
    newest = queries.newest_evidence(asked.version)
    assert set(newest) == {"sae_scan", "suppression"}
    # Random weights explain little: the instrument must say that it sees too little.
    assert newest["sae_scan"].status == "inconclusive"


def test_a_second_bell_for_the_same_scan_does_nothing(asked):
    run_scan(asked.pk)
    run_scan(asked.pk)
    assert Scan.objects.get(pk=asked.pk).attempts == 1


def test_files_that_changed_since_registration_fail_the_scan_for_good(asked):
    type(asked.version).objects.filter(pk=asked.version_id).update(weights_sha256="0" * 64)
    run_scan(asked.pk)
    asked.refresh_from_db()
    assert asked.state == "failed"
    assert "expected model sha256" in asked.problem
    assert not asked.findings.exists()


def test_a_scan_cancelled_while_it_runs_stops_and_writes_nothing(asked):
    claimed = scan.claim(asked.pk)
    report = heartbeat(claimed)
    assert report(Progress(Stage.READING, 1, 10, 5.0))
    scan.cancel(Scan.objects.get(pk=asked.pk), by=MAKER)
    assert report(Progress(Stage.READING, 2, 10, 5.0)), "between two beats it goes on"
    assert not report(Progress(Stage.READING, 10, 10, 5.0))
