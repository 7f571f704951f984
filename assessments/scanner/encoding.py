"""Encode a file of activations into a file of latents, a run of rows at a time.

Neither file is ever in memory as a whole. Shapes: N rows, D width, M latents given out.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.instrument import held_if_small
from assessments.scanner.sae import Architecture
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from assessments.scanner.sae import SparseAutoencoder
    from assessments.scanner.store import Store

HELD = 1 << 24
"""Numbers of latents that are held at once."""
ACTIVATIONS, LATENTS = "x", "f"


def encode_file(
    sae: SparseAutoencoder, acts: Path, out: Path, latents: Sequence[int] | None = None
) -> tuple[int, int]:
    """Encode tensor `x` (N, D) of one safetensors file into `f` (N, M) float32 of another.

    Args:
        sae: what encodes.
        acts: the file with `x`.
        out: the file with `f`; it appears whole, or not at all.
        latents: which latents, in the order wanted; None for all.

    Returns:
        N and M.

    Raises:
        ScanFailed: there is no such tensor or latent, or a width does not fit.
    """
    store = open_store(acts)
    n_rows = rows_of(store, sae.d_in)
    width = sae.d_sae if latents is None else len(latents)
    step = rows_at_once(sae, n_rows)
    encode = encoder(sae, latents)

    def runs() -> Iterator[Tensor]:
        for start in range(0, n_rows, step):
            yield encode(store.part(ACTIVATIONS, start, min(start + step, n_rows), 0))

    write(out, (n_rows, width), runs())
    return n_rows, width


def rows_of(store: Store, d_in: int) -> int:
    """How many rows of the right width the file has.

    Raises:
        ScanFailed: it has none.
    """
    found = store.tensors.get(ACTIVATIONS)
    if found is None or len(found.shape) != 2 or found.dtype not in {"F64", "F32", "F16", "BF16"}:
        came = {name: (each.dtype, each.shape) for name, each in list(store.tensors.items())[:5]}
        message = f"{store.name}: expected a tensor {ACTIVATIONS!r} of fractions, (n, {d_in}), came {came}"
        raise ScanFailed(message, permanent=True)
    if found.shape[1] != d_in:
        message = f"{store.name}: the autoencoder reads a width of {d_in}, {ACTIVATIONS!r} is {found.shape}"
        raise ScanFailed(message, permanent=True)
    return found.shape[0]


def rows_at_once(sae: SparseAutoencoder, n_rows: int) -> int:
    """How many rows are encoded together.

    Raises:
        ScanFailed: all rows compete, and they are too many to be held.
    """
    fitting = max(1, HELD // sae.d_sae)
    if sae.architecture is not Architecture.BATCHTOPK:
        return fitting
    if n_rows > fitting:
        raise ScanFailed(
            f"all rows of a batch compete here, and {n_rows} rows of {sae.d_sae} latents are too "
            f"many to be held at once: expected at most {fitting}. It is {sae.not_evidence}",
            permanent=True,
        )
    return max(1, n_rows)


def encoder(sae: SparseAutoencoder, latents: Sequence[int] | None) -> Callable[[Tensor], Tensor]:
    """What turns rows into latents; weights are in memory where they are small enough."""
    if latents is None:
        return held_if_small(replace(sae, w_dec=None, b_dec=None), torch.device("cpu")).encode
    return sae.columns(latents).encode


def write(out: Path, shape: tuple[int, int], runs: Iterator[Tensor]) -> None:
    """A safetensors file with `f`, from its rows as they come."""
    n_bytes = 4 * shape[0] * shape[1]
    entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, n_bytes]}
    header = json.dumps({LATENTS: entry}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    descriptor, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header)
            for each in runs:
                stream.write(each.float().contiguous().numpy().tobytes())
        Path(name).replace(out)
    finally:
        Path(name).unlink(missing_ok=True)
