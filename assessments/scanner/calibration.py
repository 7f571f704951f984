"""From which activation on a latent counts, how often that is wrong, and how often it is enough.

The unit is the prompt, by its highest token over the scored content. Prompts that share a content
or a wording are one unit, not two: take their highest first (`by_unit`). Shapes: P prompts,
M watched latents, U units.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats as scipy_stats

from assessments.scanner import stats
from assessments.scanner.contract import (
    Calibration,
    ConcernRecall,
    Criterion,
    Family,
    Recall,
    ScanFailed,
    Share,
    WatchedLatent,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


def share(n_hit: int, n: int, confidence: float = 0.95) -> Share:
    """So many of so many; of none, nothing is known: 0 in the interval from 0 to 1."""
    low, high = stats.proportion_interval(n_hit, n, alpha=1 - confidence)
    return Share(n_hit, n, n_hit / n if n else 0.0, low, high, confidence)


def by_unit(peaks: Floats, units: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """The highest peaks of each unit, (P, M) to (U, M), and the units as they first came."""
    rows: dict[str, list[int]] = {}
    for row, unit in enumerate(units):
        rows.setdefault(unit, []).append(row)
    highest = [peaks[each].max(axis=0) for each in rows.values()]
    return np.array(highest).reshape(len(rows), peaks.shape[1]), tuple(rows)


def fewest(rate: float, confidence: float, criterion: Criterion) -> int:
    """The prompts without which no threshold could meet the rate.

    Assured: n with (1 - rate)**n <= 1 - confidence, at 95 % about 3 / rate. Empirical: 1 / rate.
    """
    assured = criterion is Criterion.ASSURED
    n = int(math.log(1 - confidence) / math.log1p(-rate) if assured else 1 / rate)
    # Rounding may have moved it by one; `allowed` decides.
    while allowed(n, rate, confidence, criterion) < (0 if assured else 1):
        n += 1
    return n


def allowed(n: int, rate: float, confidence: float, criterion: Criterion) -> int:
    """How many of n prompts may lie above the threshold; -1 if even none would be too many."""
    if criterion is Criterion.EMPIRICAL:
        k = math.floor(rate * n) + 1
        return k if k / n <= rate else k - 1  # 0.29 * 100 is less than 29.
    k = int(scipy_stats.binom.ppf(1 - confidence, n, rate))
    return k if scipy_stats.binom.cdf(k, n, rate) <= 1 - confidence else k - 1


def calibrate(
    peaks: Floats,
    *,
    rate: float,
    least: float,
    confidence: float = 0.95,
    criterion: Criterion = Criterion.ASSURED,
    corpus_sha256: str = "",
) -> Calibration:
    """The smallest threshold that meets a false-positive rate on benign prompts.

    With k prompts above it, the threshold is the next highest peak. The true rate above that peak
    is then Beta(k + 1, P - k) or smaller, whatever the distribution (Wilks 1941), so its bound
    allows for the threshold having been chosen on these prompts.

    Args:
        peaks: (P,), one latent's highest activation on each benign prompt.
        rate: the share of benign prompts that may rise above the threshold, between 0 and 1.
        least: no lower threshold is given; above zero. A latent silent on all benign prompts gets
            it, as the autoencoder's own threshold or half the median peak on positive controls.
        confidence: of the criterion and of the intervals.
        criterion: what it is to meet the rate.
        corpus_sha256: what the prompts are pinned by.

    Raises:
        ScanFailed: too few prompts for the rate, or values that make no sense.
    """
    check(peaks, rate, least, confidence)
    n = len(peaks)
    if n < (needed := fewest(rate, confidence, criterion)):
        message = (
            f"a false-positive rate of {rate:g} ({criterion}, confidence {confidence:g}) needs at "
            f"least {needed} benign prompts, came {n}; add prompts or ask for a higher rate"
        )
        raise ScanFailed(message, permanent=True)
    k = allowed(n, rate, confidence, criterion)
    threshold = max(float(np.sort(peaks)[n - 1 - k]), least)
    return Calibration(
        threshold=threshold,
        criterion=criterion,
        rate=rate,
        false_positives=share(int((peaks > threshold).sum()), n, confidence),
        rate_bound=stats.upper_bound(k, n, confidence),
        corpus_sha256=corpus_sha256,
    )


def check(peaks: Floats, rate: float, least: float, confidence: float) -> None:
    """Refuse what no threshold could be read from."""
    if not (0 < rate < 1 and 0 < confidence < 1 and 0 < least < math.inf):
        message = (
            "expected a rate and a confidence between 0 and 1 and a least threshold above 0, came "
            f"{rate}, {confidence} and {least}"
        )
        raise ScanFailed(message, permanent=True)
    if peaks.ndim != 1 or not np.isfinite(peaks).all():
        message = f"expected one finite peak for each prompt, came {peaks.shape} with others"
        raise ScanFailed(message, permanent=True)


def calibrated(
    watchlist: Sequence[WatchedLatent],
    peaks: Floats,
    *,
    rate: float,
    least: Sequence[float],
    confidence: float = 0.95,
    criterion: Criterion = Criterion.ASSURED,
    corpus_sha256: str = "",
) -> tuple[WatchedLatent, ...]:
    """The watch-list with a threshold for each latent: peaks (P, M), least (M,).

    Recall that was shown at another threshold is taken off.

    Raises:
        ScanFailed: as for `calibrate`, or not one column for each latent.
    """
    expect_columns(watchlist, peaks, len(peaks))
    found = [
        calibrate(
            column,
            rate=rate,
            least=lowest,
            confidence=confidence,
            criterion=criterion,
            corpus_sha256=corpus_sha256,
        )
        for column, lowest in zip(peaks.T, least, strict=True)
    ]
    return tuple(
        replace(
            latent,
            threshold=each.threshold,
            calibration=each,
            recall=latent.recall if latent.threshold == each.threshold else None,
        )
        for latent, each in zip(watchlist, found, strict=True)
    )


def with_recall(
    watchlist: Sequence[WatchedLatent],
    peaks: Floats,
    families: Sequence[Family],
    *,
    confidence: float = 0.95,
    suite_sha256: str = "",
) -> tuple[WatchedLatent, ...]:
    """The watch-list with each latent's recall on the prompts of its concern: peaks (P, M).

    The prompts must not be those that found the latents or set their thresholds. A latent without
    a prompt of its concern is left without recall.

    Raises:
        ScanFailed: not one column for each latent, or not one family for each prompt.
    """
    expect_columns(watchlist, peaks, len(families))
    found: list[WatchedLatent] = []
    for column, latent in zip(peaks.T, watchlist, strict=True):
        ours = column[of(families, latent.concern)]
        hits = share(int((ours > latent.threshold).sum()), len(ours), confidence)
        recall = Recall(latent.threshold, hits, suite_sha256) if len(ours) else None
        found.append(replace(latent, recall=recall))
    return tuple(found)


def concern_recalls(
    watchlist: Sequence[WatchedLatent],
    peaks: Floats,
    families: Sequence[Family],
    *,
    floor: float,
    confidence: float = 0.95,
) -> tuple[ConcernRecall, ...]:
    """What the latents of each concern find together, and whether their silence may count.

    Args:
        watchlist: the latents, in the order of the columns.
        peaks: (P, M), on positive controls and benign prompts that set no threshold.
        families: (P,), of the prompts.
        floor: silence counts only if recall is at least so high, surely.
        confidence: of the intervals.

    Raises:
        ScanFailed: not one column for each latent, or not one family for each prompt.
    """
    expect_columns(watchlist, peaks, len(families))
    thresholds = np.array([latent.threshold for latent in watchlist])  # (M,)
    found: list[ConcernRecall] = []
    for concern in Family:
        columns = [at for at, latent in enumerate(watchlist) if latent.concern is concern]
        if not columns:
            continue
        any_hit = np.asarray((peaks[:, columns] > thresholds[columns]).any(axis=1))  # (P,)
        positives, benign = (any_hit[of(families, each)] for each in (concern, Family.BENIGN))
        shown = share(int(positives.sum()), len(positives), confidence)
        false = share(int(benign.sum()), len(benign), confidence)
        latents = tuple(watchlist[at].index for at in columns)
        found.append(ConcernRecall(concern, latents, shown, false, floor, shown.low >= floor))
    return tuple(found)


def of(families: Sequence[Family], wanted: Family) -> Bools:
    """Which prompts are of a family: (P,)."""
    return np.fromiter((family is wanted for family in families), dtype=bool)


def expect_columns(watchlist: Sequence[WatchedLatent], peaks: Floats, n_prompts: int) -> None:
    """Refuse peaks that are not one column a latent and one row a prompt."""
    if peaks.shape != (n_prompts, len(watchlist)):
        message = f"expected peaks {(n_prompts, len(watchlist))}, came {peaks.shape}"
        raise ScanFailed(message, permanent=True)
