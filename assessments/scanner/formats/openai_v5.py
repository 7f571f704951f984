"""Read OpenAI's autoencoders of GPT-2, brought over from <block>.pt by `convert`.

    v5       f = max(TopK(W (LN(x) - pre_bias) + latent_bias), 0), decoded and brought back
    v1, v4   f = max(W (x - pre_bias) + latent_bias, 0)

Tokens are normalised where the activation is TopK, and only there. The read point stands nowhere
but in the published path, resid_post_mlp_v5_32k/autoencoders/8.pt, so it is looked for in the
names of folder and file; `hook_name` in a config.json beside the .pt says it outright.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assessments.scanner.formats import converted, naming, tensors
from assessments.scanner.readnames import OPENAI
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, Norm, SparseAutoencoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assessments.scanner.formats.converted import Converted

NAME = "openai_v5"
STATISTICS = ("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square")
PLACE = re.compile(rf"({'|'.join(OPENAI)})(?:_v\d\w{{0,20}})?", re.ASCII)
BLOCK = re.compile(r"(\d{1,4})(?:\.pt)?", re.ASCII)
PLACE_AND_BLOCK = re.compile(rf"{PLACE.pattern}[._-](\d{{1,4}})(?:\.pt)?", re.ASCII)
SILENT = (
    "nothing says where it reads; name the folder as its published path, resid_post_mlp/8, or "
    "convert it with a config.json beside the .pt that has a hook_name"
)
N_FOLDERS = 4
"""How far up the folder's path its names are looked at."""


def recognises(path: Path) -> bool:
    """Whether the folder is a conversion of one."""
    return converted.holds(path, NAME)


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return converted.files(path)


def load(path: Path) -> SparseAutoencoder:
    """Read an autoencoder.

    Raises:
        ScanFailed: the file asks for something this scanner does not compute.
    """
    source = converted.read(path)
    store = source.store
    f, d = (tensors.width(store, "encoder.weight", dim) for dim in (0, 1))
    wanted: dict[str, tuple[int, ...]] = {
        "pre_bias": (d,), "encoder.weight": (f, d), "latent_bias": (f,), "decoder.weight": (d, f),
    }  # fmt: skip
    tensors.expect(store, wanted, besides=STATISTICS)
    k = rank(source, f)
    pre_bias = store.read("pre_bias")
    point = read_point(source, path)
    return SparseAutoencoder(
        Architecture.TOPK if k else Architecture.STANDARD,
        w_enc=OnDisk(store, "encoder.weight"),
        b_enc=OnDisk(store, "latent_bias"),
        w_dec=OnDisk(store, "decoder.weight", latent_dim=1),
        b_dec=pre_bias,
        b_in=pre_bias,
        hook_name=point,
        k=k,
        norm=Norm.LAYER_NORM if k else Norm.NONE,
        format=NAME,
        declared=Declared(l0=k or None, model_name="gpt2-small"),
        doubts=() if point else (SILENT,),
    )


def rank(source: Converted, f: int) -> int:
    """How many latents stay on in a token; 0 where they do not compete.

    Raises:
        ScanFailed: the activation is neither, or top-k lets values below zero through.
    """
    said = source.values
    activation = said.text("activation", "ReLU")
    if activation == "ReLU":
        return 0
    if activation != "TopK":
        raise said.unfit("activation", "'TopK' or 'ReLU'")
    after = "activation_state_dict.postact_fn"
    if said.text(after) != "ReLU":
        raise said.unfit(after, "'ReLU'")
    return said.whole("activation_state_dict.k", least=1, most=f)


def read_point(source: Converted, path: Path) -> str:
    """Where it reads; empty where nothing says so."""
    if "hook_name" in source.config:
        return naming.hook_name(source.config.where, source.config.text("hook_name"))
    sources = [part for each in source.source_files for part in reversed(each.split("/"))]
    names = [*sources, *reversed(path.resolve().parts[-N_FOLDERS:])]
    for each in names:
        if found := PLACE_AND_BLOCK.fullmatch(each):
            return f"{found[1]}.{int(found[2])}"
    place, block = first(PLACE, names), first(BLOCK, names)
    return f"{place}.{int(block)}" if place and block else ""


def first(pattern: re.Pattern[str], names: Sequence[str]) -> str:
    """What the first name that is of the pattern says."""
    return next((found[1] for each in names if (found := pattern.fullmatch(each))), "")
