"""What SAELens's cfg.json says of the computation.

From SAELens 6 on, what concerns the model lies in `metadata`. Before, everything lay side by side,
some of it under other names, and top-k was an activation function, not an architecture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from assessments.scanner import readnames
from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import naming
from assessments.scanner.formats.config import Config
from assessments.scanner.sae import Architecture, Declared, Norm


class Kind(NamedTuple):
    """An architecture by SAELens's name."""

    rule: Architecture
    transcodes: bool = False
    skips: bool = False


KINDS = {
    "standard": Kind(Architecture.STANDARD),
    "gated": Kind(Architecture.GATED),
    "jumprelu": Kind(Architecture.JUMPRELU),
    "topk": Kind(Architecture.TOPK),
    "abstopk": Kind(Architecture.ABSTOPK),
    "batchtopk": Kind(Architecture.BATCHTOPK),
    "matryoshka_batchtopk": Kind(Architecture.BATCHTOPK),
    "transcoder": Kind(Architecture.STANDARD, transcodes=True),
    "skip_transcoder": Kind(Architecture.STANDARD, transcodes=True, skips=True),
    "jumprelu_transcoder": Kind(Architecture.JUMPRELU, transcodes=True),
    "jumprelu_skip_transcoder": Kind(Architecture.JUMPRELU, transcodes=True, skips=True),
}
RANKED = (Architecture.TOPK, Architecture.ABSTOPK, Architecture.BATCHTOPK)
NOT_COMPUTED = {
    "temporal": "what a token shows hangs on the tokens before it",
    "matching_pursuit": "its latents are chosen one after the other",
}

AVERAGE = "expected_average_only_in"
WHITENING = "covariance_whitening"
NORMS = {
    "none": Norm.NONE, AVERAGE: Norm.NONE, WHITENING: Norm.NONE,
    "layer_norm": Norm.LAYER_NORM, "constant_norm_rescale": Norm.CONSTANT,
}  # fmt: skip

READ_HERE = frozenset({
    "activation_fn", "activation_fn_kwargs", "activation_fn_str", "apply_b_dec_to_input",
    "architecture", "d_in", "d_out", "d_sae", "finetuning_scaling_factor", "hook_head_index",
    "hook_head_index_out", "hook_point_head_index", "k", "metadata", "normalize_activations",
    "rescale_acts_by_decoder_norm", "reshape_activations",
})  # fmt: skip
OF_TRAINING = frozenset({
    "activations_mixing_fraction", "b_dec_init_method", "cached_activations_path",
    "dead_feature_threshold", "decoder_heuristic_init_norm", "decoder_init_norm",
    "feature_reinit_scale", "jumprelu_bandwidth", "jumprelu_init_threshold",
    "jumprelu_sparsity_loss_mode", "jumprelu_ste_to_input", "jumprelu_tanh_scale",
    "log_activations_store_to_wandb", "lp_norm", "mse_loss_normalization",
    "new_cached_activations_path", "noise_scale", "normalize_sae_decoder",
    "scale_sparsity_penalty_by_decoder_norm", "topk_threshold_lr", "use_cached_activations",
    "use_sparse_activations",
})  # fmt: skip
COMPUTES = re.compile(
    r"activat|bias|b_dec|b_enc|center|error|fold|gate|head|norm|offset|relu|scal|shape|skip|temper"
    r"|threshold|tied|topk|whiten"
)
"""What a key is called that speaks of the computation."""

RENAMED = {
    "activation_fn_str": "activation_fn",
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
}
RMS_NORM = re.compile(r"gemma|llama|mistral|mixtral|qwen|smollm|olmo|deepseek|phi-?3")
"""Models whose stream TransformerLens never takes the mean off, whatever it is asked."""


@dataclass(frozen=True)
class Settings:
    """What the file says, each thing of the right kind."""

    where: str
    kind: Kind
    d_in: int
    d_sae: int
    d_out: int
    subtracts: bool
    """b_dec is taken off the input."""
    normalize: str
    ranks_by_norm: bool
    """Pre-activations are multiplied by the length of the latent's decoder row."""
    k: float
    """0 where latents do not compete; the mean over a batch where they do so across it."""
    hook_name: str
    hook_name_out: str
    declared: Declared
    doubts: tuple[str, ...]


def read(given: Config) -> Settings:
    """What a cfg.json says.

    Raises:
        ScanFailed: it asks for something that is not computed here, or for nothing sensible.
    """
    is_old = "metadata" not in given
    said = as_of_six(given) if is_old else given
    kind = kind_of(said)
    expect_known(given)
    metadata = Config(said.where, said.section("metadata").raw)
    d_in, d_sae = said.whole("d_in", least=1), said.whole("d_sae", least=1)
    k = rank(said, kind, d_sae)
    expect_whole_points(said, metadata)
    points = (point(metadata, "hook_name"), point(metadata, "hook_name_out"))
    return Settings(
        said.where,
        kind,
        d_in,
        d_sae,
        d_out=said.whole("d_out", d_in, least=1) if kind.transcodes else d_in,
        subtracts=subtracts(said, kind),
        normalize=normalisation(said),
        ranks_by_norm=ranks_by_norm(said, kind),
        k=k,
        hook_name=points[0],
        hook_name_out=(points[1] or "unknown") if kind.transcodes else "",
        declared=declared(given, metadata, k),
        doubts=tuple(doubts(metadata, kind, *points, is_old=is_old)),
    )


def expect_known(said: Config) -> None:
    """Refuse a key that speaks of the computation and that nobody here has heard of.

    Whole training configurations are found in these files, so other keys may be called anything.
    """
    known = READ_HERE | OF_TRAINING
    Config(
        said.where,
        {key: value for key, value in said.raw.items() if COMPUTES.search(key)},
    ).expect_known(known)


def as_of_six(said: Config) -> Config:
    """A configuration from before SAELens 6, as SAELens reads it since."""
    old = Config(said.where, {RENAMED.get(key, key): each for key, each in said.raw.items()})
    raw: dict[str, Any] = {**old.raw, "metadata": old.raw}
    raw["architecture"] = old.text("architecture", "standard")
    activation = old.text("activation_fn", "relu")
    if activation == "topk":
        kwargs = old.section("activation_fn_kwargs")
        kwargs.expect_known({"k"})
        raw |= {"architecture": "topk", "k": kwargs.whole("k", least=1)}
    elif activation != "relu":
        raise old.unfit("activation_fn", "'relu' or 'topk'")
    if isinstance(old.raw.get("normalize_activations"), bool):
        raw["normalize_activations"] = AVERAGE if old.raw["normalize_activations"] else "none"
    if "reshape_activations" not in old and "hook_z" in old.text("hook_name", ""):
        raw["reshape_activations"] = "hook_z"
    return Config(said.where, raw)


def kind_of(said: Config) -> Kind:
    """The architecture.

    Raises:
        ScanFailed: it is not known, or not computed here.
    """
    name = said.text("architecture")
    if name in NOT_COMPUTED:
        message = f"{said.where}: {name} autoencoders are not computed here: {NOT_COMPUTED[name]}"
        raise ScanFailed(message, permanent=True)
    if name not in KINDS:
        raise said.unfit("architecture", f"one of {', '.join(KINDS)}")
    return KINDS[name]


def rank(said: Config, kind: Kind, d_sae: int) -> float:
    """How many latents stay on in a token, or on average where the batch competes; 0 for all."""
    if kind.rule not in RANKED:
        return 0
    if kind.rule is not Architecture.BATCHTOPK:
        return said.whole("k", least=1, most=d_sae)
    k = said.number("k")
    if not 0 < k <= d_sae:
        raise said.unfit("k", f"a number above 0 and up to {d_sae}")
    return k


def subtracts(said: Config, kind: Kind) -> bool:
    """Whether b_dec is taken off the input; a transcoder's is of another stream."""
    asked = said.flag("apply_b_dec_to_input", not kind.transcodes)
    if asked and kind.transcodes:
        raise said.unfit("apply_b_dec_to_input", "false for a transcoder")
    return asked


def normalisation(said: Config) -> str:
    """What is done to each token first, by SAELens's name."""
    name = said.text("normalize_activations", "none")
    if name not in NORMS:
        raise said.unfit("normalize_activations", f"one of {', '.join(NORMS)}")
    return name


def ranks_by_norm(said: Config, kind: Kind) -> bool:
    """Whether latents compete by what they add to the stream."""
    default = kind.rule is Architecture.BATCHTOPK
    asked = said.flag("rescale_acts_by_decoder_norm", default)
    if asked and kind.rule not in RANKED:
        raise said.unfit("rescale_acts_by_decoder_norm", "false where latents do not compete")
    return asked


def expect_whole_points(said: Config, metadata: Config) -> None:
    """Refuse what reads a part of a point, or one that does not have the shape it claims.

    Heads side by side are what a model gives at hook_z here, so hook_z asks for nothing more.
    """
    for key in ("hook_head_index", "hook_head_index_out"):
        if key in metadata:
            raise metadata.unfit(key, "nothing, for the whole of a read point is read, not a head")
    reshape = said.text("reshape_activations", "none")
    is_z = metadata.said_text("hook_name").endswith("_z")
    if reshape not in ("none", "hook_z") or (reshape == "hook_z" and not is_z):
        raise said.unfit("reshape_activations", "'none', or 'hook_z' at a read point of that name")


def point(metadata: Config, key: str) -> str:
    """A read point; with `:processed` if the stream there was read with its mean taken off."""
    key = key if metadata.text(key, "") else f"hf_{key}"
    name = metadata.text(key, "")
    if not name:
        return ""
    naming.hook_name(f"{metadata.where}: {key}", name)
    options = metadata.section("model_from_pretrained_kwargs")
    is_centred = options.flag("center_writing_weights", False)
    return name + readnames.PROCESSED if is_centred and may_be_centred(metadata, name) else name


def may_be_centred(metadata: Config, name: str) -> bool:
    """Whether TransformerLens could have taken the mean off what was read there."""
    if RMS_NORM.search(metadata.said_text("model_name").lower()):
        return False
    known = naming.known_point(name)
    return bool(known) and readnames.parse(known).site in readnames.STREAM


def declared(given: Config, metadata: Config, k: float) -> Declared:
    """What SAELens wrote at the end of training."""
    details = metadata.raw.get("training_architecture_details")
    trained = Config(metadata.where, details if isinstance(details, dict) else {})
    explained = metadata.said_number("explained_variance", "variance_explained")
    n_tokens = metadata.said_number("n_training_tokens", "training_tokens")
    n_tokens = n_tokens or given.said_number("training_tokens", "total_training_tokens")
    return Declared(
        l0=metadata.said_number("l0", "average_l0") or k or trained.said_number("k"),
        fvu=metadata.said_number("fvu") if explained is None else 1 - explained,
        model_name=metadata.said_text("model_name"),
        n_tokens=int(n_tokens) if n_tokens else None,
        trained_as=metadata.said_text("training_architecture"),
    )


def doubts(
    metadata: Config, kind: Kind, hook_name: str, hook_name_out: str, *, is_old: bool
) -> list[str]:
    """What the file leaves open."""
    found = []
    if not hook_name:
        found.append("the configuration names no read point")
    if kind.transcodes and not hook_name_out:
        found.append("the configuration does not say what the transcoder rebuilds")
    options = metadata.section("model_from_pretrained_kwargs")
    if is_old and "center_writing_weights" not in options and may_be_centred(metadata, hook_name):
        found.append(
            "the configuration does not say whether the mean was taken off the stream, which was "
            f"TransformerLens's way at the time; if so, it reads {hook_name}{readnames.PROCESSED}"
        )
    positions = metadata.raw.get("seqpos_slice")
    if isinstance(positions, list) and any(each is not None for each in positions):
        found.append(f"trained on the positions {str(positions[:3])[:60]} alone")
    return found
