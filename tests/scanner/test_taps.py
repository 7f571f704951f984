"""What was put in place of what stood there is what the model goes on with."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.torch

from torch import nn

from assessments.scanner import coverage, readpoints
from assessments.scanner.contract import ScanFailed
from assessments.scanner.readnames import LENS, named
from assessments.scanner.readpoints import Site, parse
from assessments.scanner.taps import Tap, Where
from tests.scanner.families import (
    FAMILIES,
    GIVEN,
    IDS,
    LAYER_NORMED,
    SEQUENTIAL,
    blocks_in,
    close,
    model,
    read,
    where_by_hand,
    with_gain,
)  # fmt: skip


def test_a_tensor_of_another_shape_is_refused():
    tap = Tap("layers.1", nn.Identity(), Where.OUTPUT, 1, 32)
    with pytest.raises(ScanFailed, match=r"expected \(sequences, positions, 32\), the model gives"):
        tap.read((), {}, torch.zeros(4, 2, 9, 32))


def test_blocks_that_give_a_tuple_are_read_and_edited_too():
    class Old(nn.Module):
        def forward(self, x):
            return x + 1, "cache"

    old, seen = Old(), []
    tap = Tap("layers.1", old, Where.OUTPUT, 1, 4)
    x = torch.randn(1, 3, 4)
    handles = [tap.watch(seen.append), tap.splice(lambda found: found * 2)]
    edited, cache = old(x)
    assert torch.equal(seen[0], x + 1)
    assert torch.equal(edited, 2 * (x + 1))
    assert cache == "cache"
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_read_put_back_leaves_the_model_as_it_was(family):
    built = model(family)
    with torch.no_grad():
        wanted = built(input_ids=GIVEN.ids, attention_mask=GIVEN.mask).logits
        for name in ["hook_embed", *(f"blocks.1.{each}" for each in LENS)]:
            for spelled in (name, f"{name}:processed"):
                try:
                    tap = readpoints.tap(built, parse(spelled))
                except ScanFailed:
                    continue
                handle = tap.splice(lambda x: x.clone())
                found = built(input_ids=GIVEN.ids, attention_mask=GIVEN.mask).logits
                handle.remove()
                assert torch.allclose(found, wanted, atol=1e-4), spelled


def go_on(built, point, edit, *then):
    """Read some points while another is edited."""
    handle = readpoints.tap(built, point).splice(edit)
    try:
        return read(built, *then)
    finally:
        handle.remove()


def mine(built, point):
    """Something random to put there."""
    shape = (*GIVEN.ids.shape, readpoints.width(built, point))
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def module_of(family, site):
    return blocks_in(model(family))[1].get_submodule(where_by_hand(family)[site][0])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_next_block_starts_from_the_edited_stream(family):
    for site in (Site.RESID_POST, Site.MLP_OUT, Site.ATTN_OUT):
        put = mine(model(family), named(site, 1))
        sites = (Site.RESID_PRE, Site.ATTN_OUT, Site.MLP_OUT)
        then = [named(each, 1) for each in sites if each is not site]
        *kept, after = go_on(
            model(family), named(site, 1), lambda _, put=put: put, *then, named(Site.RESID_PRE, 2)
        )
        assert close(put if site is Site.RESID_POST else put + sum(kept), after)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("site", "then"), [(Site.Z, Site.ATTN_RAW), (Site.MLP_POST, Site.MLP_RAW)])
def test_a_projection_joins_what_was_put_before_it(family, site, then):
    put = mine(model(family), named(site, 1))
    with torch.no_grad():
        wanted = module_of(family, site)(put)
    assert close(go_on(model(family), named(site, 1), lambda _: put, named(then, 1)), wanted)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("site", "path"), [(Site.LN1_NORMALISED, "attention"), (Site.LN2_NORMALISED, "mlp")]
)
def test_what_is_put_before_the_gain_goes_through_it(family, site, path):
    put = mine(model(family), named(site, 1))
    heads = where_by_hand(family)["z"][0].rpartition(".")[0]
    fed = blocks_in(model(family))[1].get_submodule(heads if path == "attention" else path)
    seen = []
    handle = fed.register_forward_pre_hook(
        lambda _, args, named: seen.append(args[0] if args else named["hidden_states"]),
        with_kwargs=True,
    )
    go_on(model(family), named(site, 1), lambda _: put, named(Site.RESID_POST, 1))
    handle.remove()
    assert close(seen[0], with_gain(family, module_of(family, site), put))


@pytest.mark.parametrize("family", SEQUENTIAL)
def test_an_edit_of_the_stream_in_the_middle_reaches_the_mlp_and_what_passes_it_by(family):
    built = model(family)
    put = mine(built, named(Site.RESID_MID, 1))
    mid, post, mlp = (named(site, 1) for site in (Site.RESID_MID, Site.RESID_POST, Site.MLP_OUT))
    added, after = go_on(built, mid, lambda _: put, mlp, post)
    assert close(put + added, after)
    assert not close(added, read(built, mlp))
    # What only the norm is given leaves the stream alone.
    added, after = go_on(built, named(Site.LN2_IN, 1), lambda _: put, mlp, post)
    assert close(read(built, mid) + added, after)


@pytest.mark.parametrize("family", LAYER_NORMED)
def test_an_edit_of_a_processed_stream_keeps_the_mean(family):
    built = model(family)
    point = parse("blocks.1.hook_resid_post:processed")
    before = read(built, named(Site.RESID_POST, 1))
    after = go_on(built, point, lambda x: 2 * x, named(Site.RESID_PRE, 2))
    mean = before.mean(-1, keepdim=True)
    assert close(after, 2 * (before - mean) + mean)


@pytest.mark.parametrize(
    "name", ["hook_attn_out", "hook_mlp_out", "hook_resid_mid", "ln2.hook_normalized"]
)
def test_coverage_is_measured_at_any_point(name, sae):
    seen = coverage.measure(
        model("llama"), sae, IDS, at=parse(f"blocks.1.{name}"), special=frozenset(), token_budget=64
    )
    assert seen.n_ce_tokens == sum(len(ids) - 1 for ids in IDS)
    assert len({seen.ce_clean, seen.ce_sae, seen.ce_mean_ablated, seen.ce_zero_ablated}) == 4
