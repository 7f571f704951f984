"""Controls fire about as often as what they are controls for, and are drawn by seed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner import controls
from assessments.scanner.contract import MatchedControls, ScanFailed

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


def test_fewer_in_reach_than_asked_are_all_taken():
    assert controls.matched(np.array([0.1, 0.1, 0.12, 0.9]), [0], n=10, seed=0) == ((1, 2),)


@pytest.mark.parametrize(
    ("densities", "watched", "complaint"),
    [
        ([0.1, 0.9], [0], "no other within a factor of 2"),
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
