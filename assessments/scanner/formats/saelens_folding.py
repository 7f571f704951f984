"""Normalisations that SAELens estimates on data, moved into the weights as it does at the end.

    average     every token times one number s:  W_enc·s, W_dec/s, b_dec/s
    whitening   z = (x - mean) M:                M W_enc, W_dec M⁻¹, b_dec M⁻¹ + mean

A checkpoint has them beside the weights, in activation_scaler.json and
activation_whitening.safetensors; what is published has them folded in, or lost them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import config, tensors
from assessments.scanner.formats.saelens_config import AVERAGE, WHITENING
from assessments.scanner.rows import OnDisk
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from assessments.scanner.formats.saelens_config import Settings
    from assessments.scanner.rows import Rows
    from assessments.scanner.store import Store

SCALER = "activation_scaler.json"
WHITENER = "activation_whitening.safetensors"
LEAST, MOST = 1e-8, 1e8
"""Between these lies every factor that brings a stream to unit mean square."""
INVERSE_WITHIN = 1e-2
NOT_KEPT = (
    f"normalize_activations is {AVERAGE}, and the factor is not beside the weights: they are taken "
    "as if it had been folded into them"
)
NOT_ASKED = f"{SCALER} holds a factor that the configuration does not ask for; it is left out"


@dataclass(frozen=True)
class Folded:
    """Weights that take the stream as it is."""

    w_enc: Rows
    w_dec: Rows
    b_dec: Tensor
    b_in: Tensor | None
    lengths_over: float = 1.0
    """By what the decoder's rows were divided."""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mixed:
    """A matrix each of whose rows is multiplied by another matrix."""

    of: Rows
    by: Tensor
    """(D, D)"""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, D)."""
        return self.of.shape

    def take(self, latents: Sequence[int]) -> Tensor:
        """Some latents: (M, D)."""
        return (self.of.take(latents).double() @ self.by.double()).float()

    def part(self, start: int, stop: int) -> Tensor:
        """A run of latents."""
        return (self.of.part(start, stop).double() @ self.by.double()).float()


def files(path: Path) -> tuple[Path, ...]:
    """What lies beside the weights and changes them."""
    return tuple(each for each in (path / SCALER, path / WHITENER) if each.is_file())


def folded(path: Path, said: Settings, store: Store) -> Folded:
    """The weights with the normalisation in them.

    Raises:
        ScanFailed: it is asked for, and what it takes is not there.
    """
    scale = factor(path)
    if said.normalize == WHITENING:
        return whitened(path, said, store)
    if said.normalize == AVERAGE and scale is not None:
        return averaged(said, store, scale)
    b_dec = store.read("b_dec")
    open_questions = {AVERAGE: NOT_KEPT}.get(said.normalize, NOT_ASKED if scale else "")
    return Folded(
        OnDisk(store, "W_enc", latent_dim=1),
        OnDisk(store, "W_dec"),
        b_dec,
        b_in=b_dec if said.subtracts else None,
        doubts=(open_questions,) if open_questions else (),
    )


def factor(path: Path) -> float | None:
    """The number that tokens are multiplied by, if one is kept."""
    if not (path / SCALER).is_file():
        return None
    said = config.read(path / SCALER)
    if "scaling_factor" not in said:
        return None
    scale = said.number("scaling_factor")
    if not LEAST < scale < MOST:
        raise said.unfit("scaling_factor", f"a number between {LEAST} and {MOST}")
    return scale


def averaged(said: Settings, store: Store, scale: float) -> Folded:
    """Every token times one number."""
    b_dec = store.read("b_dec") / scale
    return Folded(
        OnDisk(store, "W_enc", latent_dim=1, factor=scale),
        OnDisk(store, "W_dec", factor=1 / scale),
        b_dec,
        b_in=b_dec if said.subtracts else None,
        lengths_over=scale,
    )


def whitened(path: Path, said: Settings, store: Store) -> Folded:
    """Every token whitened. What is taken off the input does what SAELens shifts biases for."""
    if said.kind.transcodes or not (path / WHITENER).is_file():
        raise ScanFailed(
            f"{said.where}: normalize_activations is {WHITENING}; expected {WHITENER} beside an "
            "autoencoder of one stream, or one that SAELens folded it into",
            permanent=True,
        )
    matrices = open_store(path / WHITENER)
    d = said.d_in
    tensors.expect(matrices, {"mean": (d,), "matrix": (d, d), "inverse_matrix": (d, d)})
    mean, matrix, inverse = (matrices.read(name) for name in ("mean", "matrix", "inverse_matrix"))
    if not torch.allclose(matrix @ inverse, torch.eye(d), atol=INVERSE_WITHIN):
        raise ScanFailed(f"{WHITENER}: inverse_matrix does not undo matrix", permanent=True)
    b_dec = store.read("b_dec") @ inverse + mean
    return Folded(
        Mixed(OnDisk(store, "W_enc", latent_dim=1), matrix.T),
        Mixed(OnDisk(store, "W_dec"), inverse),
        b_dec,
        b_in=b_dec if said.subtracts else mean,
    )
