"""One sparse autoencoder, whatever file it came from.

    pre = (x - b_dec·[apply_b_dec_to_input]) W_enc + b_enc
    standard: f = max(pre, 0)
    jumprelu: f = max(pre, 0)·[pre > threshold]
    topk:     f = the k largest of max(pre, 0)
    x̂ = f W_dec + b_dec

A batch-top-k autoencoder with a pinned threshold is a jumprelu one. Computation is in float32.
Shapes: N tokens, D model width, F latents, M watched latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import torch

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Architecture(StrEnum):
    """How pre-activations become activations."""

    STANDARD = "standard"
    JUMPRELU = "jumprelu"
    TOPK = "topk"


@dataclass(frozen=True)
class SparseAutoencoder:
    """Weights and the rule that turns a residual stream into latents."""

    architecture: Architecture
    w_enc: Tensor
    """(D, F)"""
    b_enc: Tensor
    """(F,)"""
    w_dec: Tensor
    """(F, D)"""
    b_dec: Tensor
    """(D,)"""
    hook_name: str
    threshold: Tensor | None = None
    """(F,); jumprelu only."""
    k: int = 0
    """topk only."""
    apply_b_dec_to_input: bool = True

    @property
    def d_in(self) -> int:
        """Width of the stream it reads."""
        return int(self.w_enc.shape[0])

    @property
    def d_sae(self) -> int:
        """How many latents it has."""
        return int(self.w_enc.shape[1])

    def to(self, device: str) -> SparseAutoencoder:
        """The same autoencoder on another device."""
        moved = {
            name: getattr(self, name).to(device) for name in ("w_enc", "b_enc", "w_dec", "b_dec")
        }
        threshold = None if self.threshold is None else self.threshold.to(device)
        return SparseAutoencoder(
            self.architecture,
            **moved,
            hook_name=self.hook_name,
            threshold=threshold,
            k=self.k,
            apply_b_dec_to_input=self.apply_b_dec_to_input,
        )

    def centred(self, x: Tensor) -> Tensor:
        """The stream as the encoder wants it: (N, D) float32."""
        if x.shape[-1] != self.d_in:
            message = f"the autoencoder reads a width of {self.d_in}, the model gives {x.shape[-1]}"
            raise ScanFailed(message, permanent=True)
        return x.float() - self.b_dec if self.apply_b_dec_to_input else x.float()

    def encode(self, x: Tensor) -> Tensor:
        """All latents of each token: (N, D) to (N, F)."""
        pre = self.centred(x) @ self.w_enc + self.b_enc  # (N, F)
        if self.architecture is Architecture.TOPK:
            return keep_largest(pre.relu(), self.k)
        if self.threshold is not None:
            return pre.relu() * (pre > self.threshold)
        return pre.relu()

    def encode_some(self, x: Tensor, latents: Sequence[int]) -> Tensor:
        """Only the watched latents: (N, D) to (N, M), equal to the columns of `encode`.

        With ReLU and JumpReLU a column needs nothing of the others; TopK needs all of them.
        """
        columns = torch.tensor(list(latents), device=x.device)
        if self.architecture is Architecture.TOPK:
            return self.encode(x)[..., columns]
        pre = self.centred(x) @ self.w_enc[:, columns] + self.b_enc[columns]  # (N, M)
        if self.threshold is not None:
            return pre.relu() * (pre > self.threshold[columns])
        return pre.relu()

    def decode(self, f: Tensor) -> Tensor:
        """The stream as the latents tell it: (N, F) to (N, D)."""
        return f @ self.w_dec + self.b_dec

    def rebuild(self, x: Tensor) -> Tensor:
        """Encode and decode: (N, D) to (N, D)."""
        return self.decode(self.encode(x))


def keep_largest(f: Tensor, k: int) -> Tensor:
    """Each row with all but its k largest entries set to zero."""
    best = f.topk(k, dim=-1)
    return torch.zeros_like(f).scatter(-1, best.indices, best.values)
