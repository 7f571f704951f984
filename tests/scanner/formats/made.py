"""Random weights, and folders to put them in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from assessments.scanner.contract import ScanFailed

if TYPE_CHECKING:
    from pathlib import Path

D, F, N = 12, 40, 64
NASTY = (
    None, True, "", "x" * 10_000, "../../etc/passwd", "\x00", -1, 0, 1.5, 10**30, 10**400,
    float("nan"), float("inf"), [], [1], {}, {"a": {"b": []}}, "NaN", "topk", "__class__",
)  # fmt: skip
"""What a key may hold in a file from a stranger."""


def numbers(seed: int = 0):
    """A source of float32 arrays: `draw(3, 4, scale=2)`."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 1.0):
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    return draw


def tokens(seed: int = 100, width: int = D):
    """(N, width)"""
    return 0.4 + 1.5 * numbers(seed)(N, width)


def folder(path: Path, weights: str, tensors: dict[str, Any], **files: dict[str, Any]) -> Path:
    """A folder with tensors under `weights`, and JSON files by their names without the ending."""
    from safetensors.numpy import save_file

    path.mkdir(parents=True, exist_ok=True)
    plain = {name: np.asarray(each, order="C") for name, each in tensors.items()}
    save_file(plain, path / weights)
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return path


def converted(path: Path, layout: str, tensors: dict[str, Any], /, **said: Any) -> Path:
    """A folder as `convert` leaves it."""
    record = {
        "schema": "strata.converted/1",
        "layout": layout,
        "source_files": {"ae.pt": "00" * 32},
        "values": {},
        "config": {},
    }
    return folder(path, "weights.safetensors", tensors, converted=record | said)


def relu(x):
    return np.maximum(x, 0)


def largest(pre, k, key=lambda x: x):
    """Which of each row's entries are among its k largest."""
    order = np.argsort(-key(pre), axis=-1, kind="stable")[:, :k]
    kept = np.zeros(pre.shape, dtype=bool)
    np.put_along_axis(kept, order, values=True, axis=-1)
    return kept


def or_refused(ask):
    """What it gives; None where it is refused, which is all that may happen besides."""
    try:
        return ask()
    except ScanFailed as refusal:
        words = str(refusal)
    assert len(words) < 400
    return None


def agree(sae, x, f, rebuilt=None):
    """Whether an autoencoder computes these activations and what is rebuilt, whole and by column."""
    import torch

    stream = torch.from_numpy(x)
    found = sae.encode(stream).numpy()
    assert 0.01 < (f != 0).mean() < 0.9
    assert ((found != 0) == (f != 0)).all()
    np.testing.assert_allclose(found, f, rtol=2e-5, atol=2e-5)
    watched = [3, 0, f.shape[1] - 1]
    some = sae.columns(watched).encode(stream).numpy()
    np.testing.assert_allclose(some, f[:, watched], rtol=2e-5, atol=2e-5)
    if rebuilt is not None:
        np.testing.assert_allclose(sae.rebuild(stream).numpy(), rebuilt, rtol=1e-4, atol=1e-4)
