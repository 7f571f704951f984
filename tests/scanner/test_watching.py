"""What is reported about a latent is what counting by hand gives, however the scan was cut up."""

import itertools
import json

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments.scanner import cells, watching
from assessments.scanner.cells import Watched
from assessments.scanner.contract import (
    Family,
    Frame,
    LatentStatistics,
    Prompt,
    ScanFailed,
    Stratum,
    WatchedLatent,
)
from assessments.scanner.plain import NotPlain
from assessments.scanner.watching import PromptStatistics, WatchStatistics

WATCHLIST = (
    WatchedLatent(7, Family.CYBER, "made here", 1.5),
    WatchedLatent(3, Family.DECEPTION, "made here", 0.25),
    WatchedLatent(40, Family.CYBER, "made here", 30.0),
)
WATCHED = Watched.of(WATCHLIST)
SPECIAL = frozenset({0, 1})


def made(seed, n_prompts=30):
    """Prompts of a few contexts: their ids, and sparse activations as float32 gives them."""
    draw = np.random.default_rng(seed)
    found = []
    for place in range(n_prompts):
        family = (Family.CYBER, Family.DECEPTION, Family.BENIGN)[place % 3]
        frame = (Frame.EVALUATION, Frame.DEPLOYMENT)[place % 2]
        prompt = Prompt(f"p{place}", family, "text", frame)
        n = int(draw.integers(2, 30))
        ids = draw.integers(0, 40, n)
        ids[-1] = 9  # There is always a token to score.
        values = np.exp(draw.normal(0, 2, (n, len(WATCHLIST)))).astype(np.float32)
        values[draw.uniform(size=values.shape) < 0.6] = 0
        start = 0 if place % 4 == 0 else int(draw.integers(1, 9))
        found.append((prompt, place, ids, start, values))
    return found


def taken_in(one):
    prompt, place, ids, start, values = one
    return PromptStatistics.of(
        values,
        prompt=prompt,
        place=place,
        ids=ids.tolist(),
        start=start,
        apart=watching.set_apart(ids.tolist(), start, SPECIAL),
        watched=WATCHED,
    )


def spell(ids):
    return tuple(f"<{each}>" for each in ids)


def by_hand(corpus, context):
    """All rows of one context, and how they fall on prompts."""
    family, frame, stratum = context
    rows = []
    for prompt, place, ids, start, values in corpus:
        if (prompt.family, prompt.frame) != (family, frame):
            continue
        for at, row in enumerate(values.astype(float)):
            special = ids[at] in SPECIAL or start + at == 0
            if special == (stratum is Stratum.APART):
                rows.append((place, start + at, row))
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_every_figure_agrees_with_counting_by_hand(seed):
    corpus = made(seed)
    found = watching.report(watching.merge(map(taken_in, corpus)), WATCHLIST, spell)
    contexts = {(each.family, each.frame, each.stratum) for each in found}
    everything = itertools.product(Family, Frame, Stratum)
    assert contexts == {context for context in everything if by_hand(corpus, context)}
    for each in found:
        rows = by_hand(corpus, (each.family, each.frame, each.stratum))
        column = [latent.index for latent in WATCHLIST].index(each.latent)
        values = np.array([row[column] for _, _, row in rows])
        threshold = WATCHLIST[column].threshold
        assert (each.threshold, each.concern) == (threshold, WATCHLIST[column].concern)
        assert (each.n_tokens, each.n_prompts) == (len(rows), len({place for place, _, _ in rows}))
        for share, mask in ((each.fired, values > 0), (each.above, values > threshold)):
            theirs = scipy.stats.binomtest(int(mask.sum()), len(rows)).proportion_ci(method="exact")
            assert (share.n_hit, share.n) == (mask.sum(), len(rows))
            assert (share.share, share.low, share.high) == pytest.approx((mask.mean(), *theirs))
        over = {place for place, _, row in rows if row[column] > threshold}
        assert (each.prompts_above.n_hit, each.prompts_above.n) == (len(over), each.n_prompts)
        assert each.mean == pytest.approx(values.mean(), rel=1e-12)
        assert each.sd == pytest.approx(values.std(ddof=1) if len(rows) > 1 else 0, rel=1e-9)
        assert each.highest == values.max()
        for quantile in each.quantiles:
            rank = -(-len(rows) * quantile.percent // 100)
            assert quantile.low <= np.sort(values)[rank - 1] <= quantile.high


@pytest.mark.parametrize("seed", range(5))
def test_the_strongest_tokens_are_the_peaks_of_the_strongest_prompts(seed):
    corpus = made(seed)
    by_id = {prompt.id: (ids, start, values) for prompt, _, ids, start, values in corpus}
    for each in watching.report(watching.merge(map(taken_in, corpus)), WATCHLIST, spell):
        column = [latent.index for latent in WATCHLIST].index(each.latent)
        peaks = {}
        for place, _, row in by_hand(corpus, (each.family, each.frame, each.stratum)):
            peaks[place] = max(peaks.get(place, 0.0), row[column])
        highest = sorted((peak for peak in peaks.values() if peak > 0), reverse=True)
        assert [one.activation for one in each.strongest] == highest[: cells.N_STRONGEST]
        for one in each.strongest:
            ids, start, values = by_id[one.prompt_id]
            at = one.position - start
            assert values[at, column] == np.float32(one.activation)
            first = max(0, at - cells.AROUND)
            assert one.window.peak == at - first
            assert one.window.tokens == spell(ids[first : at + cells.AROUND + 1])
            assert one.window.activations[one.window.peak] == one.activation
            assert len(one.window.activations) == len(one.window.tokens)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3), st.randoms(use_true_random=False), st.integers(1, 6))
def test_one_worker_and_many_give_the_same_bytes(seed, draw, n_workers):
    prompts = list(map(taken_in, made(seed)))
    alone = watching.merge(prompts)
    order = draw.sample(prompts, len(prompts))
    shards = [watching.merge(order[at::n_workers]) for at in range(n_workers)]
    draw.shuffle(shards)
    # A shard's sums travel as JSON.
    travelled = [
        WatchStatistics.from_json(json.loads(json.dumps(each.to_json()))) for each in shards
    ]
    together = watching.merge(travelled)
    assert together == alone
    assert json.dumps(together.to_json()) == json.dumps(alone.to_json())


def test_more_prompts_than_are_added_at_once_give_the_same(monkeypatch):
    prompts = list(map(taken_in, made(1, 50)))
    whole = watching.merge(prompts)
    monkeypatch.setattr(watching, "AT_ONCE", 7)
    assert watching.merge(iter(prompts)) == whole


def test_figures_can_be_written_and_read_back():
    for each in watching.report(watching.merge(map(taken_in, made(2))), WATCHLIST, spell):
        assert LatentStatistics.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_peaks_of_a_prompt_are_over_its_content_alone():
    values = np.array([[900.0, 900, 900], [1, 0, 3], [2, 0, 800], [2, 0, 5]])
    found = PromptStatistics.of(
        values,
        prompt=Prompt("a", Family.BENIGN, ""),
        place=0,
        ids=[5, 6, 1, 7],
        start=0,
        apart=watching.set_apart([5, 6, 1, 7], 0, SPECIAL),
        watched=WATCHED,
    )
    assert found.peaks == (2.0, 0.0, 5.0)
    assert found.positions == (3, 1, 3)
    by_stratum = {cell.stratum: cell for cell in found.cells}
    assert by_stratum[Stratum.APART].n_tokens == by_stratum[Stratum.CONTENT].n_tokens == 2
    assert by_stratum[Stratum.CONTENT].strongest[1] == ()


def test_position_0_and_special_tokens_are_set_apart():
    assert watching.set_apart([5, 1, 6], 0, SPECIAL).tolist() == [True, True, False]
    assert watching.set_apart([5, 1, 6], 4, SPECIAL).tolist() == [False, True, False]
    assert watching.set_apart([5, 1], 4, frozenset()).tolist() == [False, False]
    assert watching.set_apart([], 0, SPECIAL).tolist() == []


def test_a_negative_zero_leaves_no_trace():
    values = np.full((2, 3), -0.0)
    found = taken_in((Prompt("a", Family.BENIGN, ""), 0, np.array([5, 6]), 3, values))
    plain = taken_in((Prompt("a", Family.BENIGN, ""), 0, np.array([5, 6]), 3, values * -1))
    assert json.dumps(found.to_json()) == json.dumps(plain.to_json())


PROMPT = Prompt("a", Family.BENIGN, "")


@pytest.mark.parametrize(
    ("ids", "values", "complaint"),
    [
        ([5, 6], np.ones((2, 2)), r"expected activations \(2, 3\)"),
        ([5, 6, 7], np.ones((2, 3)), r"expected activations \(3, 3\)"),
        ([0, 1], np.ones((2, 3)), "no token to score"),
        ([], np.ones((0, 3)), "no token to score"),
        ([5, 6], np.array([[1, 1, 1], [1, np.nan, 1]]), "token 5: latent 3 is nan"),
        ([5, 6], np.array([[1, 1, np.inf], [1, 1, 1]]), "token 4: latent 40 is inf"),
        ([5, 6], np.array([[1e200, 1, 1], [1, 1, 1]]), "latent 7 is 1e"),
    ],
)
def test_what_cannot_be_counted_is_named(ids, values, complaint):
    with pytest.raises(ScanFailed, match=complaint) as refused:
        taken_in((PROMPT, 0, np.array(ids), 4, values))
    assert refused.value.permanent


def test_nothing_a_prompt_twice_and_strangers_are_refused():
    prompts = list(map(taken_in, made(3, 6)))
    with pytest.raises(ScanFailed, match="at least one"):
        watching.merge([])
    with pytest.raises(ScanFailed, match=r"prompts \[2\] came twice"):
        watching.merge([*prompts, prompts[2]])
    with pytest.raises(ScanFailed, match="came twice"):
        watching.merge([watching.merge(prompts), prompts[0]])
    other = WatchStatistics.from_json(
        watching.merge(prompts).to_json() | {"binning": "dyadic:4:-24:24"}
    )
    with pytest.raises(ScanFailed, match=r"in bins dyadic:8:-24:24, came .* in dyadic:4:-24:24"):
        watching.merge([prompts[0], other])
    with pytest.raises(ScanFailed, match="expected the watch-list"):
        watching.report(watching.merge(prompts), WATCHLIST[:2], spell)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda cell: cell | {"n_fired": [1]}, "expected 3 of each sum"),
        (lambda cell: cell | {"n_tokens": cell["n_tokens"] + 1}, "tokens in the bins"),
        (lambda cell: cell | {"filled": cell["filled"][::-1]}, "ascending"),
        (lambda cell: cell | {"filled": [*cell["filled"][:-1], 10**30]}, "ascending"),
        (lambda cell: cell | {"counts": cell["counts"][1:]}, "ascending"),
        (lambda cell: cell | {"n_prompts": "1"}, "expected int, came str"),
    ],
)
def test_sums_that_no_prompts_could_give_are_refused(change, complaint):
    raw = watching.merge(map(taken_in, made(4))).to_json()
    raw["cells"][0] = change(raw["cells"][0])
    with pytest.raises(NotPlain, match=complaint):
        WatchStatistics.from_json(raw)
