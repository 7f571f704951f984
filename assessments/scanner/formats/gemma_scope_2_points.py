"""Where Gemma Scope 2 reads: by the hook strings of config.json, or else by its folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import places

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assessments.scanner.formats.config import Config

GIVEN, REBUILT = "hf_hook_point_in", "hf_hook_point_out"
LAYERS = re.compile(r"\{(all|\d{1,3}(?:,\d{1,3})*)\}", re.ASCII)
"""The layers in a hook string, as `model.layers.{9,17,22,29}.output`."""
FOLDERS = {
    "resid_post": ("output", ""),
    "attn_out": ("self_attn.o_proj.input", ""),
    "mlp_out": ("post_feedforward_layernorm.output", ""),
    "transcoder": ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"),
}
"""What is read, and what is rebuilt where that is something else."""


@dataclass(frozen=True)
class Points:
    """Where an autoencoder reads."""

    read: tuple[str, ...]
    """One point of each layer, where it reads several side by side."""
    rebuilt: str = ""
    """Empty where it is what was read."""
    doubts: tuple[str, ...] = ()


def points(said: Config, folder: Path) -> Points:
    """Where the autoencoder of a folder reads."""
    if GIVEN not in said:
        return points_of_folder(folder)
    given = said.text(GIVEN)
    layers = LAYERS.search(given)
    if layers is not None and layers[1] != "all":
        hooks = (LAYERS.sub(each, given) for each in layers[1].split(","))
        return Points(tuple(places.spelled(said.where, each) for each in hooks))
    read = places.spelled(said.where, given)
    rebuilt = places.spelled(said.where, said.text(REBUILT, given))
    return Points((read,), "" if rebuilt == read else rebuilt)


def points_of_folder(folder: Path) -> Points:
    """Where it reads, as its folders are called; config.json is missing from some releases."""
    names = places.upwards(folder)
    layer = places.first(r"^layer_(\d{1,3})_", names)
    kind = places.first(rf"^({'|'.join(FOLDERS)})(?:_all)?$", names)
    if layer is None or kind is None:
        doubt = (
            "neither config.json nor the folders say what is read; expected a path as "
            "resid_post/layer_17_width_16k_l0_big"
        )
        return Points((places.UNKNOWN,), doubts=(doubt,))
    read, rebuilt = (
        places.spelled(folder.name, f"model.layers.{layer[1]}.{each}") if each else ""
        for each in FOLDERS[kind[1]]
    )
    return Points((read,), rebuilt, ("config.json is missing; the folders say what is read",))


def points_of_layers(said: Config, at: Sequence[int], n_files: int) -> tuple[str, ...]:
    """Where the files of single layers read.

    Args:
        said: config.json, whose hook string speaks of all layers.
        at: which of its layers, by their place.
        n_files: how many there are in the folder, which is how many `{all}` are.

    Raises:
        ScanFailed: it speaks of other layers.
    """
    given = said.text(GIVEN)
    found = LAYERS.search(given)
    if found is None:
        raise said.unfit(GIVEN, "all layers, as model.layers.{9,17,22,29}.output")
    layers = range(n_files) if found[1] == "all" else [int(each) for each in found[1].split(",")]
    if max(at) >= len(layers):
        raise ScanFailed(
            f"{said.where}: {given} speaks of {len(layers)} layers; expected one for "
            f"params_layer_{max(at)}.safetensors",
            permanent=True,
        )
    return tuple(places.spelled(said.where, LAYERS.sub(str(layers[each]), given)) for each in at)
