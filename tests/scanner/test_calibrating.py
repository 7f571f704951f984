"""A watch-list is calibrated on a tiny model as a scan would read it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import calibrating, calibration, formats, jobs, watchlist_file
from assessments.scanner.__main__ import main
from assessments.scanner.activations import each_sequence
from assessments.scanner.calibrating import Settings
from assessments.scanner.chat import chat_tokens
from assessments.scanner.contract import (
    Cancelled,
    Criterion,
    Family,
    Frame,
    Prompt,
    ScanFailed,
    Stage,
    WatchedLatent,
    plain_sha256,
)
from assessments.scanner.run import run
from assessments.scanner.shards import split
from assessments.scanner.weights import load_model
from assessments.scanner.working import work

WATCHLIST = (
    WatchedLatent(0, Family.CYBER, "random", 0.5),
    WatchedLatent(9, Family.CYBER, "random", 0.02),
    WatchedLatent(20, Family.DECEPTION, "random", 0.5),
)
WORDS = ("ports", "tea", "lie", "key", "moon", "audit", "bread", "root")


def asked(n_benign=75, n_positive=12):
    """Short prompts that all differ, a few under each frame."""
    sizes = {Family.BENIGN: n_benign, Family.CYBER: n_positive, Family.DECEPTION: n_positive}
    draw = np.random.default_rng(0)
    return tuple(
        Prompt(f"{family}.{at}", family, " ".join(draw.choice(WORDS, 4)) + f" {at}",
               (Frame.EVALUATION, Frame.NONE)[at % 2], "t", f"c{at}", "A test." * (at % 2 == 0))
        for family, n in sizes.items()
        for at in range(n)
    )  # fmt: skip


@pytest.fixture(scope="module")
def job(model_folder, sae_folder):
    return jobs.template(model_folder, sae_folder, name="", watchlist=WATCHLIST, prompts=asked())


@pytest.fixture(scope="module")
def peaks(job):
    """Every prompt's peaks, as a scan reads them."""
    shards = split(replace(job, coverage_tokens=0))
    rows = sorted((row for shard in shards for row in work(job, shard).rows), key=lambda r: r.place)
    return np.array([row.peaks for row in rows])


def of(job, family):
    return np.array([prompt.family is family for prompt in job.prompts])


def test_kept_thresholds_are_measured_on_all_benign_prompts(job, peaks):
    found = calibrating.calibrate(job, Settings(keeps_thresholds=True))
    for column, (before, after) in enumerate(zip(WATCHLIST, found.watchlist, strict=True)):
        assert (after.threshold, after.calibration.is_kept) == (before.threshold, True)
        above = peaks[:, column] > before.threshold
        shares = after.calibration.false_positives, after.recall.found
        for share, family in zip(shares, (Family.BENIGN, before.concern), strict=True):
            assert (share.n_hit, share.n) == (above[of(job, family)].sum(), of(job, family).sum())
    assert found.watchlist[1].calibration.false_positives.n_hit > 0
    (_, cyber) = found.concerns
    any_hit = (peaks[:, :2] > [0.5, 0.02]).any(axis=1)
    assert cyber.concern is Family.CYBER
    assert cyber.found.n_hit == any_hit[of(job, Family.CYBER)].sum()
    assert cyber.false_positives.n_hit == any_hit[of(job, Family.BENIGN)].sum()
    assert cyber.false_positives.n == 75
    assert (cyber.suite_sha256, cyber.model_sha256) == (job.suite_sha256, job.model_sha256)
    assert set(calibration.shown(found.watchlist)) == set(found.concerns)


def test_new_thresholds_are_set_on_other_prompts_than_they_are_judged_by(job, peaks):
    rate = 0.1
    found = calibrating.calibrate(job, Settings(rate=rate))
    benign = np.flatnonzero(of(job, Family.BENIGN))
    held = benign[2::3]
    kept = np.setdiff1d(benign, held)
    for column, (before, after) in enumerate(zip(WATCHLIST, found.watchlist, strict=True)):
        ours = np.sort(peaks[kept, column])
        k = calibration.allowed(len(kept), rate, 0.95, Criterion.ASSURED)
        assert after.threshold == (ours[-1 - k] or before.threshold)
        assert (after.calibration.false_positives.n, after.calibration.rate) == (50, rate)
        assert after.calibration.rate_bound <= rate
        assert after.recall.threshold == after.threshold
    thresholds = np.array([latent.threshold for latent in found.watchlist])
    for each in found.concerns:
        columns = [at for at, latent in enumerate(WATCHLIST) if latent.concern is each.concern]
        false = (peaks[held][:, columns] > thresholds[columns]).any(axis=1)
        assert (each.false_positives.n_hit, each.false_positives.n) == (false.sum(), 25)


def test_densities_are_counted_over_all_latents_of_benign_tokens(job):
    read = calibrating.read_all(job, lambda _: None)
    sae = formats.open_sae(Path(job.sae_path))
    fired, n = np.zeros(sae.d_sae), 0
    loaded = load_model(Path(job.model_path))
    benign = [prompt for prompt in job.prompts if prompt.family is Family.BENIGN]
    chats = [chat_tokens(loaded.tokenizer, prompt) for prompt in benign]
    for at, stream in each_sequence(loaded.model, [c.ids for c in chats], 1, token_budget=1):
        fired += (sae.encode(stream[chats[at].start : chats[at].end]) != 0).sum(0).numpy()
        n += chats[at].end - chats[at].start
    assert read.n_benign_tokens == n
    # One that only just fires may do so in one order of adding and not in the other.
    assert np.abs(read.densities - fired / n).max() <= 2 / n


def test_a_pool_fires_as_often_and_a_scan_reads_of_it(job):
    found = calibrating.calibrate(job, Settings(keeps_thresholds=True))
    densities = calibrating.read_all(job, lambda _: None).densities
    watched = {latent.index for latent in WATCHLIST}
    for latent in found.watchlist:
        shown = latent.calibration
        assert shown.density == densities[latent.index]
        assert 0 < len(shown.controls) <= calibrating.POOL
        assert not set(shown.controls) & watched
        assert (densities[list(shown.controls)] <= 2 * shown.density).all()
    scanned = run(replace(job, watchlist=found.watchlist, n_controls=3, coverage_tokens=256))
    assert [each.latent for each in scanned.controls] == [0, 9, 20]
    assert {len(each.controls) for each in scanned.controls} == {3}
    assert set(scanned.coverage.recalls) == set(found.concerns)


def test_prompts_of_one_content_count_once(job):
    twice = tuple(
        replace(prompt, id=f"{prompt.id}.{at}", frame=frame)
        for prompt in job.prompts
        for at, frame in enumerate((Frame.EVALUATION, Frame.DEPLOYMENT))
    )
    doubled = replace(job, prompts=twice, suite_sha256=plain_sha256(twice))
    found = calibrating.calibrate(doubled, Settings(keeps_thresholds=True))
    assert found.n_units == {"benign": 75, "cyber": 12, "deception": 12}
    assert {latent.recall.found.n for latent in found.watchlist} == {12}


def test_the_same_job_gives_the_same_list(job):
    settings = Settings(keeps_thresholds=True, seed=4)
    assert calibrating.calibrate(job, settings) == calibrating.calibrate(job, settings)


def test_too_few_prompts_are_refused_before_anything_is_read(job):
    lost = replace(job, model_path="nowhere")
    with pytest.raises(ScanFailed, match=r"at least 299 benign .* came 50 \(of 75; every 3rd"):
        calibrating.calibrate(lost, Settings(rate=0.01))
    with pytest.raises(ScanFailed, match=r"ask for a rate above 0\.0582"):
        calibrating.calibrate(lost, Settings(rate=0.058))
    with pytest.raises(ScanFailed, match="between 0 and 1"):
        calibrating.calibrate(job, Settings(rate=1.5))


@pytest.mark.parametrize("family", [Family.BENIGN, Family.DECEPTION])
def test_a_family_without_prompts_is_named(job, family):
    rest = tuple(prompt for prompt in job.prompts if prompt.family is not family)
    with pytest.raises(ScanFailed, match=f"came none of {family.value}"):
        calibrating.calibrate(
            replace(job, prompts=rest, suite_sha256=plain_sha256(rest)), Settings()
        )


def test_a_prompt_of_nothing_is_named(job):
    odd = (*job.prompts, Prompt("empty", Family.CYBER, ""))
    with pytest.raises(ScanFailed, match="prompt 'empty' has no token to score"):
        calibrating.calibrate(
            replace(job, prompts=odd, suite_sha256=plain_sha256(odd)),
            Settings(keeps_thresholds=True),
        )


def test_it_stops_when_told(job):
    with pytest.raises(Cancelled, match="reading, 7 of 99"):
        calibrating.calibrate(
            job,
            Settings(keeps_thresholds=True),
            lambda told: told.stage is not Stage.READING or told.done < 7,
        )


@pytest.fixture
def listed(tmp_path):
    """A watch-list file as another program may have written it."""
    path = tmp_path / "list.json"
    raw = {"found_by": "hand", "latents": [latent.to_json() for latent in WATCHLIST]}
    path.write_text(json.dumps(raw))
    return path


def test_the_word_writes_a_list_and_prints_a_table(
    tmp_path, model_folder, sae_folder, listed, capsys
):
    out, rows = tmp_path / "out.json", tmp_path / "prompts.jsonl"
    rows.write_text("\n".join(json.dumps(prompt.to_json()) for prompt in asked()) + "\n\n")
    words = ["calibrate", str(model_folder), str(sae_folder), "--watchlist", str(listed)]
    more = ["--out", str(out), "--prompts", str(rows), "--keep-thresholds"]
    assert main([*words, *more]) == 0
    raw = json.loads(out.read_text())
    assert raw["found_by"] == "hand"
    assert raw["calibrated"]["n_prompts"] == {"benign": 75, "cyber": 12, "deception": 12}
    assert raw["calibrated"]["prompts_sha256"] == plain_sha256(asked())
    written = tuple(map(WatchedLatent.from_json, raw["latents"]))
    assert [each.to_json() for each in calibration.shown(written)] == raw["concerns"]
    said = capsys.readouterr().out
    assert "On 75 benign prompts no lower rate than 3.92% can be shown, so not the 1.00%" in said
    assert said.count("random") == 0
    for latent in written:
        share = latent.recall.found
        assert f"{share.n_hit} of {share.n} ({share.low:.3f} to {share.high:.3f})" in said
    assert "any of 2: recall" in said


def test_without_prompts_of_its_own_it_takes_the_built_in_ones(
    tmp_path, model_folder, sae_folder, listed, capsys
):
    out = tmp_path / "out.json"
    words = ["calibrate", str(model_folder), str(sae_folder), "--watchlist", str(listed)]
    assert main([*words, "--out", str(out)]) == 1
    assert "needs at least 299 benign prompts to set thresholds on, came 100" in (
        capsys.readouterr().err
    )
    assert not out.exists()
    assert main([*words, "--out", str(out), "--fpr", "0.03"]) == 0
    assert json.loads(out.read_text())["calibrated"]["n_prompts"]["benign"] == 150


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "expected a watch-list"),
        ('{"latents": [{"index": 1}]}', "expected a watch-list"),
        ('{"latents": 3}', "expected a watch-list"),
        ("{", "expected a watch-list"),
        ("[" * 100_000, "expected a watch-list"),
        ('{"sae_sha256": "beef", "latents": []}', "latents of another autoencoder"),
        (b"\xff\xfe", "could not be read"),
    ],
)
def test_a_file_that_is_no_watch_list_is_refused(tmp_path, text, complaint):
    path = tmp_path / "list.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScanFailed, match=complaint):
        watchlist_file.read_list(path, "a" * 64)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"id": "a", "family": "cyber"}', "line 1: expected a prompt"),
        ('\n\n{"id": "a", "family": "cyber", "text": 3}', "line 3: expected a prompt"),
        ("no", "line 1: expected a prompt"),
        ('{"id": "a", "family": "cyber", "text": "b"}\n' * 2, "'a' comes twice"),
    ],
)
def test_a_file_that_holds_no_prompts_is_refused(tmp_path, text, complaint):
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(ScanFailed, match=complaint):
        watchlist_file.read_prompts(path)


def test_a_file_that_is_too_large_or_missing_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ScanFailed, match="could not be read"):
        watchlist_file.text_of(tmp_path / "nowhere")
    monkeypatch.setattr(watchlist_file, "MOST_BYTES", 4)
    (tmp_path / "large").write_text("12345")
    with pytest.raises(ScanFailed, match="at most 4 bytes"):
        watchlist_file.text_of(tmp_path / "large")
