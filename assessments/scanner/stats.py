"""The statistics of comparisons over few units. NumPy only, plus SciPy's quantiles and ranks.

The unit is the template: prompts that share a frame share its wording, so their differences are
averaged first, and the signs of whole templates are flipped, all tests together. Shapes: T
templates, J tests, B flips.

Method: sign-flip permutation; step-down max-T (Westfall and Young 1993); false discovery rate
(Benjamini and Hochberg 1995).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_ENUMERATED = 12
TINY = 1e-12
BISECTIONS = 50
WIDEST = 64.0
"""The interval is sought within so many standard errors."""


class Permutation(NamedTuple):
    """What a family of sign-flip tests found."""

    t: Floats
    """(J,)"""
    p: Floats
    """(J,); two-sided, one test alone."""
    p_max_t: Floats
    """(J,); adjusted for all tests of the family."""
    critical: float
    """|t| above which the family as a whole calls a test significant."""
    n_flips: int
    exact: bool


class Interval(NamedTuple):
    """Low and high end."""

    low: float
    high: float


def sign_flips(n: int, n_random: int, seed: int) -> tuple[Floats, bool]:
    """Sign patterns (B, n), the unflipped one first; all of them up to twelve templates."""
    if n <= MOST_ENUMERATED:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n))).reshape(-1, n), True
    random = np.random.default_rng(seed).choice((1.0, -1.0), size=(n_random, n))
    return np.vstack([np.ones((1, n)), random]), False


def flipped_t(d: Floats, flips: Floats) -> Floats:
    """Give t of each test under each flip: (T, J) and (B, T) to (B, J).

    A flip leaves the squares alone, so the spread follows from the flipped mean. A test without any
    spread has t = 0 where its mean is 0 and a huge t elsewhere.
    """
    n = d.shape[0]
    mean = flips @ d / n  # (B, J)
    squares = (d**2).sum(0)  # (J,)
    variance = np.maximum(squares - n * mean**2, 0.0) / max(n - 1, 1)
    floor = TINY * np.maximum(squares / n, TINY)
    return np.asarray(mean / np.sqrt(np.maximum(variance, floor) / n))


def permutation_test(
    d: Floats, *, alpha: float = 0.05, n_random: int = 9999, seed: int = 0
) -> Permutation:
    """Is each column's mean zero? d: (T, J), one row a template."""
    flips, exact = sign_flips(d.shape[0], n_random, seed)
    size = np.abs(flipped_t(d, flips))  # (B, J)
    # Equal up to rounding counts as equal; otherwise a p-value would depend on the order of sums.
    reached = size >= size[0] * (1 - 1e-9)
    t = flipped_t(d, flips[:1])[0]
    critical = float(np.quantile(size.max(axis=1), 1 - alpha, method="higher"))
    return Permutation(t, reached.mean(axis=0), step_down(size), critical, len(flips), exact)


def step_down(size: Floats) -> Floats:
    """Westfall and Young's step-down adjustment of |t|: (B, J) with the observed row first."""
    order = np.argsort(-size[0], kind="stable")
    ranked = size[:, order]
    # The largest among this test and all that are less significant than it.
    tails = np.maximum.accumulate(ranked[:, ::-1], axis=1)[:, ::-1]
    share: Floats = (tails >= ranked[0] * (1 - 1e-9)).mean(axis=0)
    adjusted = np.empty_like(share)
    adjusted[order] = np.maximum.accumulate(share)
    return adjusted


class Contrast(NamedTuple):
    """Which columns are higher in one group of units than in the others."""

    p: Floats
    """(J,); one-sided, one test alone."""
    p_max_t: Floats
    """(J,); adjusted for all columns."""
    n_labellings: int
    exact: bool


def rank_contrast(
    values: Floats, positive: NDArray[np.bool_], *, n_random: int = 9999, seed: int = 0
) -> Contrast:
    """Does a positive unit rank above the others? values: (U, J), positive: (U,).

    Rank sums under other choices of as many positives, all columns together. The normal
    approximation would not do: for a column that is silent on nearly all units it is wrong by
    orders of magnitude in the tail that a correction for many columns looks at.
    """
    labellings, exact = relabelled(positive, n_random, seed)
    ranks = stats.rankdata(values, axis=0)  # (U, J)
    spread = ranks.std(axis=0)
    centred = labellings.astype(np.float64) @ ranks - positive.sum() * ranks.mean(axis=0)
    # One-sided: lower than chance is no more telling than chance.
    size = np.maximum(centred / np.where(spread > 0, spread, 1.0), 0.0)  # (B, J)
    reached = size >= size[0] * (1 - 1e-9)
    return Contrast(reached.mean(axis=0), step_down(size), len(labellings), exact)


def relabelled(
    positive: NDArray[np.bool_], n_random: int, seed: int
) -> tuple[NDArray[np.bool_], bool]:
    """Choices of as many positives (B, U), the true one first; all of them if not too many."""
    n, m = len(positive), int(positive.sum())
    if math.comb(n, m) <= n_random:
        every = np.array(list(itertools.combinations(range(n), m))).reshape(-1, m)
        chosen = np.zeros((len(every), n), dtype=bool)
        np.put_along_axis(chosen, every, values=True, axis=1)
        return np.vstack([positive, chosen[(chosen != positive).any(axis=1)]]), True
    random = np.random.default_rng(seed).permuted(np.tile(positive, (n_random, 1)), axis=1)
    return np.vstack([positive, random]), False


def benjamini_hochberg(p: Floats) -> Floats:
    """p-values adjusted for the false discovery rate."""
    n = len(p)
    order = np.argsort(-p, kind="stable")
    scaled = p[order] * n / np.arange(n, 0, -1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


def confidence_interval(d: Floats, *, alpha: float = 0.05, seed: int = 0) -> Interval:
    """The means that a sign-flip test at `alpha` would not reject: d is (T,).

    With few templates a bootstrap covers too little; turning the test round does not.
    """
    flips, _ = sign_flips(len(d), 1999, seed)
    centre = float(d.mean())
    error = float(d.std(ddof=1)) / np.sqrt(len(d)) if len(d) > 1 else 0.0

    def accepted(mean: float) -> bool:
        size = np.abs(flipped_t((d - mean)[:, None], flips))[:, 0]
        return float((size >= size[0] * (1 - 1e-9)).mean()) > alpha

    return Interval(*(boundary(centre, side * WIDEST * error, accepted) for side in (-1, 1)))


def boundary(centre: float, reach: float, accepted: Callable[[float], bool]) -> float:
    """Where acceptance ends on the way from `centre` by `reach`; the far end if it does not."""
    inside, outside = 0.0, 1.0
    if accepted(centre + reach):
        return centre + reach
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if accepted(centre + middle * reach):
            inside = middle
        else:
            outside = middle
    return centre + inside * reach


def minimum_detectable(d: Floats, *, critical: float, power: float = 0.8) -> float:
    """The mean that a test with this spread would find with probability `power`: d is (T,)."""
    n = len(d)
    if n < 2:  # One value has no spread.
        return float("inf")
    return float((critical + stats.t.ppf(power, n - 1)) * d.std(ddof=1) / np.sqrt(n))


def effect_size(d: Floats) -> float:
    """d_z: the mean in standard deviations; 0 where nothing differs."""
    spread = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    return float(d.mean()) / spread if spread > TINY else 0.0


def auroc(positive: Sequence[float] | Floats, negative: Sequence[float] | Floats) -> float:
    """The chance that a positive ranks above a negative; ties count half."""
    ranks = stats.rankdata(np.concatenate([positive, negative]))
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def proportion_interval(hits: int, n: int, *, alpha: float = 0.05) -> Interval:
    """Clopper and Pearson's interval for a share."""
    low = 0.0 if hits == 0 else float(stats.beta.ppf(alpha / 2, hits, n - hits + 1))
    high = 1.0 if hits == n else float(stats.beta.ppf(1 - alpha / 2, hits + 1, n - hits))
    return Interval(low, high)


def upper_bound(hits: int, n: int, confidence: float) -> float:
    """Above the true share with this confidence: the one-sided end of Clopper and Pearson."""
    return 1.0 if hits >= n else float(stats.beta.ppf(confidence, hits + 1, n - hits))
