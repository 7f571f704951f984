"""Gemma Scope 2, for Gemma 3: config.json beside safetensors.

    resid_post/layer_17_width_16k_l0_big/params.safetensors       also attn_out, mlp_out
    transcoder/layer_17_width_16k_l0_big_affine/params.safetensors
    crosscoder/layer_9_17_22_29_width_65k_l0_medium/params_layer_2.safetensors
    clt/width_262k_l0_big/params_layer_13.safetensors

    w_enc (D, F) · w_dec (F, E) · b_enc · b_dec · threshold;  f = max(pre, 0)·[pre > threshold]
    affine_skip_connection (D, E), of transcoders alone

The first two are folders. Crosscoders and cross-layer transcoders keep the latents of each layer in
a file of their own, which reads that layer alone and writes to those behind it, w_dec (F, layers,
E): they are for encoding. Such a file is read by its own path, and can be scanned with. Their
folder is read too: all layers' latents one after the other, from all layers side by side; as is a
single file whose w_enc is as wide as all layers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import config, naming, places, tensors
from assessments.scanner.formats.turned import Stacked
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.store import Store

NAME = "gemma_scope_2"
CONFIG = "config.json"
WEIGHTS = "params.safetensors"
LAYER_WEIGHTS = re.compile(r"params_layer_(\d{1,3})\.safetensors", re.ASCII)
SKIP = "affine_skip_connection"
LAYERS = re.compile(r"\{(all|\d{1,3}(?:,\d{1,3})*)\}", re.ASCII)
"""The layers in a hook string, as `model.layers.{9,17,22,29}.output`."""
FOLDERS = {
    "resid_post": ("output", ""),
    "attn_out": ("self_attn.o_proj.input", ""),
    "mlp_out": ("post_feedforward_layernorm.output", ""),
    "transcoder": ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"),
}
"""What is read and rebuilt, where config.json is missing, as it is from some releases."""


@dataclass(frozen=True)
class Points:
    """Where an autoencoder reads; the same of each layer where there are several."""

    read: tuple[str, ...]
    rebuilt: str
    """Empty where it is what was read."""
    doubts: tuple[str, ...] = ()


def recognises(path: Path) -> bool:
    """Whether it is such a folder, or the file of one layer."""
    if path.is_file():
        return LAYER_WEIGHTS.fullmatch(path.name) is not None
    return (path / WEIGHTS).is_file() or bool(layer_files(path))


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    folder, weights = located(path)
    settings = folder / CONFIG
    return (settings, *weights) if settings.is_file() else weights


def located(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """The folder, and the files with weights."""
    if path.is_file():
        return path.parent, (path,)
    if (path / WEIGHTS).is_file():
        return path, (path / WEIGHTS,)
    return path, layer_files(path)


def layer_files(folder: Path) -> tuple[Path, ...]:
    """The files of a crosscoder or cross-layer transcoder, by the layer's place."""
    found = {int(place[1]): each for each in folder.glob("params_layer_*.safetensors")
             if (place := LAYER_WEIGHTS.fullmatch(each.name))}  # fmt: skip
    return tuple(found[place] for place in sorted(found))


def load(path: Path) -> SparseAutoencoder:
    """The autoencoder, weights left on disk.

    Raises:
        ScanFailed: the files do not hold what they should.
    """
    folder, weights = located(path)
    settings = folder / CONFIG
    said = config.read(settings) if settings.is_file() else config.Config(folder.name, {})
    if (architecture := said.text("architecture", "jump_relu")) != "jump_relu":
        raise said.unfit("architecture", f"'jump_relu', not {architecture!r}")
    if LAYER_WEIGHTS.fullmatch(weights[0].name):
        return layer_by_layer(said, path, weights)
    store = open_store(weights[0])
    points = points_of(said, folder)
    d = tensors.width(store, "w_enc", 0)
    if len(points.read) > 1:
        return side_by_side(said, points, store, d)
    return plain(said, points, store, d)


def plain(said: Config, points: Points, store: Store, d: int) -> SparseAutoencoder:
    """What reads one point, and rebuilds it or another."""
    f, d_out = tensors.length(store, "b_enc"), tensors.length(store, "b_dec")
    shapes: dict[str, tuple[int, ...]] = encoder_shapes(d, f) | {"w_dec": (f, d_out)}
    skips = said.flag("affine_connection", SKIP in store.tensors)
    if skips != (SKIP in store.tensors):
        raise said.unfit("affine_connection", f"{not skips}, since that is how {store.name} is")
    if not points.rebuilt and (skips or d_out != d):
        raise ScanFailed(
            f"{said.where}: expected hf_hook_point_out to say what is rebuilt, for {store.name} "
            f"goes from a width of {d} to {d_out}" + (" with a skip connection" if skips else ""),
            permanent=True,
        )
    shapes |= {SKIP: (d, d_out)} if skips else {}
    tensors.expect(store, shapes | {"b_dec": (d_out,)})
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=OnDisk(store, "w_enc", latent_dim=1),
        b_enc=OnDisk(store, "b_enc"),
        threshold=OnDisk(store, "threshold"),
        w_dec=OnDisk(store, "w_dec"),
        b_dec=store.read("b_dec"),
        w_skip=store.read(SKIP).T.contiguous() if skips else None,
        hook_name=points.read[0],
        hook_name_out=points.rebuilt,
        format=NAME,
        declared=declared(said),
        doubts=points.doubts,
    )


def side_by_side(said: Config, points: Points, store: Store, d: int) -> SparseAutoencoder:
    """One file whose latents read all layers at once; for encoding."""
    n, f = len(points.read), tensors.length(store, "b_enc")
    if d % n:
        raise tensors.refusal(store, "w_enc", f"a width that {n} layers share", (d, f))
    tensors.expect(store, encoder_shapes(d, f), besides=("w_dec", "b_dec", SKIP))
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=OnDisk(store, "w_enc", latent_dim=1),
        b_enc=OnDisk(store, "b_enc"),
        threshold=OnDisk(store, "threshold"),
        w_dec=None,
        b_dec=None,
        hook_name=places.joined(points.read),
        format=NAME,
        declared=declared(said),
        doubts=points.doubts,
    )


def layer_by_layer(said: Config, path: Path, weights: tuple[Path, ...]) -> SparseAutoencoder:
    """The layers of a crosscoder or cross-layer transcoder, or one of them; for encoding."""
    stores = [open_store(each) for each in weights]
    for store in stores:
        d, f = tensors.width(store, "w_enc", 0), tensors.length(store, "b_enc")
        tensors.expect(store, encoder_shapes(d, f), besides=("w_dec", "b_dec", SKIP))
    names = layer_points(said, path, weights)
    w_enc = tuple(OnDisk(store, "w_enc", latent_dim=1) for store in stores)
    b_enc = tuple(OnDisk(store, "b_enc") for store in stores)
    threshold = tuple(OnDisk(store, "threshold") for store in stores)
    alone = len(stores) == 1
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=w_enc[0] if alone else Stacked(w_enc),
        b_enc=b_enc[0] if alone else Stacked(b_enc),
        threshold=threshold[0] if alone else Stacked(threshold),
        w_dec=None,
        b_dec=None,
        hook_name=places.joined(names),
        format=NAME,
        declared=Declared(model_name=model_of(said)) if path.is_file() else declared(said),
    )


def layer_points(said: Config, path: Path, weights: tuple[Path, ...]) -> tuple[str, ...]:
    """Where each of the files reads.

    Raises:
        ScanFailed: config.json speaks of other layers than there are files.
    """
    given = said.text("hf_hook_point_in")
    at = [int(LAYER_WEIGHTS.fullmatch(each.name)[1]) for each in weights]  # type: ignore[index]  # They were found by it.
    found = LAYERS.search(given)
    if found is None:
        raise said.unfit("hf_hook_point_in", "the layers, as model.layers.{9,17,22,29}.output")
    n_known = len(layer_files(weights[0].parent))
    layers = range(n_known) if found[1] == "all" else [int(each) for each in found[1].split(",")]
    if not path.is_file() and at != list(range(len(layers))):
        raise ScanFailed(
            f"{said.where}: {given} speaks of {len(layers)} layers; expected as many files "
            f"params_layer_0.safetensors and on, came {at}",
            permanent=True,
        )
    if at[-1] >= len(layers):
        raise said.unfit("hf_hook_point_in", f"a layer for {weights[-1].name}")
    return tuple(spelled(said, LAYERS.sub(str(layers[each]), given)) for each in at)


def points_of(said: Config, folder: Path) -> Points:
    """Where the autoencoder reads, by its config.json, or else by its folders."""
    if "hf_hook_point_in" not in said:
        return points_of_folder(folder)
    given = said.text("hf_hook_point_in")
    layers = LAYERS.search(given)
    if layers is not None and layers[1] != "all":
        names = (LAYERS.sub(each, given) for each in layers[1].split(","))
        return Points(tuple(spelled(said, each) for each in names), "")
    read = spelled(said, given)
    rebuilt = spelled(said, said.text("hf_hook_point_out", given))
    return Points((read,), "" if rebuilt == read else rebuilt)


def points_of_folder(folder: Path) -> Points:
    """Where the autoencoder reads, as its folders are called."""
    names = places.upwards(folder)
    layer = places.first(r"^layer_(\d{1,3})_", names)
    kind = places.first(rf"^({'|'.join(FOLDERS)})(?:_all)?$", names)
    if layer is None or kind is None:
        doubt = (
            f"neither {CONFIG} nor the folders say what is read; expected a path as "
            "resid_post/layer_17_width_16k_l0_big"
        )
        return Points((places.UNKNOWN,), "", (doubt,))
    read, rebuilt = (
        places.spelled(folder.name, f"model.layers.{layer[1]}.{each}") if each else ""
        for each in FOLDERS[kind[1]]
    )
    return Points((read,), rebuilt, (f"{CONFIG} is missing; the folders say what is read",))


def encoder_shapes(d: int, f: int) -> dict[str, tuple[int, ...]]:
    """The tensors an encoder must have."""
    return {"w_enc": (d, f), "b_enc": (f,), "threshold": (f,)}


def spelled(said: Config, hook: str) -> str:
    """A hook string in the words of TransformerLens, where it has any."""
    return places.spelled(said.where, naming.hook_name(said.where, hook))


def declared(said: Config) -> Declared:
    """What the makers say. Their l0 is what they trained towards."""
    return Declared(l0=said.said_number("l0"), model_name=model_of(said))


def model_of(said: Config) -> str:
    """The model it was made for."""
    return said.said_text("model_name")
