"""The fixed bins: every value falls into one, and quantiles lie where they say."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner import bins

VALUES = st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=60)


@given(VALUES)
def test_a_value_lies_between_the_edges_of_its_bin(values):
    for value, index in zip(values, bins.of(np.array(values)), strict=True):
        low, high = bins.edges(int(index))
        assert 0 <= index < bins.N_BINS
        assert low <= value <= high
        assert value < high or value <= 0


def test_the_edges_are_short_fractions_that_ascend_by_little():
    assert (np.diff(bins.EDGES) > 0).all()
    assert (bins.EDGES[1:] / bins.EDGES[:-1] <= 1.125).all()
    for edge in bins.EDGES:
        fraction = Fraction(edge)
        odd = max(fraction.numerator, fraction.denominator)
        while odd % 2 == 0:
            odd //= 2
        assert odd < 16 or fraction.numerator < 2**25


def test_the_bins_are_pinned():
    """Counts of other bins cannot be added to these; a change needs another version."""
    assert (bins.VERSION, bins.N_BINS) == ("dyadic:8:-24:24", 387)
    assert (bins.EDGES[0], bins.EDGES[-1]) == (2.0**-24, 2.0**24)
    assert bins.of(np.array([-1.0, 0.0, 1e-9, 1.0, 1.124, 1.125, 2.0**24, 1e300])).tolist() == [
        0, 0, 1, 194, 194, 195, 386, 386,
    ]  # fmt: skip


@given(VALUES, st.integers(1, 100))
def test_a_quantile_lies_within_its_bounds(values, percent):
    array = np.array(values)
    counts = np.bincount(bins.of(array), minlength=bins.N_BINS)
    low, high = bins.quantile(counts, percent, array.min(), array.max())
    rank = math.ceil(Fraction(len(values) * percent, 100))
    assert low <= sorted(values)[rank - 1] <= high
    assert math.isfinite(low)
    assert math.isfinite(high)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60))
def test_the_bounds_are_close(values):
    array = np.array(values)
    counts = np.bincount(bins.of(array), minlength=bins.N_BINS)
    low, high = bins.quantile(counts, 50, array.min(), array.max())
    assert high <= 1.125 * low
