"""Llama Scope, for Llama 3.1 8B and the R1-Distill of it.

    hyperparams.json · checkpoints/final.safetensors      Llama Scope
    config.json · sae_weights.safetensors                 R1-Distill
    encoder.weight (F, D) · encoder.bias · decoder.weight (D, F) · decoder.bias

Llama Scope has one jump_relu_threshold θ for all latents. It was measured where its makers' loader
leaves the autoencoder: on the raw stream x, with s folded into the biases and decoders at length
one. A latent fires when

    (x W_encᵀ + b_enc / s) · ‖W_dec‖ > θ        that is, with z = x · s:
    (z W_encᵀ + b_enc) · ‖W_dec‖ > θ · s

so that scaling the input does not spare scaling θ; left out, far too many latents fire. ‖W_dec‖
counts where sparsity_include_decoder_norm says so, as it does in the published files.

R1-Distill has log_jumprelu_threshold (F,), learned on z itself: only the logarithm is undone. s
stands among the tensors, dataset_average_activation_norm.<hook>.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from assessments.scanner.formats import config, openmoss, places, tensors
from assessments.scanner.formats.openmoss import AVERAGE, FORMER, Scales
from assessments.scanner.formats.turned import Exp, Same
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.formats.openmoss import Settings

NAME = "llama_scope"
FIRST = ("hyperparams.json", "checkpoints/final.safetensors")
DISTILL = ("config.json", "sae_weights.safetensors")
THRESHOLD = "jump_relu_threshold"
MODELS = {
    r"Llama3_1-8B-Base": "meta-llama/Llama-3.1-8B",
    r"Llama-Scope-R1-Distill": "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
}


def recognises(path: Path) -> bool:
    """Whether the folder holds the two files of either kind."""
    if all((path / each).is_file() for each in FIRST):
        return True
    if not all((path / each).is_file() for each in DISTILL):
        return False
    return FORMER.w_enc in open_store(path / DISTILL[1]).tensors


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    kind = FIRST if (path / FIRST[0]).is_file() else DISTILL
    return tuple(path / each for each in kind)


def load(path: Path) -> SparseAutoencoder:
    """The autoencoder, weights left on disk.

    Raises:
        ScanFailed: the files ask for something this scanner does not compute.
    """
    found = first(path) if (path / FIRST[0]).is_file() else distill(path)
    model_name = next(
        (model for name, model in MODELS.items() if places.first(name, places.upwards(path))), ""
    )
    return replace(found, format=NAME, declared=replace(found.declared, model_name=model_name))


def first(path: Path) -> SparseAutoencoder:
    """Llama Scope."""
    said, store = (config.read(path / FIRST[0]), open_store(path / FIRST[1]))
    f = tensors.length(store, FORMER.b_enc)
    told = openmoss.settings(said, f, architecture=rule(said), by_length=False)
    tensors.expect(store, openmoss.shapes(FORMER, told))
    scales = told_scales(said, told)
    jumps = told.architecture is Architecture.JUMPRELU
    threshold = Same(theta(said, told, scales), f) if jumps else None
    found = openmoss.assemble(store, FORMER, told, scales, threshold)
    # Its top_k is how many latents a token kept on average where θ was measured.
    return replace(found, declared=Declared(l0=said.said_number("top_k")))


def distill(path: Path) -> SparseAutoencoder:
    """R1-Distill."""
    said, store = (config.read(path / DISTILL[0]), open_store(path / DISTILL[1]))
    f, key = tensors.length(store, FORMER.b_enc), FORMER.log_threshold
    architecture = openmoss.architecture(said, has_threshold=key in store.tensors)
    told = openmoss.settings(said, f, architecture=architecture, by_length=False)
    jumps = architecture is Architecture.JUMPRELU
    shapes = openmoss.shapes(FORMER, told) | ({key: (f,)} if jumps else {})
    tensors.expect(store, shapes, besides=openmoss.averages(store))
    threshold = Exp(OnDisk(store, key), f"{store.name}: {key}") if jumps else None
    return openmoss.assemble(store, FORMER, told, openmoss.kept_scales(store, told), threshold)


def rule(said: Config) -> Architecture:
    """How pre-activations become activations: with a θ, by it, whatever they were trained by."""
    told = openmoss.architecture(said, has_threshold=THRESHOLD in said)
    has_theta = (said.said_number(THRESHOLD) or 0) > 0
    return Architecture.JUMPRELU if told is Architecture.TOPK and has_theta else told


def told_scales(said: Config, told: Settings) -> Scales:
    """The scales that hyperparams.json tells the average lengths of.

    Raises:
        ScanFailed: one is missing, or is no length.
    """
    if told.normalisation != "dataset-wise":
        return Scales()
    average = said.section(AVERAGE)
    given = openmoss.scale(told.d, average.number("in"), f"{average.where}: in")
    rebuilt = average.number("out") if "out" in average else average.number("in")
    return Scales(given, openmoss.scale(told.d, rebuilt, f"{average.where}: out"))


def theta(said: Config, told: Settings, scales: Scales) -> float:
    """θ in the units of the scaled stream.

    Raises:
        ScanFailed: there is none, or it is below 0, where negative activations would count.
    """
    kept = said.number(THRESHOLD)
    if kept < 0:
        raise said.unfit(THRESHOLD, "a number from 0")
    return kept * (scales.rebuilt if told.judges_by_length else scales.given)
