"""A model over several devices, cut by depth: the first blocks on the first device, and so on.

For models that do not fit into one device's memory. Devices work one after another, so this buys
room and no speed; where a model fits, one worker for each device is quicker.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from assessments.scanner import readpoints
from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from assessments.scanner.readpoints import ReadPoint

RANGE = re.compile(r"(?P<kind>[a-z]+):(?P<first>\d+)-(?P<last>\d+)")


def devices(spelled: str) -> tuple[torch.device, ...]:
    """The devices of a job: `cpu`, `cuda`, `cuda:1`, or several of one kind as `cuda:0-3`.

    Raises:
        ScanFailed: torch knows no such device, or the range runs backwards.
    """
    found = RANGE.fullmatch(spelled)
    try:
        if found is None:
            return (torch.device(spelled),)
        first, last = int(found["first"]), int(found["last"])
        several = tuple(torch.device(found["kind"], at) for at in range(first, last + 1))
    except RuntimeError as error:
        message = f"device {spelled!r}: expected cpu, cuda, cuda:1 or cuda:0-3; {error}"
        raise ScanFailed(message, permanent=True) from error
    if not several:
        message = f"device {spelled!r}: expected a range that runs upwards, as cuda:0-3"
        raise ScanFailed(message, permanent=True)
    return several


def place(model: PreTrainedModel, chosen: Sequence[torch.device]) -> None:
    """Bring a model to its devices; over several, blocks are dealt out evenly in their order.

    What stands before the blocks goes to the first device, what stands behind them to the last, and
    whatever a module is given is brought to where it lies. A head that shares its weights with the
    embedding stays with it.
    """
    torch.nn.Module.to(model, chosen[0])
    if len(chosen) == 1:
        return
    blocks = list(readpoints.blocks_of(model))
    for number, block in enumerate(blocks):
        block.to(chosen[number * len(chosen) // len(blocks)])
    for module in behind(model):
        module.to(chosen[-1])
        follow(module)
    for block in blocks:
        follow(block)
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if head is not None:
        if head.weight is not model.get_input_embeddings().weight:
            head.to(chosen[-1])
        follow(head)


def behind(model: PreTrainedModel) -> list[nn.Module]:
    """The last norms: what stands beside the list of blocks, has weights, and is no embedding."""
    return [
        child
        for child in readpoints.text_model(model).children()
        if not isinstance(child, nn.Embedding | nn.ModuleList)
        and any(True for _ in child.parameters())
    ]


def follow(module: nn.Module) -> None:
    """Have everything that a module is given brought to where its weights lie."""
    at = next(module.parameters()).device

    def bring(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        return brought(args, at), brought(named, at)

    module.register_forward_pre_hook(bring, with_kwargs=True)


def brought(given: Any, at: torch.device) -> Any:
    """Every tensor in there on one device; all else as it is."""
    if isinstance(given, Tensor):
        return given.to(at)
    if isinstance(given, tuple):
        return tuple(brought(each, at) for each in given)
    if isinstance(given, dict):
        return {name: brought(each, at) for name, each in given.items()}
    return given


def device_at(model: PreTrainedModel, point: ReadPoint) -> torch.device:
    """Where the stream lies when it comes by a read point."""
    found = readpoints.tap(model, point).module
    return next((each.device for each in found.parameters()), model.device)
