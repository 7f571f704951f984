"""A scan in pieces gives what the whole gives, whoever works the pieces and in whatever order."""

import dataclasses
import itertools
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner import activations, instrument, readpoints, working
from assessments.scanner.calibration import measured
from assessments.scanner.contract import Cancelled, ScanFailed
from assessments.scanner.lots import Lot
from assessments.scanner.merging import merge
from assessments.scanner.reading import Reader, is_out_of_memory, n_lanes, prefix_deviation
from assessments.scanner.run import run
from assessments.scanner.shards import Kind, Part, Shard, split
from assessments.scanner.weights import load_model
from assessments.scanner.working import work
from tests.scanner.test_run import but_for_time, job, result  # noqa: F401  # Fixtures.

POINT = readpoints.parse("blocks.1.hook_resid_post")


def in_pieces(job, tokens_a_shard, seed):  # noqa: F811
    shards = list(split(job, tokens_a_shard=tokens_a_shard))
    random.Random(seed).shuffle(shards)  # noqa: S311
    parts = [
        Part.from_json(work(job, Shard.from_json(each.to_json())).to_json()) for each in shards
    ]
    return merge(job, parts), len(shards)


def but_for_shards(result):  # noqa: F811
    run = dataclasses.replace(but_for_time(result).run, n_shards=0)
    return dataclasses.replace(result, run=run)


@pytest.mark.parametrize("tokens_a_shard", [1, 1500, 6000])
def test_any_number_of_pieces_in_any_order_gives_the_same(job, result, tokens_a_shard):  # noqa: F811
    found, n_shards = in_pieces(job, tokens_a_shard, seed=tokens_a_shard)
    assert n_shards > 2
    assert but_for_shards(found) == but_for_shards(result)


def with_controls(job, n):  # noqa: F811
    """The job with pools of equals on its watch-list."""
    shown = dataclasses.replace(measured(np.zeros(9), 0.01), density=0.1)
    pools = ((30, 31, 32, 33, 34), (33, 40, 41), ())
    watchlist = tuple(
        dataclasses.replace(latent, calibration=dataclasses.replace(shown, controls=pool))
        for latent, pool in zip(job.watchlist, pools, strict=True)
    )
    return dataclasses.replace(job, watchlist=watchlist, n_controls=n, coverage_tokens=0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_controls_are_the_same_in_any_number_of_pieces(job, dtype):  # noqa: F811
    asked = dataclasses.replace(with_controls(job, 3), dtype=dtype)
    whole = run(asked)
    assert [(each.latent, len(each.controls)) for each in whole.controls] == [(0, 3), (9, 3)]
    assert len(set(whole.controls[0].control_effects)) == 3
    found, n_shards = in_pieces(asked, 1500, seed=1)
    assert n_shards > 2
    assert found.controls == whole.controls


def test_reading_controls_along_changes_nothing_else(job):  # noqa: F811
    without, beside = run(with_controls(job, 0)), run(with_controls(job, 3))
    assert without.controls == ()
    assert but_for_time(dataclasses.replace(beside, controls=())) == but_for_time(without)


def test_a_control_that_the_autoencoder_lacks_is_refused(job):  # noqa: F811
    asked = with_controls(job, 1)
    odd = dataclasses.replace(asked.watchlist[0].calibration, controls=(64,))
    watchlist = (dataclasses.replace(asked.watchlist[0], calibration=odd),)
    with pytest.raises(ScanFailed, match=r"has 64 latents; asked for \[64\]"):
        run(dataclasses.replace(asked, watchlist=watchlist))


def test_a_scan_is_split_by_the_job_alone(job):  # noqa: F811
    shards = split(job, tokens_a_shard=2000)
    assert shards == split(job, tokens_a_shard=2000)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert [shard.kind for shard in shards].count(Kind.COVERAGE) == 1
    places = sorted(place for shard in shards for lot in shard.lots for place in lot.places)
    assert places == list(range(len(job.prompts)))
    without = split(dataclasses.replace(job, coverage_tokens=0), tokens_a_shard=2000)
    assert all(shard.kind is Kind.PROMPTS for shard in without)


def test_a_part_that_is_missing_or_came_twice_is_noticed(job):  # noqa: F811
    parts = [work(job, shard) for shard in split(job, tokens_a_shard=3000)]
    with pytest.raises(ScanFailed, match=r"each of \d+ prompts once"):
        merge(job, parts[:-1])
    with pytest.raises(ScanFailed, match=r"each of \d+ prompts once"):
        merge(job, [*parts, parts[-1]])


def test_parts_made_with_other_libraries_are_not_put_together(job):  # noqa: F811
    parts = [work(job, shard) for shard in split(job, tokens_a_shard=3000)]
    odd = dataclasses.replace(parts[1].worked, versions=parts[1].worked.versions | {"torch": "0"})
    parts[1] = dataclasses.replace(parts[1], worked=odd)
    with pytest.raises(ScanFailed, match="bring all workers to the same version"):
        merge(job, parts)


def test_work_stops_when_told(job):  # noqa: F811
    (_, shard, *_) = split(job)
    with pytest.raises(Cancelled, match="stopped while reading"):
        work(job, shard, lambda progress: progress.stage != "reading")


@pytest.fixture
def model(model_folder):
    return load_model(model_folder).model


def some_sequences():
    draw = torch.Generator().manual_seed(4)
    prefix = tuple(torch.randint(2, 258, (24,), generator=draw).tolist())
    return [
        prefix + tuple(torch.randint(2, 258, (n,), generator=draw).tolist()) for n in (3, 9, 17, 30)
    ]


def streams(reader, sequences, lot):
    ((_, found),) = reader.read(dict(enumerate(sequences)), [lot])
    return dict(found)


def test_reading_equals_the_plain_way(model):
    sequences = some_sequences()
    found = streams(Reader(model, POINT), sequences, Lot((0, 1, 2, 3), 0, 0))
    for place, stream in activations.each_sequence(model, sequences, POINT, token_budget=1):
        assert torch.allclose(found[place], stream, atol=1e-5)


def test_a_kept_prefix_changes_nothing(model):
    sequences = some_sequences()
    whole = streams(Reader(model, POINT), sequences, Lot((0, 1, 2, 3), 0, 0))
    behind = streams(Reader(model, POINT), sequences, Lot((0, 1, 2, 3), 24, 0))
    for place in whole:
        assert torch.allclose(whole[place][24:], behind[place], atol=1e-5)
    assert 0 <= prefix_deviation(model, POINT, sequences[3], 24) < 1e-5


def test_a_prefix_that_changes_the_stream_is_not_kept(job, result, monkeypatch):  # noqa: F811
    monkeypatch.setattr(working, "prefix_deviation", lambda *_: 0.5)
    found = run(job)
    assert (found.run.prefix_deviation, found.run.is_prefix_kept) == (0.5, False)
    assert result.run.is_prefix_kept
    assert {each.hit.latent for each in found.findings} == {
        each.hit.latent for each in result.findings
    }


def cores(monkeypatch, n):
    monkeypatch.setattr("assessments.scanner.reading.n_lanes", lambda _: n)


def test_any_number_of_cores_reads_the_very_same(model, monkeypatch):
    sequences = some_sequences() * 8
    chosen = [Lot((at, at + 1), 24 * (at % 4 == 0), 0) for at in range(0, 32, 2)]
    found = []
    for n in (2, 3, 2):
        cores(monkeypatch, n)
        read = Reader(model, POINT).read(dict(enumerate(sequences)), chosen)
        found.append([each for _, streams in read for each in streams])
    for other in found[1:]:
        assert [place for place, _ in other] == list(range(32))
        assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found[0], other, strict=True))


def test_two_readers_of_one_model_catch_their_own(model, monkeypatch):
    cores(monkeypatch, 2)
    sequences = some_sequences()
    ids, lots_ = dict(enumerate(sequences)), [Lot((at,), 0, 0) for at in range(4)]
    late = Reader(model, readpoints.parse("blocks.2.hook_resid_post"))
    wanted = {at: late.alone(each) for at, each in ids.items()}
    for (_, early), (_, behind) in zip(
        Reader(model, POINT).read(ids, lots_), late.read(ids, lots_), strict=True
    ):
        ((place, stream),) = behind
        assert torch.allclose(stream, wanted[place], atol=1e-6)
        assert not torch.allclose(stream, early[0][1], atol=1e-3)


def test_a_reader_that_stops_early_leaves_nothing_behind(model, monkeypatch):
    cores(monkeypatch, 2)
    reader = Reader(model, POINT)
    read = reader.read(dict(enumerate(some_sequences())), [Lot((at,), 0, 0) for at in range(4)])
    next(read)
    read.close()
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_model_that_changes_as_it_reads_is_read_one_lot_at_a_time(model, monkeypatch):
    assert n_lanes(model) == torch.get_num_threads()
    monkeypatch.setattr(model.config, "rope_parameters", {"rope_type": "dynamic", "factor": 2.0})
    assert n_lanes(model) == 1


def test_when_memory_runs_out_the_lot_is_halved(model, monkeypatch):
    sequences = some_sequences()
    whole = streams(Reader(model, POINT), sequences, Lot((0, 1, 2, 3), 0, 0))
    plain = Reader._stream

    def tight(self, chosen, n_prefix):
        if len(chosen) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, chosen, n_prefix)

    monkeypatch.setattr(Reader, "_stream", tight)
    reader = Reader(model, POINT)
    found = streams(reader, sequences, Lot((0, 1, 2, 3), 0, 0))
    assert reader.n_halved == 3
    assert list(found) == [0, 1, 2, 3]
    assert all(torch.allclose(found[place], whole[place], atol=1e-5) for place in whole)


def test_no_memory_for_one_sequence_is_said(model, monkeypatch):
    def none(self, chosen, n_prefix):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 TB")

    monkeypatch.setattr(Reader, "_stream", none)
    with pytest.raises(ScanFailed, match="no memory for one sequence of 27 tokens"):
        streams(Reader(model, POINT), some_sequences(), Lot((0,), 0, 0))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


@pytest.fixture(scope="module")
def unpaired(job):  # noqa: F811
    """Prompts under deployment frames alone, and thresholds that about half of them pass."""
    from assessments.scanner.contract import Frame, plain_sha256

    prompts = tuple(each for each in job.prompts if each.frame is Frame.DEPLOYMENT)
    changed = dataclasses.replace(
        job, prompts=prompts, suite_sha256=plain_sha256(prompts), coverage_tokens=0
    )
    peaks = torch.tensor([
        row.peaks for shard in split(changed) for row in work(changed, shard).rows
    ])  # fmt: skip
    middle = peaks.quantile(0.7, dim=0).clamp(min=0.02).tolist()
    watchlist = tuple(
        dataclasses.replace(latent, threshold=threshold)
        for latent, threshold in zip(job.watchlist, middle, strict=True)
    )
    return dataclasses.replace(changed, watchlist=watchlist)


def test_a_coarser_number_only_sorts(unpaired):
    exact = run(unpaired)
    coarse = run(dataclasses.replace(unpaired, dtype="bfloat16"))
    assert exact.findings
    assert coarse.findings == exact.findings
    assert [each.n_hit for each in coarse.summaries] == [each.n_hit for each in exact.summaries]
    precision = coarse.run.precision
    assert exact.run.precision is None
    assert precision.n_prompts == len(unpaired.prompts)
    n_hit = max(each.n_hit for each in exact.summaries)
    assert n_hit <= precision.n_rechecked < precision.n_prompts
    assert precision.widest_band > 0


def test_what_is_compared_is_always_read_in_full(job):  # noqa: F811
    coarse = run(dataclasses.replace(job, dtype="bfloat16"))
    assert coarse.run.precision.n_rechecked == coarse.run.precision.n_prompts
    assert coarse.suppression == run(job).suppression


def test_a_model_is_loaded_once_and_no_deeper_than_asked(job, monkeypatch):  # noqa: F811
    loads = []
    plain = instrument.load_model
    monkeypatch.setattr(
        instrument, "load_model", lambda *a, **k: loads.append(k["blocks"]) or plain(*a, **k)
    )
    monkeypatch.setattr(instrument, "SHELF", instrument.Shelf())
    for shard in split(dataclasses.replace(job, coverage_tokens=0), tokens_a_shard=2000):
        work(job, shard)
    assert loads == [2]
    run(job)
    assert loads == [2, None]


def test_a_batch_top_k_without_threshold_is_no_evidence(job, monkeypatch):  # noqa: F811
    from assessments.scanner import formats
    from assessments.scanner.sae import Architecture

    plain = formats.open_sae
    monkeypatch.setattr(
        formats, "open_sae",
        lambda *a, **k: dataclasses.replace(plain(*a, **k), architecture=Architecture.BATCHTOPK, k=4),
    )  # fmt: skip
    with pytest.raises(ScanFailed, match="without a pinned threshold"):
        run(job)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 24, 100])
def test_prompts_for_coverage_are_spread_over_the_suite(n):
    prompts = list(range(n))
    order = list(working.spread(prompts))
    assert sorted(order) == prompts
    if n >= 24:
        first = sorted(order[: n // 4])
        assert first[0] < n / 4
        assert first[-1] > 3 * n / 4
        assert max(b - a for a, b in itertools.pairwise(first)) < n / 3


def test_coverage_is_told_for_each_frame(result):  # noqa: F811
    assert {each.context for each in result.coverage.contexts} == {"evaluation", "deployment"}
    assert all(each.n_tokens > 50 for each in result.coverage.contexts)


def test_a_jump_does_not_widen_the_band(unpaired, monkeypatch):
    """One side of a jump is 0, the other is not; before the jump both numbers are near."""
    from assessments.scanner import formats
    from assessments.scanner.rows import InMemory

    plain = formats.open_sae
    monkeypatch.setattr(
        formats, "open_sae",
        lambda *a, **k: dataclasses.replace(plain(*a, **k), threshold=InMemory(torch.full((64,), 0.03))),
    )  # fmt: skip
    coarse, exact = (
        run(dataclasses.replace(unpaired, dtype=each, self_check_tokens=0))
        for each in ("bfloat16", "float32")
    )
    assert coarse.findings == exact.findings
    n_hit = len({each.hit.prompt_id for each in exact.findings})
    assert coarse.run.precision.n_rechecked < coarse.run.precision.n_prompts
    assert coarse.run.precision.widest_band < 1
    assert n_hit <= coarse.run.precision.n_rechecked


def test_where_latents_compete_everything_is_read_again(unpaired, monkeypatch):
    from assessments.scanner import formats
    from assessments.scanner.sae import Architecture

    plain = formats.open_sae
    monkeypatch.setattr(
        formats, "open_sae",
        lambda *a, **k: dataclasses.replace(
            plain(*a, **k), architecture=Architecture.TOPK, threshold=None, k=8
        ),
    )  # fmt: skip
    coarse, exact = (
        run(dataclasses.replace(unpaired, dtype=each, self_check_tokens=0))
        for each in ("bfloat16", "float32")
    )
    assert coarse.run.precision.n_rechecked == coarse.run.precision.n_prompts
    assert coarse.run.precision.widest_band is None
    assert coarse.findings == exact.findings
