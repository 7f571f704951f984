"""The names of read points: which tensor of which block an autoencoder reads. No torch in here.

    TransformerLens   blocks.8.hook_resid_post · blocks.8.ln2.hook_normalized · hook_embed
    sparsify          layers.8 (what block 8 puts out) · layers.8.mlp · h.8.attn · embed_tokens
    Hugging Face      model.layers.8.output · model.layers.8.self_attn.o_proj.input
    OpenAI            resid_post_mlp.8; and resid_post_layer_8, as dictionary_learning has it

`:processed` behind any of them means: as TransformerLens gives it after it has worked the weights
over. That takes the mean off the stream and off all that is written to it
(`center_writing_weights`), and the value biases, with what the norm's bias makes of values, off
`hook_z` (`fold_value_biases`, `fold_ln`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from assessments.scanner.contract import ScanFailed


class Site(StrEnum):
    """A place in a block, whatever the family."""

    EMBED = "embed"
    """What the embedding puts out: scaled where the model scales, without positions."""
    RESID_PRE = "resid_pre"
    RESID_MID = "resid_mid"
    """The stream between attention and MLP; parallel blocks have none."""
    RESID_POST = "resid_post"
    LN1_NORMALISED = "ln1_normalised"
    """Normalised before attention, without gain and bias."""
    LN1_OUT = "ln1_out"
    """The same with them: what attention is given."""
    Z = "z"
    """The heads side by side, before the projection that joins them."""
    ATTN_RAW = "attn_raw"
    """What attention puts out."""
    ATTN_OUT = "attn_out"
    """What attention adds to the stream: behind the norm that Gemma has there."""
    LN2_IN = "ln2_in"
    """What the norm before the MLP is given: the stream in the middle, or a parallel block's."""
    LN2_NORMALISED = "ln2_normalised"
    LN2_OUT = "ln2_out"
    """What the MLP is given."""
    MLP_POST = "mlp_post"
    """The neurons, before the projection that joins them."""
    MLP_RAW = "mlp_raw"
    MLP_OUT = "mlp_out"
    """What the MLP adds to the stream: behind the norm that Gemma has there."""
    AFTER_ATTENTION_IN = "post_attention_layernorm_in"
    """The input of what Hugging Face calls post_attention_layernorm: in Gemma 2 and 3 it closes
    attention, elsewhere it opens the MLP."""
    AFTER_ATTENTION_OUT = "post_attention_layernorm_out"


LENS = {
    "hook_resid_pre": Site.RESID_PRE,
    "hook_resid_mid": Site.RESID_MID,
    "hook_resid_post": Site.RESID_POST,
    "ln1.hook_normalized": Site.LN1_NORMALISED,
    "attn.hook_in": Site.LN1_OUT,
    "attn.hook_z": Site.Z,
    "attn.hook_out": Site.ATTN_RAW,
    "hook_attn_out": Site.ATTN_OUT,
    "hook_mlp_in": Site.LN2_IN,
    "ln2.hook_normalized": Site.LN2_NORMALISED,
    "mlp.hook_in": Site.LN2_OUT,
    "mlp.hook_post": Site.MLP_POST,
    "mlp.hook_out": Site.MLP_RAW,
    "hook_mlp_out": Site.MLP_OUT,
}
"""How TransformerLens names them; each site once, so that the table reads both ways."""
ALIASES = {
    "hook_in": Site.RESID_PRE,
    "hook_out": Site.RESID_POST,
    "ln1.hook_out": Site.LN1_OUT,
    "ln2.hook_in": Site.LN2_IN,
    "ln2.hook_out": Site.LN2_OUT,
}
"""How its bridge to Hugging Face may name them as well."""
ATTENTION = (Site.LN1_OUT, Site.ATTN_RAW)
HEADS = (Site.Z, Site.ATTN_RAW)
NEURONS = (Site.MLP_POST, Site.MLP_RAW)
FIRST_NORM = (Site.RESID_PRE, Site.LN1_OUT)
SECOND_NORM = (Site.LN2_IN, Site.LN2_OUT)
MODULES = {
    "": (Site.RESID_PRE, Site.RESID_POST),
    "input_layernorm": FIRST_NORM, "ln_1": FIRST_NORM,
    "self_attn": ATTENTION, "attn": ATTENTION, "attention": ATTENTION,
    "self_attn.o_proj": HEADS, "attn.c_proj": HEADS, "attention.dense": HEADS,
    "post_attention_layernorm": (Site.AFTER_ATTENTION_IN, Site.AFTER_ATTENTION_OUT),
    "pre_feedforward_layernorm": SECOND_NORM, "ln_2": SECOND_NORM,
    "mlp": (Site.LN2_OUT, Site.MLP_RAW),
    "mlp.down_proj": NEURONS, "mlp.c_proj": NEURONS, "mlp.dense_4h_to_h": NEURONS,
    "post_feedforward_layernorm": (Site.MLP_RAW, Site.MLP_OUT),
}  # fmt: skip
"""What the modules of a block are given, and what they put out."""
OPENAI = {
    "resid_delta_attn": Site.ATTN_OUT,
    "resid_post_attn": Site.RESID_MID,
    "mlp_post_act": Site.MLP_POST,
    "resid_delta_mlp": Site.MLP_OUT,
    "resid_post_mlp": Site.RESID_POST,
}
PROCESSED = ":processed"
STREAM = (
    Site.EMBED, Site.RESID_PRE, Site.RESID_MID, Site.RESID_POST, Site.LN2_IN,
    Site.ATTN_RAW, Site.ATTN_OUT, Site.MLP_RAW, Site.MLP_OUT,
)  # fmt: skip
"""The stream, and what is written to it."""

NUMBER = r"(0|[1-9]\d{0,3})"
ROOT = r"(?:(?:model|language_model|transformer|gpt_neox)\.){0,3}"
LENS_NAME = re.compile(rf"blocks\.{NUMBER}\.([\w.]{{1,40}})", re.ASCII)
MODULE_NAME = re.compile(
    rf"{ROOT}(?:layers|h)\.{NUMBER}(?:\.(?!input$|output$)([\w.]{{1,40}}?))?(?:\.(input|output))?",
    re.ASCII,
)
EMBED_NAME = re.compile(rf"hook_embed|{ROOT}(?:embed_tokens|embed_in|wte)(?:\.output)?")
OPENAI_NAME = re.compile(rf"({'|'.join(OPENAI)})\.{NUMBER}", re.ASCII)
LAYER_NAME = re.compile(rf"resid_post_layer_{NUMBER}", re.ASCII)


@dataclass(frozen=True)
class ReadPoint:
    """Where an autoencoder reads."""

    site: Site
    block: int
    """0 for the embedding."""
    spelled: str
    """As it was written; `parse` gives the same point again."""
    module: str = ""
    """A module of the block that the name speaks of, and that the model must therefore have."""
    processed: bool = False
    """As TransformerLens gives it after working the weights over."""


class Place(NamedTuple):
    """What a bare name says."""

    site: Site
    block: int
    module: str = ""


def parse(name: str) -> ReadPoint:
    """The read point of that name.

    Raises:
        ScanFailed: no known spelling, or `:processed` where processing changes nothing.
    """
    bare = name.removesuffix(PROCESSED)
    place = lens(bare) or module(bare) or elsewhere(bare)
    if place is None:
        raise ScanFailed(
            "expected a read point as blocks.8.hook_resid_post, layers.8.mlp or "
            f"model.layers.8.output, came {name[:80]!a}; after blocks.<k>. there may be "
            f"{', '.join(LENS)}; after layers.<k>. {', '.join(filter(None, MODULES))}",
            permanent=True,
        )
    is_processed = bare != name
    if is_processed and place.site not in (*STREAM, Site.Z):
        raise ScanFailed(
            f"{name}: {PROCESSED} means something for the stream, for what is written to it and "
            f"for hook_z; expected {bare}",
            permanent=True,
        )
    return ReadPoint(place.site, place.block, name, place.module, is_processed)


def lens(name: str) -> Place | None:
    """What a TransformerLens name says."""
    found = LENS_NAME.fullmatch(name)
    site = (LENS | ALIASES).get(found[2]) if found else None
    return Place(site, int(found[1])) if found and site else None


def module(name: str) -> Place | None:
    """What the path of a Hugging Face module says; without `.input` it is the output."""
    found = MODULE_NAME.fullmatch(name)
    if found is None:
        return None
    block, path, side = int(found[1]), found[2] or "", found[3] or "output"
    if (path, side) == ("mlp.act", "output"):  # Where there is such a module, no gate follows it.
        return Place(Site.MLP_POST, block, path)
    if path not in MODULES:
        return None
    given, put_out = MODULES[path]
    return Place(given if side == "input" else put_out, block, path)


def elsewhere(name: str) -> Place | None:
    """The embedding, and the names of those who have a spelling of their own."""
    if EMBED_NAME.fullmatch(name):
        return Place(Site.EMBED, 0)
    if found := OPENAI_NAME.fullmatch(name):
        return Place(OPENAI[found[1]], int(found[2]))
    if found := LAYER_NAME.fullmatch(name):
        return Place(Site.RESID_POST, int(found[1]))
    return None


def named(site: Site, block: int) -> ReadPoint:
    """A point in the TransformerLens spelling, which fits every family."""
    if site is Site.EMBED:
        return parse("hook_embed")
    spelled = next(name for name, each in LENS.items() if each is site)
    return parse(f"blocks.{block}.{spelled}")


def after(block: int) -> ReadPoint:
    """The stream as the block leaves it."""
    return named(Site.RESID_POST, block)


def last_block(point: ReadPoint) -> int:
    """The last block that has to run; -1 when none has to."""
    if point.site is Site.EMBED:
        return -1
    return point.block - 1 if point.site is Site.RESID_PRE else point.block


def blocks_needed(point: ReadPoint) -> int:
    """How many blocks a model needs to be read there; one at least, for none is no model."""
    return max(1, last_block(point) + 1)


RELATED: dict[Site, tuple[Site, ...]] = {
    Site.EMBED: (Site.RESID_PRE,),
    Site.RESID_MID: (Site.RESID_PRE, Site.RESID_POST, Site.LN2_NORMALISED, Site.LN2_OUT),
    Site.LN1_NORMALISED: (Site.LN1_OUT, Site.RESID_PRE),
    Site.LN1_OUT: (Site.LN1_NORMALISED, Site.RESID_PRE),
    Site.Z: (Site.ATTN_RAW, Site.ATTN_OUT),
    Site.ATTN_RAW: (Site.ATTN_OUT, Site.Z),
    Site.ATTN_OUT: (Site.ATTN_RAW, Site.Z),
    Site.LN2_IN: (Site.LN2_NORMALISED, Site.LN2_OUT),
    Site.LN2_NORMALISED: (Site.LN2_OUT, Site.LN2_IN),
    Site.LN2_OUT: (Site.LN2_NORMALISED, Site.LN2_IN),
    Site.MLP_RAW: (Site.MLP_OUT,),
    Site.MLP_OUT: (Site.MLP_RAW,),
    Site.AFTER_ATTENTION_IN: (Site.ATTN_RAW, Site.ATTN_OUT, Site.LN2_IN, Site.LN2_NORMALISED),
    Site.AFTER_ATTENTION_OUT: (Site.ATTN_OUT, Site.ATTN_RAW, Site.LN2_OUT, Site.LN2_NORMALISED),
}
"""What is taken for one another in the same block: a norm more or less, a gain more or less."""


def candidates(point: ReadPoint, n_blocks: int) -> tuple[ReadPoint, ...]:
    """The points an autoencoder may have been meant for: the declared one first, then those near.

    The same place a block earlier and later, what is taken for it in the same block, and it with
    and without processing. A family may refuse some of them, and some may be of another width.
    """
    near = [named(site, point.block) for site in RELATED.get(point.site, ())]
    if point.site in (Site.RESID_PRE, Site.RESID_POST):
        near = [stream(point, step, n_blocks) for step in (-1, 1)]
    elif point.site in LENS.values():
        near += [named(point.site, point.block + step) for step in (-1, 1)
                 if 0 <= point.block + step < n_blocks]  # fmt: skip
    if point.processed:
        near = [toggled(each) for each in near]
    found: dict[tuple[Site, int, bool], ReadPoint] = {}
    for each in (point, *near, toggled(point)):
        found.setdefault((each.site, each.block, each.processed), each)
    return tuple(found.values())


def stream(point: ReadPoint, step: int, n_blocks: int) -> ReadPoint:
    """The stream a block earlier or later, called as the point is called where that can be."""
    at = point.block + step + (point.site is Site.RESID_POST)  # So many blocks have run.
    at = min(max(at, 0), n_blocks)
    is_pre = at == 0 or (point.site is Site.RESID_PRE and at < n_blocks)
    return named(Site.RESID_PRE, at) if is_pre else named(Site.RESID_POST, at - 1)


def toggled(point: ReadPoint) -> ReadPoint:
    """With processing if without, and the other way round; itself where it means nothing."""
    if point.site not in (*STREAM, Site.Z):
        return point
    bare = point.spelled.removesuffix(PROCESSED)
    return parse(bare if point.processed else bare + PROCESSED)
