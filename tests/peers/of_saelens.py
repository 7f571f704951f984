"""Autoencoders of SAELens, random, saved by its own functions. Runs inside .venv-peers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cases import Case
from sae_lens import SAE, TrainingSAE
from sae_lens.registry import get_sae_class, get_sae_training_class
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.activation_scaler import ActivationScaler
from safetensors.torch import save_file

D, F, HEADS = 32, 128, 4
SCALE = 0.3
POINT = "blocks.1.hook_resid_post"
TEMPORAL = {"d_in": 64, "d_sae": 64, "n_heads": 2, "bottleneck_factor": 16}


@dataclass(frozen=True)
class Read:
    """The peer's autoencoder as it reads it back."""

    sae: Any
    heads: int = 0
    """Above zero: the peer wants each token as (heads, width of a head)."""
    scale: float = 1.0
    """What the peer's training multiplied the stream by before the autoencoder saw it."""

    @property
    def d_in(self) -> int:
        """Width of the stream."""
        return int(self.sae.cfg.d_in)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D) to (N, F)."""
        return self.sae.encode(self._shaped(x))

    def rebuild(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D) to (N, E)."""
        return self.sae(self._shaped(x)).flatten(1)

    def _shaped(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)) if self.heads else x


def save(case: Case, folder: Path) -> tuple[Path, Read | None]:
    """Where the autoencoder lies, and the peer's reading of it."""
    at = folder / "blocks.1"
    read: Read | None = FORMS[case.form](case, at)
    return at, read


def inference(case: Case, at: Path) -> Read:
    """As it is."""
    made(case).save_model(at)
    return opened(at)


def average(case: Case, at: Path) -> Read:
    """The expected norm worked out in training and folded in."""
    sae = made(case)
    sae.fold_activation_norm_scaling_factor(SCALE)
    sae.save_model(at)
    return opened(at)


def hook_z(case: Case, at: Path) -> Read:
    """Of the heads side by side, before the output projection."""
    made(case, reshape_activations="hook_z", hook="blocks.1.attn.hook_z").save_model(at)
    return Read(opened(at).sae, heads=HEADS)


def folded_norms(case: Case, at: Path) -> Read:
    """The decoder's norms moved into the encoder."""
    sae = made(case)
    sae.fold_W_dec_norm()
    sae.save_model(at)
    return opened(at)


def whitened(case: Case, at: Path) -> Read:
    """A whitening of the stream moved into the weights."""
    sae = made(case)
    matrix = torch.eye(D) + 0.2 * torch.randn(D, D)
    sae.fold_activation_whitening(0.3 * torch.randn(D), matrix, torch.linalg.inv(matrix))
    sae.save_model(at)
    return opened(at)


def half(case: Case, at: Path) -> Read:
    """Saved in bfloat16; computed in float32."""
    made(case).to(dtype=torch.bfloat16).save_model(at)
    return Read(SAE.load_from_disk(at, dtype="float32"))


def training(case: Case, at: Path) -> Read:
    """A checkpoint of training."""
    trained(case).save_model(at)
    return Read(TrainingSAE.load_from_disk(at))


def released(case: Case, at: Path) -> Read:
    """What training leaves for others."""
    trained(case).save_inference_model(at)
    return opened(at)


def pinned(case: Case, at: Path) -> Read:
    """A checkpoint of batch-top-k; read as what SAELens would release of it."""
    sae = trained(case)
    sae.save_model(at)
    sae.save_inference_model(at.parent / "released")
    return opened(at.parent / "released")


def scaler_beside(case: Case, at: Path) -> Read:
    """A checkpoint whose scale still lies beside it; read as SAELens folds it at the end."""
    sae = trained(case, normalize_activations="expected_average_only_in")
    sae.save_model(at)
    ActivationScaler(SCALE).save(str(at / "activation_scaler.json"))
    sae.fold_activation_norm_scaling_factor(SCALE)
    return Read(sae)


def before_six(case: Case, at: Path) -> Read:
    """Weights as ever, beside a flat configuration of old."""
    config = dict(case.config)
    is_z = config.pop("hook", "") == "hook_z"
    has_scale = config.pop("scaling_factor", False)
    k = config.pop("k", 0)
    sae = made(Case("saelens", case.architecture, config={"k": k} if k else {}))
    at.mkdir()
    tensors = {name: value.contiguous() for name, value in sae.state_dict().items()}
    if has_scale:
        tensors["scaling_factor"] = torch.ones(F)
    save_file(tensors, at / "sae_weights.safetensors")
    flat = {
        "model_name": "tiny", "hook_point": "blocks.1.attn.hook_z" if is_z else POINT,
        "hook_point_layer": 1, "hook_point_head_index": None, "d_in": D, "d_sae": F,
        "dtype": "torch.float32", "device": "cpu", "context_size": 128, "use_ghost_grads": False,
        "normalize_sae_decoder": False, "prepend_bos": True, **config,
    }  # fmt: skip
    if k:
        flat |= {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": k}}
    else:
        flat |= {"activation_fn_str": "relu", "activation_fn_kwargs": {}}
        flat |= {} if case.architecture == "standard" else {"architecture": case.architecture}
    (at / "cfg.json").write_text(json.dumps(flat), encoding="utf-8")
    return Read(opened(at).sae, heads=HEADS if is_z else 0)


def temporal(case: Case, at: Path) -> None:
    """One with attention over the tokens before."""
    made(case, **TEMPORAL).save_model(at)


FORMS = {
    each.__name__: each
    for each in (inference, average, hook_z, folded_norms, whitened, half, training, released,
                 pinned, scaler_beside, before_six, temporal)
}  # fmt: skip


def opened(at: Path) -> Read:
    """As SAELens reads a folder."""
    return Read(SAE.load_from_disk(at))


def made(case: Case, *, hook: str = POINT, **more: Any) -> Any:
    """A random autoencoder for inference."""
    kind, config = get_sae_class(case.architecture)
    return filled(kind(config(**options(case, hook, more))))


def trained(case: Case, **more: Any) -> Any:
    """A random autoencoder as training holds it."""
    kind, config = get_sae_training_class(case.architecture)
    sae = filled(kind(config(**options(case, POINT, more))))
    if hasattr(sae, "topk_threshold"):
        sae.topk_threshold.fill_(0.7)
    return sae


def options(case: Case, hook: str, more: dict[str, Any]) -> dict[str, Any]:
    """The peer's configuration."""
    metadata: dict[str, Any] = {"model_name": "tiny", "hook_name": hook, "prepend_bos": False}
    chosen: dict[str, Any] = {"d_in": D, "d_sae": F, **case.config, **more}
    if "transcoder" in case.architecture:
        metadata |= {"hook_name": "blocks.1.ln2.hook_normalized", "hook_name_out": "blocks.1.hook_mlp_out"}  # fmt: skip
        chosen = {"d_out": D, "apply_b_dec_to_input": False} | chosen
    return chosen | {"metadata": SAEMetadata(**metadata)}


@torch.no_grad()
def filled(sae: Any) -> Any:
    """Nothing zero, nothing one: each tensor drawn so that a good part of the latents fires."""
    draws = {
        "W_enc": lambda like: torch.randn_like(like) / D**0.5,
        "W_dec": lambda like: torch.randn_like(like) * (0.1 + torch.rand(len(like), 1)),
        "b_enc": lambda like: 0.4 * torch.randn_like(like) - 0.5,
        "b_gate": lambda like: 0.4 * torch.randn_like(like) - 0.5,
        "b_mag": lambda like: 0.4 * torch.randn_like(like) - 0.3,
        "threshold": lambda like: 0.8 * torch.rand_like(like),
        "log_threshold": lambda like: (0.1 + 0.8 * torch.rand_like(like)).log(),
        "b_dec": lambda like: 0.4 * torch.randn_like(like),
        "r_mag": lambda like: 0.4 * torch.randn_like(like),
        "W_skip": lambda like: 0.3 * torch.randn_like(like),
    }
    for name, parameter in sae.named_parameters():
        if name in draws:
            parameter.copy_(draws[name](parameter))
    return sae
