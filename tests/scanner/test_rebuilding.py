"""Figures taken by pieces are those of the whole, for every kind of autoencoder."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import rebuilding
from assessments.scanner.rows import InMemory
from assessments.scanner.sae import Architecture, Gate, Norm, SparseAutoencoder

N, D, F = 37, 6, 20
DRAW = torch.Generator().manual_seed(11)


def drawn(*shape):
    return torch.randn(*shape, generator=DRAW)


PLAIN = SparseAutoencoder(
    Architecture.STANDARD,
    w_enc=InMemory(drawn(F, D)),
    b_enc=InMemory(drawn(F)),
    w_dec=InMemory(0.2 * drawn(F, D)),
    b_dec=drawn(D),
    hook_name="blocks.0.hook_resid_post",
)
THRESHOLD = InMemory(drawn(F).abs())
GATE = Gate(InMemory(drawn(F)), InMemory(drawn(F)), InMemory(0.1 * drawn(F)))
SCALE = InMemory(0.5 + drawn(F).abs())
KINDS = {
    "standard": PLAIN,
    "jumprelu": dataclasses.replace(
        PLAIN, architecture=Architecture.JUMPRELU, threshold=THRESHOLD, b_in=drawn(D)
    ),
    "gated": dataclasses.replace(PLAIN, architecture=Architecture.GATED, b_enc=None, gate=GATE),
    "topk": dataclasses.replace(PLAIN, architecture=Architecture.TOPK, k=4),
    "abstopk": dataclasses.replace(PLAIN, architecture=Architecture.ABSTOPK, k=4),
    "groupmax": dataclasses.replace(PLAIN, architecture=Architecture.GROUPMAX, k=5),
    "batchtopk": dataclasses.replace(PLAIN, architecture=Architecture.BATCHTOPK, k=4),
    "layer norm": dataclasses.replace(PLAIN, norm=Norm.LAYER_NORM, input_scale=0.7),
    "topk of constant length": dataclasses.replace(
        PLAIN, architecture=Architecture.TOPK, k=4, norm=Norm.CONSTANT
    ),
    "scaled ranks": dataclasses.replace(
        PLAIN, architecture=Architecture.JUMPRELU, threshold=THRESHOLD, rank_scale=SCALE
    ),
    "skip transcoder": dataclasses.replace(
        PLAIN, w_skip=drawn(D, D), hook_name_out="blocks.1.hook_resid_post"
    ),
}


def by_hand(y, rebuilt):
    y, rebuilt = y.double(), rebuilt.double()
    return float((y - rebuilt).pow(2).sum() / (y - y.mean(0)).pow(2).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_give_what_the_whole_gives(kind, monkeypatch):
    sae = KINDS[kind]
    x = drawn(N, D) + 2
    y = drawn(N, D) if sae.hook_name_out else x
    monkeypatch.setattr(rebuilding, "HELD", 3 * N)
    assert len(list(rebuilding.pieces(sae, N))) > 1 or kind == "batchtopk"
    found = rebuilding.figures(sae, x, y)
    f = sae.encode(x)
    assert found.n == N
    assert found.l0 == pytest.approx(float((f != 0).sum(-1).float().mean()))
    assert found.dead_share == pytest.approx(float((f == 0).all(0).float().mean()))
    assert found.fvu == pytest.approx(by_hand(y, sae.rebuild(x)), rel=1e-5)
    _, undo = sae.seen(x)
    frozen = sae.decode(f.mean(0).expand(N, -1), undo, x)
    if rebuilding.has_more(sae):
        assert found.frozen_fvu == pytest.approx(by_hand(y, frozen), rel=1e-4)
    else:  # A constant: the mean at best.
        assert found.frozen_fvu == 1.0 <= by_hand(y, frozen)


def test_what_only_encodes_has_no_unexplained_variance():
    found = rebuilding.figures(
        dataclasses.replace(PLAIN, w_dec=None, b_dec=None), x := drawn(N, D), x
    )
    assert (found.fvu, found.frozen_fvu) == (None, None)
    assert found.l0 > 0


def test_no_more_is_held_than_is_allowed(monkeypatch):
    monkeypatch.setattr(rebuilding, "HELD", 100)
    for sae in (PLAIN, KINDS["topk"]):
        seen = [
            (piece.rows.stop - piece.rows.start) * (piece.latents.stop - piece.latents.start)
            for piece in rebuilding.pieces(sae, N)
        ]
        assert sum(seen) == N * F
        assert max(seen) <= 100


def test_an_explosion_is_told_as_a_number_that_json_has():
    large = dataclasses.replace(PLAIN, w_dec=InMemory(torch.full((F, D), 1e38)))
    x = drawn(N, D)
    assert rebuilding.figures(large, x, x).fvu == rebuilding.LARGEST
