"""Let TransformerLens read tiny models at its own hooks: `of_transformerlens.py FOLDER`, in .venv-peers.

FOLDER holds ids.safetensors, a tokenizer, and a folder for each model. Each of those gets
plain.safetensors and processed.safetensors: what stands at every hook before and after
TransformerLens has worked the weights over. Nothing of ours is imported.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(root: Path) -> None:
    """All models, one after the other."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    ids = load_file(root / "ids.safetensors")["ids"]
    tokenizer = AutoTokenizer.from_pretrained(root / "tokenizer")
    for folder in sorted(each.parent for each in root.glob("*/model.safetensors")):
        model = AutoModelForCausalLM.from_pretrained(folder)
        bridge = TransformerBridge.boot_transformers(
            str(folder), hf_model=model, tokenizer=tokenizer, device="cpu"
        )
        save_file(everything(bridge, ids), folder / "plain.safetensors")
        bridge.enable_compatibility_mode()
        save_file(everything(bridge, ids), folder / "processed.safetensors")


@torch.no_grad()
def everything(bridge: TransformerBridge, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """What stands at every hook of every block; heads are put side by side."""
    _, cache = bridge.run_with_cache(ids)
    return {
        name: (value.flatten(2) if name.endswith("hook_z") else value).float().contiguous().clone()
        for name, value in cache.items()
        if name.startswith("blocks.") and isinstance(value, torch.Tensor)
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
