"""Our side of `bench.scan`: the scanner's own reading path.

The model is loaded and run as deep as the read point, then 32 columns of N latents are encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from assessments.scanner import formats, lots, packed, readpoints, weights
from assessments.scanner.contract import ScanJob
from assessments.scanner.reading import Reader
from bench.frame import serve
from bench.scans import inputs

BATCH = inputs.N_TEXTS * inputs.N_TOKENS
BUDGET = ScanJob.token_budget
"""Of tokens at once: the scanner's own choice on a processor, so the eight texts go in four lots."""


def model(dtype: torch.dtype = torch.float32) -> Any:
    """No deeper than the read point."""
    loaded = weights.load_model(inputs.MODEL, blocks=inputs.BLOCKS, dtype=dtype).model
    packed.pack(loaded)
    return loaded


def read(model: Any, sequences: list[list[int]]) -> list[torch.Tensor]:
    """Each sequence's stream at the read point: (T, D)."""
    reader = Reader(model, readpoints.parse(inputs.HOOK))
    ids = dict(enumerate(sequences))
    found = [
        each for _, streams in reader.read(ids, lots.cut(sequences, BUDGET)) for each in streams
    ]
    return [stream for _, stream in sorted(found, key=lambda each: each[0])]


def watched(n_latents: int) -> tuple[Callable[[], object], float]:
    """The watch-list on the eight texts."""
    truncated, sequences = model(), inputs.ids().tolist()
    columns = formats.open_sae(inputs.sae_folder(n_latents)).columns(inputs.watched(n_latents))

    def look() -> torch.Tensor:
        return torch.cat([columns.encode(stream) for stream in read(truncated, sequences)])

    inputs.leave(look(), f"watched-{n_latents}")
    return look, BATCH


CASES: dict[str, Callable[[], tuple[Callable[[], object], float]]] = {
    f"watched-{n_latents}": partial(watched, n_latents) for n_latents in inputs.WIDTHS
}

if __name__ == "__main__":
    serve(CASES)
