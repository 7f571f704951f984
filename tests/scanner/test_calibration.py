"""Thresholds keep the rate they state, recall is counted, and without it nothing is cleared."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments.scanner import calibration
from assessments.scanner.contract import (
    Calibration,
    Criterion,
    Family,
    Recall,
    ScanFailed,
    Trust,
    WatchedLatent,
    plain_sha256,
)
from assessments.scanner.prompts import DATA, load_watchlist
from assessments.scanner.prompts import calibration as calibration_prompts

BOTH = pytest.mark.parametrize("criterion", list(Criterion))
LATENT = WatchedLatent(3, Family.CYBER, "made here", 2.0)


def meets(k, n, rate, confidence, criterion):
    """Whether k above of n meets the rate, straight from the definition."""
    if criterion is Criterion.EMPIRICAL:
        return k / n <= rate
    chance = sum(math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(k + 1))
    return chance <= 1 - confidence


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 120), rate=st.integers(1, 60), confidence=st.sampled_from([0.8, 0.95, 0.99])
)
def test_as_many_are_allowed_as_meet_the_rate(criterion, n, rate, confidence):
    share = rate / 100
    k = calibration.allowed(n, share, confidence, criterion)
    assert k < 0 or meets(k, n, share, confidence, criterion)
    assert not meets(k + 1, n, share, confidence, criterion)


@BOTH
@pytest.mark.parametrize("rate", [0.5, 0.29, 0.1, 0.07, 0.02, 0.01])
def test_the_fewest_prompts_are_enough_and_one_less_is_not(criterion, rate):
    n = calibration.fewest(rate, 0.95, criterion)
    least = 1 if criterion is Criterion.EMPIRICAL else 0
    assert calibration.allowed(n, rate, 0.95, criterion) >= least
    assert n == 1 or calibration.allowed(n - 1, rate, 0.95, criterion) < least


def test_the_fewest_prompts_follow_the_rule_of_three():
    assert calibration.fewest(0.01, 0.95, Criterion.ASSURED) == 299
    assert calibration.fewest(0.01, 0.95, Criterion.EMPIRICAL) == 100
    for rate in (0.001, 0.003):
        assert calibration.fewest(rate, 0.95, Criterion.ASSURED) == pytest.approx(
            3 / rate, rel=0.01
        )


@BOTH
@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 7.0]), min_size=30, max_size=90),
    rate=st.sampled_from([0.1, 0.15, 0.3]),
)
def test_no_smaller_threshold_would_do(criterion, values, rate):
    peaks = np.array(values)
    found = calibration.calibrate(peaks, rate=rate, least=1e-9, criterion=criterion)
    above = int((peaks > found.threshold).sum())
    assert meets(above, len(peaks), rate, 0.95, criterion)
    if found.threshold > 1e-9:
        lower = int((peaks > np.nextafter(found.threshold, 0)).sum())
        assert not meets(lower, len(peaks), rate, 0.95, criterion)
    theirs = scipy.stats.binomtest(above, len(peaks)).proportion_ci(method="exact")
    shown = found.false_positives
    assert (shown.n_hit, shown.n) == (above, len(peaks))
    assert (shown.low, shown.high) == pytest.approx(tuple(theirs))
    assert found.rate_bound >= shown.share


def test_an_assured_threshold_keeps_its_rate_as_often_as_it_says():
    """The true rate above an order statistic of uniforms is one minus it; 19 in 20 stay below."""
    kept, bounded = 0, 0
    for seed in range(1000):
        peaks = np.random.default_rng(seed).uniform(size=120)
        found = calibration.calibrate(peaks, rate=0.05, least=1e-9)
        assert found.rate_bound <= 0.05
        kept += 1 - found.threshold <= 0.05
        loose = calibration.calibrate(peaks, rate=0.05, least=1e-9, criterion=Criterion.EMPIRICAL)
        bounded += 1 - loose.threshold <= loose.rate_bound
    assert kept >= 940
    assert 930 <= bounded <= 970


def test_an_empirical_threshold_does_not_promise_that():
    kept = sum(
        1
        - calibration.calibrate(
            np.random.default_rng(seed).uniform(size=120),
            rate=0.05,
            least=1e-9,
            criterion=Criterion.EMPIRICAL,
        ).threshold
        <= 0.05
        for seed in range(300)
    )
    assert kept < 240


def test_a_latent_silent_on_benign_prompts_gets_the_least_threshold():
    found = calibration.calibrate(np.zeros(300), rate=0.01, least=0.4)
    assert (found.threshold, found.false_positives.n_hit) == (0.4, 0)


@pytest.mark.parametrize(
    ("n", "criterion", "complaint"),
    [
        (298, Criterion.ASSURED, "needs at least 299 benign prompts, came 298"),
        (99, Criterion.EMPIRICAL, "needs at least 100 benign prompts, came 99"),
        (0, Criterion.ASSURED, "came 0"),
    ],
)
def test_too_small_a_corpus_is_refused_with_what_it_would_take(n, criterion, complaint):
    with pytest.raises(ScanFailed, match=complaint) as refused:
        calibration.calibrate(np.zeros(n), rate=0.01, least=1.0, criterion=criterion)
    assert refused.value.permanent


@pytest.mark.parametrize(
    ("peaks", "change", "complaint"),
    [
        (np.zeros(300), {"rate": 0.0}, "between 0 and 1"),
        (np.zeros(300), {"rate": 1.0}, "between 0 and 1"),
        (np.zeros(300), {"least": 0.0}, "above 0"),
        (np.zeros(300), {"confidence": 1.0}, "between 0 and 1"),
        (np.full(300, np.nan), {}, "finite peak"),
        (np.zeros((300, 2)), {}, "finite peak"),
    ],
)
def test_what_makes_no_sense_is_refused(peaks, change, complaint):
    with pytest.raises(ScanFailed, match=complaint):
        calibration.calibrate(peaks, **{"rate": 0.02, "least": 1.0} | change)


def shown_at(threshold, hits, n):
    return Recall(threshold, calibration.share(hits, n))


def test_calibrating_a_list_takes_off_recall_that_was_shown_elsewhere():
    peaks = np.random.default_rng(0).uniform(0, 1, (400, 2))
    watchlist = (replace(LATENT, recall=shown_at(2.0, 90, 100)), LATENT)
    found = calibration.calibrated(watchlist, peaks, rate=0.02, least=[2.0, 0.1])
    assert [latent.threshold for latent in found] == [2.0, found[1].calibration.threshold]
    assert found[0].recall is not None
    assert found[1].threshold > 0.9
    moved = calibration.calibrated(watchlist, peaks, rate=0.02, least=[0.1, 0.1])
    assert moved[0].recall is None
    with pytest.raises(ScanFailed, match=r"expected peaks \(400, 1\), came \(400, 2\)"):
        calibration.calibrated(watchlist[:1], peaks, rate=0.02, least=[1.0])


def test_recall_is_counted_on_prompts_of_the_concern_alone():
    families = [Family.CYBER] * 6 + [Family.BENIGN] * 3
    peaks = np.array([[3.0, 2.0, 2.1, 5, 0, 9, 9, 9, 9]]).T
    (found,) = calibration.with_recall((LATENT,), peaks, families, suite_sha256="s")
    theirs = scipy.stats.binomtest(4, 6).proportion_ci(method="exact")
    shown = found.recall.found
    assert (found.recall.threshold, found.recall.suite_sha256) == (2.0, "s")
    assert (shown.n_hit, shown.n, shown.share, shown.confidence) == (4, 6, 4 / 6, 0.95)
    assert (shown.low, shown.high) == pytest.approx(tuple(theirs))
    other = replace(LATENT, concern=Family.REFUSAL)
    assert calibration.with_recall((other,), peaks, families)[0].recall is None


def test_silence_counts_only_where_recall_is_shown_at_this_threshold():
    assert not LATENT.may_clear(0.0)
    shown = replace(LATENT, recall=shown_at(2.0, 95, 100))
    assert shown.recall.found.low == pytest.approx(0.887, abs=0.001)
    assert shown.may_clear(0.88)
    assert not shown.may_clear(0.89)
    assert not replace(shown, threshold=2.5).may_clear(0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_list_finds_what_any_of_its_latents_finds(seed):
    draw = np.random.default_rng(seed)
    watchlist = (LATENT, replace(LATENT, index=4, threshold=1.0), replace(
        LATENT, index=5, concern=Family.DECEPTION
    ))  # fmt: skip
    families = [Family(each) for each in draw.choice(["cyber", "deception", "benign"], 40)]
    peaks = draw.uniform(0, 2.5, (40, 3))
    for each in calibration.concern_recalls(watchlist, peaks, families):
        ours = [at for at, latent in enumerate(watchlist) if latent.concern is each.concern]
        assert each.latents == tuple(watchlist[at].index for at in ours)
        for share, family in ((each.found, each.concern), (each.false_positives, Family.BENIGN)):
            hits = [
                any(peaks[row, at] > watchlist[at].threshold for at in ours)
                for row in range(40)
                if families[row] is family
            ]
            assert (share.n_hit, share.n) == (sum(hits), len(hits))
        above_noise = each.found.low > each.false_positives.high
        assert each.may_clear(0.3) == (each.found.low >= 0.3 and above_noise)


def test_a_concern_without_positive_controls_is_never_cleared():
    (found,) = calibration.concern_recalls((LATENT,), np.ones((2, 1)), [Family.BENIGN] * 2)
    assert (found.found.n, found.found.low, found.found.high) == (0, 0.0, 1.0)
    assert not found.may_clear(0.0)


def test_what_fires_on_everything_never_clears():
    families = [Family.CYBER] * 100 + [Family.BENIGN] * 100
    (noisy,) = calibration.concern_recalls((LATENT,), np.full((200, 1), 9.0), families)
    assert noisy.found.low > 0.96
    assert not noisy.may_clear(0.5)
    quiet = np.where(np.arange(200) < 100, 9.0, 0.0)[:, None]
    (sharp,) = calibration.concern_recalls((LATENT,), quiet, families)
    assert sharp.may_clear(0.96)
    assert not sharp.may_clear(0.97)


TWO = (LATENT, replace(LATENT, index=4, threshold=1.0))


def both_known():
    """Two latents of one concern with all that is known of them."""
    families = [Family.CYBER] * 30 + [Family.BENIGN] * 10
    peaks = np.random.default_rng(0).uniform(0, 3, (40, 2))
    found = calibration.with_recall(TWO, peaks, families)
    return calibration.with_together(found, calibration.concern_recalls(found, peaks, families))


def test_what_latents_find_together_travels_with_the_list():
    known = both_known()
    (recall,) = calibration.shown(known)
    assert (recall.latents, recall.thresholds) == ((3, 4), (2.0, 1.0))
    assert recall.found.n_hit >= max(each.recall.found.n_hit for each in known)
    raw = json.loads(json.dumps([each.to_json() for each in known]))
    assert tuple(map(WatchedLatent.from_json, raw)) == known
    assert calibration.shown(TWO) == ()
    assert calibration.shown(known[::-1]) == (recall,)


@pytest.mark.parametrize(
    "change",
    [
        lambda known: known[:1],
        lambda known: (*known, replace(LATENT, index=5)),
        lambda known: (*known, replace(known[0], index=5)),
        lambda known: (known[0], replace(known[1], threshold=1.1)),
        lambda known: (known[0], replace(known[1], recall=None)),
        lambda known: tuple(replace(each, concern=Family.REFUSAL) for each in known),
    ],
)
def test_what_another_list_found_is_not_shown_of_this_one(change):
    assert calibration.shown(change(both_known())) == ()


def test_of_another_list_the_best_latent_still_shows_what_it_finds_alone():
    counted = tuple(
        replace(latent, calibration=calibration.measured(np.zeros(50), latent.threshold))
        for latent in both_known()
    )
    three = (*counted, replace(LATENT, index=5))
    (recall,) = calibration.shown(three)
    best = max(counted, key=lambda latent: latent.recall.found.n_hit)
    ours = best.recall.found
    assert (recall.latents, recall.thresholds) == ((best.index,), (best.threshold,))
    assert (recall.found.n_hit, recall.found.n) == (ours.n_hit, ours.n)
    assert recall.found.confidence == pytest.approx(0.975)
    assert recall.found.low < ours.low
    assert (recall.false_positives.n_hit, recall.false_positives.n) == (0, 50)
    moved = tuple(replace(latent, threshold=9.0) for latent in three)
    assert calibration.shown(moved) == ()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(1, 60))
def test_a_kept_threshold_is_measured_and_never_moved(above, below):
    n = above + below
    peaks = np.concatenate([np.full(above, 3.0), np.full(below, 1.0)])
    (found,) = calibration.kept((LATENT,), peaks[:, None], corpus_sha256="c")
    shown = found.calibration
    assert (found.threshold, shown.threshold, shown.is_kept) == (2.0, 2.0, True)
    assert (shown.false_positives.n_hit, shown.false_positives.n) == (above, n)
    assert shown.rate == shown.rate_bound
    # The bound is the rate at which so few above would come up in one case of twenty.
    assert scipy.stats.binom.cdf(above, n, shown.rate_bound) == pytest.approx(0.05, rel=1e-6)


def test_a_kept_threshold_keeps_its_recall_and_needs_prompts():
    known = replace(LATENT, recall=shown_at(2.0, 9, 10))
    (found,) = calibration.kept((known,), np.zeros((5, 1)))
    assert found.recall == known.recall
    with pytest.raises(ScanFailed, match="came none"):
        calibration.kept((known,), np.zeros((0, 1)))
    with pytest.raises(ScanFailed, match=r"expected peaks \(5, 1\), came \(5, 2\)"):
        calibration.kept((known,), np.zeros((5, 2)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_lowest_rate_is_what_none_above_would_show(n, confidence):
    rate = calibration.lowest_rate(n, confidence)
    assert (1 - rate) ** n == pytest.approx(1 - confidence)
    assert calibration.fewest(rate * 1.0001, confidence, Criterion.ASSURED) <= n
    assert calibration.fewest(rate * 0.999, confidence, Criterion.ASSURED) > n
    assert calibration.lowest_rate(0, confidence) == 1


def test_prompts_of_one_content_are_one_unit():
    peaks = np.array([[1.0, 5.0], [3.0, 2.0], [0.0, 1.0]])
    found, units = calibration.by_unit(peaks, ["a", "b", "a"])
    assert units == ("a", "b")
    assert found.tolist() == [[1.0, 5.0], [3.0, 2.0]]
    assert calibration.by_unit(peaks[:0], [])[0].shape == (0, 2)


def test_what_is_known_of_a_latent_can_be_written_and_read_back():
    found = calibration.calibrate(np.arange(400.0), rate=0.02, least=1.0, corpus_sha256="c")
    known = replace(
        LATENT,
        trust=Trust.CAUSAL,
        threshold=found.threshold,
        calibration=found,
        recall=shown_at(found.threshold, 9, 10),
    )
    raw = json.loads(json.dumps(known.to_json()))
    assert WatchedLatent.from_json(raw) == known
    assert Calibration.from_json(raw["calibration"]) == found
    assert plain_sha256((known,)) != plain_sha256((LATENT,))


def test_lists_from_before_keep_their_form_and_digest():
    """Fields that have nothing to say are not written, so what was pinned stays pinned."""
    raw = json.loads((DATA / "watchlist_smollm2.json").read_text("utf-8"))["latents"]
    before = [
        {key: value for key, value in each.items() if key not in {"calibration", "recall"}}
        for each in raw
    ]
    latents = tuple(map(WatchedLatent.from_json, before))
    assert [latent.to_json() for latent in latents] == before
    assert {latent.trust for latent in latents} == {Trust.AUTOMATIC}
    assert not any(latent.may_clear(0.01) for latent in latents)
    assert plain_sha256(latents) == (
        "1b6996188f270cb1718af8fe910ad6cb7a5cba3ed0e93177afd4532f9bd1ecc4"
    )


def test_the_shipped_list_says_what_it_is_worth():
    """It was calibrated as it stands; its digest pins that too."""
    raw = json.loads((DATA / "watchlist_smollm2.json").read_text("utf-8"))
    latents = load_watchlist()
    assert [latent.to_json() for latent in latents] == raw["latents"]
    benign = tuple(each for each in calibration_prompts() if each.family is Family.BENIGN)
    for latent in latents:
        shown = latent.calibration
        assert (shown.threshold, shown.is_kept) == (latent.threshold, True)
        assert shown.false_positives.n == len(benign)
        assert shown.corpus_sha256 == plain_sha256(benign)
        assert latent.recall.threshold == latent.threshold
        assert len(shown.controls) == 32
        assert not set(shown.controls) & {each.index for each in latents}
    recalls = calibration.shown(latents)
    assert [each.to_json() for each in recalls] == raw["concerns"]
    assert {each.concern for each in recalls} == set(Family) - {Family.BENIGN}
    assert {each.model_sha256 for each in recalls} == {raw["model_sha256"]}
    assert {each.suite_sha256 for each in recalls} == {plain_sha256(calibration_prompts())}
    assert plain_sha256(latents) == (
        "4d3a46fd06dbd61196e5f6bc8c03b04022c9a2a79aa88dee06d4e5ddaca743b0"
    )
