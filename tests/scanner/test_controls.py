"""Controls fire about as often as what they are controls for, and are drawn by seed alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner import controls
from assessments.scanner.calibration import measured
from assessments.scanner.contract import (
    Family,
    MatchedControls,
    Prompt,
    ScanFailed,
    ScanJob,
    WatchedLatent,
)
from assessments.scanner.shards import PromptRow

DENSITIES = np.exp(np.random.default_rng(0).uniform(np.log(1e-5), np.log(0.3), 4000))
DENSITIES[::5] = 0.0


@given(st.integers(0, 1000), st.lists(st.integers(0, 3999), min_size=1, max_size=5, unique=True))
def test_controls_are_alike_apart_and_not_watched(seed, watched):
    for latent, chosen in zip(
        watched, controls.matched(DENSITIES, watched, n=20, seed=seed), strict=True
    ):
        density = max(DENSITIES[latent], DENSITIES[DENSITIES > 0].min())
        assert len(set(chosen)) == 20
        assert not set(chosen) & set(watched)
        assert (DENSITIES[list(chosen)] <= 2 * density).all()
        assert (DENSITIES[list(chosen)] >= density / 2).all()
        assert (DENSITIES[list(chosen)] > 0).all()


def test_the_seed_decides_and_nothing_else():
    first = controls.matched(DENSITIES, [1, 2], n=10, seed=3)
    assert controls.matched(DENSITIES, [1, 2], n=10, seed=3) == first
    assert controls.matched(DENSITIES, [2, 1], n=10, seed=3) == first[::-1]
    assert controls.matched(DENSITIES, [1, 2], n=10, seed=4) != first


def test_every_latent_in_reach_is_drawn_about_as_often():
    densities = np.array([0.1, 0.05, 0.1, 0.15, 0.2, 0.21, 0.0499, 0.0])
    times = np.zeros(8)
    for seed in range(2000):
        times[list(controls.matched(densities, [0], n=2, seed=seed)[0])] += 1
    assert times[[0, 5, 6, 7]].tolist() == [0, 0, 0, 0]
    assert times[1:5] / 2000 == pytest.approx(np.full(4, 0.5), abs=0.05)


def test_a_latent_without_an_equal_gets_no_control():
    assert controls.matched(np.array([0.1, 0.9, 0.1]), [0, 1], n=3, seed=0) == ((2,), ())


def test_fewer_in_reach_than_asked_are_all_taken():
    assert controls.matched(np.array([0.1, 0.1, 0.12, 0.9]), [0], n=10, seed=0) == ((1, 2),)


@pytest.mark.parametrize(
    ("densities", "watched", "complaint"),
    [
        ([0.1, 0.1], [2], r"names \[2\]"),
        ([0.1, 0.1], [-1], r"names \[-1\]"),
        ([0.1, 1.1], [0], "from 0 to 1"),
        ([0.1, np.nan], [0], "from 0 to 1"),
        ([0.0, 0.0], [0], "came none"),
    ],
)
def test_what_cannot_be_matched_is_refused(densities, watched, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        controls.matched(np.array(densities), watched, n=3, seed=0)


@given(st.integers(-3, 3), st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_the_standing_agrees_with_counting(effect, others):
    found = controls.compare(7, 0.1, range(len(others)), float(effect), list(map(float, others)))
    below, equal = sum(o < effect for o in others), sum(o == effect for o in others)
    assert found.percentile == pytest.approx(100 * (below + equal / 2) / len(others))
    assert found.p == pytest.approx((1 + sum(o >= effect for o in others)) / (1 + len(others)))
    assert MatchedControls.from_json(found.to_json()) == found


def test_a_random_latent_is_seldom_called_outstanding():
    """Drawn like its controls, it has p <= 0.05 in about one case of twenty, and no more."""
    draws = np.random.default_rng(0).normal(size=(2000, 40))
    low = sum(controls.compare(0, 0.1, range(39), row[0], row[1:]).p <= 0.05 for row in draws)
    assert 0.03 <= low / 2000 <= 0.065


def test_effects_that_are_missing_or_not_finite_are_refused():
    for others in ([1.0], [1.0, np.nan], []):
        with pytest.raises(ScanFailed, match="finite effect for each of"):
            controls.compare(0, 0.1, [1, 2][: max(len(others), 2)], 1.0, others)


def watched(index, concern, pool):
    """A latent with a pool of controls."""
    shown = replace(measured(np.zeros(9), 1.0), density=0.01 * index, controls=pool)
    return WatchedLatent(index, concern, "made here", 1.0, calibration=shown)


def job_of(*latents, n_controls=2, seed=0, families=("cyber", "deception", "benign") * 4):
    """A job of which only the watch-list and the prompts' families matter."""
    asked = tuple(Prompt(f"p{at}", Family(each), "text") for at, each in enumerate(families))
    return ScanJob(
        "m", "", "s", "", "blocks.1.hook_resid_post", latents, asked, "",
        seed=seed, n_controls=n_controls,
    )  # fmt: skip


LISTED = (
    watched(1, Family.CYBER, (5, 6, 7, 8, 9)),
    watched(2, Family.DECEPTION, (7, 8, 1)),
    WatchedLatent(3, Family.CYBER, "never calibrated", 1.0),
)


@given(st.integers(0, 500), st.integers(0, 7))
def test_a_scan_draws_from_the_pools_by_its_seed(seed, n):
    job = job_of(*LISTED, n_controls=n, seed=seed)
    first, second, none = controls.of_job(job)
    assert none == ()
    assert set(first) <= {5, 6, 7, 8, 9}
    assert set(second) <= {7, 8}, "a watched latent is no control"
    assert (len(first), len(second)) == (min(n, 5), min(n, 2))
    assert controls.of_job(replace(job, prompts=job.prompts[::-1])) == (first, second, none)
    assert controls.read_along(job) == tuple(sorted({*first, *second}))


def test_every_control_of_a_pool_has_its_turn():
    drawn = {
        each for seed in range(60) for each in controls.of_job(job_of(LISTED[0], seed=seed))[0]
    }
    assert drawn == {5, 6, 7, 8, 9}


def rows_of(job, seed):
    """Peaks drawn at random."""
    draw = np.random.default_rng(seed)
    shapes = len(job.watchlist), len(controls.read_along(job))
    return [
        PromptRow(at, 3, "", *(tuple(draw.exponential(size=n).tolist()) for n in shapes))
        for at in range(len(job.prompts))
    ]


@given(st.integers(0, 200))
def test_standing_is_worked_out_from_the_rows(seed):
    job = job_of(*LISTED)
    rows, along = rows_of(job, seed), controls.read_along(job)
    found = controls.examine(job, rows)
    assert [each.latent for each in found] == [1, 2]
    for column, (each, latent) in enumerate(zip(found, LISTED, strict=False)):
        peaks = [[row.peaks[column], *(row.control_peaks[along.index(c)] for c in each.controls)]
                 for row in rows]  # fmt: skip
        ours = [at for at, prompt in enumerate(job.prompts) if prompt.family is latent.concern]
        benign = [at for at, prompt in enumerate(job.prompts) if prompt.family is Family.BENIGN]
        for place, shown in enumerate((each.effect, *each.control_effects)):
            mean = np.mean([peaks[at][place] for at in (*ours, *benign)])
            first, second = (
                np.mean([np.log1p(peaks[at][place] / mean) for at in some])
                for some in (ours, benign)
            )
            assert shown == pytest.approx(first - second)
        assert each.density == latent.calibration.density


def test_an_effect_does_not_depend_on_the_unit_of_activation():
    draw = np.random.default_rng(0)
    peaks, positive = draw.exponential(size=40), np.arange(40) < 15
    once = controls.effect(peaks, positive, ~positive)
    assert controls.effect(1000 * peaks, positive, ~positive) == pytest.approx(once)
    assert controls.effect(-peaks, positive, ~positive) == 0.0
    assert controls.effect(np.where(positive, 1.0, 0.0), positive, ~positive) > 0.5


def test_without_controls_or_prompts_to_compare_nothing_is_said():
    for job in (
        job_of(*LISTED, n_controls=0),
        job_of(LISTED[2]),
        job_of(*LISTED, families=("cyber", "deception")),
        job_of(*LISTED, families=("refusal", "benign")),
    ):
        assert controls.examine(job, rows_of(job, 0)) == ()
