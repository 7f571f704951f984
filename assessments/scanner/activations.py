"""Read the residual stream after one block, without paying for the blocks behind it.

1. Sort the sequences by length and cut them into batches of at most so many tokens.
2. Run the model no further than the read point; the head is never computed.
3. Hand over each sequence's activations, padding removed.

Shapes: B sequences, T positions, D model width, N tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn
    from transformers import PreTrainedModel

HOOK = re.compile(r"blocks\.(\d+)\.hook_resid_post")
ROUND_TO = 8


class Stop(Exception):  # It ends a forward pass early; nothing went wrong.
    """The read point was reached."""


def block_of(hook_name: str) -> int:
    """The block a hook name speaks of.

    Raises:
        ScanFailed: the name is not `blocks.<k>.hook_resid_post`.
    """
    found = HOOK.fullmatch(hook_name)
    if found is None:
        message = f"expected a read point as blocks.8.hook_resid_post, came {hook_name!r}"
        raise ScanFailed(message, permanent=True)
    return int(found.group(1))


def blocks_of(model: PreTrainedModel) -> nn.ModuleList:
    """The model's blocks, wherever its architecture keeps them."""
    base = model.base_model
    for name in ("layers", "h"):
        if hasattr(base, name):
            blocks: nn.ModuleList = getattr(base, name)
            return blocks
    message = f"{type(model).__name__}: no list of blocks found under 'layers' or 'h'"
    raise ScanFailed(message, permanent=True)


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


@torch.no_grad()
def residuals(model: PreTrainedModel, given: Batch, block: int) -> Tensor:
    """The stream after `block`, in float32, (B, T, D)."""
    caught: list[Tensor] = []

    def catch(_module: nn.Module, _args: object, output: Tensor | tuple[Tensor, ...]) -> None:
        caught.append(output if isinstance(output, torch.Tensor) else output[0])
        raise Stop

    handle = blocks_of(model)[block].register_forward_hook(catch)
    try:
        device = model.device
        mask = given.mask.to(device)
        model.base_model(input_ids=given.ids.to(device), attention_mask=mask, use_cache=False)
    except Stop:
        pass
    finally:
        handle.remove()
    return caught[0].float()


def each_sequence(
    model: PreTrainedModel,
    sequences: Sequence[Sequence[int]],
    block: int,
    *,
    token_budget: int,
) -> Iterator[tuple[int, Tensor]]:
    """Each sequence's place and activations (T, D), in the order in which batches finish."""
    for given in batches(sequences, token_budget):
        stream = residuals(model, given, block)  # (B, T, D)
        for row, index in enumerate(given.indices):
            yield index, stream[row, : len(sequences[index])]
