"""Cut sequences into lots: what goes through the model at once.

Like lengths lie together, padded on the right to a multiple of eight, and no lot holds more than
its budget of tokens. Sequences that begin with the same prefix may share it: the prefix is read
once and its keys and values serve all of them. Which lot a sequence is in depends on the sequences
and the budget alone, never on who reads them, so a scan gives the same figures on any number of
workers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assessments.scanner.contract import Plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUND_TO = 8
SHORTEST_PREFIX = 16
"""A shorter prefix is not worth a pass of its own."""
FEWEST_SHARING = 3


@dataclass(frozen=True)
class Lot(Plain):
    """Some sequences that are read at once, by their place among all."""

    places: tuple[int, ...]
    n_prefix: int
    """Tokens that all of them begin with, read once; 0 for none."""
    n_tokens: int
    """What is computed, padding included, the shared prefix not: it is read once for many lots."""


def padded(length: int) -> int:
    """The length rounded up to the next multiple of eight."""
    return -(-length // ROUND_TO) * ROUND_TO


def cut(
    sequences: Sequence[Sequence[int]], budget: int, *, prefixes: Sequence[int] = ()
) -> tuple[Lot, ...]:
    """All sequences in lots.

    Args:
        sequences: token ids.
        budget: tokens in a lot, padding included, behind the shared prefix; a longer sequence has a lot of its own.
        prefixes: how many tokens of each may be shared with others that begin alike; empty: none.
    """
    sharing: dict[tuple[int, ...], list[int]] = defaultdict(list)
    alone: list[int] = []
    for place, (ids, n_prefix) in enumerate(
        zip(sequences, prefixes or [0] * len(sequences), strict=True)
    ):
        if SHORTEST_PREFIX <= n_prefix < len(ids):
            sharing[tuple(ids[:n_prefix])].append(place)
        else:
            alone.append(place)
    lots: list[Lot] = []
    for prefix, places in sharing.items():
        if len(places) < FEWEST_SHARING:
            alone += places
        else:
            lots += pack(sequences, places, budget, len(prefix))
    return tuple(lots + list(pack(sequences, alone, budget, 0)))


def pack(
    sequences: Sequence[Sequence[int]], places: Sequence[int], budget: int, n_prefix: int
) -> Iterator[Lot]:
    """Some sequences in lots, shortest first."""
    order = sorted(places, key=lambda place: (len(sequences[place]), place))
    chosen: list[int] = []
    width = 0
    for place in order:
        wider = padded(len(sequences[place]) - n_prefix)
        if chosen and wider * (len(chosen) + 1) > budget:
            yield Lot(tuple(chosen), n_prefix, width * len(chosen))
            chosen = []
        chosen.append(place)
        width = wider
    if chosen:
        yield Lot(tuple(chosen), n_prefix, width * len(chosen))
