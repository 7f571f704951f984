"""Read model weights without trusting them.

1. Refuse every container that can run code; only safetensors passes.
2. Read a file once; digest the bytes and parse the header of those very bytes.
3. Build the architecture from its config (no remote code), as deep as the scan needs, and fill it.

A GGUF file is converted once: dequantised, saved as safetensors with its tokenizer, and moved into
place by one rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from assessments.scanner.chat import read_tokenizer
from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import BLOCK, manifest_sha256
from assessments.scanner.header import HostileFile, check_header

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LAYER = re.compile(r"\.(?:layers|h)\.(\d+)\.")
REFUSED = {
    ".bin": "a pickle can run code",
    ".ckpt": "a pickle can run code",
    ".pickle": "a pickle can run code",
    ".pkl": "a pickle can run code",
    ".pt": "a pickle can run code",
    ".pth": "a pickle can run code",
    ".npy": "it may hold pickled objects",
    ".npz": "it may hold pickled objects",
    ".keras": "it may hold code",
    ".h5": "it may hold code",
}


@dataclass(frozen=True)
class TensorFile:
    """One safetensors file as read: its tensors and the digest of the bytes they came from."""

    tensors: dict[str, Tensor]
    sha256: str


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be read from, with the digest of each file it was made of."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    files: dict[str, str]
    sha256: str
    n_blocks: int
    """How many blocks the whole model has; fewer may be loaded."""


def refuse_unsafe(path: Path) -> None:
    """Raise for a file format that is not safetensors, and say why."""
    if path.suffix == ".safetensors":
        return
    why = REFUSED.get(path.suffix.lower(), "it is no weights format the scanner knows")
    message = f"{path.name}: refused because {why}; convert the weights to .safetensors"
    raise ScanFailed(message, permanent=True)


def read_bytes(path: Path) -> tuple[bytes, str]:
    """The file's bytes and their digest, from one reading."""
    digest = hashlib.sha256()
    blocks: list[bytes] = []
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            blocks.append(block)
    return b"".join(blocks), digest.hexdigest()


def load_tensors(path: Path, *, expected_sha256: str = "") -> TensorFile:
    """Read one safetensors file; header, digest and tensors all come from the same bytes."""
    refuse_unsafe(path)
    blob, sha256 = read_bytes(path)
    if expected_sha256 and sha256 != expected_sha256:
        message = f"{path.name}: expected sha256 {expected_sha256}, the file has {sha256}"
        raise ScanFailed(message, permanent=True)
    try:
        check_header(blob)
        tensors = load_safetensors(blob)
    except (HostileFile, SafetensorError) as error:
        message = f"{path.name}: not a well-formed safetensors file: {error}"
        raise ScanFailed(message, permanent=True) from error
    return TensorFile(tensors=tensors, sha256=sha256)


def load_model(
    folder: Path,
    *,
    expected_sha256: str = "",
    blocks: int | None = None,
    dtype: torch.dtype = torch.float32,
    tokenizer: Path | None = None,
) -> LoadedModel:
    """Build the causal language model in `folder`, no deeper than `blocks`.

    Args:
        folder: config.json, tokenizer files and *.safetensors.
        expected_sha256: what `digests.folder_sha256(folder)` must be; empty skips the comparison.
        blocks: how many blocks to keep, counted from the embedding; None keeps all.
        dtype: what the weights are computed in.
        tokenizer: where the tokenizer lies, if not beside the weights.

    Raises:
        ScanFailed: a digest differs, a file is refused, or tensors are missing.
    """
    files, shards = read_folder(folder)
    sha256 = manifest_sha256(files)
    if expected_sha256 and sha256 != expected_sha256:
        message = f"{folder.name}: expected model sha256 {expected_sha256}, the files give {sha256}"
        raise ScanFailed(message, permanent=True)
    config = read_config(folder)
    n_blocks = int(config.num_hidden_layers)
    if blocks is not None and blocks < n_blocks:
        config.num_hidden_layers = blocks
        if getattr(config, "layer_types", None):
            config.layer_types = config.layer_types[:blocks]
    empty = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    model = fill(empty, shards)
    model.train(mode=False)
    return LoadedModel(model, read_tokenizer(tokenizer or folder), files, sha256, n_blocks)


def read_folder(folder: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Digest every file of a model folder, and read its safetensors in the same pass."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if not any(path.suffix == ".safetensors" for path in paths):
        for path in paths:
            if path.suffix.lower() in REFUSED:
                refuse_unsafe(path)
        message = f"{folder}: no .safetensors file found there"
        raise ScanFailed(message, permanent=True)
    files: dict[str, str] = {}
    tensors: dict[str, Tensor] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".safetensors":
            read = load_tensors(path)
            files[name] = read.sha256
            tensors.update(read.tensors)
        else:
            files[name] = read_bytes(path)[1]
    return files, tensors


def read_config(folder: Path) -> Any:
    """The model's configuration, refused when it asks for code of its own."""
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "auto_map" in raw:
        message = f"{folder.name}: config.json names remote code (auto_map), which is never run"
        raise ScanFailed(message, permanent=True)
    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def fill(model: PreTrainedModel, tensors: dict[str, Tensor]) -> PreTrainedModel:
    """Put the tensors into the model; blocks it does not have are left out, gaps are an error."""
    own = model.state_dict()
    wanted = {name: value for name, value in tensors.items() if name in own}
    stray = [name for name in tensors if name not in own and LAYER.search(name) is None]
    missing, _ = model.load_state_dict(wanted, strict=False)
    model.tie_weights()
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    gaps = [name for name in missing if name not in tied]
    if gaps or stray:
        message = f"weights do not fit the config: missing {gaps[:3]}, unknown {stray[:3]}"
        raise ScanFailed(message, permanent=True)
    return model


def convert_gguf(gguf: Path, out: Path, *, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Turn a GGUF file into a safetensors folder, once.

    The folder appears by one rename, so a half-written model is never seen; if `out` exists it is
    returned untouched.
    """
    if out.exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        write_converted(gguf, work, dtype)
        os.rename(work, out)  # noqa: PTH104  # Path.rename may fall back to copying on some systems.
    except OSError:
        if not out.exists():  # Another converter may have won the race; its folder is as good.
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def write_converted(gguf: Path, folder: Path, dtype: torch.dtype) -> None:
    """Dequantise, forget that it was quantised, and save weights and tokenizer."""
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    plain = type(model)(type(model.config)(**plain_config(model.config.to_dict())))
    plain.load_state_dict(model.state_dict())
    plain.tie_weights()
    torch.nn.Module.to(plain, dtype=dtype)  # The class's own method hides its signature.
    plain.save_pretrained(folder, safe_serialization=True)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(folder)


def plain_config(config: dict[str, Any]) -> dict[str, Any]:
    """The config without anything that speaks of the file it was converted from."""
    dropped = {"quantization_config", "_name_or_path", "_attn_implementation"}
    return {key: value for key, value in config.items() if key not in dropped}
