"""The statistics agree with SciPy and with counting by hand, and hold their level."""

import itertools

import numpy as np
import pytest
import scipy.stats

from assessments.scanner import stats


def draws(seed, *shape, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, shape)


def test_the_exact_test_agrees_with_scipy():
    d = draws(1, 9, 4, shift=0.6)
    found = stats.permutation_test(d)
    assert (found.exact, found.n_flips) == (True, 512)
    for column in range(4):
        theirs = scipy.stats.permutation_test(
            (d[:, column],),
            lambda x, axis: np.abs(x.mean(axis)),
            permutation_type="samples",
            n_resamples=np.inf,
            alternative="greater",
            vectorized=True,
        )
        assert found.p[column] == pytest.approx(theirs.pvalue)
        assert found.t[column] == pytest.approx(scipy.stats.ttest_1samp(d[:, column], 0).statistic)


def test_max_t_agrees_with_counting_by_hand():
    d = draws(2, 6, 3, shift=0.8)

    def t(rows):
        return np.abs(scipy.stats.ttest_1samp(rows, 0).statistic)

    flips = [np.array(each)[:, None] for each in itertools.product((1, -1), repeat=6)]
    observed = t(d)
    order = np.argsort(-observed)
    adjusted, so_far = np.empty(3), 0.0
    for rank, column in enumerate(order):
        rest = order[rank:]
        share = np.mean([t(d * flip)[rest].max() >= observed[column] - 1e-9 for flip in flips])
        so_far = max(so_far, share)
        adjusted[column] = so_far
    assert stats.permutation_test(d).p_max_t == pytest.approx(adjusted)


def test_many_templates_are_drawn_not_enumerated_and_the_seed_decides():
    d = draws(3, 20, 2, shift=0.4)
    first, again = (stats.permutation_test(d, n_random=499, seed=5) for _ in range(2))
    assert (first.exact, first.n_flips) == (False, 500)
    assert np.array_equal(first.p_max_t, again.p_max_t)
    assert first.p.min() >= 1 / 500


def test_the_family_wise_level_holds_on_null_data():
    """400 null families of ten correlated tests: about 5 % may cry wolf, and no more."""
    wolf = 0
    for seed in range(400):
        d = draws(seed, 10, 10) + draws(seed + 10_000, 10, 1)
        wolf += stats.permutation_test(d).p_max_t.min() <= 0.05
    assert 0.02 <= wolf / 400 <= 0.08


def test_benjamini_hochberg_agrees_with_scipy():
    p = np.random.default_rng(0).uniform(size=40) ** 2
    assert stats.benjamini_hochberg(p) == pytest.approx(scipy.stats.false_discovery_control(p))


def test_the_interval_covers_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        low, high = stats.confidence_interval(draws(seed, 10, shift=0.5))
        covered += low <= 0.5 <= high
    assert 0.91 <= covered / 200 <= 0.99


def test_the_interval_and_the_test_never_disagree():
    for seed in range(60):
        d = draws(seed, 8, shift=0.7)
        low, high = stats.confidence_interval(d)
        rejected = stats.permutation_test(d[:, None]).p[0] <= 0.05
        assert rejected == (not low <= 0 <= high)


def test_the_minimum_detectable_effect_is_found_four_times_in_five():
    critical = stats.permutation_test(draws(0, 12, 1)).critical
    reach = np.mean([stats.minimum_detectable(draws(s, 12), critical=critical) for s in range(200)])
    found = [
        stats.permutation_test(draws(seed, 12, 1, shift=reach)).p[0] <= 0.05 for seed in range(200)
    ]
    assert 0.7 <= np.mean(found) <= 0.95


def test_auroc_counts_pairs():
    a, b = [1.0, 2.0, 2.0, 5.0], [0.0, 2.0, 3.0]
    by_hand = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    assert stats.auroc(a, b) == pytest.approx(by_hand)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (10, 1000)])
def test_the_interval_of_a_share_agrees_with_scipy(hits, n):
    theirs = scipy.stats.binomtest(hits, n).proportion_ci(method="exact")
    assert stats.proportion_interval(hits, n) == pytest.approx((theirs.low, theirs.high))


def test_columns_that_never_differ_are_no_finding():
    found = stats.permutation_test(np.zeros((8, 3)))
    assert found.t.tolist() == [0, 0, 0]
    assert found.p_max_t.tolist() == [1, 1, 1]


def grouped(seed, n=9, m=3, columns=4, shift=0.0):
    """Values with ties, of which the first m rows are positive."""
    values = np.round(draws(seed, n, columns), 1)
    values[:m, 0] += shift
    return values, np.arange(n) < m


@pytest.mark.parametrize("seed", range(6))
def test_the_rank_contrast_agrees_with_scipy(seed):
    values, positive = grouped(seed, shift=1.0)
    found = stats.rank_contrast(values, positive)
    assert (found.exact, found.n_labellings) == (True, 84)
    for column in range(4):
        theirs = scipy.stats.permutation_test(
            (values[positive, column], values[~positive, column]),
            lambda a, b: scipy.stats.mannwhitneyu(a, b).statistic,
            alternative="greater",
            n_resamples=np.inf,
        )
        # A rank below chance is no more telling than chance, so larger p-values are all 1.
        assert found.p[column] == pytest.approx(theirs.pvalue) or (
            found.p[column] == 1 and theirs.pvalue > 0.4
        )


@pytest.mark.parametrize("seed", range(4))
def test_the_rank_contrast_over_columns_agrees_with_counting_by_hand(seed):
    values, positive = grouped(seed, shift=2.0)
    ranks = scipy.stats.rankdata(values, axis=0)
    every = [np.isin(np.arange(9), each) for each in itertools.combinations(range(9), 3)]

    def size(labels):
        return np.maximum((ranks[labels].sum(0) - 3 * 5) / ranks.std(axis=0), 0)

    observed = size(positive)
    adjusted, so_far = np.empty(4), 0.0
    order = np.argsort(-observed, kind="stable")
    for rank, column in enumerate(order):
        rest = order[rank:]
        share = np.mean([size(each)[rest].max() >= observed[column] - 1e-9 for each in every])
        so_far = max(so_far, share)
        adjusted[column] = so_far
    assert stats.rank_contrast(values, positive).p_max_t == pytest.approx(adjusted)


def test_many_labellings_are_drawn_and_the_seed_decides():
    values, positive = grouped(0, n=40, m=10)
    first, again = (stats.rank_contrast(values, positive, n_random=199, seed=4) for _ in range(2))
    assert (first.exact, first.n_labellings) == (False, 200)
    assert np.array_equal(first.p_max_t, again.p_max_t)
    assert first.p.min() >= 1 / 200


def test_columns_silent_on_nearly_all_units_raise_no_false_alarm():
    """Where the normal approximation cries wolf over silent columns, relabelling holds its level."""
    wolf, approximate = 0, 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        values = (draw.uniform(size=(60, 30)) < 0.05) * draw.uniform(1, 2, (60, 30))
        positive = np.arange(60) < 10
        wolf += stats.rank_contrast(values, positive, n_random=399).p_max_t.min() <= 0.05
        theirs = scipy.stats.mannwhitneyu(
            values[positive], values[~positive], alternative="greater", method="asymptotic"
        )
        approximate += bool(np.nanmin(theirs.pvalue) <= 0.05 / 30)
    assert wolf / 200 <= 0.09
    assert approximate / 200 > 0.2


def test_a_column_without_any_difference_is_no_contrast():
    found = stats.rank_contrast(np.ones((8, 2)), np.arange(8) < 3)
    assert found.p_max_t.tolist() == [1, 1]


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (9, 10), (10, 10), (0, 299)])
def test_the_upper_bound_of_a_share_agrees_with_scipy(hits, n):
    theirs = scipy.stats.binomtest(hits, n, alternative="less").proportion_ci(0.95, method="exact")
    assert stats.upper_bound(hits, n, 0.95) == pytest.approx(theirs.high)
