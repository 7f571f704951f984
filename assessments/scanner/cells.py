"""The sums that stand for some tokens of some prompts, and adding them without rounding.

A cell is all tokens of one family, frame and stratum; a prompt gives one or two. Shapes: T tokens,
N of them in one stratum, M watched latents.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from assessments.scanner import bins, exact
from assessments.scanner.contract import Family, Frame, Plain, ScanFailed, Stratum
from assessments.scanner.plain import NotPlain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from assessments.scanner.contract import Prompt, WatchedLatent

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

AROUND = 8
"""Tokens kept on either side of a peak."""
N_STRONGEST = 3
"""Prompts whose strongest token is kept, for each latent and context."""
LARGEST = 1e150
"""A larger activation could not be squared."""


@dataclass(frozen=True)
class Watched(Plain):
    """Which latents stand in the columns, and from which activation on each counts as a hit."""

    latents: tuple[int, ...]
    thresholds: tuple[float, ...]

    @classmethod
    def of(cls, watchlist: Sequence[WatchedLatent]) -> Self:
        """The columns in the order of the watch-list."""
        return cls(
            tuple(each.index for each in watchlist), tuple(each.threshold for each in watchlist)
        )


@dataclass(frozen=True)
class Peak(Plain):
    """The strongest token of one prompt for one latent, as ids, with its neighbours."""

    activation: float
    place: int
    """The prompt's place in the job."""
    prompt_id: str
    position: int
    """In the whole prompt."""
    ids: tuple[int, ...]
    activations: tuple[float, ...]
    at: int
    """Where the peak stands in `ids`."""

    @property
    def order(self) -> tuple[float, int]:
        """Strongest first; of equals, the earlier prompt."""
        return -self.activation, self.place


@dataclass(frozen=True)
class Cell(Plain):
    """The sums over some prompts of one family, frame and stratum. Tuples are (M,)."""

    family: Family
    frame: Frame
    stratum: Stratum
    n_prompts: int
    n_tokens: int
    n_fired: tuple[int, ...]
    """Tokens above zero."""
    n_above: tuple[int, ...]
    """Tokens above the threshold."""
    n_prompts_above: tuple[int, ...]
    total: tuple[exact.Expansion, ...]
    squares: tuple[exact.Expansion, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    filled: tuple[int, ...]
    """Bins that are not empty, as the latent's column times `bins.N_BINS` plus bin; ascending."""
    counts: tuple[int, ...]
    """How many tokens are in each of them."""
    strongest: tuple[tuple[Peak, ...], ...]
    """For each latent, strongest first; empty where it never fired."""

    @property
    def context(self) -> tuple[Family, Frame, Stratum]:
        """What it is about."""
        return self.family, self.frame, self.stratum


class Given(NamedTuple):
    """One prompt's activations, and where they come from."""

    activations: Floats
    """(T, M)"""
    prompt: Prompt
    place: int
    ids: tuple[int, ...]
    start: int

    def check(self, apart: Bools, watched: Watched) -> None:
        """Refuse what cannot be counted."""
        expected = (len(self.ids), len(watched.latents))
        if self.activations.shape != expected or apart.shape != expected[:1]:
            message = (
                f"prompt {self.prompt.id!r}: expected activations {expected} and as many tokens "
                f"set apart or not, came {self.activations.shape} and {apart.shape}"
            )
            raise ScanFailed(message, permanent=True)
        if apart.all():
            message = (
                f"prompt {self.prompt.id!r} has no token to score apart from position 0 and "
                "special tokens; give it text or leave it out"
            )
            raise ScanFailed(message, permanent=True)
        if not (np.abs(self.activations) <= LARGEST).all():
            wrong = np.argwhere(~(np.abs(self.activations) <= LARGEST))[0]
            message = (
                f"prompt {self.prompt.id!r}, token {self.start + wrong[0]}: latent "
                f"{watched.latents[wrong[1]]} is {self.activations[tuple(wrong)]}; expected a "
                "finite activation. The autoencoder may not fit this model"
            )
            raise ScanFailed(message, permanent=True)

    def cell(self, stratum: Stratum, rows: Ints, watched: Watched) -> Cell:
        """The sums over some of the prompt's tokens."""
        values = self.activations[rows]  # (N, M)
        above = values > np.asarray(watched.thresholds)
        columns = [column[column != 0] for column in values.T]
        binned = bins.of(values) + bins.N_BINS * np.arange(values.shape[1])
        filled, counts = np.unique(binned, return_counts=True)
        return Cell(
            family=self.prompt.family,
            frame=self.prompt.frame,
            stratum=stratum,
            n_prompts=1,
            n_tokens=len(rows),
            n_fired=whole(np.count_nonzero(values > 0, axis=0)),
            n_above=whole(np.count_nonzero(above, axis=0)),
            n_prompts_above=whole(above.any(axis=0).astype(int)),
            total=tuple(exact.add(column.tolist()) for column in columns),
            squares=tuple(exact.add((column * column).tolist()) for column in columns),
            lowest=tuple(values.min(axis=0).tolist()),
            highest=tuple(values.max(axis=0).tolist()),
            filled=whole(filled),
            counts=whole(counts),
            strongest=tuple(map(self.peaks, range(values.shape[1]), rows[values.argmax(axis=0)])),
        )

    def peaks(self, column: int, row: int) -> tuple[Peak, ...]:
        """The peak of a latent with its neighbours, if the latent fired at all."""
        activation = float(self.activations[row, column])
        if activation <= 0:
            return ()
        first, last = max(0, int(row) - AROUND), int(row) + AROUND + 1
        return (
            Peak(
                activation=activation,
                place=self.place,
                prompt_id=self.prompt.id,
                position=self.start + int(row),
                ids=self.ids[first:last],
                activations=tuple(self.activations[first:last, column].tolist()),
                at=int(row) - first,
            ),
        )


def whole(counts: Ints) -> tuple[int, ...]:
    """An array of counts as plain numbers."""
    return tuple(counts.tolist())


def check(cell: Cell, n_latents: int) -> None:
    """Refuse sums that no prompts could have given.

    Raises:
        NotPlain: they do not fit each other.
    """
    columns = (
        cell.n_fired, cell.n_above, cell.n_prompts_above, cell.total, cell.squares,
        cell.lowest, cell.highest, cell.strongest,
    )  # fmt: skip
    if any(len(each) != n_latents for each in columns):
        lengths = [len(each) for each in columns]
        raise NotPlain(f"cell {cell.context}: expected {n_latents} of each sum, came {lengths}")
    filled = np.asarray(cell.filled, dtype=object)
    in_reach = all(0 <= each < n_latents * bins.N_BINS for each in filled)
    if not in_reach or (np.diff(filled) <= 0).any() or len(filled) != len(cell.counts):
        raise NotPlain(f"cell {cell.context}: expected {bins.N_BINS} bins a latent, ascending")
    if min(cell.counts, default=0) < 0 or sum(cell.counts) != n_latents * cell.n_tokens:
        raise NotPlain(
            f"cell {cell.context}: expected {cell.n_tokens} tokens in the bins of each latent"
        )


def added(cells: Sequence[Cell]) -> Cell:
    """Add up cells of one context."""
    filled, counts = added_bins(cells)
    return Cell(
        *cells[0].context,
        n_prompts=sum(cell.n_prompts for cell in cells),
        n_tokens=sum(cell.n_tokens for cell in cells),
        n_fired=summed(cell.n_fired for cell in cells),
        n_above=summed(cell.n_above for cell in cells),
        n_prompts_above=summed(cell.n_prompts_above for cell in cells),
        total=added_exactly(cell.total for cell in cells),
        squares=added_exactly(cell.squares for cell in cells),
        lowest=tuple(map(min, zip(*(cell.lowest for cell in cells), strict=True))),
        highest=tuple(map(max, zip(*(cell.highest for cell in cells), strict=True))),
        filled=filled,
        counts=counts,
        strongest=tuple(
            tuple(heapq.nsmallest(N_STRONGEST, itertools.chain(*peaks), key=lambda at: at.order))
            for peaks in zip(*(cell.strongest for cell in cells), strict=True)
        ),
    )


def summed(counts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """Counts of the same latents, added."""
    return tuple(map(sum, zip(*counts, strict=True)))


def added_exactly(sums: Iterable[tuple[exact.Expansion, ...]]) -> tuple[exact.Expansion, ...]:
    """Sums of the same latents, added without rounding."""
    return tuple(exact.add(itertools.chain(*each)) for each in zip(*sums, strict=True))


def added_bins(cells: Sequence[Cell]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The bins that any of the cells filled, and their counts."""
    every = np.concatenate([np.asarray(cell.filled, dtype=np.int64) for cell in cells])
    filled, place = np.unique(every, return_inverse=True)
    counts = np.zeros(len(filled), dtype=np.int64)
    np.add.at(counts, place, list(itertools.chain.from_iterable(cell.counts for cell in cells)))
    return whole(filled), whole(counts)
