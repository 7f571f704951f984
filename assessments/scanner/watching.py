"""What each watched latent did on each kind of prompt, from sums that add up exactly.

1. One prompt: count, sum and bin each latent's activations, position 0 and special tokens apart;
   keep its strongest token with the tokens around it.
2. Merge prompts, or parts of a scan, in any order and grouping: the result is the same to the bit.
3. Report rates with exact intervals, mean, spread, quantiles and the strongest tokens, per latent,
   family and frame.

Activations are never kept. Shapes: T tokens, M watched latents.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from typing_extensions import override

from assessments.scanner import bins, exact
from assessments.scanner.calibration import share
from assessments.scanner.cells import AROUND, Cell, Given, Peak, Watched, added, check
from assessments.scanner.contract import (
    Family,
    Frame,
    LatentStatistics,
    Plain,
    Quantile,
    ScanFailed,
    Stratum,
    StrongToken,
    TokenWindow,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assessments.scanner.contract import Prompt, WatchedLatent

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = [
    "AROUND", "PromptStatistics", "WatchStatistics", "Watched", "merge", "report", "set_apart",
]  # fmt: skip

PERCENTS = (50, 90, 99)
AT_ONCE = 256
"""Parts added up at once; more only take memory."""


@dataclass(frozen=True)
class WatchStatistics(Plain):
    """The sums of a whole scan or of any part of it."""

    watched: Watched
    places: tuple[int, ...]
    """The prompts that are in it, by their place in the job; ascending."""
    cells: tuple[Cell, ...]
    """In the order of their contexts."""
    binning: str = bins.VERSION

    @classmethod
    @override
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """What `to_json` was made from.

        Raises:
            NotPlain: a field is missing, unknown or of another type, or the sums do not fit.
        """
        read = super().from_json(raw)
        for cell in read.cells:
            check(cell, len(read.watched.latents))
        return read


@dataclass(frozen=True)
class PromptStatistics(WatchStatistics):
    """The sums of one prompt, and its peaks over content."""

    peaks: tuple[float, ...] = ()
    """(M,)"""
    positions: tuple[int, ...] = ()
    """(M,); where each peak stands in the whole prompt."""

    @classmethod
    def of(
        cls,
        activations: Floats,
        *,
        prompt: Prompt,
        place: int,
        ids: Sequence[int],
        start: int,
        apart: Bools,
        watched: Watched,
    ) -> Self:
        """Take in one prompt, or that part of it which is scored.

        Args:
            activations: (T, M), columns as in `watched`.
            prompt: whose tokens these are.
            place: the prompt's place in the job; it must be its own.
            ids: (T,) token ids.
            start: position of the first row in the whole prompt.
            apart: (T,), as `set_apart` gives it.
            watched: the columns and their thresholds.

        Raises:
            ScanFailed: shapes do not agree, no content token, or a value that is not finite.
        """
        # Adding 0 turns -0 into 0; which of the two a minimum keeps would depend on the order.
        values = np.asarray(activations, dtype=np.float64) + 0.0
        given = Given(values, prompt, place, tuple(ids), start)
        given.check(apart, watched)
        content = np.flatnonzero(~apart)
        tops = content[given.activations[content].argmax(axis=0)]  # (M,)
        strata = ((Stratum.APART, np.flatnonzero(apart)), (Stratum.CONTENT, content))
        return cls(
            watched=watched,
            places=(place,),
            cells=tuple(given.cell(each, rows, watched) for each, rows in strata if len(rows)),
            peaks=tuple(given.activations[tops, np.arange(len(tops))].tolist()),
            positions=tuple((start + tops).tolist()),
        )


def set_apart(ids: Sequence[int], start: int, special: frozenset[int]) -> Bools:
    """Which tokens are position 0 or special: (T,)."""
    apart = np.isin(np.asarray(ids, dtype=np.int64), sorted(special))
    if start == 0:
        apart[:1] = True
    return apart


def merge(parts: Iterable[WatchStatistics]) -> WatchStatistics:
    """Add parts up; any order and any grouping give equal results. A generator is taken in bits.

    Raises:
        ScanFailed: nothing to merge, a prompt twice, or parts of different scans.
    """
    coming = iter(parts)
    merged: list[WatchStatistics] = []
    while more := list(itertools.islice(coming, AT_ONCE)):
        merged = [together([*merged, *more])]
    if not merged:
        raise ScanFailed("expected statistics of at least one prompt, came none", permanent=True)
    return merged[0]


def together(parts: Sequence[WatchStatistics]) -> WatchStatistics:
    """Add up a few parts."""
    watched, binning = parts[0].watched, parts[0].binning
    for part in parts:
        if part.watched != watched or part.binning != binning:
            message = (
                f"expected sums of latents {watched.latents[:5]} in bins {binning}, came "
                f"{part.watched.latents[:5]} in {part.binning}; scan the prompts again"
            )
            raise ScanFailed(message, permanent=True)
    places = sorted(itertools.chain.from_iterable(part.places for part in parts))
    if twice := [one for one, other in itertools.pairwise(places) if one == other]:
        raise ScanFailed(f"prompts {twice[:5]} came twice; merge each once", permanent=True)
    by_context: dict[tuple[Family, Frame, Stratum], list[Cell]] = {}
    for cell in itertools.chain.from_iterable(part.cells for part in parts):
        by_context.setdefault(cell.context, []).append(cell)
    cells = tuple(added(by_context[context]) for context in sorted(by_context))
    return WatchStatistics(watched, tuple(places), cells, binning)


Spell = Callable[[Sequence[int]], tuple[str, ...]]


def report(
    statistics: WatchStatistics,
    watchlist: Sequence[WatchedLatent],
    spell: Spell,
    *,
    confidence: float = 0.95,
) -> tuple[LatentStatistics, ...]:
    """The sums as figures, one for each context and latent.

    Args:
        statistics: the merged sums.
        watchlist: what was watched, in the order of the columns.
        spell: the words of token ids, one each, fit to be shown.
        confidence: of the intervals.

    Raises:
        ScanFailed: the watch-list is not the one that was summed.
    """
    if Watched.of(watchlist) != statistics.watched:
        message = (
            f"expected the watch-list of latents {statistics.watched.latents[:5]} with the "
            f"thresholds that were counted, came {Watched.of(watchlist).latents[:5]}"
        )
        raise ScanFailed(message, permanent=True)
    return tuple(
        figures(cell, column, latent, spell, confidence)
        for cell in statistics.cells
        for column, latent in enumerate(watchlist)
    )


def figures(
    cell: Cell, column: int, latent: WatchedLatent, spell: Spell, confidence: float
) -> LatentStatistics:
    """One latent in one context."""
    n = cell.n_tokens
    total, squares = cell.total[column], cell.squares[column]
    return LatentStatistics(
        latent=latent.index,
        concern=latent.concern,
        family=cell.family,
        frame=cell.frame,
        stratum=cell.stratum,
        threshold=latent.threshold,
        n_prompts=cell.n_prompts,
        n_tokens=n,
        fired=share(cell.n_fired[column], n, confidence),
        above=share(cell.n_above[column], n, confidence),
        prompts_above=share(cell.n_prompts_above[column], cell.n_prompts, confidence),
        mean=exact.mean(total, n),
        sd=exact.standard_deviation(total, squares, n),
        highest=cell.highest[column],
        quantiles=quantiles(cell, column),
        strongest=tuple(strong(peak, spell) for peak in cell.strongest[column]),
    )


def quantiles(cell: Cell, column: int) -> tuple[Quantile, ...]:
    """The quantiles of a latent, each between the edges of its bin."""
    counts = np.zeros(bins.N_BINS, dtype=np.int64)
    at = np.asarray(cell.filled) - column * bins.N_BINS
    ours = (at >= 0) & (at < bins.N_BINS)
    counts[at[ours]] = np.asarray(cell.counts)[ours]
    ends = cell.lowest[column], cell.highest[column]
    return tuple(Quantile(each, *bins.quantile(counts, each, *ends)) for each in PERCENTS)


def strong(peak: Peak, spell: Spell) -> StrongToken:
    """A peak with its tokens spelled out."""
    window = TokenWindow(spell(peak.ids), peak.activations, peak.at)
    return StrongToken(peak.prompt_id, peak.position, peak.activation, window)
