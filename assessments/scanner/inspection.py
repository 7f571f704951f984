"""What the files of an autoencoder say of it, as plain values; no weights are computed with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assessments.scanner import formats, readpoints
from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.sae import SparseAutoencoder

SCHEMA = "strata.sae/1"
WEIGHTS = {".safetensors", ".npz"}


def inspect(path: Path, name: str = "") -> dict[str, Any]:
    """Format, shapes, read points, declared values and digests of an autoencoder.

    Raises:
        ScanFailed: no known layout lies there, or it asks for what is not computed.
    """
    layout = formats.layout_of(path, name)
    files = {each.name: file_sha256(each) for each in layout.files(path)}
    sae = layout.load(path)
    tensors = {
        each.name: tensors_of(each) for each in layout.files(path) if each.suffix.lower() in WEIGHTS
    }
    return {
        "schema": SCHEMA,
        "format": layout.NAME,
        **described(sae),
        "tensors": tensors,
        "sae_sha256": manifest_sha256(files),
        "files": files,
    }


def described(sae: SparseAutoencoder) -> dict[str, Any]:
    """The autoencoder as it is understood."""
    return {
        "architecture": sae.architecture.value,
        "d_in": sae.d_in,
        "d_sae": sae.d_sae,
        "d_out": sae.d_out,
        "k": sae.k,
        "norm": sae.norm.value,
        "input_scale": sae.input_scale,
        "is_centred": sae.b_in is not None,
        "has_skip": sae.w_skip is not None,
        "reads": read_point(sae.hook_name),
        "rebuilds": read_point(sae.hook_name_out or sae.hook_name) if sae.w_dec else None,
        "declared": asdict(sae.declared),
        "doubts": list(sae.doubts),
        "not_evidence": sae.not_evidence,
    }


def read_point(name: str) -> dict[str, Any]:
    """A read point, and what is known of it; `problem` is empty where it can be read."""
    try:
        point = readpoints.parse(name)
    except ScanFailed as error:
        return {"name": name, "site": "", "block": None, "problem": str(error)}
    return {"name": name, "site": point.site.value, "block": point.block, "problem": ""}


def tensors_of(path: Path) -> dict[str, Any]:
    """Each tensor of a file: its numbers and its shape."""
    return {
        name: {"dtype": each.dtype, "shape": list(each.shape)}
        for name, each in sorted(open_store(path).tensors.items())
    }
