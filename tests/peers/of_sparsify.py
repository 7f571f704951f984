"""Sparse coders of EleutherAI, random, saved by their own functions. Runs inside .venv-peers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from sparsify import SparseCoder, SparseCoderConfig

if TYPE_CHECKING:
    from cases import Case

D = 40


@dataclass(frozen=True)
class Read:
    """The peer's coder as it reads it back."""

    coder: SparseCoder

    @property
    def d_in(self) -> int:
        """Width of the stream."""
        return int(self.coder.d_in)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D) to (N, F)."""
        found = self.coder.encode(x)
        dense = x.new_zeros(len(x), self.coder.num_latents)
        return dense.scatter(-1, found.top_indices, found.top_acts)

    def rebuild(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D) to (N, D)."""
        return self.coder(x).sae_out


def save(case: Case, folder: Path) -> tuple[Path, Read]:
    """Where the coder lies, and the peer's reading of it."""
    at = folder / "layers.1"
    coder = SparseCoder(D, SparseCoderConfig(activation=case.architecture, **case.config))
    filled(coder).save_to_disk(at)
    return at, Read(SparseCoder.load_from_disk(at))


@torch.no_grad()
def filled(coder: SparseCoder) -> SparseCoder:
    """Nothing zero that the peer would leave at zero."""
    coder.encoder.bias.copy_(0.3 * torch.randn_like(coder.encoder.bias) - 0.2)
    coder.b_dec.copy_(0.4 * torch.randn_like(coder.b_dec))
    assert coder.W_dec is not None
    coder.W_dec.copy_(torch.randn_like(coder.W_dec))
    if coder.cfg.normalize_decoder:
        coder.set_decoder_norm_to_unit_norm()
    if coder.W_skip is not None:
        coder.W_skip.copy_(0.3 * torch.randn_like(coder.W_skip))
    return coder
