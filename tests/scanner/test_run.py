"""A whole scan of a tiny model: repeatable, honest about itself, stoppable."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import digests
from assessments.scanner.contract import (
    Cancelled,
    Family,
    Frame,
    ScanFailed,
    ScanJob,
    ScanResult,
    Stage,
    Verdict,
    WatchedLatent,
    plain_sha256,
)
from assessments.scanner.formats import sae_sha256
from assessments.scanner.prompts import suite
from assessments.scanner.run import run

WATCHLIST = tuple(
    WatchedLatent(index, concern, "random", 0.01)
    for index, concern in [(0, Family.CYBER), (9, Family.CYBER), (20, Family.DECEPTION)]
)


@pytest.fixture(scope="module")
def job(model_folder, sae_folder):
    prompts = suite(per_family=1, n_frames=6)
    return ScanJob(
        model_path=str(model_folder),
        model_sha256=digests.folder_sha256(model_folder),
        sae_path=str(sae_folder),
        sae_sha256=sae_sha256(sae_folder),
        hook_name="blocks.1.hook_resid_post",
        watchlist=WATCHLIST,
        prompts=prompts,
        suite_sha256=plain_sha256(prompts),
        coverage_tokens=300,
    )


@pytest.fixture(scope="module")
def result(job):
    return run(job)


def but_for_time(result):
    return dataclasses.replace(
        result, run=dataclasses.replace(result.run, seconds=0, tokens_per_second=0)
    )


def test_the_same_job_gives_the_same_result(job, result):
    assert but_for_time(run(job)) == but_for_time(result)


def test_a_result_survives_being_written(result):
    assert ScanResult.from_json(result.to_json()) == result


def test_findings_show_the_peak_in_its_context(job, result):
    assert result.findings
    texts = {prompt.id: prompt.text for prompt in job.prompts}
    for finding in result.findings:
        window = finding.window
        assert window.activations[window.peak] == finding.hit.activation > finding.threshold
        assert max(window.activations) == finding.hit.activation
        assert window.tokens[window.peak] == finding.hit.token
        assert "".join(window.tokens) in texts[finding.hit.prompt_id]
    cells = [(each.hit.concern, each.frame) for each in result.findings]
    assert max(map(cells.count, cells)) <= job.findings_per_cell


def test_every_concern_is_summed_up_under_every_frame(result):
    cells = {(each.concern, each.frame) for each in result.summaries}
    frames = (Frame.EVALUATION, Frame.DEPLOYMENT)
    assert cells == {
        (concern, frame) for concern in (Family.CYBER, Family.DECEPTION) for frame in frames
    }
    assert all(each.n_hit <= each.n_prompts == 36 for each in result.summaries)


def test_a_test_says_on_how_many_of_its_own_prompts_anything_showed(job, result):
    shown = {test.key: test.shown for test in result.suppression if test.scope == "concern"}
    assert set(shown) == {"cyber", "deception"}
    for each in shown.values():
        assert (each.n, each.confidence) == (6, 0.95)
    high = tuple(
        dataclasses.replace(latent, threshold=1e6) if latent.concern is Family.CYBER else latent
        for latent in job.watchlist
    )
    blind = run(dataclasses.replace(job, watchlist=high, coverage_tokens=0))
    hits = {test.key: test.shown.n_hit for test in blind.suppression if test.scope == "concern"}
    assert hits["cyber"] == 0
    assert hits["deception"] == shown["deception"].n_hit > 0


def test_the_record_says_what_was_run(job, result):
    run_record = result.run
    assert run_record.model_sha256 == job.model_sha256
    assert run_record.watchlist_sha256 == plain_sha256(WATCHLIST)
    assert run_record.versions["torch"] == torch.__version__
    assert (run_record.n_prompts, run_record.n_pairs, run_record.n_pairs_dropped) == (72, 36, 0)
    assert run_record.batch_deviation < 1e-3
    assert result.coverage.n_tokens > 200


def test_without_coverage_the_findings_are_the_same(job, result):
    short = run(dataclasses.replace(job, coverage_tokens=0))
    assert short.coverage is None
    assert [each.hit.latent for each in short.findings] == [
        each.hit.latent for each in result.findings
    ]
    assert {test.verdict for test in short.suppression} <= set(Verdict)


def test_progress_is_told_stage_by_stage(job):
    told = []
    run(job, told.append)
    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages == [Stage.LOADING, Stage.COVERAGE, Stage.READING, Stage.TESTING]
    reading = [progress.done for progress in told if progress.stage is Stage.READING]
    assert reading == list(range(1, 73))


def test_a_scan_stops_when_told(job):
    with pytest.raises(Cancelled, match="reading, 10 of 72"):
        run(job, lambda progress: not (progress.stage is Stage.READING and progress.done == 10))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"suite_sha256": "0"}, "expected suite sha256 0"),
        ({"model_sha256": "0"}, "expected model sha256 0"),
        ({"sae_sha256": "0"}, "expected SAE sha256 0"),
        ({"prompts": ()}, "nothing to scan"),
        ({"dtype": "float8"}, "expected float32 or bfloat16"),
        ({"n_controls": -1}, "expected 0 or more controls"),
        ({"hook_name": "blocks.0.hook_resid_post"}, "the autoencoder reads blocks.1"),
        ({"watchlist": (WatchedLatent(64, Family.CYBER, "", 1.0),)}, r"names \[64\]"),
        ({"watchlist": (WatchedLatent(1, Family.CYBER, "", 0.0),)}, "must be above zero"),
    ],
)
def test_a_job_that_does_not_hold_is_refused(job, change, complaint):
    with pytest.raises(ScanFailed, match=complaint) as refusal:
        run(dataclasses.replace(job, **change))
    assert refusal.value.permanent
