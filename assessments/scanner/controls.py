"""Random latents that fire about as often as a watched one, and how the watched one stands out.

A latent that fires often has large effects for that reason alone; the right null is its equals.
Shapes: F latents, C controls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assessments.scanner.contract import MatchedControls, ScanFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def matched(
    densities: Floats, watched: Sequence[int], *, n: int, seed: int, widest: float = 2.0
) -> tuple[tuple[int, ...], ...]:
    """For each watched latent up to n random ones of like density, drawn by seed.

    A latent that never fired is no control. A watched one that never fired is matched as if it
    had fired as seldom as any that did, which does not flatter it.

    Args:
        densities: (F,), share of benign tokens on which each latent fires.
        watched: latents to match; none of them serves as a control.
        n: how many controls for each.
        seed: what they are drawn by, for each watched latent on its own.
        widest: a control fires at most so many times as often, or as seldom.

    Raises:
        ScanFailed: densities that are none, a watched latent beyond them, or no control in reach.
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
    if first == last:
        message = (
            f"latent {latent} fires on {density:.3g} of benign tokens and no other within a factor "
            f"of {widest:g}; widen the factor or leave the latent without controls"
        )
        raise ScanFailed(message, permanent=True)
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
