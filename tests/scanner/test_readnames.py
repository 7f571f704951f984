"""A name says one place, in whatever spelling, and what is near that place has names too."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments.scanner.contract import ScanFailed
from assessments.scanner.readnames import (
    LENS,
    Site,
    after,
    blocks_needed,
    candidates,
    named,
    parse,
)

BLOCKS = 3


@pytest.mark.parametrize(
    ("name", "site", "block"),
    [
        ("blocks.0.hook_resid_pre", Site.RESID_PRE, 0),
        ("blocks.12.hook_resid_mid", Site.RESID_MID, 12),
        ("blocks.12.hook_resid_post", Site.RESID_POST, 12),
        ("blocks.3.attn.hook_z", Site.Z, 3),
        ("blocks.3.hook_attn_out", Site.ATTN_OUT, 3),
        ("blocks.3.hook_mlp_out", Site.MLP_OUT, 3),
        ("blocks.3.mlp.hook_out", Site.MLP_RAW, 3),
        ("blocks.3.mlp.hook_in", Site.LN2_OUT, 3),
        ("blocks.3.mlp.hook_post", Site.MLP_POST, 3),
        ("blocks.3.hook_mlp_in", Site.LN2_IN, 3),
        ("blocks.3.ln1.hook_normalized", Site.LN1_NORMALISED, 3),
        ("blocks.3.ln2.hook_normalized", Site.LN2_NORMALISED, 3),
        ("blocks.3.hook_out", Site.RESID_POST, 3),
        ("hook_embed", Site.EMBED, 0),
        ("layers.10", Site.RESID_POST, 10),
        ("layers.10.mlp", Site.MLP_RAW, 10),
        ("layers.10.mlp.input", Site.LN2_OUT, 10),
        ("layers.10.self_attn", Site.ATTN_RAW, 10),
        ("h.0.attn", Site.ATTN_RAW, 0),
        ("h.0.mlp.act", Site.MLP_POST, 0),
        ("embed_tokens", Site.EMBED, 0),
        ("transformer.wte", Site.EMBED, 0),
        ("model.layers.7.output", Site.RESID_POST, 7),
        ("model.layers.7.input", Site.RESID_PRE, 7),
        ("model.language_model.layers.7.output", Site.RESID_POST, 7),
        ("language_model.model.layers.7.self_attn.o_proj.input", Site.Z, 7),
        ("model.layers.7.self_attn.o_proj.input", Site.Z, 7),
        ("model.layers.7.pre_feedforward_layernorm.output", Site.LN2_OUT, 7),
        ("model.layers.7.post_feedforward_layernorm.output", Site.MLP_OUT, 7),
        ("gpt_neox.layers.3", Site.RESID_POST, 3),
        ("resid_delta_attn.4", Site.ATTN_OUT, 4),
        ("resid_post_attn.4", Site.RESID_MID, 4),
        ("mlp_post_act.4", Site.MLP_POST, 4),
        ("resid_delta_mlp.4", Site.MLP_OUT, 4),
        ("resid_post_mlp.4", Site.RESID_POST, 4),
        ("resid_post_layer_3", Site.RESID_POST, 3),
    ],
)
def test_a_name_says_its_place(name, site, block):
    found = parse(name)
    assert (found.site, found.block, found.spelled, found.processed) == (site, block, name, False)


@pytest.mark.parametrize(
    "name",
    [
        "", "blocks", "blocks.1", "blocks.-1.hook_resid_post", "blocks.01.hook_resid_post",
        "blocks.99999.hook_resid_post", "blocks.1.hook_resid_post ", "blocks.1.hook_resid_post\n",
        "blocks.1.hook_foo", "blocks.1.attn.hook_q", "layers", "layers.x", "layers.1.output.output",
        "layers.1.mlp.act_fn", "layers.1.mlp.down_proj.weight", "embed_tokens.input", "lm_head",
        "model.norm.output", "../layers.1", "model.model.model.model.layers.1", "layers.1;rm",
        "blocks.1.hook_resid_post:centred", "hook_embed:processed:processed", "resid_post_mlp",
        "blocks.１.hook_resid_post", "x" * 100_000,
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_what_was_expected(name):
    with pytest.raises(ScanFailed, match=r"expected a read point as blocks\.8\.hook_resid_post"):
        parse(name)


def test_a_refusal_is_short_and_quotes_nothing_raw():
    with pytest.raises(ScanFailed) as caught:
        parse("<b>\x1b[31m" + "a" * 100_000)
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)
    assert caught.value.permanent


PIECES = ["blocks", "layers", "h", "model", "1", "2", "mlp", "attn", "hook_z", "hook_mlp_out",
          "output", "input", "ln2", "hook_normalized", "self_attn", "o_proj", ""]  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES)).map(".".join)))
def test_any_text_is_a_point_or_is_refused(name):
    try:
        found = parse(name)
    except ScanFailed:
        return
    assert found.spelled == name
    assert found.block >= 0


@pytest.mark.parametrize("name", ["hook_embed", *(f"blocks.1.{each}" for each in LENS)])
def test_processing_is_refused_where_it_would_mean_nothing(name):
    inside = ("hook_normalized", "attn.hook_in", "mlp.hook_in", "hook_post")
    if name.endswith(inside):
        with pytest.raises(ScanFailed, match=f"expected {name}$"):
            parse(f"{name}:processed")
    else:
        assert parse(f"{name}:processed").processed


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("hook_embed", 1), ("blocks.0.hook_resid_pre", 1), ("blocks.1.hook_resid_pre", 1),
        ("blocks.8.hook_resid_pre", 8), ("blocks.8.hook_resid_post", 9), ("layers.8", 9),
        ("blocks.8.attn.hook_z", 9), ("blocks.0.hook_mlp_out", 1), ("layers.8.input", 8),
        ("model.layers.8.input_layernorm.input", 8), ("blocks.8.hook_resid_mid", 9),
    ],
)  # fmt: skip
def test_how_deep_a_model_must_be_loaded(name, n):
    assert blocks_needed(parse(name)) == n


def test_after_a_block_is_its_output():
    assert after(4) == parse("blocks.4.hook_resid_post")


ALL_POINTS = [named(site, k) for site in LENS.values() for k in range(BLOCKS)] + [
    parse("hook_embed"),
    parse("model.layers.1.post_attention_layernorm.output"),
    parse("layers.0.post_attention_layernorm.input"),
    parse("layers.2.mlp"),
    parse("blocks.1.hook_resid_pre:processed"),
    parse("blocks.0.attn.hook_z:processed"),
]


@pytest.mark.parametrize("point", ALL_POINTS, ids=lambda each: each.spelled)
def test_candidates_are_few_distinct_and_have_names_that_say_them(point):
    found = candidates(point, BLOCKS)
    assert found[0] == point
    assert len({(each.site, each.block, each.processed) for each in found}) == len(found) <= 8
    for each in found:
        assert parse(each.spelled) == each
        assert abs(each.block - point.block) <= 1
        assert blocks_needed(each) <= BLOCKS


def spelled_near(name, n_blocks=BLOCKS):
    return {each.spelled for each in candidates(parse(name), n_blocks)}


def test_what_was_once_taken_for_the_right_point_is_among_the_candidates():
    assert "blocks.1.hook_mlp_out" in spelled_near("layers.1.mlp")
    assert "blocks.1.mlp.hook_out" in spelled_near("blocks.1.hook_mlp_out")
    assert "blocks.1.ln2.hook_normalized" in spelled_near("blocks.1.hook_resid_mid")
    assert "blocks.1.mlp.hook_in" in spelled_near("blocks.1.ln2.hook_normalized")
    assert "blocks.1.attn.hook_z" in spelled_near("blocks.1.hook_attn_out")
    assert "blocks.8.hook_resid_pre:processed" in spelled_near("blocks.8.hook_resid_pre", 12)
    assert spelled_near("layers.1") >= {"blocks.0.hook_resid_post", "blocks.2.hook_resid_post"}


def test_at_the_ends_of_the_model_the_stream_has_one_neighbour():
    assert spelled_near("blocks.0.hook_resid_pre") == {
        "blocks.0.hook_resid_pre", "blocks.0.hook_resid_pre:processed", "blocks.1.hook_resid_pre",
    }  # fmt: skip
    assert spelled_near("blocks.2.hook_resid_pre") == {
        "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre", "blocks.2.hook_resid_pre:processed",
        "blocks.2.hook_resid_post",
    }  # fmt: skip
    assert spelled_near("blocks.0.hook_resid_post") == {
        "blocks.0.hook_resid_pre", "blocks.0.hook_resid_post", "blocks.1.hook_resid_post",
        "blocks.0.hook_resid_post:processed",
    }  # fmt: skip
    assert spelled_near("blocks.2.hook_resid_post") == {
        "blocks.1.hook_resid_post", "blocks.2.hook_resid_post",
        "blocks.2.hook_resid_post:processed",
    }  # fmt: skip
