"""Goodfire, converted from .pt and .pth.

    Llama    encoder_linear.weight (F, D) · .bias · decoder_linear.weight (D, F) · .bias; ReLU
    R1       W (D, F), for both ways · b_enc · b_dec; batch-top-k over all tokens given

Nothing is taken off the input. The R1 ones keep k largest a token on average over the whole batch;
k is in the folder's name alone, math 128 and logic 64. Without a threshold they are no evidence.
One that was derived is pinned by writing "threshold" into "values" of converted.json, as is "k".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import converted, places, tensors
from assessments.scanner.formats.turned import Same
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.converted import Converted

NAME = "goodfire"
PUBLISHED = {
    "Llama-3.3-70B-Instruct-SAE-l50": ("meta-llama/Llama-3.3-70B-Instruct", 121.0),
    "Llama-3.1-8B-Instruct-SAE-l19": ("meta-llama/Llama-3.1-8B-Instruct", 91.0),
    "DeepSeek-R1-SAE-l37": ("deepseek-ai/DeepSeek-R1", None),
}
"""The model, and how many latents a token has on average."""
K = {"math": 128, "logic": 64}


def recognises(path: Path) -> bool:
    """Whether the folder holds a conversion of it."""
    return converted.holds(path, NAME)


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return converted.files(path)


def load(path: Path) -> SparseAutoencoder:
    """The autoencoder, weights left on disk.

    Raises:
        ScanFailed: the tensors are not what they should be, or nothing says k.
    """
    found = converted.read(path)
    return tied(found, path) if "W" in found.store.tensors else linear(found, path)


def linear(found: Converted, path: Path) -> SparseAutoencoder:
    """The Llama ones."""
    store = found.store
    d = tensors.length(store, "decoder_linear.bias")
    f = tensors.length(store, "encoder_linear.bias")
    wanted: dict[str, tuple[int, ...]] = {
        "encoder_linear.weight": (f, d),
        "encoder_linear.bias": (f,),
        "decoder_linear.weight": (d, f),
        "decoder_linear.bias": (d,),
    }
    tensors.expect(store, wanted)
    hook_name, declared, doubts = told(found, path)
    return SparseAutoencoder(
        Architecture.STANDARD,
        w_enc=OnDisk(store, "encoder_linear.weight"),
        b_enc=OnDisk(store, "encoder_linear.bias"),
        w_dec=OnDisk(store, "decoder_linear.weight", latent_dim=1),
        b_dec=store.read("decoder_linear.bias"),
        hook_name=hook_name,
        format=NAME,
        declared=declared,
        doubts=doubts,
    )


def tied(found: Converted, path: Path) -> SparseAutoencoder:
    """The R1 ones."""
    store = found.store
    d, f = tensors.length(store, "b_dec"), tensors.length(store, "b_enc")
    tensors.expect(store, {"W": (d, f), "b_enc": (f,), "b_dec": (d,)})
    pinned = pinned_threshold(found)
    hook_name, declared, doubts = told(found, path)
    both_ways = OnDisk(store, "W", latent_dim=1)
    return SparseAutoencoder(
        Architecture.BATCHTOPK if pinned is None else Architecture.JUMPRELU,
        w_enc=both_ways,
        b_enc=OnDisk(store, "b_enc"),
        w_dec=both_ways,
        b_dec=store.read("b_dec"),
        threshold=None if pinned is None else Same(pinned, f),
        k=k_of(found, path, f) if pinned is None else 0,
        hook_name=hook_name,
        format=NAME,
        declared=declared,
        doubts=doubts,
    )


def pinned_threshold(found: Converted) -> float | None:
    """The threshold that somebody derived and wrote down.

    Raises:
        ScanFailed: it is below 0.
    """
    if "threshold" not in found.values:
        return None
    if (value := found.values.number("threshold")) < 0:
        raise found.values.unfit("threshold", "a number from 0")
    return value


def k_of(found: Converted, path: Path, most: int) -> int:
    """How many latents a token keeps on average.

    Raises:
        ScanFailed: nothing says it.
    """
    if "k" in found.values:
        return found.values.whole("k", least=1, most=most)
    folder = places.first(r"^(math|logic)$", places.upwards(path))
    if folder is None:
        raise ScanFailed(
            f"{path.name}: nothing says k; expected it in a folder called math (128) or logic (64), "
            'or written into "values" of converted.json, as "k": 128',
            permanent=True,
        )
    if (k := K[folder[1]]) > most:
        raise ScanFailed(
            f"{path.name}: the folder {folder[1]} says k {k}, the tensors have {most} latents",
            permanent=True,
        )
    return k


def told(found: Converted, path: Path) -> tuple[str, Declared, tuple[str, ...]]:
    """The read point, what is declared, and what is left open, as names tell."""
    names = (*found.source_files, *places.upwards(path))
    known = places.first("|".join(PUBLISHED), names)
    layer = places.first(r"-SAE-l(\d{1,3})(?!\d)", names)
    model_name, l0 = PUBLISHED[known[0]] if known else ("", None)
    hook_name = f"blocks.{layer[1]}.hook_resid_post" if layer else places.UNKNOWN
    doubt = "no file or folder is named as Llama-3.1-8B-Instruct-SAE-l19, so that the layer is open"
    return hook_name, Declared(l0=l0, model_name=model_name), () if layer else (doubt,)
