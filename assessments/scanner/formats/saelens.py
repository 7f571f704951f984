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
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.sae import Architecture, SparseAutoencoder
from assessments.scanner.weights import load_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
VERSION = "6.54.12"
"""The SAELens version whose layout is written."""


def sae_sha256(folder: Path) -> str:
    """One digest for the two files that make the autoencoder; cards and figures do not count."""
    return manifest_sha256({name: file_sha256(folder / name) for name in (CONFIG, WEIGHTS)})


def load(folder: Path, *, expected_sha256: str = "") -> SparseAutoencoder:
    """Read an autoencoder.

    Raises:
        ScanFailed: a digest differs, or the file asks for something this scanner does not compute.
    """
    if expected_sha256 and (found := sae_sha256(folder)) != expected_sha256:
        message = f"{folder.name}: expected SAE sha256 {expected_sha256}, the files give {found}"
        raise ScanFailed(message, permanent=True)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    architecture = check_config(config, folder.name)
    tensors = load_tensors(folder / WEIGHTS).tensors
    check_shapes(tensors, shapes(config, architecture), folder.name)
    threshold = tensors["threshold"].float() if architecture is Architecture.JUMPRELU else None
    return SparseAutoencoder(
        architecture,
        w_enc=tensors["W_enc"].float(),
        b_enc=tensors["b_enc"].float(),
        w_dec=tensors["W_dec"].float(),
        b_dec=tensors["b_dec"].float(),
        hook_name=str(config["metadata"]["hook_name"]),
        threshold=threshold,
        k=int(config.get("k") or 0),
        apply_b_dec_to_input=bool(config.get("apply_b_dec_to_input", True)),
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


def check_shapes(tensors: dict[str, Tensor], wanted: dict[str, tuple[int, ...]], name: str) -> None:
    """Every tensor is there, of its shape, finite, and none besides."""
    found = {key: tuple(value.shape) for key, value in tensors.items()}
    if found != wanted:
        message = f"{name}: expected tensors {wanted}, came {found}"
        raise ScanFailed(message, permanent=True)
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            message = f"{name}: {key} holds values that are not finite"
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
    tensors = {
        "W_enc": sae.w_enc.to(dtype).contiguous(),
        "b_enc": sae.b_enc.float().contiguous(),
        "W_dec": sae.w_dec.to(dtype).contiguous(),
        "b_dec": sae.b_dec.float().contiguous(),
    }
    if sae.threshold is not None:
        tensors["threshold"] = sae.threshold.float().contiguous()
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
        "apply_b_dec_to_input": sae.apply_b_dec_to_input,
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
