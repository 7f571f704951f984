"""Random latents that fire about as often as a watched one, and how the watched one stands out.

A latent that fires often has large effects for that reason alone; the right null is its equals.

1. When a watch-list is calibrated, every latent is counted on the benign prompts and a pool of equals
   is drawn for each watched one (`matched`). The pools are part of the list, so its digest pins them.
2. A scan draws from each pool by its seed (`of_job`): from the job alone, so every shard reads the
   same latents, and no shard has to count all latents again.
3. Of the peaks of all shards, `examine` says how each watched latent stands among its controls.

Shapes: F latents, C controls, P prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assessments.scanner.contract import Family, MatchedControls, ScanFailed

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from numpy.typing import NDArray

    from assessments.scanner.contract import ScanJob, WatchedLatent
    from assessments.scanner.shards import PromptRow

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


def matched(
    densities: Floats, watched: Sequence[int], *, n: int, seed: int, widest: float = 2.0
) -> tuple[tuple[int, ...], ...]:
    """For each watched latent up to n random ones of like density, drawn by seed.

    A latent that never fired is no control. A watched one that never fired is matched as if it
    had fired as seldom as any that did, which does not flatter it. One that has no equal in reach
    gets no control.

    Args:
        densities: (F,), share of benign tokens on which each latent fires.
        watched: latents to match; none of them serves as a control.
        n: how many controls for each.
        seed: what they are drawn by, for each watched latent on its own.
        widest: a control fires at most so many times as often, or as seldom.

    Raises:
        ScanFailed: densities that are none, or a watched latent beyond them.
    """
    check(densities, watched)
    order = np.argsort(densities, kind="stable")
    order = order[densities[order] > 0]
    order = order[~np.isin(order, watched)]
    firing = densities[densities > 0]
    return tuple(
        drawn(
            order, densities[order], latent, max(densities[latent], firing.min()), n, seed, widest
        )
        for latent in watched
    )


def drawn(
    order: Ints, ranked: Floats, latent: int, density: float, n: int, seed: int, widest: float
) -> tuple[int, ...]:
    """Controls for one latent out of those in `order`, whose densities ascend."""
    first = int(np.searchsorted(ranked, density / widest, side="left"))
    last = int(np.searchsorted(ranked, density * widest, side="right"))
    draw = np.random.default_rng([seed, latent])
    chosen = draw.choice(last - first, size=min(n, last - first), replace=False)
    return tuple(sorted(int(order[first + at]) for at in chosen))


def check(densities: Floats, watched: Sequence[int]) -> None:
    """Refuse densities that are none, and latents beyond them."""
    if densities.ndim != 1 or not ((densities >= 0) & (densities <= 1)).all():
        message = f"expected one density from 0 to 1 for each latent, came {densities.shape}"
        raise ScanFailed(message, permanent=True)
    if beyond := [latent for latent in watched if not 0 <= latent < len(densities)]:
        message = f"densities of {len(densities)} latents came; the watch-list names {beyond[:5]}"
        raise ScanFailed(message, permanent=True)
    if not (densities > 0).any():
        message = "expected latents that fire on benign text, came none; it may be too short"
        raise ScanFailed(message, permanent=True)


def compare(
    latent: int, density: float, controls: Sequence[int], effect: float, others: Sequence[float]
) -> MatchedControls:
    """One watched latent's effect among those of its controls: `others` is (C,)."""
    values = np.asarray(others, dtype=np.float64)
    if len(values) != len(controls) or not len(values) or not np.isfinite([effect, *values]).all():
        message = (
            f"latent {latent}: expected a finite effect for each of {len(controls)} controls, came "
            f"{len(values)}"
        )
        raise ScanFailed(message, permanent=True)
    below, equal = (values < effect).sum(), (values == effect).sum()
    return MatchedControls(
        latent=latent,
        density=density,
        controls=tuple(controls),
        effect=effect,
        control_effects=tuple(values.tolist()),
        percentile=float(100 * (below + equal / 2) / len(values)),
        p=float((1 + (values >= effect).sum()) / (1 + len(values))),
    )


def of_job(job: ScanJob) -> tuple[tuple[int, ...], ...]:
    """The controls of each watched latent, `n_controls` at most, drawn from its pool by seed.

    A latent that is watched itself is no control, for whatever it was put on the list.
    """
    watched = {latent.index for latent in job.watchlist}
    return tuple(some(latent, watched, job) for latent in job.watchlist)


def some(latent: WatchedLatent, watched: Container[int], job: ScanJob) -> tuple[int, ...]:
    """The controls of one latent."""
    pool = [each for each in pool_of(latent) if each not in watched]
    draw = np.random.default_rng([job.seed, latent.index])
    n = min(job.n_controls, len(pool))
    return tuple(sorted(int(each) for each in draw.choice(pool, size=n, replace=False)))


def pool_of(latent: WatchedLatent) -> tuple[int, ...]:
    """The equals that its calibration names, in a fixed order, each once."""
    return tuple(sorted(set(latent.calibration.controls))) if latent.calibration else ()


def read_along(job: ScanJob) -> tuple[int, ...]:
    """All controls of a job, ascending; the order of their columns."""
    return tuple(sorted({each for some_of in of_job(job) for each in some_of}))


def examine(job: ScanJob, rows: Sequence[PromptRow]) -> tuple[MatchedControls, ...]:
    """How each watched latent stands among its controls, on prompts of its concern and benign ones.

    A latent without controls is left out, and so is a concern of which there is no prompt, or none
    that is benign.

    Args:
        job: the scan.
        rows: (P,), in the order of the prompts.
    """
    along = read_along(job)
    if not along:
        return ()
    families = np.array([prompt.family.value for prompt in job.prompts])
    peaks = np.array([row.peaks for row in rows])  # (P, M)
    others = np.array([row.control_peaks for row in rows])  # (P, C)
    found: list[MatchedControls] = []
    for column, (latent, ours) in enumerate(zip(job.watchlist, of_job(job), strict=True)):
        positive, benign = families == latent.concern.value, families == Family.BENIGN.value
        if not ours or not positive.any() or not benign.any():
            continue
        columns = [along.index(each) for each in ours]
        effects = [effect(others[:, each], positive, benign) for each in columns]
        density = (latent.calibration and latent.calibration.density) or 0.0
        mine = effect(peaks[:, column], positive, benign)
        found.append(compare(latent.index, density, ours, mine, effects))
    return tuple(found)


def effect(peaks: Floats, positive: Bools, benign: Bools) -> float:
    """How much stronger a latent is on positive prompts than on benign ones, in log units.

    A control has no threshold, so a peak is measured by the mean peak over both kinds, for watched
    latents as for controls. 0 for a latent that is silent on all of them.

    Args:
        peaks: (P,).
        positive: (P,), which prompts are of the concern.
        benign: (P,), which are benign.
    """
    heights = np.maximum(peaks, 0.0)  # Where latents may be negative, silence is the least.
    mean = heights[positive | benign].mean()
    if mean <= 0:
        return 0.0
    strength = np.log1p(heights / mean)
    return float(strength[positive].mean() - strength[benign].mean())
