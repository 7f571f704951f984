"""Taps: read what stands at one place of a running model, or put something else there.

Shapes: B sequences, T positions, W width of the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.utils.hooks import RemovableHandle


class Where(Enum):
    """Which side of the module is read, and where something else is put."""

    OUTPUT = auto()
    INPUT = auto()
    SHARED_INPUT = auto()
    """An input that a skip connection reads too: what is put there has to reach both."""
    BEFORE_GAIN = auto()
    """Inside a norm: made from its input; what is put there goes through gain and bias."""


@dataclass(frozen=True)
class Tap:
    """Where a model is read, and how."""

    spelled: str
    module: nn.Module
    where: Where
    block: int
    """The last block that has to run; -1 when none has to."""
    width: int
    gain_offset: float = 0.0
    """What the norm adds to its saved gain."""
    taken_off: Callable[[Tensor], Tensor] | None = None
    """What processing takes off the tensor it is given."""

    def read(self, args: tuple[Any, ...], named: dict[str, Any], output: Any = None) -> Tensor:
        """What stands at the point, from the module's arguments and output: (B, T, W) float32.

        Raises:
            ScanFailed: the tensor there has another shape.
        """
        found = given(args, named) if self.where is not Where.OUTPUT else first(output)
        if found.ndim != 3 or found.shape[-1] != self.width:
            raise ScanFailed(
                f"{self.spelled}: expected (sequences, positions, {self.width}), the model gives "
                f"{tuple(found.shape)}",
                permanent=True,
            )
        if self.where is Where.BEFORE_GAIN:
            return normalised(self.module, found)
        return found.float() - self.taken_off(found.float()) if self.taken_off else found.float()

    def watch(self, see: Callable[[Tensor], None]) -> RemovableHandle:
        """Have `see` called with what stands there, as soon as it does."""
        if self.where is Where.OUTPUT:
            return self.module.register_forward_hook(
                lambda _, args, named, output: see(self.read(args, named, output)),
                with_kwargs=True,
            )
        return self.module.register_forward_pre_hook(
            lambda _, args, named: see(self.read(args, named)), with_kwargs=True
        )

    def splice(self, edit: Callable[[Tensor], Tensor]) -> RemovableHandle:
        """Have the model go on with `edit` of what stands there; (B, T, W) float32 to the same.

        Not for training: where a skip connection shares the tensor, it is written over.
        """
        if self.where in (Where.OUTPUT, Where.BEFORE_GAIN):
            return self.module.register_forward_hook(
                lambda _, args, named, output: self._put_out(edit, args, named, output),
                with_kwargs=True,
            )
        return self.module.register_forward_pre_hook(
            lambda _, args, named: self._put_in(edit, args, named), with_kwargs=True
        )

    def _put_out(
        self,
        edit: Callable[[Tensor], Tensor],
        args: tuple[Any, ...],
        named: dict[str, Any],
        output: Any,
    ) -> Any:
        edited = edit(self.read(args, named, output))
        if self.where is Where.BEFORE_GAIN:
            return regained(self.module, edited, self.gain_offset).to(output)
        edited = self._restored(edited, first(output))
        return edited if isinstance(output, Tensor) else (edited, *output[1:])

    def _put_in(
        self, edit: Callable[[Tensor], Tensor], args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        original = given(args, named)
        edited = self._restored(edit(self.read(args, named)), original)
        if self.where is Where.SHARED_INPUT:
            original.copy_(edited)
            return args, named
        return ((edited, *args[1:]), named) if args else (args, named | {"hidden_states": edited})

    def _restored(self, edited: Tensor, original: Tensor) -> Tensor:
        """With what processing took off put back, as the model has it."""
        if self.taken_off:
            edited = edited + self.taken_off(original.float())
        return edited.to(original)


def given(args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """The tensor a module is given, by place or by name."""
    found: Tensor = args[0] if args else named["hidden_states"]
    return found


def first(output: Any) -> Tensor:
    """The tensor a module puts out, alone or before others."""
    found: Tensor = output if isinstance(output, Tensor) else output[0]
    return found


def normalised(norm: Any, x: Tensor) -> Tensor:
    """What a norm makes of x before gain and bias: (B, T, W) float32."""
    x = x.float()
    if isinstance(norm, nn.LayerNorm):
        return functional.layer_norm(x, norm.normalized_shape, eps=norm.eps)
    eps = norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def regained(norm: Any, x: Tensor, gain_offset: float) -> Tensor:
    """What a norm gives out for what stands before its gain."""
    gain: Tensor = norm.weight.float() + gain_offset
    bias = getattr(norm, "bias", None)
    return x * gain if bias is None else x * gain + bias.float()
