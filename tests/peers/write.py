"""Let the peers write autoencoders and say what they compute: `write.py FOLDER`, inside .venv-peers.

Each case of `cases.py` gets FOLDER/<case>/ with

    case.json                  peer, version, architecture, and where the autoencoder lies
    expected.safetensors       x (N, D), f (N, F), xhat (N, E)
    blocks.1/, layers.1/       the autoencoder, as the peer's own functions save it

What is expected comes from the peer's own reading of what it wrote. Nothing of ours is imported.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import of_saelens
import of_sparsify
import torch
from cases import CASES
from safetensors.torch import save_file

PACKAGES = {"saelens": "sae-lens", "sparsify": "eai-sparsify"}
N_DRAWN = 96
N_TOKENS = 64
TRIES = 4
A_LITTLE = 1e-4
"""Relative noise; the sums of float32 differ by a hundredth of it."""


class Expected(NamedTuple):
    """What the peer computes."""

    x: torch.Tensor
    f: torch.Tensor
    xhat: torch.Tensor


def main(root: Path) -> None:
    """All cases, one after the other."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for seed, case in enumerate(CASES):
        folder = root / str(case)
        folder.mkdir(parents=True)
        torch.manual_seed(seed)
        writer = {"saelens": of_saelens, "sparsify": of_sparsify}[case.peer]
        at, read = writer.save(case, folder)
        with torch.no_grad():
            expected = None if case.refused else compute(read)
        if expected is not None:
            save_file(expected._asdict(), folder / "expected.safetensors")
        said = {
            "peer": PACKAGES[case.peer],
            "version": version(PACKAGES[case.peer]),
            "architecture": case.architecture,
            "sae": at.relative_to(folder).as_posix(),
        }
        (folder / "case.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def compute(read) -> Expected:
    """Activations and what is rebuilt, on tokens whose support does not hang on the last bits."""
    middle = 0.5 * torch.randn(read.d_in)
    x = middle + 1.5 * torch.randn(N_DRAWN, read.d_in)
    firm = torch.ones(N_DRAWN, dtype=torch.bool)
    fires = read.encode(x) != 0
    for _ in range(TRIES):
        moved = (
            x + A_LITTLE * x.norm(dim=-1, keepdim=True) * torch.randn_like(x) / x.shape[-1] ** 0.5
        )
        firm &= ((read.encode(moved) != 0) == fires).all(-1)
    x = x[firm][:N_TOKENS].contiguous()
    return Expected(x, read.encode(x).contiguous(), read.rebuild(x).contiguous())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
