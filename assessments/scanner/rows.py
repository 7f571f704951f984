"""A weight with one row a latent, in memory or on disk, whichever way round it was saved.

Shapes: F latents, D numbers a latent (none for a vector), M latents asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from assessments.scanner.store import Store


class Rows(Protocol):
    """What the autoencoder asks of a weight; everything comes as float32."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, D), or (F,)."""

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M, D)."""

    def part(self, start: int, stop: int) -> Tensor:
        """The latents from `start` up to `stop`: (stop - start, D)."""


@dataclass(frozen=True)
class InMemory:
    """A weight that is there."""

    tensor: Tensor
    """(F, D) or (F,)"""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, D), or (F,)."""
        return tuple(self.tensor.shape)

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M, D)."""
        return self.tensor[torch.tensor(list(latents), dtype=torch.long, device=self.tensor.device)]

    def part(self, start: int, stop: int) -> Tensor:
        """A run of latents."""
        return self.tensor[start:stop]


@dataclass(frozen=True)
class OnDisk:
    """A weight in a file, read when asked for."""

    store: Store
    name: str
    latent_dim: int = 0
    """1 where the file holds it as (D, F)."""
    factor: float = 1.0
    """Every number is multiplied by it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, D), or (F,)."""
        shape = self.store.tensors[self.name].shape
        return shape[::-1] if self.latent_dim else shape

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M, D)."""
        return self._turned(self.store.take(self.name, latents, self.latent_dim))

    def part(self, start: int, stop: int) -> Tensor:
        """A run of latents."""
        return self._turned(self.store.part(self.name, start, stop, self.latent_dim))

    def _turned(self, found: Tensor) -> Tensor:
        turned = found.T if self.latent_dim else found
        return turned if self.factor == 1 else turned * self.factor


@dataclass(frozen=True)
class Norms:
    """The length of each row of a decoder, worked out when asked for."""

    of: Rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(F,), one length a row."""
        return self.of.shape[:1]

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M,)."""
        return self.of.take(latents).square().sum(-1).sqrt()

    def part(self, start: int, stop: int) -> Tensor:
        """A run of latents: (stop - start,)."""
        return self.of.part(start, stop).square().sum(-1).sqrt()


def expect_shape(where: str, rows: Rows, wanted: tuple[int, ...]) -> None:
    """Refuse a weight of another shape.

    Raises:
        ScanFailed: names the weight, what was expected and what came.
    """
    if rows.shape != wanted:
        raise ScanFailed(
            f"{where}: expected a shape of {wanted}, came {rows.shape}", permanent=True
        )
