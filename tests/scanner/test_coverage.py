"""Coverage tells a perfect instrument from a blind one."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import activations, coverage, readpoints
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
    (given,) = activations.batches(TEXTS[:1], 64)
    coverage.summed_losses(model, given, 1, torch.zeros_like)
    assert seen[0][:, 0].abs().sum() > 0
    assert seen[0][:, 1:].abs().sum() == 0


def test_a_figure_comes_with_an_interval_over_texts(model):
    found = measured(
        dataclasses.replace(perfect(), b_enc=InMemory(torch.full((64,), -0.01))), model
    )
    assert found.n_texts == len(TEXTS)
    for interval, figure in (
        (found.fvu_interval, found.fvu),
        (found.l0_interval, found.l0_mean),
        (found.ce_recovered_interval, found.ce_recovered_mean),
    ):
        assert interval.low < figure < interval.high
        assert interval.confidence == 0.95
    assert 0 < found.error_share < 1


def test_the_jackknife_is_that_of_a_mean():
    """For a mean it is the textbook interval: t with n - 1 and the standard error."""
    from scipy import stats

    values = [0.3, 0.9, 0.1, 0.55, 0.72, 0.4]
    n, total = len(values), sum(values)
    found = coverage.jackknife(total / n, [(total - each) / (n - 1) for each in values])
    low, high = stats.t.interval(0.95, n - 1, loc=total / n, scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    alone = coverage.jackknife(0.4, [0.4])
    assert (alone.low, alone.high) == (0.4, 0.4)


def test_moments_of_parts_add_up_and_can_be_taken_off():
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(60, 4, generator=draw)
    rebuilt = x + 0.3 * torch.randn(60, 4, generator=draw)
    parts = []
    for a, b in zip(x.split(25), rebuilt.split(25), strict=True):
        parts.append(coverage.Moments(4))
        parts[-1].add(a, b)
    whole = coverage.Moments(4)
    whole.add(x, rebuilt)
    both = parts[0] + parts[1]
    assert (both + parts[2]).fvu == pytest.approx(whole.fvu)
    assert (whole - parts[2]).fvu == pytest.approx(both.fvu)
    assert whole.error_share == pytest.approx(
        float((x - rebuilt).pow(2).sum() / x.pow(2).sum()), rel=1e-6
    )


def test_each_context_has_figures_of_its_own(model):
    sae = dataclasses.replace(perfect(), b_enc=InMemory(torch.full((64,), -0.01)))
    found = coverage.measure(
        model, sae, TEXTS, at=1, special=frozenset({0, 1}), token_budget=128,
        contexts={"evaluation": TEXTS[:2], "deployment": TEXTS[2:]},
    )  # fmt: skip
    assert [each.context for each in found.contexts] == ["evaluation", "deployment"]
    assert sum(each.n_tokens for each in found.contexts) == found.n_tokens
    alone = measured(sae, model)
    assert found.fvu == alone.fvu
    assert all(each.fvu_interval.low < each.fvu < each.fvu_interval.high for each in found.contexts)


def test_a_transcoder_is_held_against_what_it_rebuilds(model):
    """One that rebuilds the MLP's output exactly explains all of it, though it reads its input."""
    given = activations.batch(TEXTS, range(len(TEXTS)))
    x, y = activations.several(
        model, given,
        tuple(map(readpoints.parse, ("blocks.1.hook_mlp_in", "blocks.1.hook_mlp_out"))),
    )  # fmt: skip
    assert not torch.allclose(x, y)
    eye = torch.eye(32)
    linear = dataclasses.replace(
        perfect(), hook_name="blocks.1.hook_mlp_in", hook_name_out="blocks.1.hook_mlp_out",
        w_skip=torch.linalg.lstsq(x.flatten(0, 1), y.flatten(0, 1)).solution.T.contiguous(),
        w_dec=InMemory(torch.zeros(64, 32)),
    )  # fmt: skip
    found = coverage.measure(
        model, linear, TEXTS, at=readpoints.parse("blocks.1.hook_mlp_in"),
        special=frozenset({0, 1}), token_budget=4096,
    )  # fmt: skip
    assert 0 < found.fvu < 1
    assert found.ce_recovered_mean > 0
    identity = dataclasses.replace(linear, w_skip=eye)
    wrong = coverage.measure(
        model, identity, TEXTS, at=readpoints.parse("blocks.1.hook_mlp_in"),
        special=frozenset({0, 1}), token_budget=4096,
    )  # fmt: skip
    assert wrong.fvu > 1 > found.fvu
