"""Coverage tells a perfect instrument from a blind one."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import coverage
from assessments.scanner.rows import InMemory
from assessments.scanner.sae import Architecture, SparseAutoencoder
from assessments.scanner.weights import load_model

TEXTS = [tuple(torch.randint(2, 258, (n,), generator=torch.Generator().manual_seed(n)).tolist())
         for n in (20, 33, 40, 48)]  # fmt: skip


def perfect(width=32):
    """x and -x through ReLU: rebuilds anything."""
    eye = torch.eye(width)
    return SparseAutoencoder(
        Architecture.STANDARD,
        w_enc=InMemory(torch.cat([eye, -eye])),
        b_enc=InMemory(torch.zeros(2 * width)),
        w_dec=InMemory(torch.cat([eye, -eye])),
        b_dec=torch.zeros(width),
        hook_name="blocks.1.hook_resid_post",
    )


def measured(sae, model):
    return coverage.measure(model, sae, TEXTS, at=1, special=frozenset({0, 1}), token_budget=128)


@pytest.fixture(scope="module")
def model(model_folder):
    return load_model(model_folder).model


def test_a_perfect_autoencoder_misses_nothing(model):
    found = measured(perfect(), model)
    assert found.fvu == pytest.approx(0, abs=1e-9)
    assert found.ce_recovered_mean == pytest.approx(1, abs=1e-4)
    assert found.l0_mean == pytest.approx(32)
    assert found.dead_share == 0
    assert found.n_excluded == len(TEXTS)
    assert found.n_tokens + found.n_massive + found.n_excluded == sum(map(len, TEXTS))
    assert found.n_ce_tokens == sum(map(len, TEXTS)) - len(TEXTS)


def test_guessing_the_mean_explains_nothing(model):
    blind = dataclasses.replace(
        perfect(),
        architecture=Architecture.JUMPRELU,
        threshold=InMemory(torch.full((64,), 1e9)),
        b_dec=coverage_mean(model),
    )
    found = measured(blind, model)
    assert found.fvu == pytest.approx(1, abs=1e-5)
    assert found.ce_recovered_mean == pytest.approx(0, abs=1e-4)
    assert (found.l0_mean, found.dead_share) == (0, 1)


def coverage_mean(model):
    from assessments.scanner import activations

    rows = [
        stream[1:] for _, stream in activations.each_sequence(model, TEXTS, 1, token_budget=128)
    ]
    return torch.cat(rows).mean(0)


def test_unexplained_variance_is_about_the_mean_and_in_double_precision():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 4, generator=draw) + 1000  # A mean that would hide any error.
    rebuilt = x + 0.5 * torch.randn(1000, 4, generator=draw)
    moments = coverage.Moments(4)
    for part, other in zip(x.split(100), rebuilt.split(100), strict=True):
        moments.add(part, other)
    by_hand = (x.double() - rebuilt.double()).pow(2).sum() / (x.double() - x.double().mean(0)).pow(
        2
    ).sum()
    assert moments.fvu == pytest.approx(float(by_hand), rel=1e-6)
    assert 0.2 < moments.fvu < 0.3


def test_position_zero_is_left_untouched(model):
    seen = []
    model.model.layers[2].register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    (given,) = coverage.batches(TEXTS[:1], 64)
    coverage.summed_loss(model, given, 1, torch.zeros_like)
    assert seen[0][:, 0].abs().sum() > 0
    assert seen[0][:, 1:].abs().sum() == 0
