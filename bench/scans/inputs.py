"""What both sides read: one model, eight texts of 128 tokens, random autoencoders, a watch-list.

Standard library, torch and safetensors only, for the peers' environment reads it too. The folder
named by BENCH_INPUTS holds

    model -> ...            SmolLM2-135M-Instruct as safetensors
    tokens.safetensors      ids (8, 128)
    sae_16384/ ...          JumpReLU autoencoders in SAELens's layout, float32
    found/<case>.safetensors    watched (1024, 32), what a case computed
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

FOLDER = Path(os.environ.get("BENCH_INPUTS", "."))
MODEL = FOLDER / "model"
TOKENS = FOLDER / "tokens.safetensors"
WIDTH = 576
BLOCKS = 15
"""Blocks that are computed: the output of the fifteenth of thirty."""
HOOK = f"blocks.{BLOCKS - 1}.hook_resid_post"
N_TEXTS, N_TOKENS = 8, 128
N_WATCHED = 32
WIDTHS = (16_384, 65_536)
"""Latents of the two autoencoders."""


def sae_folder(n_latents: int) -> Path:
    """Where an autoencoder lies."""
    return FOLDER / f"sae_{n_latents}"


def watched(n_latents: int) -> list[int]:
    """The latents that are looked for, spread over all of them."""
    return [at * n_latents // N_WATCHED + at for at in range(N_WATCHED)]


def ids() -> torch.Tensor:
    """The texts as tokens, (8, 128)."""
    return load_file(TOKENS)["ids"]


def leave(found: torch.Tensor, case: str) -> None:
    """Leave what a case computed: (1024, 32)."""
    at = FOLDER / "found" / f"{case}.safetensors"
    at.parent.mkdir(exist_ok=True)
    save_file({"watched": found.detach().float().reshape(-1, N_WATCHED).contiguous()}, at)


def write_sae(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """One autoencoder in SAELens's layout."""
    folder.mkdir()
    save_file(weights, folder / "sae_weights.safetensors")
    d_in, d_sae = weights["W_enc"].shape
    write_config(folder, d_in, d_sae, "float32")


def write_config(folder: Path, d_in: int, d_sae: int, dtype: str) -> None:
    """The configuration beside the weights, as SAELens writes it."""
    config = {
        "architecture": "jumprelu", "d_in": d_in, "d_sae": d_sae, "dtype": dtype, "device": "cpu",
        "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {"sae_lens_version": "6.54.12", "sae_lens_training_version": "6.54.12",
                     "model_name": "smollm2-135m", "hook_name": HOOK, "prepend_bos": False},
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(config), encoding="utf-8")
