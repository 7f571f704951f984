"""Read and write the SAELens layout: cfg.json beside sae_weights.safetensors.

Read: standard, jumprelu, topk, without input normalisation. What cannot be read exactly is refused
rather than read nearly.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
VERSION = "6.54.12"
"""The SAELens version whose layout is written."""


NAME = "saelens"


def recognises(path: Path) -> bool:
    """Whether the folder holds SAELens's two files."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return (path / CONFIG, path / WEIGHTS)


def load(path: Path) -> SparseAutoencoder:
    """Read an autoencoder.

    Raises:
        ScanFailed: the file asks for something this scanner does not compute.
    """
    config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    architecture = check_config(config, path.name)
    store = open_store(path / WEIGHTS)
    check_shapes(store.shapes(), shapes(config, architecture), path.name)
    b_dec = store.read("b_dec")
    return SparseAutoencoder(
        architecture,
        w_enc=OnDisk(store, "W_enc", latent_dim=1),
        b_enc=OnDisk(store, "b_enc"),
        w_dec=OnDisk(store, "W_dec"),
        b_dec=b_dec,
        b_in=b_dec if config.get("apply_b_dec_to_input", True) else None,
        hook_name=str(config["metadata"]["hook_name"]),
        threshold=OnDisk(store, "threshold") if architecture is Architecture.JUMPRELU else None,
        k=int(config.get("k") or 0),
        format=NAME,
    )


def check_config(config: dict[str, Any], name: str) -> Architecture:
    """The architecture, once everything that would change the computation is known to be plain."""
    given = config.get("architecture")
    if given not in set(Architecture):
        message = f"{name}: architecture {given!r} is not read; known: {[*Architecture]}"
        raise ScanFailed(message, permanent=True)
    for key, plain in {
        "normalize_activations": "none",
        "reshape_activations": "none",
        "rescale_acts_by_decoder_norm": False,
    }.items():
        if (value := config.get(key, plain)) not in {plain, None}:
            message = f"{name}: {key}={value!r} is not read; expected {plain!r}"
            raise ScanFailed(message, permanent=True)
    return Architecture(given)


def shapes(config: dict[str, Any], architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """The tensors the file must have."""
    d, f = int(config["d_in"]), int(config["d_sae"])
    wanted: dict[str, tuple[int, ...]] = {
        "W_enc": (d, f),
        "b_enc": (f,),
        "W_dec": (f, d),
        "b_dec": (d,),
    }
    if architecture is Architecture.JUMPRELU:
        wanted["threshold"] = (f,)
    return wanted


def check_shapes(
    found: dict[str, tuple[int, ...]], wanted: dict[str, tuple[int, ...]], name: str
) -> None:
    """Every tensor is there, of its shape, and none besides."""
    if found != wanted:
        message = f"{name}: expected tensors {wanted}, came {found}"
        raise ScanFailed(message, permanent=True)


def save(
    sae: SparseAutoencoder,
    folder: Path,
    *,
    metadata: dict[str, Any],
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Write an autoencoder; weights as `dtype`, threshold and biases in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    if sae.b_enc is None or sae.w_dec is None or sae.b_dec is None:
        raise ScanFailed(f"a {sae.architecture} autoencoder is not written", permanent=True)
    tensors = {
        "W_enc": sae.w_enc.part(0, sae.d_sae).T.to(dtype).contiguous(),
        "b_enc": sae.b_enc.part(0, sae.d_sae).float().contiguous(),
        "W_dec": sae.w_dec.part(0, sae.d_sae).to(dtype).contiguous(),
        "b_dec": sae.b_dec.float().contiguous(),
    }
    if sae.threshold is not None:
        tensors["threshold"] = sae.threshold.part(0, sae.d_sae).float().contiguous()
    save_file(tensors, folder / WEIGHTS)
    text = json.dumps(config_of(sae, metadata), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def config_of(sae: SparseAutoencoder, metadata: dict[str, Any]) -> dict[str, Any]:
    """The configuration as SAELens expects it."""
    config: dict[str, Any] = {
        "architecture": sae.architecture.value,
        "d_in": sae.d_in,
        "d_sae": sae.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": sae.b_in is not None,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": VERSION,
            "hook_name": sae.hook_name,
            "hf_hook_name": hf_name(sae.hook_name),
            "hook_head_index": None,
            "prepend_bos": False,
            **metadata,
        },
    }
    if sae.architecture is Architecture.TOPK:
        config["k"] = sae.k
        config["rescale_acts_by_decoder_norm"] = False
    return config


def hf_name(hook_name: str) -> str:
    """The same read point in the words of transformers."""
    return f"model.layers.{hook_name.split('.')[1]}.output"
