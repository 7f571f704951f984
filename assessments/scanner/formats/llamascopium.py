"""llamascopium (OpenMOSS's Language-Model-SAEs): config.json beside sae_weights.safetensors.

    W_E (D, F) · b_E · W_D (F, D) · b_D · activation_function.log_jumprelu_threshold (F,)
    dataset_average_activation_norm.<hook>, one number for each point

A transcoder is one whose hook_point_out is another than its hook_point_in. Crosscoders, low-rank
attention and the like are refused by their sae_type.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from assessments.scanner.formats import config, openmoss, tensors
from assessments.scanner.formats.openmoss import CURRENT
from assessments.scanner.formats.turned import Exp
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

NAME = "llamascopium"
CONFIG = "config.json"
WEIGHTS = "sae_weights.safetensors"
FOLDED = (
    "average lengths were folded into its weights; what folds them leaves the thresholds as they "
    "were, which makes more latents fire than in training"
)


def recognises(path: Path) -> bool:
    """Whether the folder holds its two files, with tensors called as it calls them."""
    if not (path / CONFIG).is_file() or not (path / WEIGHTS).is_file():
        return False
    return CURRENT.w_enc in open_store(path / WEIGHTS).tensors


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return (path / CONFIG, path / WEIGHTS)


def load(path: Path) -> SparseAutoencoder:
    """The autoencoder, weights left on disk.

    Raises:
        ScanFailed: the files ask for something this scanner does not compute.
    """
    said, store = config.read(path / CONFIG), open_store(path / WEIGHTS)
    key = CURRENT.log_threshold
    architecture = openmoss.architecture(said, has_threshold=key in store.tensors)
    f = tensors.length(store, CURRENT.b_enc)
    told = openmoss.settings(said, f, architecture=architecture, by_length=True)
    jumps = architecture is Architecture.JUMPRELU
    shapes = openmoss.shapes(CURRENT, told) | ({key: (f,)} if jumps else {})
    tensors.expect(store, shapes, besides=openmoss.averages(store))
    threshold = Exp(OnDisk(store, key), f"{store.name}: {key}") if jumps else None
    scales = openmoss.kept_scales(store, told)
    found = openmoss.assemble(store, CURRENT, told, scales, threshold)
    was_folded = told.normalisation == "inference" and bool(openmoss.averages(store))
    doubts = (*found.doubts, FOLDED) if jumps and was_folded else found.doubts
    return replace(found, format=NAME, doubts=doubts)
