"""Read points of Hugging Face models: from the name to a module, a side of it, and what is done.

    stream        input of the first block, output of each; never `hidden_states[-1]`, which lies
                  behind the final norm
    contribution  output of the projection, or of the norm that Gemma 2 and 3 have behind it
    normalised    (x - mean) / sd for LayerNorm, x / rms for RMSNorm, from the norm's own input and
                  epsilon: Hugging Face's norms give it out only times the gain

What a name means is in `readnames`, how a module is read in `taps`. Shapes: W width of the point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from assessments.scanner.contract import ScanFailed
from assessments.scanner.readnames import (
    PROCESSED,
    ReadPoint,
    Site,
    after,
    blocks_needed,
    candidates,
    last_block,
    parse,
)
from assessments.scanner.taps import Tap, Where

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor
    from transformers import PreTrainedModel

__all__ = [
    "ReadPoint", "Site", "Tap", "after", "blocks_needed", "blocks_of", "candidates",
    "expect_width", "parse", "tap", "width",
]  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """What a family calls the parts of its blocks."""

    first_norm: str
    heads: str
    """The projection that joins the heads."""
    second_norm: str
    neurons: str
    """The projection that joins the neurons."""
    after_attention: str = ""
    """The norm between attention and stream; empty where there is none."""
    after_mlp: str = ""
    gain_offset: float = 0.0
    """1 where a gain is saved less one."""


GPT2 = Layout("ln_1", "attn.c_proj", "ln_2", "mlp.c_proj")
NEOX = Layout("input_layernorm", "attention.dense", "post_attention_layernorm", "mlp.dense_4h_to_h")
LLAMA = Layout("input_layernorm", "self_attn.o_proj", "post_attention_layernorm", "mlp.down_proj")
GEMMA = replace(LLAMA, gain_offset=1.0)
GEMMA_2 = replace(
    GEMMA,
    second_norm="pre_feedforward_layernorm",
    after_attention="post_attention_layernorm",
    after_mlp="post_feedforward_layernorm",
)
LAYOUTS = {
    "gpt2": GPT2, "gpt_neox": NEOX, "llama": LLAMA, "mistral": LLAMA, "qwen2": LLAMA,
    "qwen3": LLAMA, "gemma": GEMMA, "gemma2": GEMMA_2, "gemma3_text": GEMMA_2,
}  # fmt: skip
"""By the `model_type` of the text model."""


INSIDE = {
    Site.RESID_MID: ("second_norm", Where.SHARED_INPUT),
    Site.LN1_NORMALISED: ("first_norm", Where.BEFORE_GAIN),
    Site.LN1_OUT: ("first_norm", Where.OUTPUT),
    Site.Z: ("heads", Where.INPUT),
    Site.ATTN_RAW: ("heads", Where.OUTPUT),
    Site.ATTN_OUT: ("after_attention", Where.OUTPUT),
    Site.LN2_IN: ("second_norm", Where.INPUT),
    Site.LN2_NORMALISED: ("second_norm", Where.BEFORE_GAIN),
    Site.LN2_OUT: ("second_norm", Where.OUTPUT),
    Site.MLP_POST: ("neurons", Where.INPUT),
    Site.MLP_RAW: ("neurons", Where.OUTPUT),
    Site.MLP_OUT: ("after_mlp", Where.OUTPUT),
}
"""Which part of the layout a site belongs to."""


def text_model(model: PreTrainedModel) -> nn.Module:
    """The part that has the blocks; a multimodal model has it inside."""
    base = model.base_model
    return getattr(base, "language_model", base)


def blocks_of(model: PreTrainedModel) -> nn.ModuleList:
    """The model's blocks, wherever its architecture keeps them.

    Raises:
        ScanFailed: there is no such list.
    """
    inner = text_model(model)
    for name in ("layers", "h"):
        found = getattr(inner, name, None)
        if isinstance(found, nn.ModuleList) and len(found):
            return found
    raise ScanFailed(
        f"{type(model).__name__}: no list of blocks found under 'layers' or 'h'", permanent=True
    )


def tap(model: PreTrainedModel, point: ReadPoint) -> Tap:
    """Where that point is in this model.

    Raises:
        ScanFailed: the model has no such block or module, its family no such place, or its family
            is not known and the point lies inside a block.
    """
    blocks = blocks_of(model)
    if blocks_needed(point) > len(blocks):
        raise ScanFailed(
            f"{point.spelled}: needs {blocks_needed(point)} blocks, the model has {len(blocks)}; "
            "load it deeper, or expect another model",
            permanent=True,
        )
    expect_module(model, point)
    config: Any = text_model(model).config
    if point.site is Site.EMBED:
        found = Tap(
            point.spelled, model.get_input_embeddings(), Where.OUTPUT, -1, config.hidden_size
        )
    elif point.site in (Site.RESID_PRE, Site.RESID_POST):
        found = between_blocks(blocks, point, config.hidden_size)
    else:
        found = inside_block(model, point)
    return replace(found, taken_off=processing(model, point)) if point.processed else found


def expect_module(model: PreTrainedModel, point: ReadPoint) -> None:
    """Refuse a name that speaks of a module this model's blocks do not have."""
    block = blocks_of(model)[0]
    names = {name for name, _ in block.named_modules()}
    if point.module not in names:
        raise ScanFailed(
            f"{point.spelled}: the blocks of {type(model).__name__} have no {point.module}; they "
            f"have {', '.join(name for name, _ in block.named_children())}",
            permanent=True,
        )


def between_blocks(blocks: nn.ModuleList, point: ReadPoint, d_model: int) -> Tap:
    """The stream before or after a block: what a block puts out, so that no more has to run."""
    last = last_block(point)
    if last < 0:
        return Tap(point.spelled, blocks[0], Where.INPUT, last, d_model)
    return Tap(point.spelled, blocks[last], Where.OUTPUT, last, d_model)


def inside_block(model: PreTrainedModel, point: ReadPoint) -> Tap:
    """A place inside a block, by the family's layout."""
    layout = layout_of(model, point)
    config: Any = text_model(model).config
    block = blocks_of(model)[point.block]
    if point.site in (Site.AFTER_ATTENTION_IN, Site.AFTER_ATTENTION_OUT):
        where = Where.OUTPUT if point.site is Site.AFTER_ATTENTION_OUT else Where.INPUT
        module = block.get_submodule("post_attention_layernorm")
        return Tap(point.spelled, module, where, point.block, config.hidden_size)
    if point.site is Site.RESID_MID and is_parallel(config):
        raise ScanFailed(
            f"{point.spelled}: attention and MLP of {config.model_type} stand side by side, so "
            f"there is no stream between them; expected blocks.{point.block}.hook_resid_pre, or "
            f"blocks.{point.block}.hook_mlp_in for what the MLP's norm is given",
            permanent=True,
        )
    part, where = INSIDE[point.site]
    without = {"after_attention": layout.heads, "after_mlp": layout.neurons}
    module = block.get_submodule(getattr(layout, part) or without[part])
    is_joining = part in ("heads", "neurons") and where is Where.INPUT
    d_point = width_in(module) if is_joining else config.hidden_size
    return Tap(point.spelled, module, where, point.block, d_point, layout.gain_offset)


def layout_of(model: PreTrainedModel, point: ReadPoint) -> Layout:
    """The layout of the model's family, refused for families whose blocks are not known."""
    config: Any = text_model(model).config
    layout = LAYOUTS.get(config.model_type)
    if layout is None:
        raise ScanFailed(
            f"{point.spelled}: the blocks of {config.model_type!r} models are not known inside; "
            f"known: {', '.join(LAYOUTS)}; elsewhere only the stream between blocks is read",
            permanent=True,
        )
    return layout


def is_parallel(config: Any) -> bool:
    """Whether attention and MLP read the same stream."""
    return bool(getattr(config, "use_parallel_residual", False))


def width_in(projection: Any) -> int:
    """How wide the input of a linear layer is; GPT-2's has its weight the other way round."""
    return int(getattr(projection, "in_features", None) or projection.weight.shape[0])


def processing(model: PreTrainedModel, point: ReadPoint) -> Callable[[Tensor], Tensor]:
    """What TransformerLens's processing of the weights takes off at a point.

    Raises:
        ScanFailed: nothing, so that the name claims what is not so.
    """
    layout = layout_of(model, point)
    block = blocks_of(model)[max(last_block(point), 0)]
    norm = block.get_submodule(layout.first_norm)
    if point.site is Site.Z:
        biases = value_biases(block.get_submodule(layout.heads.rpartition(".")[0]), norm)
        if biases.any():
            return lambda x: biases.to(x).expand_as(x)
        why = "its attention has no value biases"
    elif isinstance(norm, nn.LayerNorm):
        return lambda x: x.mean(-1, keepdim=True)
    else:
        why = "only with LayerNorm does TransformerLens take the mean off the stream"
    raise ScanFailed(
        f"{point.spelled}: {PROCESSED} changes nothing in {type(model).__name__}, for {why}; "
        f"expected {point.spelled.removesuffix(PROCESSED)}",
        permanent=True,
    )


@torch.no_grad()
def value_biases(attention: Any, norm: Any) -> Tensor:
    """What all heads side by side give whatever they look at, (W,): the values of a stream of nought.

    Attention patterns sum to one, so each head adds its bias at every position. The norm's own bias
    counts too, for TransformerLens folds it into the values.
    """
    bias: Tensor | None = getattr(norm, "bias", None)
    start = torch.zeros_like(norm.weight) if bias is None else bias
    if hasattr(attention, "c_attn"):  # GPT-2: queries, keys and values, one after the other.
        thirds: tuple[Tensor, ...] = attention.c_attn(start[None])[0].chunk(3)
        return thirds[2]
    if hasattr(attention, "query_key_value"):  # GPT-NeoX: the three of each head together.
        joined: Tensor = attention.query_key_value(start)
        return joined.view(-1, 3, attention.head_size)[:, 2].flatten()
    heads: Tensor = attention.v_proj(start).view(-1, attention.head_dim)
    return heads.repeat_interleave(attention.num_key_value_groups, dim=0).flatten()


def width(model: PreTrainedModel, point: ReadPoint) -> int:
    """How wide the model is there.

    Raises:
        ScanFailed: the model has no such point.
    """
    return tap(model, point).width


def expect_width(model: PreTrainedModel, point: ReadPoint, d_in: int) -> None:
    """Refuse an autoencoder that reads another width than the model has there."""
    if (found := width(model, point)) != d_in:
        raise ScanFailed(
            f"{point.spelled}: the autoencoder reads a width of {d_in}, the model is {found} wide "
            "there; expect another read point, or another model",
            permanent=True,
        )
