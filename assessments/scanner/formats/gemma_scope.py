"""Gemma Scope, for Gemma 2: params.npz, and all else in the names of the folders above it.

    gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz

    res          blocks.20.hook_resid_post; in embedding/ hook_embed
    mlp          blocks.20.hook_mlp_out, behind Gemma's norm
    att          blocks.20.attn.hook_z, the heads side by side
    transcoders  blocks.20.ln2.hook_normalized, without gain, to blocks.20.hook_mlp_out

    W_enc (D, F) · W_dec (F, E) · b_enc · b_dec · threshold;  f = max(pre, 0)·[pre > threshold]

Nothing is taken off the input. The embedding ones were trained on embeddings without the √D that
the model multiplies them by: the input is divided by it, and what is rebuilt multiplied, its bias
with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assessments.scanner.formats import places, tensors
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "gemma_scope"
WEIGHTS = "params.npz"
RELEASE = r"gemma-scope-(2b|9b|27b)-(pt|it)-(res|mlp|att|transcoders)(?![a-z])"
HOOKS = {
    "res": ("hook_resid_post", ""),
    "mlp": ("hook_mlp_out", ""),
    "att": ("attn.hook_z", ""),
    "transcoders": ("ln2.hook_normalized", "hook_mlp_out"),
}
"""What is read, and what is rebuilt where that is something else."""
WIDTH_UNITS = {"k": 1 << 10, "m": 1 << 20}


@dataclass(frozen=True)
class Told:
    """What the names of the folders say; None or empty where they say nothing."""

    model_name: str
    kind: str
    layer: int | None
    is_embedding: bool
    width: int | None
    l0: float | None

    @property
    def hooks(self) -> tuple[str, str]:
        """What is read, and what is rebuilt where that is something else."""
        if self.is_embedding:
            return "hook_embed", ""
        if not self.kind or self.layer is None:
            return places.UNKNOWN, ""
        given, rebuilt = HOOKS[self.kind]
        block = f"blocks.{self.layer}."
        return block + given, rebuilt and block + rebuilt

    def doubts(self, d_sae: int) -> Iterator[str]:
        """What they leave open, in sentences."""
        if self.hooks[0] == places.UNKNOWN:
            yield (
                "the folders do not say what is read; expected a path as "
                "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71"
            )
        if self.width is not None and self.width != d_sae:
            yield f"the folders speak of {self.width} latents, the file has {d_sae}"


def recognises(path: Path) -> bool:
    """Whether the folder holds a params.npz."""
    return (path / WEIGHTS).is_file()


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return (path / WEIGHTS,)


def load(path: Path) -> SparseAutoencoder:
    """The autoencoder, weights left on disk.

    Raises:
        ScanFailed: the file does not hold what it should.
    """
    told = read_names(path)
    store = open_store(path / WEIGHTS)
    d, f = tensors.length(store, "b_dec"), tensors.length(store, "b_enc")
    vectors = {"b_enc": (f,), "b_dec": (d,), "threshold": (f,)}
    tensors.expect(store, vectors | {"W_enc": (d, f), "W_dec": (f, d)})
    hook_name, hook_name_out = told.hooks
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=OnDisk(store, "W_enc", latent_dim=1),
        b_enc=OnDisk(store, "b_enc"),
        w_dec=OnDisk(store, "W_dec"),
        b_dec=store.read("b_dec"),
        threshold=OnDisk(store, "threshold"),
        hook_name=hook_name,
        hook_name_out=hook_name_out,
        input_scale=1 / math.sqrt(d) if told.is_embedding else 1.0,
        format=NAME,
        declared=Declared(l0=told.l0, model_name=told.model_name),
        doubts=tuple(told.doubts(f)),
    )


def read_names(path: Path) -> Told:
    """What the names of the folders say, the nearest first."""
    names = places.upwards(path)
    release = places.first(RELEASE, names)
    layer = places.first(r"^layer_(\d{1,3})$", names)
    width = places.first(r"^width_(\d{1,4})([km])$", names)
    l0 = places.first(r"^average_l0_(\d{1,6})$", names)
    return Told(
        model_name=model_of(release[1], release[2]) if release else "",
        kind=release[3] if release else "",
        layer=int(layer[1]) if layer else None,
        is_embedding=layer is None and places.first("^embedding$", names) is not None,
        width=int(width[1]) * WIDTH_UNITS[width[2]] if width else None,
        l0=float(l0[1]) if l0 else None,
    )


def model_of(size: str, tuning: str) -> str:
    """The model, as its makers call it."""
    return f"google/gemma-2-{size}" + ("-it" if tuning == "it" else "")
