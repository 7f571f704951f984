"""What an autoencoder's size costs: the same watch-list from thousands to millions of latents.

The files are SAELens's layout in bfloat16. Encoder and thresholds are random numbers on disk; the
decoder, which a watch-list never reads, is a hole in the file that takes no room.

    N          (in turns) open N latents, take 32 columns, read the texts
    memory-N   (alone) the peak memory of the same once the model is loaded; memory-0 has no
           autoencoder
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from assessments.scanner import formats
from assessments.scanner.sae import Columns
from bench.frame import answer, serve
from bench.scans import inputs, ours

SIZES = (16_384, 1_048_576, 16_777_216)
PASSES = 2
"""How often the texts are read for one opening; a scan of prompts reads them far oftener."""
BLOCK = 1 << 22
"""Random numbers that are drawn; rows repeat them from different places."""
ROOM_LEFT = 4 << 30


def layout(n_latents: int) -> dict[str, dict[str, object]]:
    """The header: small tensors first, the decoder's hole last."""
    shapes = {
        "W_enc": ("BF16", [inputs.WIDTH, n_latents]),
        "b_dec": ("BF16", [inputs.WIDTH]),
        "b_enc": ("BF16", [n_latents]),
        "threshold": ("BF16", [n_latents]),
        "W_dec": ("BF16", [n_latents, inputs.WIDTH]),
    }
    header: dict[str, dict[str, object]] = {}
    at = 0
    for name, (dtype, shape) in shapes.items():
        size = 2 * int(torch.Size(shape).numel())
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return header


def has_room(n_latents: int, folder: Path) -> bool:
    """Whether the disk takes the encoder."""
    return shutil.disk_usage(folder).free > 2 * inputs.WIDTH * n_latents + ROOM_LEFT


def write(n_latents: int) -> float:
    """One autoencoder on disk; the rate says nothing."""
    folder = wide_folder(n_latents)
    folder.mkdir()
    inputs.write_config(folder, inputs.WIDTH, n_latents, "bfloat16")
    header = layout(n_latents)
    text = json.dumps(header).encode()
    draw = torch.Generator().manual_seed(1)
    numbers = torch.randn(BLOCK + n_latents, generator=draw) / inputs.WIDTH**0.5
    raw = numbers.bfloat16().view(torch.int16).numpy().tobytes()
    with (folder / "sae_weights.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        begin = stream.tell()
        for row in range(inputs.WIDTH):
            start = 2 * (row * 7919 % BLOCK)
            stream.write(memoryview(raw)[start : start + 2 * n_latents])
        stream.seek(begin + header["threshold"]["data_offsets"][0])  # type: ignore[index]
        stream.write(torch.full((n_latents,), 0.5).bfloat16().view(torch.int16).numpy().tobytes())
        stream.truncate(begin + header["W_dec"]["data_offsets"][1])  # type: ignore[index]
        stream.flush()
        os.fsync(stream.fileno())
    forget(folder)
    return 1.0


def wide_folder(n_latents: int) -> Path:
    """Where it lies."""
    return inputs.FOLDER / f"wide_{n_latents}"


def forget(folder: Path) -> None:
    """Let the system drop its copy in memory, so that the next reading comes from disk."""
    with (folder / "sae_weights.safetensors").open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def scan(n_latents: int) -> tuple[Callable[[], object], float]:
    """One opening and some texts."""
    truncated, sequences = ours.model(), inputs.ids().tolist()

    def once() -> None:
        columns = columns_of(n_latents)
        for _ in range(PASSES):
            for stream in ours.read(truncated, sequences):
                columns.encode(stream)

    return once, PASSES * ours.BATCH


def columns_of(n_latents: int) -> Columns:
    """Open, and take the watched columns."""
    return formats.open_sae(wide_folder(n_latents)).columns(inputs.watched(n_latents))


def opened(n_latents: int) -> tuple[float, dict[str, float]]:
    """Openings a second from disk; and how long the second took, from the system's memory."""
    forget(wide_folder(n_latents))
    took: list[float] = []
    for _ in range(2):
        began = time.perf_counter()
        columns_of(n_latents)
        took.append(time.perf_counter() - began)
    return 1 / took[0], {"cold": took[0], "warm": took[1]}


def memory(n_latents: int) -> tuple[float, dict[str, float]]:
    """The highest resident memory while opening and reading, once the model is there."""
    truncated, sequences = ours.model(), inputs.ids().tolist()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Forgets the peak so far.
    columns = columns_of(n_latents) if n_latents else None
    for stream in ours.read(truncated, sequences):
        if columns is not None:
            columns.encode(stream)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return 1.0, {"peak": int(peak) / 1024}


TURNS: dict[str, Callable[[], tuple[Callable[[], object], float]]] = {
    str(size): partial(scan, size) for size in SIZES
}
ALONE: dict[str, Callable[[], float | tuple[float, dict[str, float]]]] = {
    **{f"write-{size}": partial(write, size) for size in SIZES},
    **{f"opened-{size}": partial(opened, size) for size in SIZES},
    **{f"memory-{size}": partial(memory, size) for size in (0, *SIZES)},
}

if __name__ == "__main__":
    if sys.argv[1] in TURNS:
        serve(TURNS)
    else:
        answer(ALONE)
