"""One autoencoder class, seven rules, and three ways to ask it: whole, by part, by column."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner import sae as sae_module
from assessments.scanner.contract import ScanFailed
from assessments.scanner.rows import InMemory, Norms
from assessments.scanner.sae import Architecture, Gate, Norm, SparseAutoencoder

WIDTH, LATENTS = 12, 60
WATCHED = (5, 0, 59, 31)


def made(architecture, seed=0, **changes):
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=1.0):
        return scale * torch.randn(*shape, generator=draw)

    plain = {
        "w_enc": InMemory(normal(LATENTS, WIDTH)),
        "b_enc": InMemory(normal(LATENTS, scale=0.3)),
        "w_dec": InMemory(normal(LATENTS, WIDTH)),
        "b_dec": normal(WIDTH, scale=0.3),
        "b_in": normal(WIDTH, scale=0.3),
        "hook_name": "blocks.1.hook_resid_post",
        "k": 6,
    }
    if architecture is Architecture.JUMPRELU:
        plain["threshold"] = InMemory(normal(LATENTS).abs())
    if architecture is Architecture.GATED:
        gate = Gate(*(InMemory(normal(LATENTS, scale=0.4)) for _ in range(3)))
        plain |= {"b_enc": None, "gate": gate}
    return SparseAutoencoder(architecture, **(plain | changes))


def tokens(seed=0, n=40):
    return torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(seed))


def every():
    for architecture in Architecture:
        yield pytest.param(architecture, {}, id=architecture.value)
        yield pytest.param(architecture, {"b_in": None}, id=f"{architecture.value}-plain-input")
        yield pytest.param(architecture, {"norm": Norm.LAYER_NORM}, id=f"{architecture.value}-ln")
        yield pytest.param(architecture, {"norm": Norm.CONSTANT}, id=f"{architecture.value}-cn")
    for architecture in (Architecture.JUMPRELU, Architecture.TOPK, Architecture.ABSTOPK):
        for keeps in (True, False):
            scale = InMemory(torch.linspace(0.2, 3, LATENTS))
            changes = {"rank_scale": scale, "keeps_rank_scale": keeps}
            yield pytest.param(architecture, changes, id=f"{architecture.value}-ranked-{keeps}")


VARIANTS = list(every())


@pytest.mark.parametrize(("architecture", "changes"), VARIANTS)
def test_watched_columns_equal_those_of_the_whole(architecture, changes):
    sae = made(architecture, **changes)
    whole = sae.encode(tokens())
    some = sae.columns(WATCHED).encode(tokens())
    assert torch.equal(some != 0, whole[:, list(WATCHED)] != 0)
    assert torch.allclose(some, whole[:, list(WATCHED)], atol=1e-5)
    assert (whole != 0).any()


@pytest.mark.parametrize(("architecture", "changes"), VARIANTS)
def test_weights_read_by_the_part_give_the_same(architecture, changes, monkeypatch):
    sae = made(architecture, **changes)
    whole, rebuilt = sae.encode(tokens()), sae.rebuild(tokens())
    some = sae.columns(WATCHED).encode(tokens())
    monkeypatch.setattr(sae_module, "CHUNK", 7 * WIDTH)  # Seven latents at a time.
    assert torch.allclose(sae.encode(tokens()), whole, atol=1e-5)
    assert torch.allclose(sae.rebuild(tokens()), rebuilt, atol=1e-4)
    assert torch.allclose(sae.columns(WATCHED).encode(tokens()), some, atol=1e-5)


def pre_of(sae, x):
    return (x - sae.b_in) @ sae.w_enc.tensor.T + sae.b_enc.tensor


def test_each_rule_follows_its_formula():
    x = tokens()
    sae = made(Architecture.JUMPRELU)
    pre, theta = pre_of(sae, x), sae.threshold.tensor
    assert torch.allclose(sae.encode(x), torch.where(pre > theta, pre.relu(), 0.0))

    sae = made(Architecture.STANDARD)
    assert torch.allclose(sae.encode(x), pre_of(sae, x).relu())

    sae = made(Architecture.GATED)
    inner = (x - sae.b_in) @ sae.w_enc.tensor.T
    strength = (inner * sae.gate.r_mag.tensor.exp() + sae.gate.b_mag.tensor).relu()
    assert torch.allclose(sae.encode(x), strength * (inner + sae.gate.b_gate.tensor > 0), atol=1e-6)

    sae = made(Architecture.TOPK)
    pre = pre_of(sae, x)
    for row, f in zip(pre, sae.encode(x), strict=True):
        best = set(row.argsort(descending=True)[:6].tolist())
        assert set(f.nonzero().flatten().tolist()) == {at for at in best if row[at] > 0}

    sae = made(Architecture.ABSTOPK)
    pre = pre_of(sae, x)
    for row, f in zip(pre, sae.encode(x), strict=True):
        best = row.abs().argsort(descending=True)[:6]
        assert torch.allclose(f[best], row[best])
        assert f.count_nonzero() == 6

    sae = made(Architecture.GROUPMAX)
    f = sae.encode(x).unflatten(-1, (6, 10))
    assert ((f > 0).sum(-1) <= 1).all()
    best = pre_of(sae, x).relu().unflatten(-1, (6, 10)).max(-1).values
    assert torch.allclose(f.sum(-1), best, atol=1e-6)

    sae = made(Architecture.BATCHTOPK)
    assert (sae.encode(x) > 0).sum() == 6 * len(x)


@given(seed=st.integers(0, 10_000), k=st.integers(1, 30), absolute=st.booleans())
def test_the_bound_never_changes_a_top_k(seed, k, absolute):
    """`columns` skips tokens by a bound; it must never skip one that matters."""
    rule = Architecture.ABSTOPK if absolute else Architecture.TOPK
    sae = made(rule, seed=seed, k=k)
    x = tokens(seed, n=12)
    watched = list(range(0, LATENTS, 3))
    whole = sae.encode(x)[:, watched]
    some = sae.columns(watched).encode(x)
    assert torch.equal(some != 0, whole != 0)
    assert torch.allclose(some, whole, atol=1e-5)


def test_most_tokens_of_a_top_k_are_settled_by_the_bound(monkeypatch):
    """The bound is there to save work: a latent that ranks low is never encoded in full."""
    sae = made(Architecture.TOPK, k=2)
    low = [int(pre_of(sae, tokens(n=400)).mean(0).argmin())]
    monkeypatch.setattr(sae_module, "CHUNK", 40 * WIDTH)
    asked = []
    whole = sae_module.Columns._in_full
    monkeypatch.setattr(
        sae_module.Columns,
        "_in_full",
        lambda self, z, **named: asked.append(len(z)) or whole(self, z, **named),
    )
    sae.columns(low).encode(tokens(n=400))
    assert sum(asked) < 100


def test_the_scale_that_ranks_is_divided_out_where_it_only_ranks():
    scale = InMemory(torch.linspace(0.2, 3, LATENTS))
    kept = made(Architecture.TOPK, rank_scale=scale)
    divided = made(Architecture.TOPK, rank_scale=scale, keeps_rank_scale=False)
    x = tokens()
    assert torch.allclose(kept.encode(x) / scale.tensor, divided.encode(x), atol=1e-6)
    assert torch.allclose(kept.rebuild(x), divided.rebuild(x), atol=1e-5)


def test_an_input_scale_is_the_same_as_one_folded_into_the_weights():
    """(s·x - b) W + c = (x - b/s) (s·W) + c, and the rebuilt stream is divided by s."""
    plain = made(Architecture.JUMPRELU, input_scale=0.25)
    folded = dataclasses.replace(
        plain,
        input_scale=1.0,
        w_enc=InMemory(plain.w_enc.tensor * 0.25),
        w_dec=InMemory(plain.w_dec.tensor / 0.25),
        b_dec=plain.b_dec / 0.25,
        b_in=plain.b_in / 0.25,
    )
    x = 4 * tokens()
    assert torch.allclose(plain.encode(x), folded.encode(x), atol=1e-5)
    assert torch.allclose(plain.rebuild(x), folded.rebuild(x), atol=1e-4)


def test_norms_undo_themselves():
    """With an encoder and decoder that rebuild anything, normalising must leave no trace but the
    1e-5 that is added to the standard deviation on the way in alone."""
    eye = torch.eye(WIDTH)
    for norm in Norm:
        perfect = SparseAutoencoder(
            Architecture.STANDARD,
            w_enc=InMemory(torch.cat([eye, -eye])),
            b_enc=InMemory(torch.zeros(2 * WIDTH)),
            w_dec=InMemory(torch.cat([eye, -eye])),
            b_dec=torch.zeros(WIDTH),
            hook_name="blocks.1.hook_resid_post",
            norm=norm,
        )
        assert torch.allclose(perfect.rebuild(tokens()), tokens(), atol=1e-4)


def test_a_latent_that_adds_nothing_to_the_stream_spoils_nothing():
    decoder = torch.randn(LATENTS, WIDTH, generator=torch.Generator().manual_seed(5))
    decoder[7] = 0
    for keeps in (True, False):
        sae = made(
            Architecture.TOPK,
            w_dec=InMemory(decoder),
            rank_scale=Norms(InMemory(decoder)),
            keeps_rank_scale=keeps,
            k=LATENTS,
        )
        assert (sae.encode(tokens())[:, 7] == 0).all()
        assert torch.isfinite(sae.rebuild(tokens())).all()
        assert (sae.columns([7, 8]).encode(tokens())[:, 0] == 0).all()


def test_decoder_norms_are_the_lengths_of_its_rows():
    rows = InMemory(torch.randn(9, 4, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(Norms(rows).part(2, 7), rows.tensor[2:7].norm(dim=-1))
    assert torch.allclose(Norms(rows).take([8, 1]), rows.tensor[[8, 1]].norm(dim=-1))


def test_a_skip_connection_is_added():
    skip = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(5))
    plain = made(Architecture.STANDARD, hook_name_out="blocks.1.hook_mlp_out")
    x = tokens()
    skipping = dataclasses.replace(plain, w_skip=skip)
    assert torch.allclose(skipping.rebuild(x), plain.rebuild(x) + x @ skip.T, atol=1e-4)
    with pytest.raises(ScanFailed, match="decodes with its input"):
        skipping.decode(skipping.encode(x))


def test_what_cannot_be_done_is_said():
    sae = made(Architecture.STANDARD)
    with pytest.raises(ScanFailed, match="reads a width of 12, the model gives 31"):
        sae.encode(torch.zeros(2, 31))
    with pytest.raises(ScanFailed, match=r"has 60 latents; asked for \[60, -1\]"):
        sae.columns([0, 60, -1])
    with pytest.raises(ScanFailed, match="encodes only"):
        dataclasses.replace(sae, w_dec=None, b_dec=None).rebuild(tokens())


def test_only_an_unpinned_batch_is_no_evidence():
    for architecture in Architecture:
        assert bool(made(architecture).not_evidence) == (architecture is Architecture.BATCHTOPK)


def test_held_weights_compute_the_same():
    for architecture in Architecture:
        sae = made(architecture)
        assert torch.equal(sae.held().encode(tokens()), sae.encode(tokens()))


@pytest.mark.parametrize(("architecture", "changes"), VARIANTS)
def test_a_border_parts_hits_from_the_rest(architecture, changes):
    """Above its border, and only there, a latent is above its threshold."""
    sae = made(architecture, **changes)
    columns, thresholds = sae.columns(WATCHED), torch.tensor([0.7, 1.5, 0.05, 3.0])
    found = columns.borders(thresholds)
    if architecture not in sae_module.COLUMN_BY_COLUMN:
        assert found is None
        return
    x = tokens(n=400)
    hits = columns.encode(x) > thresholds
    pre = columns.pre(x)
    sure = (pre - found).abs() > 1e-5
    assert torch.equal((pre > found)[sure], hits[sure])
    assert hits.any()
