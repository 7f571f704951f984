"""Tiny random models of every family the scanner reads: 3 blocks, width 32, made in milliseconds.

Norms and biases are random too: with the gains of one and biases of nought that a fresh model has,
a wrong read point could look right.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import transformers as hf

from assessments.scanner import activations

if TYPE_CHECKING:
    from assessments.scanner.readpoints import ReadPoint

WIDTH = 32
BLOCKS = 3
NEURONS = 48
EPS = 0.03
"""Of the norms; large, so that one left out shows."""
VOCABULARY = 64
COMMON = {
    "vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": NEURONS,
    "num_attention_heads": 4, "max_position_embeddings": 64,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GROUPED = {**COMMON, "num_key_value_heads": 2, "rms_norm_eps": EPS}
WIDE_HEADS = {**GROUPED, "head_dim": 16, "sliding_window": 4}
"""Heads that are together wider than the stream, as Gemma's and Qwen 3's are."""
VISION = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 14, "patch_size": 7,
}  # fmt: skip
SEQUENTIAL = (
    "gpt2", "gpt_neox_in_turn", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3",
    "gemma3_nested",
)  # fmt: skip
FAMILIES = (*SEQUENTIAL, "gpt_neox")
SANDWICHED = ("gemma2", "gemma3", "gemma3_nested")
LAYER_NORMED = ("gpt2", "gpt_neox", "gpt_neox_in_turn")
IDS = ((3, 17, 60, 5, 21, 9, 33, 40, 12), (8, 44, 2, 19, 30, 51, 7, 7, 63))
GIVEN = activations.batch(IDS, range(len(IDS)))


@lru_cache
def model(family: str) -> hf.PreTrainedModel:
    """The family's model. It is shared: leave it as it is."""
    torch.manual_seed(2)
    built = empty(family, BLOCKS)
    scramble(built)
    return built


@lru_cache(maxsize=64)
def first_blocks(family: str, n: int) -> hf.PreTrainedModel:
    """The first blocks of the same model, and no more."""
    some = empty(family, n)
    own = some.state_dict()
    whole = model(family).state_dict()
    some.load_state_dict({name: value for name, value in whole.items() if name in own})
    return some


def empty(family: str, blocks: int) -> hf.PreTrainedModel:
    """A model of the family with so many blocks, not to be trained."""
    if family == "gpt2":
        config = hf.GPT2Config(
            vocab_size=VOCABULARY, n_positions=64, n_embd=WIDTH, n_layer=blocks, n_head=4,
            n_inner=NEURONS, layer_norm_epsilon=EPS, bos_token_id=1, eos_token_id=2,
        )  # fmt: skip
        return hf.GPT2LMHeadModel(config).eval()
    if family.startswith("gpt_neox"):
        config = hf.GPTNeoXConfig(
            **COMMON, num_hidden_layers=blocks, layer_norm_eps=EPS,
            use_parallel_residual=family == "gpt_neox",
        )  # fmt: skip
        return hf.GPTNeoXForCausalLM(config).eval()
    if family == "gemma3_nested":
        text = {**WIDE_HEADS, "num_hidden_layers": blocks}
        config = hf.Gemma3Config(text_config=text, vision_config=VISION, mm_tokens_per_image=4)
        return hf.Gemma3ForConditionalGeneration(config).eval()
    kinds: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "llama": (hf.LlamaConfig, hf.LlamaForCausalLM, GROUPED),
        "mistral": (hf.MistralConfig, hf.MistralForCausalLM, GROUPED),
        "qwen2": (hf.Qwen2Config, hf.Qwen2ForCausalLM, GROUPED),
        "qwen3": (hf.Qwen3Config, hf.Qwen3ForCausalLM, {**GROUPED, "head_dim": 16}),
        "gemma": (hf.GemmaConfig, hf.GemmaForCausalLM, {**GROUPED, "head_dim": 16}),
        "gemma2": (hf.Gemma2Config, hf.Gemma2ForCausalLM, WIDE_HEADS),
        "gemma3": (hf.Gemma3TextConfig, hf.Gemma3ForCausalLM, WIDE_HEADS),
        "olmo2": (hf.Olmo2Config, hf.Olmo2ForCausalLM, GROUPED),
    }
    make_config, make_model, settings = kinds[family]
    built: hf.PreTrainedModel = make_model(make_config(**settings, num_hidden_layers=blocks))
    return built.eval()


def scramble(built: hf.PreTrainedModel) -> None:
    """Random gains and biases, and weights large enough to matter."""
    draw = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for value in built.parameters():
            spread = 0.4 if value.ndim == 1 else 0.2
            value.add_(spread * torch.randn(value.shape, generator=draw))


def text_part(built: hf.PreTrainedModel) -> Any:
    """The module that has the blocks."""
    base: Any = built.base_model
    return base.language_model if hasattr(base, "language_model") else base


def blocks_in(built: hf.PreTrainedModel) -> Any:
    """Its blocks."""
    inner = text_part(built)
    return inner.h if hasattr(inner, "h") else inner.layers


def where_by_hand(family: str) -> dict[str, tuple[str, str]]:
    """Site to (module of the block, side), written down from the models' own sources."""
    names = {
        "gpt2": ("ln_1", "attn.c_proj", "ln_2", "mlp", "mlp.c_proj"),
        "gpt_neox": (
            "input_layernorm", "attention.dense", "post_attention_layernorm", "mlp",
            "mlp.dense_4h_to_h",
        ),
    }  # fmt: skip
    ln1, heads, ln2, mlp, neurons = names.get(
        family.removesuffix("_in_turn"),
        ("input_layernorm", "self_attn.o_proj", "post_attention_layernorm", "mlp", "mlp.down_proj"),
    )
    if family in SANDWICHED:
        ln2 = "pre_feedforward_layernorm"
    sandwich = ("post_attention_layernorm", "post_feedforward_layernorm")
    after_attention, after_mlp = sandwich if family in SANDWICHED else (heads, mlp)
    return {
        "resid_pre": ("", "in"),
        "resid_mid": (ln2, "in"),
        "resid_post": ("", "out"),
        "ln1_normalised": (ln1, "in"),
        "ln1_out": (ln1, "out"),
        "z": (heads, "in"),
        "attn_raw": (heads, "out"),
        "attn_out": (after_attention, "out"),
        "ln2_in": (ln2, "in"),
        "ln2_normalised": (ln2, "in"),
        "ln2_out": (ln2, "out"),
        "mlp_post": (neurons, "in"),
        "mlp_raw": (mlp, "out"),
        "mlp_out": (after_mlp, "out"),
    }


def without_gain(family: str, x: Any) -> Any:
    """A norm's arithmetic, in other words than the scanner's."""
    if family in LAYER_NORMED:
        x = x - x.mean(-1, keepdim=True)
    return x / (x.square().sum(-1, keepdim=True) / x.shape[-1] + EPS).sqrt()


def with_gain(family: str, norm: Any, x: Any) -> Any:
    """Gain and bias, as each family has them."""
    if family in LAYER_NORMED:
        return x * norm.weight + norm.bias
    return x * (1 + norm.weight) if "gemma" in family else x * norm.weight


def read(built: hf.PreTrainedModel, *points: ReadPoint) -> Any:
    """Each point, as the scanner reads it."""
    found = activations.several(built, GIVEN, points)
    return found[0] if len(points) == 1 else found


def close(one: Any, other: Any) -> bool:
    """Equal but for the order of sums."""
    return torch.allclose(one, other, atol=2e-5, rtol=1e-5)
