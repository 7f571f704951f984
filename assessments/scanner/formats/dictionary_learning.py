"""Read dictionary_learning, brought over from ae.pt and config.json by `convert`.

    AutoEncoder              f = max(W (x - bias) + b, 0), times the length of its decoder's column
    AutoEncoderNew           f = max(W x + b, 0)
    GatedAutoEncoder         gated
    AutoEncoderTopK          top-k; its threshold is an estimate that it does not go by
    BatchTopKSAE             by its threshold, once training set it
    MatryoshkaBatchTopKSAE   the same, in groups that matter to training alone
    JumpReluAutoEncoder      jumprelu; b_dec is not taken off the input

An AutoEncoder's activations are given as its own loader gives them, which brings the decoder to
unit length and the encoder with it. A threshold below zero was never set: by it everything above
zero fires, which nobody trained for, so the batch competes and nothing counts as evidence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from assessments.scanner.formats import converted, naming, tensors
from assessments.scanner.formats.turned import Same
from assessments.scanner.rows import Norms, OnDisk
from assessments.scanner.sae import Architecture, Declared, Gate, SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.formats.converted import Converted
    from assessments.scanner.rows import Rows
    from assessments.scanner.store import Store

NAME = "dictionary_learning"


class Kind(NamedTuple):
    """What one of its classes is made of."""

    rule: Architecture
    b_dec: str
    subtracts: bool = True
    """b_dec is taken off the input."""
    is_linear: bool = True
    """Weights lie as linear layers keep them, out by in; else as W_enc (D, F) and W_dec (F, D)."""


KINDS = {
    "AutoEncoder": Kind(Architecture.STANDARD, "bias"),
    "AutoEncoderNew": Kind(Architecture.STANDARD, "decoder.bias", subtracts=False),
    "GatedAutoEncoder": Kind(Architecture.GATED, "decoder_bias"),
    "AutoEncoderTopK": Kind(Architecture.TOPK, "b_dec"),
    "BatchTopKSAE": Kind(Architecture.BATCHTOPK, "b_dec"),
    "MatryoshkaBatchTopKSAE": Kind(Architecture.BATCHTOPK, "b_dec", is_linear=False),
    "JumpReluAutoEncoder": Kind(
        Architecture.JUMPRELU, "b_dec", subtracts=False, is_linear=False
    ),
}  # fmt: skip
RANKED = (Architecture.TOPK, Architecture.BATCHTOPK)
UNSET = -1.0
BY_BIAS = {kind.b_dec: name for name, kind in KINDS.items() if kind.b_dec != "b_dec"}
"""The classes that give themselves away; configurations of the first release do not name them."""
POINTS = {
    "attn_out": "blocks.{}.attn.hook_out",
    "mlp_out": "blocks.{}.mlp.hook_out",
    "resid_out": "blocks.{}.hook_resid_post",
    "resid_post": "blocks.{}.hook_resid_post",
}
SUBMODULE = re.compile(rf"({'|'.join(POINTS)})_layer_?(\d{{1,4}})", re.ASCII)
"""As submodules are called, and the folders of the first release: mlp_out_layer1."""


def recognises(path: Path) -> bool:
    """Whether the folder is a conversion of it."""
    return converted.holds(path, NAME)


def files(path: Path) -> tuple[Path, ...]:
    """The files that make the autoencoder."""
    return converted.files(path)


def load(path: Path) -> SparseAutoencoder:
    """Read a dictionary.

    Raises:
        ScanFailed: the file asks for something this scanner does not compute.
    """
    source = converted.read(path)
    store, trainer = source.store, source.config.section("trainer")
    name = class_of(trainer, store)
    kind = KINDS[name]
    w_enc, b_enc, w_dec = weights(store, kind)
    b_dec = store.read(kind.b_dec)
    jumps = threshold(source, kind, w_enc.shape[0])
    k = rank(source, trainer, w_enc.shape[0]) if kind.rule in RANKED else 0
    is_pinned = kind.rule is Architecture.BATCHTOPK and jumps is not None
    point = read_point(path, trainer)
    return SparseAutoencoder(
        Architecture.JUMPRELU if is_pinned else kind.rule,
        w_enc=w_enc,
        b_enc=b_enc,
        w_dec=w_dec,
        b_dec=b_dec,
        b_in=b_dec if kind.subtracts else None,
        hook_name=point,
        threshold=jumps,
        gate=gate(store) if kind.rule is Architecture.GATED else None,
        k=0 if is_pinned else k,
        rank_scale=Norms(w_dec) if name == "AutoEncoder" else None,
        format=NAME,
        declared=declared(source.config, k, name if is_pinned else ""),
        doubts=doubts(source.config, point),
    )


def class_of(trainer: Config, store: Store) -> str:
    """The class, as the configuration says or else as the tensors tell."""
    telling = [BY_BIAS[each] for each in store.tensors if each in BY_BIAS]
    name = trainer.text("dict_class", telling[0] if len(telling) == 1 else None)
    if name not in KINDS:
        raise trainer.unfit("dict_class", f"one of {', '.join(KINDS)}")
    return name


def weights(store: Store, kind: Kind) -> tuple[OnDisk, OnDisk | None, OnDisk]:
    """Encoder, its bias and decoder, once all tensors are found to fit one another."""
    linear = ("encoder.weight", "encoder.bias", "decoder.weight")
    encoder, bias, decoder = linear if kind.is_linear else ("W_enc", "b_enc", "W_dec")
    f, d = (tensors.width(store, encoder, dim) for dim in ((0, 1) if kind.is_linear else (1, 0)))
    wanted: dict[str, tuple[int, ...]] = {
        encoder: (f, d) if kind.is_linear else (d, f),
        decoder: (d, f) if kind.is_linear else (f, d),
        kind.b_dec: (d,),
    }
    is_gated = kind.rule is Architecture.GATED
    wanted |= dict.fromkeys(("r_mag", "gate_bias", "mag_bias") if is_gated else (bias,), (f,))
    if kind.rule is Architecture.JUMPRELU:
        wanted["threshold"] = (f,)
    besides = {"k", "threshold", "group_sizes"} if kind.rule in RANKED else ()
    tensors.expect(store, wanted, besides=besides)
    return (
        OnDisk(store, encoder, latent_dim=int(not kind.is_linear)),
        None if is_gated else OnDisk(store, bias),
        OnDisk(store, decoder, latent_dim=int(kind.is_linear)),
    )


def threshold(source: Converted, kind: Kind, f: int) -> Rows | None:
    """Above what latents fire; None where they compete."""
    if kind.rule is Architecture.JUMPRELU:
        return OnDisk(source.store, "threshold")
    if kind.rule is not Architecture.BATCHTOPK:
        return None
    is_tensor = "threshold" in source.store.tensors
    pinned = tensors.single(source.store, "threshold") if is_tensor else UNSET
    return Same(pinned, f) if pinned > 0 else None


def gate(store: Store) -> Gate:
    """What a gated autoencoder has instead of a bias."""
    return Gate(OnDisk(store, "gate_bias"), OnDisk(store, "mag_bias"), OnDisk(store, "r_mag"))


def rank(source: Converted, trainer: Config, f: int) -> int:
    """How many latents stay on in a token, or on average in a batch.

    Raises:
        ScanFailed: weights and configuration differ over it, or neither says it.
    """
    said = trainer if "k" in trainer else source.values
    k = tensors.whole(source.store, "k") if "k" in source.store.tensors else said.whole("k")
    if not 1 <= k <= f or ("k" in trainer and trainer.whole("k") != k):
        raise trainer.unfit("k", f"a whole number from 1 to {f}, and {k} as the weights say")
    return k


def read_point(path: Path, trainer: Config) -> str:
    """Where it reads, by the submodule's name or the folder's; empty where neither says."""
    named = trainer.text("submodule_name", "")
    if named:
        naming.hook_name(trainer.where, named)
    for each in (named, path.resolve().name, path.resolve().parent.name):
        if found := SUBMODULE.fullmatch(each):
            return POINTS[found[1]].format(int(found[2]))
    return naming.known_point(named)


def declared(said: Config, k: int, trained_as: str) -> Declared:
    """What the training's configuration says."""
    trainer, buffer = said.section("trainer"), said.section("buffer")
    steps, batch = trainer.said_number("steps"), buffer.said_number("out_batch_size")
    return Declared(
        l0=k or trainer.said_number("target_l0"),
        model_name=trainer.said_text("lm_name"),
        n_tokens=int(steps * batch) if steps and batch else None,
        trained_as=trained_as,
    )


def doubts(said: Config, point: str) -> tuple[str, ...]:
    """What the file leaves open.

    Raises:
        ScanFailed: it was trained to rebuild another stream than it reads.
    """
    side = said.section("buffer").text("io", "out")
    if side not in ("in", "out"):
        raise said.section("buffer").unfit("io", "'in' or 'out'")
    found = []
    if not point:
        layer = ascii(said.section("trainer").raw.get("layer"))[:20]
        found.append(f"the configuration names layer {layer} but no place in it")
    if side == "in":
        found.append("trained on what its submodule is given, not on what it puts out")
    return tuple(found)
