"""Put the parts of a scan together.

Everything is taken in the order of the prompts, never in the order in which parts came, and sums are
exact; so the result does not know how many workers there were.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assessments.scanner import calibration, controls, formats, suppression, watching
from assessments.scanner.chat import read_tokenizer, spelled
from assessments.scanner.contract import (
    ConcernSummary,
    Family,
    Finding,
    Frame,
    Precision,
    RunRecord,
    ScanFailed,
    ScanResult,
    plain_sha256,
)
from assessments.scanner.digests import file_sha256, manifest_sha256
from assessments.scanner.prompts import pairs
from assessments.scanner.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from assessments.scanner.contract import Coverage, LatentStatistics, ScanJob
    from assessments.scanner.shards import Part, PromptRow, Worked

    Floats = NDArray[np.float64]


def merge(job: ScanJob, parts: Sequence[Part]) -> ScanResult:
    """The result of a scan from all its parts, in any order.

    Raises:
        ScanFailed: prompts are missing or came twice, or the parts were made in different ways.
    """
    parts = sorted(parts, key=lambda part: part.number)
    rows = sorted((row for part in parts for row in part.rows), key=lambda row: row.place)
    if [row.place for row in rows] != list(range(len(job.prompts))):
        message = f"expected each of {len(job.prompts)} prompts once, came {len(rows)} rows"
        raise ScanFailed(message, permanent=True)
    strengths, n_dropped = paired(job, rows)
    settings = suppression.Settings(job.alpha, job.smallest_ratio, job.n_permutations, job.seed)
    return ScanResult(
        findings=findings(job, parts),
        summaries=summaries(job, rows),
        suppression=suppression.examine(strengths, job.watchlist, settings),
        coverage=seen(job, parts),
        run=record(job, parts, len(strengths), n_dropped),
        latents=latents(job, parts),
        self_check=next((part.self_check for part in parts if part.self_check), None),
        controls=controls.examine(job, rows),
    )


def seen(job: ScanJob, parts: Sequence[Part]) -> Coverage | None:
    """The coverage, with what the watch-list is shown to find."""
    coverage = next((part.coverage for part in parts if part.coverage), None)
    return coverage and replace(coverage, recalls=calibration.shown(job.watchlist))


def paired(job: ScanJob, rows: Sequence[PromptRow]) -> tuple[list[suppression.PairStrengths], int]:
    """The pairs whose content came out token by token the same, and how many did not."""
    by_id = {job.prompts[row.place].id: row for row in rows}
    thresholds = np.array([latent.threshold for latent in job.watchlist])
    kept: list[suppression.PairStrengths] = []
    n_dropped = 0
    for pair in pairs(job.prompts):
        under = (by_id[pair.evaluation.id], by_id[pair.deployment.id])
        if under[0].content_sha256 != under[1].content_sha256:
            n_dropped += 1
            continue
        prompt = pair.evaluation
        both = (np.log1p(np.array(each.peaks) / thresholds) for each in under)
        kept.append(
            suppression.PairStrengths(prompt.template_id, prompt.content_id, prompt.family, *both)
        )
    return kept, n_dropped


def findings(job: ScanJob, parts: Sequence[Part]) -> tuple[Finding, ...]:
    """The strongest of each concern under each frame, over all parts."""
    place_of = {prompt.id: place for place, prompt in enumerate(job.prompts)}
    column_of = {(each.index, each.concern): at for at, each in enumerate(job.watchlist)}

    def rank(found: Finding) -> tuple[float, int, int]:
        hit = found.hit
        column = column_of[hit.latent, hit.concern]
        return -hit.activation / found.threshold, place_of[hit.prompt_id], column

    cells: dict[tuple[Family, Frame], list[Finding]] = {}
    for part in parts:
        for found in part.findings:
            cells.setdefault((found.hit.concern, found.frame), []).append(found)
    return tuple(
        found
        for cell in sorted(cells)
        for found in sorted(cells[cell], key=rank)[: job.findings_per_cell]
    )


def latents(job: ScanJob, parts: Sequence[Part]) -> tuple[LatentStatistics, ...]:
    """What each watched latent did in each kind of prompt."""
    tokenizer = read_tokenizer(Path(job.tokenizer_path or job.model_path))

    def spell(ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(shown(spelled(tokenizer, [each])) for each in ids)

    merged = watching.merge(part.statistics for part in parts if part.statistics)
    return watching.report(merged, job.watchlist, spell)


def summaries(job: ScanJob, rows: Sequence[PromptRow]) -> tuple[ConcernSummary, ...]:
    """Each concern under each frame, over all prompts of the suite."""
    found: list[ConcernSummary] = []
    for concern in Family:
        columns = list(suppression.columns_of(job.watchlist, concern))
        for frame in Frame:
            under = [row for row in rows if job.prompts[row.place].frame is frame]
            if columns and under:
                found.append(summary(job, concern, frame, under, columns))
    return tuple(found)


def summary(
    job: ScanJob, concern: Family, frame: Frame, rows: Sequence[PromptRow], columns: list[int]
) -> ConcernSummary:
    """One concern under one frame."""
    thresholds = np.array([latent.threshold for latent in job.watchlist])
    peaks = np.array([row.peaks for row in rows])  # (N, M)
    heights = peaks[:, columns] / thresholds[columns]
    n_hit = int((heights > 1).any(axis=1).sum())
    return ConcernSummary(
        concern=concern,
        frame=frame,
        n_prompts=len(rows),
        n_hit=n_hit,
        hit_rate=n_hit / len(rows),
        mean_strength=float(np.log1p(heights).mean()),
        highest=float(heights.max()),
    )


def code_sha256() -> str:
    """One digest over the scanner's own sources and word lists."""
    root = Path(__file__).parent
    paths = [path for kind in ("*.py", "*.toml") for path in sorted(root.rglob(kind))]
    return manifest_sha256({path.relative_to(root).as_posix(): file_sha256(path) for path in paths})


CODE_SHA256 = code_sha256()
"""Taken when the code is loaded: what lies on disk later is not what runs."""


def alike(parts: Sequence[Part]) -> Worked:
    """How the parts were made, if they were all made the same way.

    Raises:
        ScanFailed: workers ran different libraries or read different files.
    """
    first = parts[0].worked
    for part in parts:
        if (part.worked.versions, part.worked.model_files) != (first.versions, first.model_files):
            message = (
                f"shard {part.number} was read with {part.worked.versions}, shard "
                f"{parts[0].number} with {first.versions}, or from other files; bring all workers "
                "to the same version and scan again"
            )
            raise ScanFailed(message, permanent=True)
    return first


def record(job: ScanJob, parts: Sequence[Part], n_pairs: int, n_dropped: int) -> RunRecord:
    """What was run, for the record."""
    made = alike(parts)
    read = [part for part in parts if part.rows]
    n_tokens = sum(part.worked.n_tokens for part in read)
    seconds = math.fsum(part.worked.seconds for part in parts)
    sae_path = Path(job.sae_path)
    return RunRecord(
        model_sha256=job.model_sha256 or manifest_sha256(made.model_files),
        model_files=made.model_files,
        sae_sha256=job.sae_sha256 or formats.sae_sha256(sae_path, job.sae_format),
        suite_sha256=job.suite_sha256,
        watchlist_sha256=plain_sha256(job.watchlist),
        code_sha256=CODE_SHA256,
        hook_name=job.hook_name,
        seed=job.seed,
        dtype=job.dtype,
        device=job.device,
        n_threads=made.n_threads,
        versions=made.versions,
        n_prompts=len(job.prompts),
        n_pairs=n_pairs,
        n_pairs_dropped=n_dropped,
        n_tokens=n_tokens,
        seconds=seconds,
        tokens_per_second=n_tokens / max(math.fsum(part.worked.seconds for part in read), 1e-9),
        batch_deviation=max(part.worked.batch_deviation for part in read),
        prefix_deviation=max(part.worked.prefix_deviation for part in read),
        is_prefix_kept=any(part.worked.is_prefix_kept for part in read),
        n_shards=len(parts),
        n_halved=sum(part.worked.n_halved for part in parts),
        precision=precision(read),
    )


def precision(parts: Sequence[Part]) -> Precision | None:
    """The parts' precision, added up."""
    found = [part.precision for part in parts if part.precision]
    if not found:
        return None
    bands = [each.widest_band for each in found]
    return Precision(
        dtype=found[0].dtype,
        n_prompts=sum(each.n_prompts for each in found),
        n_rechecked=sum(each.n_rechecked for each in found),
        n_flipped=sum(each.n_flipped for each in found),
        widest_band=None if None in bands else max(each for each in bands if each is not None),
    )
