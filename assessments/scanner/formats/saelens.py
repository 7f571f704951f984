"""Read and write the SAELens layout: cfg.json beside sae_weights.safetensors.

Read: all that SAELens 6.54 writes for inference or in training and what it wrote before version 6,
but for temporal and matching-pursuit autoencoders. A batch-top-k checkpoint whose threshold is set
is read as SAELens would release it, as a jumprelu one. What cannot be read exactly is refused
rather than read nearly; what SAELens itself leaves open is said in `doubts`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import (
    config,
    converted,
    saelens_config,
    saelens_folding,
    tensors,
)
from assessments.scanner.formats.saelens_config import NORMS
from assessments.scanner.formats.turned import Exp, Same
from assessments.scanner.rows import Norms, OnDisk
from assessments.scanner.sae import Architecture, Gate, SparseAutoencoder
from assessments.scanner.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.formats.saelens_config import Settings
    from assessments.scanner.rows import Rows
    from assessments.scanner.store import Store

NAME = "saelens"
CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SPARSITY = "sparsity.safetensors"
VERSION = "6.54.12"
"""The SAELens version whose layout is written."""
CHUNK = 1 << 20


def recognises(path: Path) -> bool:
    """Whether the folder holds SAELens's two files, or what `convert` makes of a pickle of it."""
    return is_plain(path) or converted.holds(path, NAME)


def is_plain(path: Path) -> bool:
    """Whether the folder is as SAELens writes it."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder, and how often it fires if that is told."""
    made = (path / CONFIG, path / WEIGHTS) if is_plain(path) else converted.files(path)
    sparsity = (path / SPARSITY,) if (path / SPARSITY).is_file() else ()
    return (*made, *saelens_folding.files(path), *sparsity)


def opened(path: Path) -> tuple[Config, Store]:
    """Configuration and weights."""
    if is_plain(path):
        return config.read(path / CONFIG), open_store(path / WEIGHTS)
    source = converted.read(path)
    return source.config, source.store


def load(path: Path) -> SparseAutoencoder:
    """Read an autoencoder.

    Raises:
        ScanFailed: the file asks for something this scanner does not compute.
    """
    given, store = opened(path)
    said = saelens_config.read(given)
    expect_tensors(store, said)
    weights = saelens_folding.folded(path, said, store)
    pinned = threshold(store, said, weights.lengths_over)
    rule = said.kind.rule
    is_pinned = rule is Architecture.BATCHTOPK and pinned is not None
    sae = SparseAutoencoder(
        Architecture.JUMPRELU if is_pinned else rule,
        w_enc=weights.w_enc,
        b_enc=None if rule is Architecture.GATED else OnDisk(store, "b_enc"),
        w_dec=weights.w_dec,
        b_dec=weights.b_dec,
        b_in=weights.b_in,
        hook_name=said.hook_name,
        hook_name_out=said.hook_name_out,
        threshold=pinned,
        gate=gate(store) if rule is Architecture.GATED else None,
        k=0 if is_pinned else whole(said),
        norm=NORMS[said.normalize],
        rank_scale=lengths(store, weights.lengths_over) if said.ranks_by_norm else None,
        w_skip=store.read("W_skip") if said.kind.skips else None,
        format=NAME,
        declared=said.declared,
        doubts=(*said.doubts, *weights.doubts),
    )
    return with_sparsity(sae, path)


def expect_tensors(store: Store, said: Settings) -> None:
    """Refuse a file whose tensors are not those of the architecture.

    `scaling_factor` was once written whether or not it meant anything.
    """
    d, e, f = said.d_in, said.d_out, said.d_sae
    wanted: dict[str, tuple[int, ...]] = {"W_enc": (d, f), "W_dec": (f, e), "b_dec": (e,)}
    if said.kind.rule is Architecture.GATED:
        wanted |= {"b_gate": (f,), "b_mag": (f,), "r_mag": (f,)}
    else:
        wanted["b_enc"] = (f,)
    if said.kind.rule is Architecture.JUMPRELU:
        wanted["log_threshold" if "log_threshold" in store.tensors else "threshold"] = (f,)
    if said.kind.rule is Architecture.BATCHTOPK:
        wanted["topk_threshold"] = ()
    if said.kind.skips:
        wanted["W_skip"] = (e, d)
    tensors.expect(store, wanted, besides={"scaling_factor"})
    if "scaling_factor" in store.tensors and not torch.allclose(
        store.read("scaling_factor"), torch.ones(f)
    ):
        raise ScanFailed(
            f"{store.name}: a scaling_factor from fine-tuning is not read; expected ones, or an "
            "autoencoder with the factor multiplied into W_dec",
            permanent=True,
        )


def threshold(store: Store, said: Settings, lengths_over: float) -> Rows | None:
    """Above what latents fire; None where they compete.

    SAELens starts a batch-top-k threshold at 0; what is still there was not trained.
    """
    if said.kind.rule is Architecture.JUMPRELU:
        if "log_threshold" in store.tensors:
            return Exp(OnDisk(store, "log_threshold"), f"{store.name}: log_threshold")
        return OnDisk(store, "threshold")
    if said.kind.rule is not Architecture.BATCHTOPK:
        return None
    pinned = tensors.single(store, "topk_threshold")
    if pinned <= 0:
        return None
    return Same(pinned / lengths_over if said.ranks_by_norm else pinned, said.d_sae)


def gate(store: Store) -> Gate:
    """What a gated autoencoder has instead of a bias."""
    return Gate(OnDisk(store, "b_gate"), OnDisk(store, "b_mag"), OnDisk(store, "r_mag"))


def lengths(store: Store, over: float) -> Rows:
    """How long each row of the decoder is."""
    return Norms(OnDisk(store, "W_dec", factor=1 / over))


def whole(said: Settings) -> int:
    """How many latents stay on, where that is no mean.

    Raises:
        ScanFailed: the batch competes for a number of places that does not come out even.
    """
    if said.k != int(said.k):
        message = (
            f"{said.where}: k: expected a whole number where no threshold is set, came {said.k}"
        )
        raise ScanFailed(message, permanent=True)
    return int(said.k)


def with_sparsity(sae: SparseAutoencoder, path: Path) -> SparseAutoencoder:
    """The same, with the L0 that sparsity.safetensors tells if nothing else does.

    It holds log10 of each latent's firing rate; a training that never stepped leaves no numbers.
    """
    is_told = sae.declared.l0 is not None
    if is_told or not (path / SPARSITY).is_file():
        return sae
    try:
        rates = open_store(path / SPARSITY)
        tensors.expect(rates, {"sparsity": (sae.d_sae,)})
        l0 = sum(
            float((10.0 ** rates.part("sparsity", start, min(start + CHUNK, sae.d_sae), 0)).sum())
            for start in range(0, sae.d_sae, CHUNK)
        )
    except ScanFailed as refusal:
        return replace(sae, doubts=(*sae.doubts, f"how often it fires is not told: {refusal}"))
    return replace(sae, declared=replace(sae.declared, l0=l0)) if l0 <= sae.d_sae else sae


def save(
    sae: SparseAutoencoder,
    folder: Path,
    *,
    metadata: dict[str, Any],
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Write an autoencoder; weights as `dtype`, threshold and biases in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    if sae.b_enc is None or sae.w_dec is None or sae.b_dec is None:
        raise ScanFailed(f"a {sae.architecture} autoencoder is not written", permanent=True)
    tensors = {
        "W_enc": sae.w_enc.part(0, sae.d_sae).T.to(dtype).contiguous(),
        "b_enc": sae.b_enc.part(0, sae.d_sae).float().contiguous(),
        "W_dec": sae.w_dec.part(0, sae.d_sae).to(dtype).contiguous(),
        "b_dec": sae.b_dec.float().contiguous(),
    }
    if sae.threshold is not None:
        tensors["threshold"] = sae.threshold.part(0, sae.d_sae).float().contiguous()
    save_file(tensors, folder / WEIGHTS)
    text = json.dumps(config_of(sae, metadata), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def config_of(sae: SparseAutoencoder, metadata: dict[str, Any]) -> dict[str, Any]:
    """The configuration as SAELens expects it."""
    config: dict[str, Any] = {
        "architecture": sae.architecture.value,
        "d_in": sae.d_in,
        "d_sae": sae.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": sae.b_in is not None,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": VERSION,
            "hook_name": sae.hook_name,
            "hf_hook_name": hf_name(sae.hook_name),
            "hook_head_index": None,
            "prepend_bos": False,
            **metadata,
        },
    }
    if sae.architecture is Architecture.TOPK:
        config["k"] = sae.k
        config["rescale_acts_by_decoder_norm"] = False
    return config


def hf_name(hook_name: str) -> str:
    """The same read point in the words of transformers."""
    return f"model.layers.{hook_name.split('.')[1]}.output"
