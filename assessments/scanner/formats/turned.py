"""Weights that are not kept as they are used: as logarithms, as one number, or layer by layer.

Shapes: F latents, D numbers a latent, M latents asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import torch

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from assessments.scanner.rows import Rows


@dataclass(frozen=True)
class Exp:
    """A vector kept as its natural logarithms."""

    of: Rows
    where: str
    """File and tensor, for whoever has to be told."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F,)."""
        return self.of.shape

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M,)."""
        return self._raised(self.of.take(latents))

    def part(self, start: int, stop: int) -> Tensor:
        """A run of latents."""
        return self._raised(self.of.part(start, stop))

    def _raised(self, found: Tensor) -> Tensor:
        raised = found.exp()
        if not torch.isfinite(raised).all():
            raise ScanFailed(
                f"{self.where}: expected logarithms, came {float(found.max()):.4g}, whose power is "
                "not finite",
                permanent=True,
            )
        return raised


@dataclass(frozen=True)
class Same:
    """One number for every latent."""

    value: float
    n: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(F,)."""
        return (self.n,)

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M,)."""
        return torch.full((len(latents),), self.value)

    def part(self, start: int, stop: int) -> Tensor:
        """A run of latents."""
        return torch.full((stop - start,), self.value)


@dataclass(frozen=True)
class Stacked:
    """The latents of several weights, one after the other; each reads a stretch of its own.

    Where `is_matrix`, the row of a latent is zero but for the stretch that its weight reads.
    """

    weights: tuple[Rows, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, D), D over all stretches; or (F,)."""
        n = sum(each.shape[0] for each in self.weights)
        return (n, sum(each.shape[1] for each in self.weights)) if self.is_matrix else (n,)

    @property
    def is_matrix(self) -> bool:
        """Whether it is a matrix; a vector otherwise."""
        return len(self.weights[0].shape) == 2

    @cached_property
    def _begins(self) -> list[int]:
        """With which latent each weight begins."""
        return [0, *accumulate(each.shape[0] for each in self.weights)]

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M, D)."""
        found = torch.zeros((len(latents), *self.shape[1:]))
        for at, latent in enumerate(latents):
            which = bisect_right(self._begins, latent) - 1
            row = self.weights[which].take([latent - self._begins[which]])
            found[at : at + 1, *self._stretch(which)] = row
        return found

    def part(self, start: int, stop: int) -> Tensor:
        """A run of latents."""
        found = torch.zeros((stop - start, *self.shape[1:]))
        for which, weight in enumerate(self.weights):
            begin, end = self._begins[which], self._begins[which + 1]
            low, high = max(start, begin), min(stop, end)
            if low < high:
                rows = weight.part(low - begin, high - begin)
                found[low - start : high - start, *self._stretch(which)] = rows
        return found

    def _stretch(self, which: int) -> tuple[slice, ...]:
        """The columns that a weight reads; nothing to choose in a vector."""
        if not self.is_matrix:
            return ()
        left = sum(each.shape[1] for each in self.weights[:which])
        return (slice(left, left + self.weights[which].shape[1]),)
