"""Open an autoencoder once, before anybody scans with it, and say what it is.

1. Find the layout and digest the files.
2. Read every weight: values that are not finite are refused, latents without weights are counted.
3. Where a model is given: measure it there, as `selfcheck` does before every scan.

Shapes: F latents, D width.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from assessments.scanner import depth, formats, readpoints, selfcheck
from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.examined import Examined
from assessments.scanner.inspection import read_point
from assessments.scanner.instrument import SHELF, Wanted, held_if_small
from assessments.scanner.sae import CHUNK
from assessments.scanner.working import held_out_sequences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

    from assessments.scanner.contract import SelfCheck
    from assessments.scanner.formats import Layout
    from assessments.scanner.rows import Rows
    from assessments.scanner.sae import SparseAutoencoder

SELF_CHECK_TOKENS = 1024
TOKEN_BUDGET = 2048
DEEPER = 1
"""Blocks loaded behind the read point, so that points just behind it can be tried too."""


@dataclass(frozen=True)
class ModelToTry:
    """The model that an autoencoder is said to be made for."""

    path: str
    sha256: str
    device: str = "cpu"


def examine(
    path: Path,
    *,
    name: str = "",
    model: ModelToTry | None = None,
    alive: Callable[[], object] = lambda: None,
) -> Examined:
    """Say what lies there.

    Args:
        path: the autoencoder's files.
        name: their layout; empty: what they look like.
        model: what it is said to be made for.
        alive: called often; whatever it raises ends the work.

    Raises:
        ScanFailed: no known layout, broken files, an encoder without weights, or a model that has
            not the read point.
    """
    layout = formats.layout_of(path, name)
    files = digests(layout, path, alive)
    sae = layout.load(path)
    doubts = (*sae.doubts, *weightless(sae, path.name, alive))
    point = read_point(sae.hook_name)
    checked = None if model is None or point["problem"] else tried(sae, model, alive)
    return Examined(
        layout=layout.NAME,
        sha256=manifest_sha256(files),
        files=files,
        architecture=sae.architecture.value,
        d_in=sae.d_in,
        d_sae=sae.d_sae,
        d_out=sae.d_out,
        hook_name=sae.hook_name,
        hook_name_out=sae.hook_name_out,
        unreadable=point["problem"],
        declared=asdict(sae.declared),
        doubts=doubts,
        not_evidence=sae.not_evidence,
        self_check=checked,
    )


def digests(layout: Layout, path: Path, alive: Callable[[], object]) -> dict[str, str]:
    """Each file that makes the autoencoder, and its digest.

    Raises:
        ScanFailed: one of them is not there.
    """
    found = {}
    for each in layout.files(path):
        if not each.is_file():
            message = f"{path.name}: the layout {layout.NAME} expects {each.name}, which is missing"
            raise ScanFailed(message, permanent=True)
        found[each.name] = file_sha256(each)
        alive()
    return found


def weightless(sae: SparseAutoencoder, name: str, alive: Callable[[], object]) -> Iterator[str]:
    """Read all that is on disk, and say how many latents have no weights of their own.

    Raises:
        ScanFailed: a value is not finite, or the whole encoder is zero.
    """
    n_silent = sum(int((rows == 0).all(-1).sum()) for rows in pieces(sae.w_enc, alive))
    if n_silent == sae.d_sae:
        message = f"{name}: every weight of the encoder is zero; expected trained weights"
        raise ScanFailed(message, permanent=True)
    gate = (sae.gate.b_gate, sae.gate.b_mag, sae.gate.r_mag) if sae.gate else ()
    for weight in (sae.b_enc, sae.threshold, sae.w_dec, *gate):
        for _ in pieces(weight, alive):
            pass
    if n_silent:
        yield f"{n_silent} of {sae.d_sae} latents have an encoder of zeros: they read nothing."


def pieces(weight: Rows | None, alive: Callable[[], object]) -> Iterator[Tensor]:
    """A weight, a run of latents at a time; every read refuses values that are not finite."""
    if weight is None:
        return
    n = weight.shape[0]
    step = max(1, CHUNK // math.prod(weight.shape[1:]))
    for start in range(0, n, step):
        alive()
        yield weight.part(start, min(start + step, n))


def tried(sae: SparseAutoencoder, model: ModelToTry, alive: Callable[[], object]) -> SelfCheck:
    """Measure it on its model.

    Raises:
        ScanFailed: the model has not the point, or another width there.
    """
    pair = selfcheck.pair_of(sae)
    blocks = max(readpoints.blocks_needed(each) for each in pair) + DEEPER
    wanted = Wanted(model.path, model.sha256, "", "float32", model.device)
    loaded = SHELF.model(wanted, blocks)
    readpoints.expect_width(loaded.model, pair.read, sae.d_in)
    return selfcheck.check(
        loaded,
        held_if_small(sae, depth.device_at(loaded.model, pair.read)),
        held_out_sequences(loaded.tokenizer, SELF_CHECK_TOKENS),
        token_budget=TOKEN_BUDGET,
        alive=alive,
    )
