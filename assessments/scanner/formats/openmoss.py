"""What Llama Scope and llamascopium have in common: the settings of OpenMOSS's training code.

    z   = x · s                         s = √D / average length, where norm_activation is dataset-wise
    pre = z W_encᵀ + b_enc              times ‖W_dec‖ of the latent while it is judged, where
                                        sparsity_include_decoder_norm
    x̂   = (f W_dec + b_dec) / s_out     s_out as s, of what is rebuilt

Activations are those of the file, in the units it was trained in; where its makers fold s into the
weights, theirs are s times smaller, on the same tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import naming, places, tensors
from assessments.scanner.rows import Norms, OnDisk
from assessments.scanner.sae import Architecture, Norm, SparseAutoencoder

if TYPE_CHECKING:
    from assessments.scanner.formats.config import Config
    from assessments.scanner.rows import Rows
    from assessments.scanner.store import Store

ACTIVATIONS = {
    "relu": Architecture.STANDARD,
    "jumprelu": Architecture.JUMPRELU,
    "topk": Architecture.TOPK,
    "batchtopk": Architecture.BATCHTOPK,
}
RANKED = {Architecture.TOPK, Architecture.BATCHTOPK}
AVERAGE = "dataset_average_activation_norm"
NORMALISATIONS = ("dataset-wise", "token-wise", "inference", "none")
MOST_EXPANSION = 1e6
LONGEST = 1e30
"""No honest average length is above it."""


@dataclass(frozen=True)
class Names:
    """What the tensors are called, and which way round they are kept."""

    w_enc: str
    b_enc: str
    w_dec: str
    b_dec: str
    log_threshold: str
    encoder_latent_dim: int
    decoder_latent_dim: int


CURRENT = Names("W_E", "b_E", "W_D", "b_D", "activation_function.log_jumprelu_threshold", 1, 0)
"""(D, F) and (F, D)."""
FORMER = Names(
    "encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias", "log_jumprelu_threshold",
    0, 1,
)  # fmt: skip
"""(F, D) and (D, F)."""


@dataclass(frozen=True)
class Scales:
    """What streams are multiplied by before training sees them."""

    given: float = 1.0
    rebuilt: float = 1.0


@dataclass(frozen=True)
class Settings:
    """What the settings say, once everything is known to be computed here."""

    architecture: Architecture
    d: int
    f: int
    k: int
    hook_in: str
    hook_out: str
    normalisation: str
    judges_by_length: bool
    """Pre-activations are multiplied by the length of the decoder's row while they are judged."""
    has_bias: bool
    takes_bias_off: bool

    @property
    def rebuilds_another(self) -> bool:
        """Whether it is a transcoder."""
        return self.hook_in != self.hook_out

    @property
    def rebuilds(self) -> bool:
        """Whether rebuilding is possible: a transcoder would need the length of what it is to tell."""
        return not (self.normalisation == "token-wise" and self.rebuilds_another)


def settings(said: Config, f: int, *, architecture: Architecture, by_length: bool) -> Settings:
    """What the settings say of an autoencoder with `f` latents.

    Args:
        said: the settings.
        f: how many latents the tensors have.
        architecture: how pre-activations become activations.
        by_length: what holds where they say nothing of sparsity_include_decoder_norm.

    Raises:
        ScanFailed: they ask for something that is not computed here, or for other sizes.
    """
    refuse_others(said)
    d = said.whole("d_model", least=1)
    expect_latents(said, d, f)
    hook_in = naming.hook_name(said.where, said.text("hook_point_in"))
    return Settings(
        architecture,
        d,
        f,
        k=said.whole("top_k", least=1, most=f) if architecture in RANKED else 0,
        hook_in=hook_in,
        hook_out=naming.hook_name(said.where, said.text("hook_point_out", hook_in)),
        normalisation=normalisation(said),
        judges_by_length=said.flag("sparsity_include_decoder_norm", by_length),
        has_bias=said.flag("use_decoder_bias", True),
        takes_bias_off=said.flag("apply_decoder_bias_to_pre_encoder", False),
    )


def refuse_others(said: Config) -> None:
    """Refuse what is built another way.

    Raises:
        ScanFailed: a crosscoder, a gated linear unit, and the like.
    """
    if said.text("sae_type", "sae") != "sae":
        raise said.unfit("sae_type", "'sae', which transcoders are as well")
    if said.flag("use_glu_encoder", False):
        raise said.unfit("use_glu_encoder", "false; gated linear units are not computed here")


def expect_latents(said: Config, d: int, f: int) -> None:
    """Refuse settings that speak of another number of latents than the tensors have.

    Raises:
        ScanFailed: names both.
    """
    if "d_sae" in said:
        told = said.whole("d_sae")
    elif "expansion_factor" in said:
        told = int(d * min(max(said.number("expansion_factor"), 0), MOST_EXPANSION))
    else:
        return
    if told != f:
        raise ScanFailed(
            f"{said.where}: it speaks of {told} latents, the tensors have {f}", permanent=True
        )


def normalisation(said: Config) -> str:
    """What is done to the length of the stream.

    Raises:
        ScanFailed: something that is not computed here.
    """
    told = said.text("norm_activation", "dataset-wise")
    if told == "batch-wise":
        raise said.unfit(
            "norm_activation",
            "a way in which what a token shows does not depend on the tokens beside it",
        )
    if told not in NORMALISATIONS:
        raise said.unfit("norm_activation", f"one of {', '.join(NORMALISATIONS)}")
    return told


def architecture(said: Config, *, has_threshold: bool) -> Architecture:
    """How pre-activations become activations.

    Raises:
        ScanFailed: by a rule that is not computed here, or none is told.
    """
    told = said.text("act_fn", "jumprelu" if has_threshold else "").lower()
    if told not in ACTIVATIONS:
        raise said.unfit("act_fn", f"one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[told]


def scale(d: int, average: float, where: str) -> float:
    """What a stream of that average length is multiplied by, to be √D long on average.

    Raises:
        ScanFailed: that is no length.
    """
    if not 0 < average < LONGEST:
        raise ScanFailed(
            f"{where}: expected the average length of the stream, came {average:.4g}; without it "
            "activations are off by a factor nobody knows",
            permanent=True,
        )
    return math.sqrt(d) / average


def shapes(names: Names, told: Settings) -> dict[str, tuple[int, ...]]:
    """The tensors there must be, thresholds apart."""
    sizes = (told.f, told.d)
    found: dict[str, tuple[int, ...]] = {
        names.w_enc: sizes[::-1] if names.encoder_latent_dim else sizes,
        names.b_enc: (told.f,),
        names.w_dec: sizes[::-1] if names.decoder_latent_dim else sizes,
    }
    return found | ({names.b_dec: (told.d,)} if told.has_bias else {})


def assemble(
    store: Store, names: Names, told: Settings, scales: Scales, threshold: Rows | None
) -> SparseAutoencoder:
    """The autoencoder, once its tensors were looked at."""
    bias = store.read(names.b_dec) if told.has_bias else torch.zeros(told.d)
    # What is rebuilt at another point is not divided by the scale of what was read.
    factor = (1 if told.rebuilds_another else scales.given) / scales.rebuilt
    return SparseAutoencoder(
        told.architecture,
        w_enc=OnDisk(store, names.w_enc, names.encoder_latent_dim),
        b_enc=OnDisk(store, names.b_enc),
        w_dec=decoder(store, names, factor) if told.rebuilds else None,
        b_dec=bias * factor if told.rebuilds else None,
        b_in=bias if told.takes_bias_off else None,
        threshold=threshold,
        k=told.k,
        norm=Norm.CONSTANT if told.normalisation == "token-wise" else Norm.NONE,
        input_scale=scales.given,
        rank_scale=Norms(decoder(store, names)) if told.judges_by_length else None,
        keeps_rank_scale=False,
        hook_name=places.spelled(store.name, told.hook_in),
        hook_name_out=places.spelled(store.name, told.hook_out) if told.rebuilds_another else "",
        doubts=doubts(told),
    )


def decoder(store: Store, names: Names, factor: float = 1.0) -> OnDisk:
    """The decoder's rows, times a factor."""
    return OnDisk(store, names.w_dec, names.decoder_latent_dim, factor)


def doubts(told: Settings) -> tuple[str, ...]:
    """What the settings leave open."""
    if not told.rebuilds:
        return ("it scales each token of what it rebuilds by its own length: for encoding alone",)
    return ()


def averages(store: Store) -> tuple[str, ...]:
    """The tensors that hold average lengths."""
    return tuple(each for each in store.tensors if each.startswith(f"{AVERAGE}."))


def kept_scales(store: Store, told: Settings) -> Scales:
    """The scales that tensors tell the average lengths of.

    Raises:
        ScanFailed: one is missing, or is no length.
    """
    if told.normalisation != "dataset-wise":
        return Scales()
    found: list[float] = []
    for hook in (told.hook_in, told.hook_out):
        name = f"{AVERAGE}.{hook}"
        found.append(scale(told.d, tensors.single(store, name), f"{store.name}: {name}"))
    return Scales(*found)
