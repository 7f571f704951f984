"""Gemma Scope 2, for Gemma 3: config.json beside safetensors.

    resid_post/layer_17_width_16k_l0_big/params.safetensors       also attn_out, mlp_out
    transcoder/layer_17_width_16k_l0_big_affine/params.safetensors
    crosscoder/layer_9_17_22_29_width_65k_l0_medium/params_layer_2.safetensors
    clt/width_262k_l0_big/params_layer_13.safetensors

    w_enc (D, F) · w_dec (F, E) · b_enc · b_dec · threshold;  f = max(pre, 0)·[pre > threshold]
    affine_skip_connection (D, E), of transcoders alone

The first two are read by their folder. Crosscoders and cross-layer transcoders keep the latents of
each layer in a file of their own, which reads that layer alone and writes to several, w_dec (F,
layers, E): they are for encoding. Such a file is read by its own path, and can be scanned with.
Their folder is read too: all layers' latents one after the other, from all layers side by side; as
is a single file whose w_enc is as wide as all layers.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import config, places, tensors
from assessments.scanner.formats.gemma_scope_2_points import (
    REBUILT,
    points,
    points_of_layers,
)
from assessments.scanner.formats.turned import Stacked
from assessments.scanner.rows import OnDisk
from assessments.scanner.sae import Architecture, Declared, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.formats.gemma_scope_2_points import Points
    from assessments.scanner.rows import Rows
    from assessments.scanner.store import Store

NAME = "gemma_scope_2"
CONFIG = "config.json"
WEIGHTS = "params.safetensors"
LAYER_WEIGHTS = re.compile(r"params_layer_(\d{1,3})\.safetensors", re.ASCII)
SKIP = "affine_skip_connection"
DECODER = ("w_dec", "b_dec", SKIP)


def recognises(path: Path) -> bool:
    """Whether it is such a folder, or the file of one layer."""
    if path.is_file():
        return LAYER_WEIGHTS.fullmatch(path.name) is not None
    return (path / WEIGHTS).is_file() or bool(layer_files(path))


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    folder = path.parent if path.is_file() else path
    weights = (path,) if path.is_file() else tuple(layer_files(path).values())
    weights = (folder / WEIGHTS,) if (path / WEIGHTS).is_file() else weights
    return (folder / CONFIG, *weights) if (folder / CONFIG).is_file() else weights


def layer_files(folder: Path) -> dict[int, Path]:
    """The files of a crosscoder or cross-layer transcoder, by the layer's place."""
    found = {
        int(place[1]): each
        for each in folder.glob("params_layer_*.safetensors")
        if (place := LAYER_WEIGHTS.fullmatch(each.name))
    }
    return dict(sorted(found.items()))


def load(path: Path) -> SparseAutoencoder:
    """The autoencoder, weights left on disk.

    Raises:
        ScanFailed: the files do not hold what they should.
    """
    folder = path.parent if path.is_file() else path
    said = settings(folder)
    if path.is_file():
        return one_layer(said, path)
    if not (path / WEIGHTS).is_file():
        return all_layers(said, path)
    store, where = open_store(path / WEIGHTS), points(said, path)
    if len(where.read) > 1 or len(tensors.shape_of(store, "w_dec")) != 2:
        return side_by_side(said, where, store)
    return plain(said, where, store)


def settings(folder: Path) -> Config:
    """What config.json says; nothing where it is missing."""
    path = folder / CONFIG
    said = config.read(path) if path.is_file() else config.Config(folder.name, {})
    if said.text("architecture", "jump_relu") != "jump_relu":
        raise said.unfit("architecture", "'jump_relu'")
    return said


def plain(said: Config, where: Points, store: Store) -> SparseAutoencoder:
    """What reads one point, and rebuilds it or another."""
    d, f = encoder_sizes(store)
    d_out = tensors.length(store, "b_dec")
    skips = SKIP in store.tensors
    if said.flag("affine_connection", skips) != skips:
        raise said.unfit("affine_connection", f"{skips}, since that is how {store.name} is")
    wanted: dict[str, tuple[int, ...]] = {"w_dec": (f, d_out), "b_dec": (d_out,)}
    wanted |= {SKIP: (d, d_out)} if skips else {}
    tensors.expect(store, encoder_shapes(d, f) | wanted)
    if not where.rebuilt and (skips or d_out != d):
        raise said.unfit(REBUILT, f"what {store.name} rebuilds, which is not what it reads")
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=OnDisk(store, "w_enc", latent_dim=1),
        b_enc=OnDisk(store, "b_enc"),
        threshold=OnDisk(store, "threshold"),
        w_dec=OnDisk(store, "w_dec"),
        b_dec=store.read("b_dec"),
        w_skip=store.read(SKIP).T.contiguous() if skips else None,
        hook_name=where.read[0],
        hook_name_out=where.rebuilt,
        format=NAME,
        declared=declared(said),
        doubts=where.doubts,
    )


def side_by_side(said: Config, where: Points, store: Store) -> SparseAutoencoder:
    """One file that writes to several layers, and may read several at once."""
    d, f = encoder_sizes(store)
    if d % len(where.read):
        raise ScanFailed(
            f"{store.name}: w_enc: expected a width that {len(where.read)} layers share, came {d}",
            permanent=True,
        )
    tensors.expect(store, encoder_shapes(d, f), besides=DECODER)
    hook_name = places.joined(where.read)
    return encoder(said, hook_name, *encoder_rows(store), doubts=where.doubts)


def one_layer(said: Config, path: Path) -> SparseAutoencoder:
    """One layer of a crosscoder or cross-layer transcoder."""
    place = LAYER_WEIGHTS.fullmatch(path.name)
    if place is None:
        message = f"{path.name}: expected a folder, or params_layer_<n>.safetensors"
        raise ScanFailed(message, permanent=True)
    store = layer_store(path)
    (hook_name,) = points_of_layers(said, [int(place[1])], len(layer_files(path.parent)))
    found = encoder(said, hook_name, *encoder_rows(store))
    return replace(found, declared=replace(found.declared, l0=None))


def all_layers(said: Config, folder: Path) -> SparseAutoencoder:
    """All layers of a crosscoder or cross-layer transcoder.

    Raises:
        ScanFailed: there is no file, or one in between is missing.
    """
    found = layer_files(folder)
    if list(found) != list(range(len(found))) or not found:
        raise ScanFailed(
            f"{folder.name}: expected params.safetensors, or params_layer_0.safetensors and on "
            f"without a gap; came layers {list(found)}",
            permanent=True,
        )
    stores = [layer_store(each) for each in found.values()]
    rows = zip(*(encoder_rows(each) for each in stores), strict=True)
    w_enc, b_enc, threshold = (Stacked(each) for each in rows)
    hook_name = places.joined(points_of_layers(said, list(found), len(found)))
    return encoder(said, hook_name, w_enc, b_enc, threshold)


def layer_store(path: Path) -> Store:
    """The file of one layer, once its tensors were looked at."""
    store = open_store(path)
    d, f = encoder_sizes(store)
    tensors.expect(store, encoder_shapes(d, f), besides=DECODER)
    return store


def encoder(
    said: Config,
    hook_name: str,
    w_enc: Rows,
    b_enc: Rows,
    threshold: Rows,
    *,
    doubts: tuple[str, ...] = (),
) -> SparseAutoencoder:
    """What can only be encoded with."""
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=w_enc,
        b_enc=b_enc,
        threshold=threshold,
        w_dec=None,
        b_dec=None,
        hook_name=hook_name,
        format=NAME,
        declared=declared(said),
        doubts=doubts,
    )


def encoder_rows(store: Store) -> tuple[OnDisk, OnDisk, OnDisk]:
    """Matrix, biases and thresholds."""
    return OnDisk(store, "w_enc", latent_dim=1), OnDisk(store, "b_enc"), OnDisk(store, "threshold")


def encoder_sizes(store: Store) -> tuple[int, int]:
    """Width of what is read, and how many latents read it."""
    f = tensors.length(store, "b_enc")
    return tensors.beside(store, "w_enc", f, 1), f


def encoder_shapes(d: int, f: int) -> dict[str, tuple[int, ...]]:
    """The tensors an encoder must have."""
    return {"w_enc": (d, f), "b_enc": (f,), "threshold": (f,)}


def declared(said: Config) -> Declared:
    """What the makers say. Their l0 is what they trained towards, over all layers."""
    return Declared(l0=said.said_number("l0"), model_name=said.said_text("model_name"))
