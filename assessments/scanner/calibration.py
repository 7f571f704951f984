"""From which activation on a latent counts, how often that is wrong, and how often it is enough.

The unit is the prompt, by its highest token over the scored content. Prompts that share a content
or a wording are one unit, not two: take their highest first (`by_unit`). Nothing is read or drawn
here; `calibrating` does that. Shapes: P prompts, M watched latents, U units.
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
from assessments.scanner.recalls import said_alike

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


def lowest_rate(n: int, confidence: float) -> float:
    """The rate that n benign prompts can show with confidence if none is above; 1 for none."""
    return -math.expm1(math.log1p(-confidence) / n) if n else 1.0


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
        possible = lowest_rate(n, confidence) if criterion is Criterion.ASSURED else 1 / max(n, 1)
        message = (
            f"a false-positive rate of {rate:g} ({criterion}, confidence {confidence:g}) needs at "
            f"least {needed} benign prompts, came {n}; add prompts, or ask for a rate above "
            f"{possible:.4f}"
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


def measured(
    peaks: Floats, threshold: float, *, confidence: float = 0.95, corpus_sha256: str = ""
) -> Calibration:
    """What a threshold that was there before is worth on benign prompts.

    Its rate is the lowest that they show it to keep: the upper end of the one-sided interval of
    Clopper and Pearson.

    Args:
        peaks: (P,), one latent's highest activation on each benign prompt.
        threshold: not set on these prompts.
        confidence: of the rate and of the interval.
        corpus_sha256: what the prompts are pinned by.

    Raises:
        ScanFailed: no prompts, or values that make no sense.
    """
    check(peaks, 0.5, threshold, confidence)
    if not (n := len(peaks)):
        message = "expected benign prompts to measure a threshold on, came none; add some"
        raise ScanFailed(message, permanent=True)
    k = int((peaks > threshold).sum())
    bound = stats.upper_bound(k, n, confidence)
    return Calibration(
        threshold=threshold,
        criterion=Criterion.ASSURED,
        rate=bound,
        false_positives=share(k, n, confidence),
        rate_bound=bound,
        corpus_sha256=corpus_sha256,
        is_kept=True,
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


def kept(
    watchlist: Sequence[WatchedLatent],
    peaks: Floats,
    *,
    confidence: float = 0.95,
    corpus_sha256: str = "",
) -> tuple[WatchedLatent, ...]:
    """The watch-list as it is, and what each of its thresholds is worth: peaks (P, M).

    Raises:
        ScanFailed: as for `measured`, or not one column for each latent.
    """
    expect_columns(watchlist, peaks, len(peaks))
    return tuple(
        replace(
            latent,
            calibration=measured(
                column, latent.threshold, confidence=confidence, corpus_sha256=corpus_sha256
            ),
        )
        for latent, column in zip(watchlist, peaks.T, strict=True)
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
    confidence: float = 0.95,
    suite_sha256: str = "",
    model_sha256: str = "",
) -> tuple[ConcernRecall, ...]:
    """What the latents of each concern find together, on positive controls and on benign prompts.

    Args:
        watchlist: the latents, in the order of the columns.
        peaks: (P, M), on positive controls and benign prompts that set no threshold.
        families: (P,), of the prompts.
        confidence: of the intervals.
        suite_sha256: what the prompts are pinned by.
        model_sha256: of the model that was read.

    Raises:
        ScanFailed: not one column for each latent, or not one family for each prompt.
    """
    expect_columns(watchlist, peaks, len(families))
    found: list[ConcernRecall] = []
    for concern in Family:
        columns = [at for at, latent in enumerate(watchlist) if latent.concern is concern]
        if not columns:
            continue
        thresholds = tuple(watchlist[at].threshold for at in columns)
        any_hit = np.asarray((peaks[:, columns] > np.array(thresholds)).any(axis=1))  # (P,)
        positives, benign = (any_hit[of(families, each)] for each in (concern, Family.BENIGN))
        found.append(
            ConcernRecall(
                concern=concern,
                latents=tuple(watchlist[at].index for at in columns),
                thresholds=thresholds,
                found=share(int(positives.sum()), len(positives), confidence),
                false_positives=share(int(benign.sum()), len(benign), confidence),
                suite_sha256=suite_sha256,
                model_sha256=model_sha256,
            )
        )
    return tuple(found)


def with_together(
    watchlist: Sequence[WatchedLatent], recalls: Sequence[ConcernRecall]
) -> tuple[WatchedLatent, ...]:
    """The watch-list with what the latents of each concern find together, on each of them."""
    by_concern = {each.concern: each for each in recalls}
    return tuple(
        replace(latent, recall=replace(latent.recall, together=by_concern.get(latent.concern)))
        if latent.recall
        else latent
        for latent in watchlist
    )


def shown(watchlist: Sequence[WatchedLatent]) -> tuple[ConcernRecall, ...]:
    """What is shown of each concern by exactly these latents at exactly these thresholds.

    A list that lost a latent, gained one or moved a threshold is another list. What was counted for
    all of them together is then worth nothing; what its best latent finds alone still holds.
    """
    by_concern = (
        [latent for latent in watchlist if latent.concern is concern] for concern in Family
    )
    found = (said_alike(ours) or of_the_best(ours) for ours in by_concern)
    return tuple(each for each in found if each is not None)


def of_the_best(latents: Sequence[WatchedLatent]) -> ConcernRecall | None:
    """What the latent finds that finds most, of those that are measured at their threshold.

    Taking the best of several flatters it, so its interval is widened by their number (Bonferroni).
    """
    measured = [
        (latent, latent.recall, latent.calibration)
        for latent in latents
        if latent.recall and latent.recall.threshold == latent.threshold
        if latent.calibration and latent.calibration.threshold == latent.threshold
    ]
    if not measured:
        return None
    best, recall, known = max(measured, key=lambda each: each[1].found.share)
    confidence = 1 - (1 - recall.found.confidence) / len(measured)
    return ConcernRecall(
        concern=best.concern,
        latents=(best.index,),
        thresholds=(best.threshold,),
        found=share(recall.found.n_hit, recall.found.n, confidence),
        false_positives=known.false_positives,
        suite_sha256=recall.suite_sha256,
    )


def of(families: Sequence[Family], wanted: Family) -> Bools:
    """Which prompts are of a family: (P,)."""
    return np.fromiter((family is wanted for family in families), dtype=bool)


def expect_columns(watchlist: Sequence[WatchedLatent], peaks: Floats, n_prompts: int) -> None:
    """Refuse peaks that are not one column a latent and one row a prompt."""
    if peaks.shape != (n_prompts, len(watchlist)):
        message = f"expected peaks {(n_prompts, len(watchlist))}, came {peaks.shape}"
        raise ScanFailed(message, permanent=True)
