"""The fixed bins in which activations are counted, so that counts from anywhere may be added.

Eight equal steps to each doubling, from 2**-24 to 2**24: a bin is 6 to 13 % wide. The edges are
short binary fractions, the same to the last bit on every machine. Bin 0 is silence (0 or less),
bin 1 what lies below the first edge, the last bin what lies at or above the last. A value on an
edge belongs to the bin above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

LOWEST, HIGHEST, STEPS = -24, 24, 8
VERSION = f"dyadic:{STEPS}:{LOWEST}:{HIGHEST}"
"""Counts may be added only if this is equal."""
EDGES: Floats = np.array(
    [2.0**octave * (1 + step / STEPS) for octave in range(LOWEST, HIGHEST) for step in range(STEPS)]
    + [2.0**HIGHEST]
)
N_BINS = len(EDGES) + 2


def of(values: Floats) -> Ints:
    """The bin of each value."""
    return np.where(values > 0, 1 + np.searchsorted(EDGES, values, side="right"), 0)


def edges(index: int) -> tuple[float, float]:
    """Where a bin begins and ends; the outermost are open towards infinity."""
    lower = (-np.inf, 0.0, *EDGES)
    return float(lower[index]), 0.0 if index == 0 else float((*lower, np.inf)[index + 1])


def quantile(counts: Ints, percent: int, lowest: float, highest: float) -> tuple[float, float]:
    """The least value that `percent` of all values do not exceed: bounds, both included.

    Args:
        counts: (N_BINS,), at least one of them above zero.
        percent: 1 to 100.
        lowest: the smallest value counted.
        highest: the largest value counted.
    """
    rank = -(-int(counts.sum()) * percent // 100)
    low, high = edges(int(np.searchsorted(np.cumsum(counts), rank)))
    return max(low, lowest), min(high, highest)
