"""Read EleutherAI's sparsify: a folder a hookpoint, cfg.json beside sae.safetensors.

The folder's name is the read point (`layers.10`: what block 10 puts out). No number of latents
means width times expansion factor. b_dec is taken off the input unless the coder transcodes,
whatever `normalize_decoder` says; that and `multi_topk` speak of training alone. In files of 2024,
`signed` keeps the k largest by absolute value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import config, naming, tensors
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config

NAME = "sparsify"
CONFIG = "cfg.json"
WEIGHTS = "sae.safetensors"
KEYS = frozenset({
    "activation", "d_in", "expansion_factor", "k", "multi_topk", "normalize_decoder",
    "num_latents", "signed", "skip_connection", "transcode",
})  # fmt: skip
DEFAULT_EXPANSION = 32
DEFAULT_K = 32


def recognises(path: Path) -> bool:
    """Whether the folder holds sparsify's two files."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return (path / CONFIG, path / WEIGHTS)


def load(path: Path) -> SparseAutoencoder:
    """Read a sparse coder.

    Raises:
        ScanFailed: the file asks for something this scanner does not compute.
    """
    said = config.read(path / CONFIG)
    said.expect_known(KEYS)
    d, f = sizes(said)
    k = said.whole("k", DEFAULT_K, least=1, most=f)
    architecture = rule(said, k, f)
    transcodes, skips = said.flag("transcode", False), said.flag("skip_connection", False)
    store = open_store(path / WEIGHTS)
    wanted: dict[str, tuple[int, ...]] = {
        "encoder.weight": (f, d), "encoder.bias": (f,), "W_dec": (f, d), "b_dec": (d,),
    }  # fmt: skip
    tensors.expect(store, wanted | ({"W_skip": (d, d)} if skips else {}))
    b_dec = store.read("b_dec")
    point = hookpoint(path)
    return SparseAutoencoder(
        architecture,
        w_enc=OnDisk(store, "encoder.weight"),
        b_enc=OnDisk(store, "encoder.bias"),
        w_dec=OnDisk(store, "W_dec"),
        b_dec=b_dec,
        b_in=None if transcodes else b_dec,
        hook_name=f"{point}.input" if transcodes and point else point,
        hook_name_out=(point or "unknown") if transcodes else "",
        k=k,
        w_skip=store.read("W_skip") if skips else None,
        format=NAME,
        declared=Declared(l0=k),
        doubts=() if point else (f"the folder {path.name!a} is not named after a read point",),
    )


def sizes(said: Config) -> tuple[int, int]:
    """Width, and number of latents."""
    d = said.whole("d_in", least=1)
    n = said.whole("num_latents", 0)
    return d, n or d * said.whole("expansion_factor", DEFAULT_EXPANSION, least=1)


def rule(said: Config, k: int, f: int) -> Architecture:
    """How latents compete.

    Raises:
        ScanFailed: by a rule that is not known here, or in groups that do not come out even.
    """
    activation = said.text("activation", "topk")
    if activation == "topk":
        return Architecture.ABSTOPK if said.flag("signed", False) else Architecture.TOPK
    if activation != "groupmax" or said.flag("signed", False):
        raise said.unfit("activation", "'topk', signed or not, or 'groupmax'")
    if f % k:
        raise ScanFailed(f"{said.where}: {f} latents do not make {k} groups", permanent=True)
    return Architecture.GROUPMAX


def hookpoint(path: Path) -> str:
    """The read point the folder is named after; empty where it is not.

    With several seeds, each has a folder of its own inside the hookpoint's.
    """
    at = path.resolve()
    named = at.parent if at.name.startswith("seed") else at
    return naming.known_point(named.name)
