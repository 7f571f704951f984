"""circuit-tracer's transcoders: config.yaml beside one file a layer.

    layer_5.safetensors   W_enc (F, D) · W_dec (F, E) · b_enc · b_dec
                          [activation_function.threshold] [k] [W_skip (E, D)]
    W_enc_5.safetensors   of a cross-layer transcoder, for encoding: W_enc_5 (F, D) · b_enc_5 ·
                          b_dec_5 · [threshold_5]

An autoencoder is one such file; its folder does only where it is the one in it. It reads
`feature_input_hook` of its block, and rebuilds `feature_output_hook`. The activation is the one
that config.yaml names, else a threshold's or a k's where the file has one, else ReLU.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import places, tensors, yamls
from assessments.scanner.formats.turned import Same
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.rows import Rows
    from assessments.scanner.store import Store

NAME = "circuit_tracer"
CONFIG = "config.yaml"
LAYER = re.compile(r"(layer_|W_enc_)(\d{1,3})\.safetensors", re.ASCII)
CROSS_LAYER = "W_enc_"
THRESHOLD = "activation_function.threshold"
ACTIVATIONS = {
    "relu": Architecture.STANDARD,
    "jump_relu": Architecture.JUMPRELU,
    "jumprelu": Architecture.JUMPRELU,
    "topk": Architecture.TOPK,
}
SIGNED = (
    "circuit-tracer keeps a latent that is among the k largest where it is negative; here it is "
    "then off"
)


@dataclass(frozen=True)
class Rule:
    """How pre-activations become activations."""

    architecture: Architecture
    k: int = 0
    threshold: Rows | None = None


def recognises(path: Path) -> bool:
    """Whether it is a layer's file with a config.yaml beside, or a folder with such files."""
    if path.is_file():
        return LAYER.fullmatch(path.name) is not None and (path.parent / CONFIG).is_file()
    return (path / CONFIG).is_file() and bool(layer_files(path))


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    weights = located(path)
    return (weights.parent / CONFIG, weights)


def layer_files(folder: Path) -> list[Path]:
    """The files of single layers."""
    return sorted(each for each in folder.glob("*.safetensors") if LAYER.fullmatch(each.name))


def located(path: Path) -> Path:
    """The file of one layer.

    Raises:
        ScanFailed: the folder holds several, or none.
    """
    if path.is_file():
        return path
    found = layer_files(path)
    if len(found) != 1:
        raise ScanFailed(
            f"{path.name}: expected the path of one layer's file, came a folder with {len(found)}: "
            f"{', '.join(each.name for each in found[:5])}",
            permanent=True,
        )
    return found[0]


def load(path: Path) -> SparseAutoencoder:
    """The transcoder, weights left on disk.

    Raises:
        ScanFailed: the files do not hold what they should.
    """
    weights = located(path)
    place = LAYER.fullmatch(weights.name)
    if place is None:
        message = f"{weights.name}: expected layer_<n>.safetensors or W_enc_<n>.safetensors"
        raise ScanFailed(message, permanent=True)
    said, store = yamls.read(weights.parent / CONFIG), open_store(weights)
    if place[1] == CROSS_LAYER:
        return cross_layer(said, store, place[2])
    return single_layer(said, store, place[2])


def single_layer(said: Config, store: Store, layer: str) -> SparseAutoencoder:
    """A transcoder of one layer."""
    f, d_out = tensors.length(store, "b_enc"), tensors.length(store, "b_dec")
    d = tensors.beside(store, "W_enc", f, 0)
    wanted: dict[str, tuple[int, ...]] = {
        "W_enc": (f, d), "b_enc": (f,), "W_dec": (f, d_out), "b_dec": (d_out,)
    }  # fmt: skip
    skips = "W_skip" in store.tensors
    tensors.expect(
        store, wanted | ({"W_skip": (d_out, d)} if skips else {}), besides=(THRESHOLD, "k")
    )
    rule = rule_of(said, store, f, THRESHOLD)
    return SparseAutoencoder(
        rule.architecture,
        w_enc=OnDisk(store, "W_enc"),
        b_enc=OnDisk(store, "b_enc"),
        w_dec=OnDisk(store, "W_dec"),
        b_dec=store.read("b_dec"),
        threshold=rule.threshold,
        k=rule.k,
        w_skip=store.read("W_skip") if skips else None,
        hook_name=hook(said, "feature_input_hook", layer),
        hook_name_out=hook(said, "feature_output_hook", layer),
        format=NAME,
        declared=Declared(model_name=said.said_text("model_name")),
        doubts=(SIGNED,) if rule.architecture is Architecture.TOPK else (),
    )


def cross_layer(said: Config, store: Store, layer: str) -> SparseAutoencoder:
    """The latents of one layer of a cross-layer transcoder; for encoding."""
    w_enc, b_enc, threshold = (f"{each}_{layer}" for each in ("W_enc", "b_enc", "threshold"))
    f = tensors.length(store, b_enc)
    d = tensors.beside(store, w_enc, f, 0)
    tensors.expect(store, {w_enc: (f, d), b_enc: (f,)}, besides=(f"b_dec_{layer}", threshold))
    rule = rule_of(said, store, f, threshold)
    return SparseAutoencoder(
        rule.architecture,
        w_enc=OnDisk(store, w_enc),
        b_enc=OnDisk(store, b_enc),
        w_dec=None,
        b_dec=None,
        threshold=rule.threshold,
        k=rule.k,
        hook_name=hook(said, "feature_input_hook", layer),
        format=NAME,
        declared=Declared(model_name=said.said_text("model_name")),
    )


def rule_of(said: Config, store: Store, f: int, threshold: str) -> Rule:
    """How pre-activations become activations.

    Raises:
        ScanFailed: config.yaml and tensors contradict each other, or a number is missing.
    """
    told = said.text("activation", natural(store, threshold)).lower()
    if told not in ACTIVATIONS:
        raise said.unfit("activation", f"one of {', '.join(ACTIVATIONS)}")
    architecture = ACTIVATIONS[told]
    has = {
        Architecture.JUMPRELU: threshold in store.tensors,
        Architecture.TOPK: "k" in store.tensors,
    }
    if any(there and each is not architecture for each, there in has.items()):
        raise ScanFailed(
            f"{store.name}: {said.where} says {told}, but the tensors are {sorted(store.tensors)}",
            permanent=True,
        )
    match architecture:
        case Architecture.JUMPRELU:
            return Rule(architecture, threshold=thresholds(store, threshold, f))
        case Architecture.TOPK:
            return Rule(architecture, k=k_of(said, store, f))
        case _:
            return Rule(architecture)


def natural(store: Store, threshold: str) -> str:
    """The activation where config.yaml names none."""
    if threshold in store.tensors:
        return "jump_relu"
    return "topk" if "k" in store.tensors else "relu"


def thresholds(store: Store, name: str, f: int) -> Rows:
    """One threshold a latent, or one for all.

    Raises:
        ScanFailed: another shape; or one below 0, where negative activations would count.
    """
    shape = tensors.shape_of(store, name)
    tensors.expect_fractions(store, name)
    if shape not in {(f,), (1,), ()}:
        raise tensors.refusal(store, name, f"a shape of {(f,)}", shape)
    kept = store.read(name)
    if float(kept.min()) < 0:
        raise ScanFailed(
            f"{store.name}: {name}: expected thresholds from 0, came {float(kept.min()):.4g}; "
            "below it negative activations would count, which are not computed here",
            permanent=True,
        )
    return OnDisk(store, name) if shape == (f,) else Same(float(kept.reshape(())), f)


def k_of(said: Config, store: Store, f: int) -> int:
    """How many latents a token keeps.

    Raises:
        ScanFailed: nothing says it, or two places say different numbers.
    """
    if "k" not in store.tensors:
        return said.whole("k", least=1, most=f)
    k = tensors.whole(store, "k")
    if k > f or ("k" in said and said.whole("k") != k):
        raise said.unfit("k", f"{k} as in {store.name}, and at most {f}")
    return k


def hook(said: Config, key: str, layer: str) -> str:
    """A read point of the block."""
    return places.spelled(said.where, f"blocks.{layer}.{said.text(key)}")
