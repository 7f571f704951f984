"""Read model weights without trusting them.

1. Refuse every container that can run code; only safetensors passes.
2. Check each header, digest each file, and read tensors from the same open file; one that changed
   in between is refused.
3. Build the architecture from its config (no remote code), as deep as the scan needs, and read
   into it the weights of that depth alone.

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
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.initialization import no_init_weights

from assessments.scanner.chat import read_tokenizer
from assessments.scanner.contract import ScanFailed
from assessments.scanner.digests import BLOCK, file_sha256, manifest_sha256
from assessments.scanner.header import HostileFile, check_header
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from assessments.scanner.store import Store

LAYER = re.compile(r"(?:^|\.)(?:layers|h)\.(\d+)\.")
RENAMED = {"embed_out.weight": "lm_head.weight"}
"""What transformers calls differently today than when the file was written."""
HEADS = {"lm_head.weight", "embed_out.weight"}
PICTURES = ("vision_tower.", "multi_modal_projector.")
"""Parts of a model that text never passes through."""
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
    """Build the language model in `folder`, no deeper than `blocks`.

    Every file is digested; of the weights only those of the blocks asked for are read into memory.

    Args:
        folder: config.json, tokenizer files and *.safetensors.
        expected_sha256: what `digests.folder_sha256(folder)` must be; empty skips the comparison.
        blocks: how many blocks to keep, counted from the embedding, without a head; None keeps
            everything.
        dtype: what the weights are computed in.
        tokenizer: where the tokenizer lies, if not beside the weights.

    Raises:
        ScanFailed: a digest differs, a file is refused or changed meanwhile, or tensors are missing.
    """
    stores = open_weights(folder)
    files = {
        path.relative_to(folder).as_posix(): stores[path].sha256()
        if path in stores
        else file_sha256(path)
        for path in sorted(path for path in folder.rglob("*") if path.is_file())
    }
    sha256 = manifest_sha256(files)
    if expected_sha256 and sha256 != expected_sha256:
        message = f"{folder.name}: expected model sha256 {expected_sha256}, the files give {sha256}"
        raise ScanFailed(message, permanent=True)
    config = read_config(folder)
    n_blocks = int(config.get_text_config().num_hidden_layers)
    build = AutoModelForCausalLM if blocks is None else AutoModel
    cut_off(config.get_text_config(), n_blocks if blocks is None else blocks)
    with no_init_weights():
        model: PreTrainedModel = build.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    fill(model, list(stores.values()), n_blocks if blocks is None else blocks)
    for store in stores.values():
        store.expect_unchanged()
    model.train(mode=False)
    return LoadedModel(model, read_tokenizer(tokenizer or folder), files, sha256, n_blocks)


def open_weights(folder: Path) -> dict[Path, Store]:
    """The safetensors files below a folder, headers checked, by their path.

    Raises:
        ScanFailed: there are none, or one is not well-formed.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {path: open_store(path) for path in paths if path.suffix == ".safetensors"}
    if found:
        return found
    for path in paths:
        if path.suffix.lower() in REFUSED:
            refuse_unsafe(path)
    raise ScanFailed(f"{folder}: no .safetensors file found there", permanent=True)


def read_config(folder: Path) -> Any:
    """The model's configuration, refused when it asks for code of its own."""
    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "auto_map" in raw:
        message = f"{folder.name}: config.json names remote code (auto_map), which is never run"
        raise ScanFailed(message, permanent=True)
    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def cut_off(config: Any, blocks: int) -> None:
    """Let a configuration speak of its first blocks only, in every list that has one entry a block."""
    n_blocks = config.num_hidden_layers
    if blocks >= n_blocks:
        return
    for name, value in config.to_dict().items():
        if isinstance(value, list) and len(value) == n_blocks:
            setattr(config, name, value[:blocks])
    config.num_hidden_layers = blocks


@torch.no_grad()
def fill(model: PreTrainedModel, stores: Sequence[Store], blocks: int) -> None:
    """Read into a model what it has room for; blocks and heads it lacks are left on disk.

    Raises:
        ScanFailed: a tensor is missing, unknown, twice there, or of another shape.
    """
    own = model.state_dict()
    filled: dict[str, str] = {}
    stray: list[str] = []
    for store in stores:
        for name, stored in store.tensors.items():
            place = own_name(name, own, model.base_model_prefix)
            if place is None or unread([place]):
                if not is_left_out(name, blocks):
                    stray.append(name)
                continue
            if place in filled or tuple(own[place].shape) != stored.shape:
                came = f"again after {filled[place]}" if place in filled else f"{stored.shape}"
                message = f"{store.name}: {name}: expected {tuple(own[place].shape)}, came {came}"
                raise ScanFailed(message, permanent=True)
            own[place].copy_(store.read(name))
            filled[place] = store.name
    model.tie_weights()
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    gaps = [name for name in own if name not in filled and name not in tied | set(unread(own))]
    if gaps or stray:
        message = f"weights do not fit the config: missing {gaps[:3]}, unknown {stray[:3]}"
        raise ScanFailed(message, permanent=True)


def own_name(name: str, own: Mapping[str, Tensor], prefix: str) -> str | None:
    """What the model calls a tensor of a file: with or without its base model's prefix."""
    name = name.replace("language_model.model.", "language_model.").replace(
        "language_model.lm_head.", "lm_head."
    )
    name = RENAMED.get(name, name)
    for each in (name, name.removeprefix(f"{prefix}."), f"{prefix}.{name}"):
        if each in own:
            return each
    return None


def is_left_out(name: str, blocks: int) -> bool:
    """Whether a tensor belongs to a head, a block behind those that are read, or to pictures."""
    found = LAYER.search(name)
    is_behind = found is not None and int(found.group(1)) >= blocks
    return is_behind or name.removeprefix("language_model.") in HEADS or bool(unread([name]))


def unread(names: Iterable[str]) -> list[str]:
    """Those that only pictures pass through."""
    return [name for name in names if name.removeprefix("model.").startswith(PICTURES)]


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
