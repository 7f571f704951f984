"""The trainer recovers a sparse dictionary that is known."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import train

CONFIG = train.TrainConfig(
    block=1, d_sae=96, k=4, steps=800, batch=512, lr=1e-2, warmup=20, dead_after=20_000, seed=1
)


@pytest.fixture(scope="module")
def world():
    """Tokens that are sums of four of 48 directions, and a few massive ones."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.randn(48, 24, generator=draw)
    directions /= directions.norm(dim=-1, keepdim=True)
    on = torch.rand(6000, 48, generator=draw).topk(4).indices
    strengths = 1 + torch.rand(6000, 4, generator=draw)
    acts = 5 * (torch.zeros(6000, 48).scatter(1, on, strengths) @ directions) + 3
    acts[:5] *= 1000
    return acts, directions


@pytest.fixture(scope="module")
def trained(world):
    steps = []
    return train.fit(world[0], CONFIG, steps.append), steps


def test_it_explains_what_is_there(world, trained):
    sae, steps = trained
    acts = world[0][5:]
    error = (acts - sae.rebuild(acts)).pow(2).sum() / (acts - acts.mean(0)).pow(2).sum()
    assert error < 0.15
    assert len(steps) == CONFIG.steps
    assert steps[-1].fvu < steps[0].fvu / 5


def test_as_many_latents_fire_as_asked(world, trained):
    l0 = (trained[0].encode(world[0][5:]) > 0).sum(-1).float().mean()
    assert l0 == pytest.approx(CONFIG.k, rel=0.15)


def test_true_directions_are_among_the_decoder_rows(world, trained):
    rows = trained[0].w_dec.tensor
    assert torch.allclose(rows.norm(dim=-1), torch.ones(len(rows)), atol=1e-4)
    nearest = (world[1] @ rows.T).max(dim=-1).values
    assert (nearest > 0.9).float().mean() > 0.9


def test_the_same_seed_gives_the_same_weights(world):
    config = train.TrainConfig(block=1, d_sae=32, k=4, steps=15, batch=128, warmup=2)
    first, again = (train.fit(world[0], config) for _ in range(2))
    assert torch.equal(first.w_enc.tensor, again.w_enc.tensor)
    assert torch.equal(first.threshold.tensor, again.threshold.tensor)


def test_the_rate_rises_holds_and_falls():
    config = train.TrainConfig(block=0, steps=100, warmup=10, decay_share=0.4)
    rates = [train.rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[30] == 1
    assert rates[99] == pytest.approx(1 / 40)
