"""Read a model at one point or several, without paying for what lies behind the last.

1. Sort the sequences by length and cut them into batches of at most so many tokens.
2. Run the model no further than the read point; the head is never computed.
3. Hand over each sequence's activations, padding removed.

A block's number, where a read point is asked for, means the stream after that block. Shapes: B
sequences, T positions, D width of the read point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from assessments.scanner import readpoints
from assessments.scanner.contract import ScanFailed
from assessments.scanner.readpoints import ReadPoint, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

ROUND_TO = 8


class Stop(Exception):  # It ends a forward pass early; nothing went wrong.
    """The read point was reached."""


def block_of(hook_name: str) -> int:
    """The block whose output a hook name speaks of.

    Raises:
        ScanFailed: it speaks of another place.
    """
    point = readpoints.parse(hook_name)
    if point.site is not Site.RESID_POST or point.processed:
        message = f"expected a read point as blocks.8.hook_resid_post, came {hook_name!r}"
        raise ScanFailed(message, permanent=True)
    return point.block


@dataclass(frozen=True)
class Batch:
    """Some sequences side by side, padded on the right."""

    indices: tuple[int, ...]
    """Which sequences, by their place in what was asked."""
    ids: Tensor
    """(B, T)"""
    mask: Tensor
    """(B, T); 1 where there is a token."""


def batches(sequences: Sequence[Sequence[int]], token_budget: int) -> Iterator[Batch]:
    """Cut the sequences into batches: like lengths together, at most `token_budget` with padding.

    The width is a multiple of eight, so that a batch's shape depends little on its neighbours.
    """
    order = sorted(range(len(sequences)), key=lambda index: (len(sequences[index]), index))
    chosen: list[int] = []
    for index in order:
        width = padded(len(sequences[index]))
        if chosen and width * (len(chosen) + 1) > token_budget:
            yield batch(sequences, chosen)
            chosen = []
        chosen.append(index)
    if chosen:
        yield batch(sequences, chosen)


def padded(length: int) -> int:
    """The length rounded up to the next multiple of eight."""
    return -(-length // ROUND_TO) * ROUND_TO


def batch(sequences: Sequence[Sequence[int]], indices: Sequence[int]) -> Batch:
    """One batch of the sequences named."""
    width = padded(max(len(sequences[index]) for index in indices))
    ids = torch.zeros(len(indices), width, dtype=torch.long)  # (B, T)
    mask = torch.zeros_like(ids)
    for row, index in enumerate(indices):
        n = len(sequences[index])
        ids[row, :n] = torch.tensor(sequences[index])
        mask[row, :n] = 1
    return Batch(tuple(indices), ids, mask)


def residuals(model: PreTrainedModel, given: Batch, at: ReadPoint | int) -> Tensor:
    """What stands at one point, in float32, (B, T, D)."""
    return several(model, given, (at,))[0]


@torch.no_grad()
def several(
    model: PreTrainedModel, given: Batch, points: Sequence[ReadPoint | int]
) -> tuple[Tensor, ...]:
    """What stands at each of some points, from one pass that ends at the last: each (B, T, D).

    Of a model over several devices, all come on the device of the first point.

    Raises:
        ScanFailed: the model has no such point, or never came by there.
    """
    caught: dict[int, Tensor] = {}

    def catch(place: int) -> Callable[[Tensor], None]:
        def see(x: Tensor) -> None:
            caught[place] = x
            if len(caught) == len(points):
                raise Stop

        return see

    taps = [readpoints.tap(model, spelled_out(each)) for each in points]
    handles = [each.watch(catch(place)) for place, each in enumerate(taps)]
    try:
        device = model.device
        mask = given.mask.to(device)
        model.base_model(input_ids=given.ids.to(device), attention_mask=mask, use_cache=False)
    except Stop:
        at = caught[0].device
        return tuple(caught[place].to(at) for place in range(len(points)))
    finally:
        for handle in handles:
            handle.remove()
    missed = [each.spelled for place, each in enumerate(taps) if place not in caught]
    message = f"{type(model).__name__} was run and never came by {', '.join(missed)}"
    raise ScanFailed(message, permanent=True)


def spelled_out(at: ReadPoint | int) -> ReadPoint:
    """The read point; a block's number means the stream after it."""
    return readpoints.after(at) if isinstance(at, int) else at


def each_sequence(
    model: PreTrainedModel,
    sequences: Sequence[Sequence[int]],
    at: ReadPoint | int,
    *,
    token_budget: int,
) -> Iterator[tuple[int, Tensor]]:
    """Each sequence's place and activations (T, D), in the order in which batches finish."""
    for given in batches(sequences, token_budget):
        stream = residuals(model, given, at)  # (B, T, D)
        for row, index in enumerate(given.indices):
            yield index, stream[row, : len(sequences[index])]
