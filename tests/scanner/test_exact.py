"""Sums without rounding: no order, no grouping, changes a bit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner import exact

NUMBERS = st.lists(st.floats(-1e150, 1e150, allow_subnormal=True), max_size=30)


@given(NUMBERS, st.randoms(use_true_random=False))
def test_any_order_and_grouping_gives_the_same_floats(numbers, draw):
    shuffled = draw.sample(numbers, len(numbers))
    cut = draw.randint(0, len(numbers))
    parts = exact.add(shuffled[:cut]), exact.add(shuffled[cut:])
    assert exact.add([*parts[1], *parts[0]]) == exact.add(numbers)


@given(NUMBERS)
def test_an_expansion_is_the_true_sum_and_starts_with_the_rounded_one(numbers):
    found = exact.add(numbers)
    assert sum(map(Fraction, found), Fraction(0)) == sum(map(Fraction, numbers), Fraction(0))
    assert (found[0] if found else 0.0) == math.fsum(numbers)


def test_plain_adding_would_not_do():
    numbers = [1e16, 1.0, -1e16, 0.1]
    assert sum(numbers) != sum(reversed(numbers))
    assert exact.add(numbers) == exact.add(reversed(numbers))


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=40))
def test_mean_and_spread_agree_with_numpy(numbers):
    values = np.array(numbers)
    total, squares = exact.add(numbers), exact.add((values * values).tolist())
    scale = float(values.max())
    assert exact.mean(total, len(numbers)) == pytest.approx(values.mean(), rel=1e-12)
    spread = exact.standard_deviation(total, squares, len(numbers))
    assert spread == pytest.approx(values.std(ddof=1), rel=1e-6, abs=1e-7 * scale)


def test_the_spread_survives_a_large_mean():
    """Squares of float32 are exact; the squared sum, rounded to a float, would cost digits."""
    steps = np.random.default_rng(0).integers(-1, 2, 1000) / 8
    values = (2.0**20 + steps).astype(np.float32).astype(float)
    total, squares = exact.add(values.tolist()), exact.add((values**2).tolist())
    truth = float(np.std(steps, ddof=1))
    in_floats = (math.fsum(values**2) - math.fsum(values) ** 2 / 1000) / 999
    assert math.sqrt(max(in_floats, 0)) != pytest.approx(truth, rel=1e-6)
    assert exact.standard_deviation(total, squares, 1000) == pytest.approx(truth, rel=1e-12)


def test_one_value_has_no_spread():
    assert exact.standard_deviation((3.0,), (9.0,), 1) == 0.0


@pytest.mark.parametrize("bad", [[math.nan], [math.inf, 1.0], [math.inf, -math.inf]])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=r"finite|inf"):
        exact.add(bad)
