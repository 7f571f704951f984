"""Every name means the same tensor in every family, and that tensor is the one that is read."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from assessments.scanner import activations, readpoints
from assessments.scanner.contract import ScanFailed
from assessments.scanner.readnames import LENS, MODULES, last_block, named
from assessments.scanner.readpoints import Site, blocks_needed, candidates, parse
from tests.scanner.families import (
    BLOCKS,
    FAMILIES,
    GIVEN,
    IDS,
    LAYER_NORMED,
    NEURONS,
    SANDWICHED,
    SEQUENTIAL,
    WIDTH,
    blocks_in,
    close,
    empty,
    first_blocks,
    model,
    read,
    text_part,
    where_by_hand,
    with_gain,
    without_gain,
)  # fmt: skip

NORMALISED = (Site.LN1_NORMALISED, Site.LN2_NORMALISED)


def everything(built, ids=GIVEN.ids, mask=GIVEN.mask):
    """Input and output of every module of every block, from one whole pass: {(k, name, side): x}."""
    seen, handles = {}, []

    def keep(key):
        def hook(_module, args, kwargs, output):
            seen[(*key, "in")] = args[0] if args else kwargs.get("hidden_states")
            seen[(*key, "out")] = output[0] if isinstance(output, tuple) else output

        return hook

    for k, block in enumerate(blocks_in(built)):
        for name, part in block.named_modules():
            handles.append(part.register_forward_hook(keep((k, name)), with_kwargs=True))
    with torch.no_grad():
        built(input_ids=ids, attention_mask=mask, use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


def has_site(family, site):
    return not (family == "gpt_neox" and site is Site.RESID_MID)


SITES = [(family, site) for family in FAMILIES for site in LENS.values() if has_site(family, site)]


@pytest.mark.parametrize(("family", "site"), SITES)
def test_what_is_read_is_what_the_models_own_module_shows(family, site):
    built = model(family)
    seen = everything(built)
    name, side = where_by_hand(family)[site]
    for k in range(BLOCKS):
        wanted = seen[k, name, side]
        if site in NORMALISED:
            wanted = without_gain(family, wanted)
        found = read(built, named(site, k))
        assert found.dtype is torch.float32
        assert found.shape == (*GIVEN.ids.shape, readpoints.width(built, named(site, k)))
        assert close(found, wanted)


@pytest.mark.parametrize(("family", "site"), SITES)
def test_nothing_deeper_than_the_tap_is_run_or_needed(family, site):
    for k in range(BLOCKS):
        point = named(site, k)
        shallow = first_blocks(family, blocks_needed(point))
        assert close(read(shallow, point), read(model(family), point))
        assert readpoints.tap(shallow, point).block == last_block(point) < blocks_needed(point)
        # The first block's input is caught at its door, which still counts as coming to it.
        deepest = max(last_block(point), 0 if site is Site.RESID_PRE else -1)
        assert max(blocks_reached(model(family), point)) == deepest


def blocks_reached(built, *points):
    """The blocks whose door a reading comes to."""
    reached = []
    handles = [
        each.register_forward_pre_hook(lambda *_, k=k: reached.append(k))
        for k, each in enumerate(blocks_in(built))
    ]
    read(built, *points)
    for handle in handles:
        handle.remove()
    return reached


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_is_the_hidden_states_but_never_the_last_which_is_behind_the_final_norm(family):
    built = model(family)
    with torch.no_grad():
        hidden = built(
            input_ids=GIVEN.ids, attention_mask=GIVEN.mask, output_hidden_states=True
        ).hidden_states
    for k in range(BLOCKS):
        assert close(read(built, named(Site.RESID_PRE, k)), hidden[k])
        if k < BLOCKS - 1:
            assert close(read(built, named(Site.RESID_POST, k)), hidden[k + 1])
    last = read(built, named(Site.RESID_POST, BLOCKS - 1))
    assert not close(last, hidden[-1])
    inner = text_part(built)
    final = getattr(inner, "norm", None) or getattr(inner, "ln_f", None) or inner.final_layer_norm
    with torch.no_grad():
        assert close(final(last), hidden[-1])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_attention_and_mlp_add_makes_up_the_stream(family):
    for k in range(BLOCKS):
        sites = (Site.RESID_PRE, Site.ATTN_OUT, Site.MLP_OUT, Site.RESID_POST)
        pre, attention, mlp, post = read(model(family), *(named(site, k) for site in sites))
        assert close(pre + attention + mlp, post)
        if family in SEQUENTIAL:
            assert close(pre + attention, read(model(family), named(Site.RESID_MID, k)))
        if k + 1 < BLOCKS:
            assert torch.equal(post, read(model(family), named(Site.RESID_PRE, k + 1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_projections_norms_and_gains_lead_from_one_point_to_the_next(family):
    built = model(family)
    places = where_by_hand(family)
    for k, block in enumerate(blocks_in(built)):
        at = {site: read(built, named(site, k)) for site in LENS.values() if has_site(family, site)}
        part = {site: block.get_submodule(name) for site, (name, _) in places.items() if name}
        with torch.no_grad():
            assert close(part[Site.Z](at[Site.Z]), at[Site.ATTN_RAW])
            assert close(part[Site.MLP_POST](at[Site.MLP_POST]), at[Site.MLP_RAW])
            for bare, out in ((NORMALISED[0], Site.LN1_OUT), (NORMALISED[1], Site.LN2_OUT)):
                assert close(with_gain(family, part[out], at[bare]), at[out])
            if family in SANDWICHED:
                assert close(block.post_attention_layernorm(at[Site.ATTN_RAW]), at[Site.ATTN_OUT])
                assert close(block.post_feedforward_layernorm(at[Site.MLP_RAW]), at[Site.MLP_OUT])
                assert not close(at[Site.MLP_RAW], at[Site.MLP_OUT])
            else:
                assert torch.equal(at[Site.ATTN_RAW], at[Site.ATTN_OUT])
                assert torch.equal(at[Site.MLP_RAW], at[Site.MLP_OUT])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_embedding_is_read_before_positions_and_after_scaling(family):
    built = model(family)
    found = read(built, parse("hook_embed"))
    rows = built.get_input_embeddings().weight[GIVEN.ids]
    assert close(found, rows * WIDTH**0.5 if "gemma" in family else rows)
    assert close(found, read(built, named(Site.RESID_PRE, 0))) == (family != "gpt2")


SPELLINGS = {
    "gpt2": ("h.1.attn", "h.1.mlp", "h.1", "transformer.h.1.ln_2.output", "h.1.mlp.act"),
    "gpt_neox": (
        "layers.1.attention", "layers.1.mlp", "gpt_neox.layers.1",
        "layers.1.post_attention_layernorm.output", "layers.1.mlp.act",
    ),
    "llama": (
        "layers.1.self_attn", "layers.1.mlp", "model.layers.1.output",
        "model.layers.1.post_attention_layernorm.output", "layers.1.mlp.down_proj.input",
    ),
    "gemma3_nested": (
        "layers.1.self_attn", "layers.1.mlp", "model.language_model.layers.1.output",
        "model.layers.1.pre_feedforward_layernorm.output", "layers.1.mlp.down_proj.input",
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", SPELLINGS)
def test_spellings_agree(family):
    sites = (Site.ATTN_RAW, Site.MLP_RAW, Site.RESID_POST, Site.LN2_OUT, Site.MLP_POST)
    for name, site in zip(SPELLINGS[family], sites, strict=True):
        assert torch.equal(read(model(family), parse(name)), read(model(family), named(site, 1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_module_path_reads_that_very_module_or_is_refused(family):
    built = model(family)
    seen = everything(built)
    there = {name for name, _ in blocks_in(built)[1].named_modules()}
    n_read = 0
    for path in MODULES:
        for side, short in (("input", "in"), ("output", "out")):
            name = ".".join(filter(None, ("model.layers.1", path, side)))
            if path in there:
                assert close(read(built, parse(name)), seen[1, path, short]), name
                n_read += 1
            else:
                with pytest.raises(ScanFailed, match=f"have no {path}; they have"):
                    readpoints.tap(built, parse(name))
    assert n_read >= 12


def test_post_attention_layernorm_closes_attention_in_gemma_and_opens_the_mlp_elsewhere():
    point = parse("model.layers.1.post_attention_layernorm.output")
    for family, site in (("gemma2", Site.ATTN_OUT), ("llama", Site.LN2_OUT)):
        assert torch.equal(read(model(family), point), read(model(family), named(site, 1)))


def test_several_points_come_from_one_pass_that_ends_at_the_deepest():
    built = model("qwen3")
    points = [named(Site.LN2_OUT, 1), parse("hook_embed"), named(Site.RESID_PRE, 1), 0]
    assert blocks_reached(built, *points) == [0, 1]
    found = read(built, *points)
    for point, x in zip(points, found, strict=True):
        assert torch.equal(x, read(built, point))


def test_the_embedding_costs_no_block():
    assert blocks_reached(model("llama"), parse("hook_embed")) == []


def test_a_point_the_model_never_comes_by_is_an_error():
    built = empty("llama", BLOCKS)
    built.config.num_hidden_layers = 1
    with pytest.raises(ScanFailed, match=r"never came by blocks\.2\.hook_resid_post"):
        read(built, parse("layers.0"), named(Site.RESID_POST, 2))


def test_padding_and_company_do_not_change_what_is_read():
    sequences = [IDS[0], IDS[1][:4], IDS[0][:6]]
    for family in ("gpt2", "gemma3_nested", "gpt_neox"):
        point = named(Site.LN2_NORMALISED, 1)
        together = activations.each_sequence(model(family), sequences, point, token_budget=64)
        for at, x in together:
            alone = activations.batch([sequences[at]], [0])
            wanted = activations.residuals(model(family), alone, point)
            assert close(x, wanted[0, : len(sequences[at])])


# What is refused


def test_a_parallel_block_has_no_stream_in_the_middle():
    with pytest.raises(ScanFailed, match="side by side, so there is no stream between them"):
        readpoints.tap(model("gpt_neox"), parse("blocks.1.hook_resid_mid"))
    before = read(model("gpt_neox"), parse("blocks.1.hook_resid_pre"))
    assert torch.equal(read(model("gpt_neox"), parse("blocks.1.hook_mlp_in")), before)


def test_a_point_deeper_than_the_model_is_refused():
    with pytest.raises(ScanFailed, match="needs 4 blocks, the model has 3"):
        readpoints.tap(model("llama"), parse("blocks.3.hook_mlp_out"))
    assert readpoints.tap(model("llama"), parse("blocks.3.hook_resid_pre")).block == 2


def test_of_an_unknown_family_only_the_stream_between_blocks_is_read():
    built = empty("olmo2", BLOCKS)
    assert read(built, parse("layers.1")).shape[-1] == WIDTH
    with pytest.raises(ScanFailed, match="'olmo2' models are not known inside; known: gpt2, gpt_n"):
        readpoints.tap(built, parse("blocks.1.hook_mlp_out"))


@pytest.mark.parametrize(
    ("family", "d_heads"), [("gpt2", 32), ("gpt_neox", 32), ("llama", 32), ("gemma3_nested", 64)]
)
def test_widths_and_an_autoencoder_of_another_width(family, d_heads):
    built = model(family)
    assert readpoints.width(built, named(Site.Z, 1)) == d_heads
    assert readpoints.width(built, named(Site.MLP_POST, 1)) == NEURONS
    readpoints.expect_width(built, named(Site.MLP_OUT, 1), WIDTH)
    with pytest.raises(ScanFailed, match=f"reads a width of 768, the model is {NEURONS} wide"):
        readpoints.expect_width(built, named(Site.MLP_POST, 1), 768)


@pytest.mark.parametrize("family", FAMILIES)
def test_of_the_candidates_a_family_reads_some_and_refuses_the_rest_in_words(family):
    built = model(family)
    for point in [*(named(site, 1) for site in LENS.values()), parse("hook_embed")]:
        n_read = 0
        for each in candidates(point, BLOCKS):
            try:
                readpoints.tap(built, each)
            except ScanFailed:
                continue
            n_read += 1
            read(built, each)
        assert n_read >= 1


# What TransformerLens's processing does


def centre_writing_weights(built, family):
    """Take the mean off everything that is written to the stream, in the weights themselves."""
    places = where_by_hand(family)
    with torch.no_grad():
        inner = text_part(built)
        for table in (inner.wte, inner.wpe) if family == "gpt2" else (inner.embed_in,):
            table.weight -= table.weight.mean(-1, keepdim=True)
        for block in blocks_in(built):
            for site in (Site.Z, Site.MLP_POST):
                part = block.get_submodule(places[site][0])
                out = 1 if family == "gpt2" else 0  # GPT-2 keeps its weights the other way round.
                part.weight -= part.weight.mean(out, keepdim=True)
                part.bias -= part.bias.mean()
    return built


@pytest.mark.parametrize("family", LAYER_NORMED)
def test_a_processed_stream_is_that_of_a_model_whose_writing_weights_are_centred(family):
    processed = empty(family, BLOCKS)
    processed.load_state_dict(model(family).state_dict())
    centre_writing_weights(processed, family)
    for k in range(BLOCKS):
        for site in (Site.RESID_PRE, Site.RESID_POST, Site.ATTN_OUT, Site.MLP_OUT, Site.LN2_IN):
            point = parse(named(site, k).spelled + ":processed")
            wanted = read(processed, named(site, k))
            assert close(read(model(family), point), wanted)
            assert not close(read(model(family), named(site, k)), wanted)


@pytest.mark.parametrize("family", [*LAYER_NORMED, "qwen2"])
def test_processed_heads_are_without_what_they_give_to_a_stream_of_nought(family):
    built = model(family)
    for k in range(BLOCKS):
        z = named(Site.Z, k)
        handle = readpoints.tap(built, named(Site.LN1_NORMALISED, k)).splice(torch.zeros_like)
        always = read(built, z)
        handle.remove()
        assert close(always, always[:1, :1].expand_as(always))
        assert always.abs().max() > 0.1
        assert close(read(built, parse(f"{z.spelled}:processed")), read(built, z) - always)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("blocks.1.hook_resid_post:processed", "only with LayerNorm"),
        ("blocks.1.attn.hook_z:processed", "no value biases"),
    ],
)
def test_processing_that_changes_nothing_is_refused(name, why):
    with pytest.raises(ScanFailed, match=f"changes nothing in LlamaForCausalLM, .*{why}"):
        readpoints.tap(model("llama"), parse(name))
