"""Read dictionary_learning, brought over from ae.pt and config.json by `convert`.

    AutoEncoder              f = max(W (x - bias) + b, 0), times the length of its decoder's column
    AutoEncoderNew           f = max(W x + b, 0)
    GatedAutoEncoder         gated
    AutoEncoderTopK          top-k; its threshold is an estimate that it does not go by
    BatchTopKSAE             its threshold, once training set it
    MatryoshkaBatchTopKSAE   the same, in groups that matter to training alone
    JumpReluAutoEncoder      jumprelu; b_dec is not taken off the input

An AutoEncoder's activations are given as its own loader gives them, which brings the decoder to
unit length and the encoder with it. A threshold below zero was never set: by it everything above
zero fires, which nobody trained for, so the batch competes and nothing counts as evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import converted, naming, tensors
from assessments.scanner.formats.turned import Same
from assessments.scanner.rows import Norms, OnDisk
from assessments.scanner.sae import Architecture, Declared, Gate, SparseAutoencoder

if TYPE_CHECKING:
    from pathlib import Path

    from assessments.scanner.formats.config import Config
    from assessments.scanner.formats.converted import Converted
    from assessments.scanner.store import Store

NAME = "dictionary_learning"
FIRST_RELEASE = {
    "attn_out": "blocks.{}.attn.hook_out",
    "mlp_out": "blocks.{}.mlp.hook_out",
    "resid_out": "blocks.{}.hook_resid_post",
    "resid_post": "blocks.{}.hook_resid_post",
}
"""Read points as the folders of the first release are called: mlp_out_layer1."""
SUBMODULE = re.compile(rf"({'|'.join(FIRST_RELEASE)})_layer_?(\d{{1,4}})", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """What one of its classes is made of."""

    rule: Architecture
    encoder: str
    """The encoder's weight; (F, D) as a linear layer has it, or W_enc, (D, F)."""
    b_enc: str
    b_dec: str
    subtracts: bool
    """b_dec is taken off the input."""
    besides: tuple[str, ...] = ()

    @property
    def is_linear(self) -> bool:
        """Whether weights lie as linear layers keep them: out by in."""
        return self.encoder == "encoder.weight"

    @property
    def decoder(self) -> str:
        """The decoder's weight."""
        return "decoder.weight" if self.is_linear else "W_dec"


LINEAR, PLAIN = "encoder.weight", "W_enc"
GATED = ("r_mag", "gate_bias", "mag_bias")
KINDS = {
    "AutoEncoder": Kind(Architecture.STANDARD, LINEAR, "encoder.bias", "bias", subtracts=True),
    "AutoEncoderNew": Kind(
        Architecture.STANDARD, LINEAR, "encoder.bias", "decoder.bias", subtracts=False
    ),
    "GatedAutoEncoder": Kind(Architecture.GATED, LINEAR, "", "decoder_bias", subtracts=True),
    "AutoEncoderTopK": Kind(
        Architecture.TOPK, LINEAR, "encoder.bias", "b_dec", subtracts=True, besides=("threshold",)
    ),
    "BatchTopKSAE": Kind(
        Architecture.BATCHTOPK, LINEAR, "encoder.bias", "b_dec", subtracts=True
    ),
    "MatryoshkaBatchTopKSAE": Kind(
        Architecture.BATCHTOPK, PLAIN, "b_enc", "b_dec", subtracts=True, besides=("group_sizes",)
    ),
    "JumpReluAutoEncoder": Kind(Architecture.JUMPRELU, PLAIN, "b_enc", "b_dec", subtracts=False),
}  # fmt: skip


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
    name, kind = kind_of(trainer, store)
    expect_tensors(store, kind)
    k = rank(source, trainer, kind)
    pinned = threshold(source, kind)
    is_pinned = kind.rule is Architecture.BATCHTOPK and pinned is not None
    f = store.tensors[kind.encoder].shape[0 if kind.is_linear else 1]
    w_dec = OnDisk(store, kind.decoder, latent_dim=int(kind.is_linear))
    b_dec = store.read(kind.b_dec)
    hook_name = read_point(path, trainer)
    rule = Architecture.JUMPRELU if is_pinned else kind.rule
    jumps: Any = None if pinned is None else Same(pinned, f)
    return SparseAutoencoder(
        rule,
        w_enc=OnDisk(store, kind.encoder, latent_dim=int(not kind.is_linear)),
        b_enc=OnDisk(store, kind.b_enc) if kind.b_enc else None,
        w_dec=w_dec,
        b_dec=b_dec,
        b_in=b_dec if kind.subtracts else None,
        hook_name=hook_name,
        threshold=OnDisk(store, "threshold") if kind.rule is Architecture.JUMPRELU else jumps,
        gate=gate(store) if kind.rule is Architecture.GATED else None,
        k=0 if is_pinned else k,
        rank_scale=Norms(w_dec) if name == "AutoEncoder" else None,
        format=NAME,
        declared=declared(source, trainer, name, k),
        doubts=tuple(doubts(source.config.section("buffer"), trainer, hook_name)),
    )


def kind_of(trainer: Config, store: Store) -> tuple[str, Kind]:
    """The class, as the configuration says or else as the tensors tell."""
    fitting = [name for name, kind in KINDS.items() if set(needed(kind)) <= set(store.tensors)]
    name = trainer.text("dict_class", fitting[0] if len(fitting) == 1 else None)
    if name not in KINDS:
        raise trainer.unfit("dict_class", f"one of {', '.join(KINDS)}")
    return name, KINDS[name]


def needed(kind: Kind) -> tuple[str, ...]:
    """The tensors that a class cannot be without."""
    biases = GATED if kind.rule is Architecture.GATED else (kind.b_enc,)
    jumps = ("threshold",) if kind.rule is Architecture.JUMPRELU else ()
    return (kind.encoder, *biases, kind.decoder, kind.b_dec, *jumps)
