"""Qwen Scope, converted from layer<n>.sae.pt.

    W_enc (F, D) · W_dec (D, F) · b_enc · b_dec; the k largest of each token

It reads what block n puts out, and takes nothing off. The tensors do not say k. It is in the
config.json of the repository, in the repository's name (SAE-Res-Qwen3-1.7B-Base-W32K-L0_50), or
can be written into "values" of converted.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import converted, places, tensors
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.converted import Converted

NAME = "qwen_scope"
REPOSITORY = r"SAE-Res-(.{1,60})-W\d{1,4}K-L0_(\d{1,5})"
LAYER = r"layer(\d{1,3})(?!\d)"


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
    store = found.store
    d, f = tensors.length(store, "b_dec"), tensors.length(store, "b_enc")
    wanted: dict[str, tuple[int, ...]] = {
        "W_enc": (f, d), "b_enc": (f,), "W_dec": (d, f), "b_dec": (d,)
    }  # fmt: skip
    tensors.expect(store, wanted)
    k = k_of(found, path, f)
    layer = places.first(LAYER, (*found.source_files, *places.upwards(path)))
    doubt = "no file or folder is named as layer5.sae.pt, so that the layer is open"
    return SparseAutoencoder(
        Architecture.TOPK,
        w_enc=OnDisk(store, "W_enc"),
        b_enc=OnDisk(store, "b_enc"),
        w_dec=OnDisk(store, "W_dec", latent_dim=1),
        b_dec=store.read("b_dec"),
        k=k,
        hook_name=f"blocks.{layer[1]}.hook_resid_post" if layer else places.UNKNOWN,
        format=NAME,
        declared=Declared(l0=float(k), model_name=model_of(found, path)),
        doubts=() if layer else (doubt,),
    )


def k_of(found: Converted, path: Path, most: int) -> int:
    """How many latents a token keeps.

    Raises:
        ScanFailed: nothing says it, it is more than there are, or two places say different numbers.
    """
    repository = places.first(REPOSITORY, places.upwards(path))
    said = {
        each.where: each.whole("k", least=1, most=most)
        for each in (found.values, found.config)
        if "k" in each
    }
    if repository is not None:
        said[f"the folder {repository[0]}"] = int(repository[2])
    if not said:
        raise ScanFailed(
            f"{path.name}: nothing says k; expected it in the name of a folder, as "
            'SAE-Res-Qwen3-1.7B-Base-W32K-L0_50, or written into "values" of converted.json, as '
            '"k": 50',
            permanent=True,
        )
    k = next(iter(said.values()))
    if any(each != k for each in said.values()) or not 1 <= k <= most:
        told = ", ".join(f"{where} says {each}" for where, each in said.items())
        raise ScanFailed(f"{path.name}: expected one k from 1 to {most}; {told}", permanent=True)
    return k


def model_of(found: Converted, path: Path) -> str:
    """The model it was made for."""
    repository = places.first(REPOSITORY, places.upwards(path))
    return found.config.said_text("base_model") or (f"Qwen/{repository[1]}" if repository else "")
