"""Which autoencoders are compared: plain data, read by the tests and by `write.py` inside .venv-peers.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

RANKED = ("topk", "abstopk")
NORMS = ("none", "layer_norm", "constant_norm_rescale")


@dataclass(frozen=True)
class Case:
    """One autoencoder: who writes it, of what kind, and how it is brought to disk."""

    peer: str
    architecture: str
    form: str = "inference"
    """The function of `write.py` that saves it."""
    config: dict[str, Any] = field(default_factory=dict, hash=False)
    """What differs from the peer's defaults."""
    refused: bool = False
    """Nobody says that we compute it; we must say that we do not."""

    def __str__(self) -> str:
        """As the test's name and the folder's."""
        words = [f"{key}={value}".replace(", ", "+") for key, value in self.config.items()]
        return "-".join([self.peer, self.architecture, self.form, *words])


def autoencoders() -> list[Case]:
    """Every architecture of SAELens under every normalisation, with and without b_dec taken off."""
    kinds = [(name, {}) for name in ("standard", "gated", "jumprelu")]
    kinds += [(name, {"k": 9, "rescale_acts_by_decoder_norm": flag}) for name in RANKED for flag in (False, True)]  # fmt: skip
    return [
        Case("saelens", name, form, config | {"normalize_activations": norm, "apply_b_dec_to_input": flag})
        for name, config in kinds
        for form, norm in [*(("inference", each) for each in NORMS), ("average", "expected_average_only_in")]
        for flag in (True, False)
    ]  # fmt: skip


def transcoders() -> list[Case]:
    """The four transcoders, as wide out as in and wider."""
    names = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
    return [
        Case("saelens", name, "inference", {"d_out": d_out, "normalize_activations": norm})
        for name in names
        for d_out in (32, 40)
        for norm in NORMS
    ]


def saved_otherwise() -> list[Case]:
    """What SAELens does to weights on their way to disk."""
    plain = ("standard", "gated", "jumprelu")
    ranked = {"k": 9}
    training = [*((name, {}) for name in plain), ("topk", ranked), ("abstopk", ranked)]
    batched = (("batchtopk", ranked), ("matryoshka_batchtopk", ranked | {"matryoshka_widths": [24, 48, 128]}))  # fmt: skip
    return [
        *(Case("saelens", name, "hook_z", config) for name, config in training),
        *(Case("saelens", name, "folded_norms", {}) for name in (*plain, "transcoder", "jumprelu_transcoder")),
        *(Case("saelens", name, "whitened", {"apply_b_dec_to_input": flag}) for name in plain for flag in (True, False)),
        *(Case("saelens", name, "half", {}) for name in plain),
        *(Case("saelens", name, "training", config) for name, config in training),
        *(Case("saelens", name, "released", config) for name, config in [*training, *batched]),
        *(Case("saelens", name, "pinned", config | {"rescale_acts_by_decoder_norm": flag})
          for name, config in batched for flag in (True, False)),
        *(Case("saelens", name, "scaler_beside", config) for name, config in
          [*((name, {}) for name in plain), ("topk", {"k": 9, "rescale_acts_by_decoder_norm": False})]),
        *(Case("saelens", name, "inference", {"k": 70}) for name in RANKED),
        Case("saelens", "matching_pursuit", "inference", {}, refused=True),
        Case("saelens", "temporal", "temporal", {}, refused=True),
    ]  # fmt: skip


def before_six() -> list[Case]:
    """Flat configurations, as they were written before SAELens 6."""
    return [
        Case("saelens", "standard", "before_six", config)
        for config in (
            {"normalize_activations": False},
            {"normalize_activations": "none", "apply_b_dec_to_input": False},
            {"scaling_factor": True},
            {"hook": "hook_z"},
        )
    ] + [
        Case("saelens", "topk", "before_six", {"k": 9}),
        Case("saelens", "gated", "before_six", {}),
        Case("saelens", "jumprelu", "before_six", {}),
    ]


def sparse_coders() -> list[Case]:
    """EleutherAI's own; no number of latents means width times expansion factor."""
    sizes = (
        {"num_latents": 0, "expansion_factor": 4},
        {"num_latents": 160, "expansion_factor": 32},
    )
    flags = ({}, {"transcode": True}, {"skip_connection": True}, {"transcode": True, "skip_connection": True})  # fmt: skip
    return [
        Case("sparsify", activation, "coder", {"k": 8, **size, **flag})
        for activation in ("topk", "groupmax")
        for size in sizes
        for flag in flags
    ] + [
        Case("sparsify", "topk", "coder", {"k": 8, "expansion_factor": 4, "normalize_decoder": False}),
        Case("sparsify", "topk", "coder", {"k": 90, "expansion_factor": 4}),
    ]  # fmt: skip


CASES = (*autoencoders(), *transcoders(), *saved_otherwise(), *before_six(), *sparse_coders())
