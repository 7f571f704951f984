"""Scan one model version: `run(job)` is the whole of it.

1. Load the autoencoder and the model, each against its digest.
2. Measure on held-out text how much of this version the autoencoder sees.
3. Read the watched latents on every prompt's content.
4. Keep the strongest hits of each concern under each frame, in their context.
5. Sum up by concern and frame, and test whether anything is weaker under evaluation.

Nothing is written here, and nothing is asked but the job; the same job gives the same findings.
"""

from __future__ import annotations

import json
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from assessments.scanner import activations, coverage, formats, suppression
from assessments.scanner.chat import spelled
from assessments.scanner.contract import (
    Cancelled,
    ConcernSummary,
    Coverage,
    Family,
    FeatureHit,
    Finding,
    Frame,
    Progress,
    RunRecord,
    ScanFailed,
    ScanResult,
    Stage,
    TokenWindow,
    plain_sha256,
)
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.prompts import DATA, pairs
from assessments.scanner.reading import Reading, read
from assessments.scanner.text import shown
from assessments.scanner.weights import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from assessments.scanner.contract import ScanJob
    from assessments.scanner.sae import SparseAutoencoder
    from assessments.scanner.weights import LoadedModel

    Floats = NDArray[np.float64]

AROUND = 8
"""Tokens shown on either side of a peak."""
ALONE = 6
"""Prompts read once more, each alone, to see whether company changes the figures."""
LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy")
HELD_OUT = DATA / "held_out.jsonl"


@dataclass(frozen=True)
class Instrument:
    """What a scan reads with, and how it tells of its progress."""

    loaded: LoadedModel
    sae: SparseAutoencoder
    thresholds: Floats
    """(M,)"""
    report: Callable[[Progress], object]

    def tell(self, stage: Stage, done: int, total: int, speed: float = 0.0) -> None:
        """Report, and stop if told so.

        Raises:
            Cancelled: the answer was False.
        """
        tell(self.report, Progress(stage, done, total, speed))


def run(job: ScanJob, report: Callable[[Progress], object] = lambda _: None) -> ScanResult:
    """Scan as the job says.

    Args:
        job: what to scan, with what.
        report: called often with how far the scan is; whatever it raises ends the scan, and so
            does its answering False.

    Raises:
        ScanFailed: a file is not what the job says, or does not fit.
        Cancelled: `report` answered False.
    """
    began = time.monotonic()
    check(job)
    torch.manual_seed(job.seed)
    tell(report, Progress(Stage.LOADING, 0, 1))
    instrument = assemble(job, report)
    instrument.tell(Stage.LOADING, 1, 1)
    seen = cover(job, instrument) if job.coverage_tokens else None
    readings = read_prompts(job, instrument)
    instrument.tell(Stage.TESTING, 0, 1)
    strengths, n_dropped = paired(readings, instrument.thresholds)
    tests = suppression.examine(strengths, job.watchlist, settings(job))
    instrument.tell(Stage.TESTING, 1, 1)
    return ScanResult(
        findings=findings(job, instrument, readings),
        summaries=summaries(job, instrument, readings),
        suppression=tests,
        coverage=seen,
        run=record(job, instrument, readings, len(strengths), n_dropped, time.monotonic() - began),
    )


def tell(report: Callable[[Progress], object], progress: Progress) -> None:
    """Report, and stop if the answer is False."""
    if report(progress) is False:
        raise Cancelled(f"stopped while {progress.stage}, {progress.done} of {progress.total} done")


def check(job: ScanJob) -> None:
    """Refuse a job that could not give a result."""
    if not job.prompts or not job.watchlist:
        message = f"nothing to scan: {len(job.prompts)} prompts, {len(job.watchlist)} latents"
        raise ScanFailed(message, permanent=True)
    if (found := plain_sha256(job.prompts)) != job.suite_sha256:
        message = f"expected suite sha256 {job.suite_sha256}, the prompts give {found}"
        raise ScanFailed(message, permanent=True)
    if job.dtype not in {"float32", "bfloat16"}:
        message = f"dtype {job.dtype!r}: expected float32 or bfloat16"
        raise ScanFailed(message, permanent=True)
    if any(latent.threshold <= 0 for latent in job.watchlist):
        message = "a watched latent's threshold must be above zero"
        raise ScanFailed(message, permanent=True)


def assemble(job: ScanJob, report: Callable[[Progress], object]) -> Instrument:
    """Load autoencoder and model; without coverage the model is cut off at the read point."""
    sae = formats.open_sae(Path(job.sae_path), expected_sha256=job.sae_sha256)
    if sae.hook_name != job.hook_name:
        message = f"the autoencoder reads {sae.hook_name}, the job asks for {job.hook_name}"
        raise ScanFailed(message, permanent=True)
    beyond = [latent.index for latent in job.watchlist if not 0 <= latent.index < sae.d_sae]
    if beyond:
        message = f"the autoencoder has {sae.d_sae} latents; the watch-list names {beyond[:5]}"
        raise ScanFailed(message, permanent=True)
    point = readpoints.parse(job.hook_name)
    try:
        loaded = load_model(
            Path(job.model_path),
            expected_sha256=job.model_sha256,
            blocks=None if job.coverage_tokens else readpoints.blocks_needed(point),
            dtype=getattr(torch, job.dtype),
            tokenizer=Path(job.tokenizer_path) if job.tokenizer_path else None,
        )
    except OSError as error:
        message = f"the model at {job.model_path} could not be read: {error}"
        raise ScanFailed(message, permanent=False) from error
    readpoints.expect_width(loaded.model, point, sae.d_in)
    torch.nn.Module.to(loaded.model, torch.device(job.device))
    thresholds = np.array([latent.threshold for latent in job.watchlist])
    return Instrument(loaded, sae.held(job.device), thresholds, report)


def cover(job: ScanJob, instrument: Instrument) -> Coverage:
    """Measure coverage on the held-out text that comes with the scanner."""
    texts = held_out_sequences(instrument.loaded, job.coverage_tokens)
    return coverage.measure(
        instrument.loaded.model,
        instrument.sae,
        texts,
        at=readpoints.parse(job.hook_name),
        special=frozenset(instrument.loaded.tokenizer.all_special_ids),
        token_budget=job.token_budget,
        report=lambda done, total: instrument.tell(Stage.COVERAGE, done, total),
    )


def held_out_sequences(loaded: LoadedModel, n_tokens: int) -> list[tuple[int, ...]]:
    """Held-out texts as token ids, as many as make up `n_tokens`."""
    chosen: list[tuple[int, ...]] = []
    with HELD_OUT.open(encoding="utf-8") as stream:
        for line in stream:
            ids = tuple(loaded.tokenizer(json.loads(line)["text"])["input_ids"])
            chosen.append(ids)
            if sum(map(len, chosen)) >= n_tokens:
                break
    return chosen


def read_prompts(job: ScanJob, instrument: Instrument) -> list[Reading]:
    """Every prompt of the suite, read."""
    return read(
        instrument.loaded,
        instrument.sae,
        job.prompts,
        [latent.index for latent in job.watchlist],
        token_budget=job.token_budget,
        report=lambda done, total, speed: instrument.tell(Stage.READING, done, total, speed),
    )


def paired(
    readings: Sequence[Reading], thresholds: Floats
) -> tuple[list[suppression.PairStrengths], int]:
    """The pairs whose content came out the same, and how many did not."""
    by_id = {reading.prompt.id: reading for reading in readings}
    kept: list[suppression.PairStrengths] = []
    n_dropped = 0
    for pair in pairs(reading.prompt for reading in readings):
        under = (by_id[pair.evaluation.id], by_id[pair.deployment.id])
        if under[0].tokens.content != under[1].tokens.content:
            n_dropped += 1
            continue
        prompt = pair.evaluation
        both = (each.strengths(thresholds) for each in under)
        kept.append(
            suppression.PairStrengths(prompt.template_id, prompt.content_id, prompt.family, *both)
        )
    return kept, n_dropped


def settings(job: ScanJob) -> suppression.Settings:
    """The part of the job that the tests need."""
    return suppression.Settings(job.alpha, job.smallest_ratio, job.n_permutations, job.seed)


def findings(
    job: ScanJob, instrument: Instrument, readings: Sequence[Reading]
) -> tuple[Finding, ...]:
    """The strongest hits of each concern under each frame, one a prompt and latent."""
    cells: dict[tuple[Family, Frame], list[tuple[float, int, int]]] = {}
    for row, reading in enumerate(readings):
        for column, height in enumerate(reading.peaks / instrument.thresholds):
            if height > 1:
                cell = (job.watchlist[column].concern, reading.prompt.frame)
                cells.setdefault(cell, []).append((-float(height), row, column))
    return tuple(
        finding(job, instrument, readings[row], column)
        for cell in sorted(cells)
        for _, row, column in sorted(cells[cell])[: job.findings_per_cell]
    )


def finding(job: ScanJob, instrument: Instrument, reading: Reading, column: int) -> Finding:
    """One latent's peak in one prompt."""
    latent = job.watchlist[column]
    activity = reading.activations[:, column]  # (T,)
    peak = int(activity.argmax())
    prompt, chat = reading.prompt, reading.tokens
    words = [shown(spelled(instrument.loaded.tokenizer, [each])) for each in chat.content]
    first, last = max(0, peak - AROUND), peak + AROUND + 1
    return Finding(
        hit=FeatureHit(
            latent=latent.index,
            concern=latent.concern,
            prompt_id=prompt.id,
            position=chat.start + peak,
            token=words[peak],
            activation=float(activity[peak]),
        ),
        threshold=latent.threshold,
        frame=prompt.frame,
        family=prompt.family,
        template_id=prompt.template_id,
        content_id=prompt.content_id,
        n_tokens_above=int((activity > latent.threshold).sum()),
        window=TokenWindow(
            tokens=tuple(words[first:last]),
            activations=tuple(float(each) for each in activity[first:last]),
            peak=peak - first,
        ),
    )


def summaries(
    job: ScanJob, instrument: Instrument, readings: Sequence[Reading]
) -> tuple[ConcernSummary, ...]:
    """Each concern under each frame, over all prompts of the suite."""
    found: list[ConcernSummary] = []
    for concern in Family:
        columns = list(suppression.columns_of(job.watchlist, concern))
        for frame in Frame:
            under = [reading for reading in readings if reading.prompt.frame is frame]
            if columns and under:
                found.append(summary(concern, frame, under, columns, instrument.thresholds))
    return tuple(found)


def summary(
    concern: Family,
    frame: Frame,
    readings: Sequence[Reading],
    columns: list[int],
    thresholds: Floats,
) -> ConcernSummary:
    """One concern under one frame."""
    heights = np.array([reading.peaks[columns] / thresholds[columns] for reading in readings])
    n_hit = int((heights > 1).any(axis=1).sum())
    return ConcernSummary(
        concern=concern,
        frame=frame,
        n_prompts=len(readings),
        n_hit=n_hit,
        hit_rate=n_hit / len(readings),
        mean_strength=float(np.log1p(heights).mean()),
        highest=float(heights.max()),
    )


def batch_deviation(job: ScanJob, instrument: Instrument, readings: Sequence[Reading]) -> float:
    """How far peaks move, in thresholds, when a few prompts are read without neighbours."""
    step = max(1, len(readings) // ALONE)
    worst = 0.0
    for reading in list(readings)[::step][:ALONE]:
        latents = [latent.index for latent in job.watchlist]
        (alone,) = read(
            instrument.loaded, instrument.sae, [reading.prompt], latents, token_budget=1
        )
        moved = np.abs(alone.peaks - reading.peaks) / instrument.thresholds
        worst = max(worst, float(moved.max()))
    return worst


def code_sha256() -> str:
    """One digest over the scanner's own sources and word lists."""
    root = Path(__file__).parent
    paths = [path for kind in ("*.py", "*.toml") for path in sorted(root.rglob(kind))]
    return manifest_sha256({path.relative_to(root).as_posix(): file_sha256(path) for path in paths})


def record(  # Each argument is one part of the record.
    job: ScanJob,
    instrument: Instrument,
    readings: Sequence[Reading],
    n_pairs: int,
    n_dropped: int,
    seconds: float,
) -> RunRecord:
    """What was run, for the record."""
    n_tokens = sum(len(reading.tokens.ids) for reading in readings)
    return RunRecord(
        model_sha256=instrument.loaded.sha256,
        model_files=instrument.loaded.files,
        sae_sha256=job.sae_sha256 or formats.sae_sha256(Path(job.sae_path)),
        suite_sha256=job.suite_sha256,
        watchlist_sha256=plain_sha256(job.watchlist),
        code_sha256=code_sha256(),
        hook_name=job.hook_name,
        seed=job.seed,
        dtype=job.dtype,
        device=job.device,
        n_threads=torch.get_num_threads(),
        versions={"python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        n_prompts=len(readings),
        n_pairs=n_pairs,
        n_pairs_dropped=n_dropped,
        n_tokens=n_tokens,
        seconds=seconds,
        tokens_per_second=n_tokens / seconds,
        batch_deviation=batch_deviation(job, instrument, readings),
    )
