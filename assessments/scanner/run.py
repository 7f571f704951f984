"""Scan one model version: `run(job)` is the whole of it.

1. Measure on held-out text how much of this version the autoencoder sees.
2. Read the watched latents on every prompt's content.
3. Keep the strongest hits of each concern under each frame, in their context.
4. Sum up by latent, concern and frame, and test whether anything is weaker under evaluation.

Here all shards are worked one after another; over many workers each is worked where there is room.
Nothing is written here, and nothing is asked but the job; the same job gives the same findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assessments.scanner import merging
from assessments.scanner.contract import Progress, ScanFailed, Stage, plain_sha256
from assessments.scanner.shards import Kind, split, tell
from assessments.scanner.working import work

if TYPE_CHECKING:
    from collections.abc import Callable

    from assessments.scanner.contract import ScanJob, ScanResult
    from assessments.scanner.shards import Report, Shard


def run(job: ScanJob, report: Report = lambda _: None) -> ScanResult:
    """Scan as the job says.

    Args:
        job: what to scan, with what.
        report: called often with how far the scan is; whatever it raises ends the scan, and so
            does its answering False.

    Raises:
        ScanFailed: a file is not what the job says, or does not fit.
        Cancelled: `report` answered False.
    """
    check(job)
    tell(report, Progress(Stage.LOADING, 0, 1))
    shards = split(job)
    n_before = 0
    parts = []
    for shard in shards:
        parts.append(work(job, shard, whole(report, job, shard, n_before)))
        n_before += len(parts[-1].rows)
    tell(report, Progress(Stage.TESTING, 0, 1))
    result = merging.merge(job, parts)
    tell(report, Progress(Stage.TESTING, 1, 1))
    return result


def whole(
    report: Report, job: ScanJob, shard: Shard, n_before: int
) -> Callable[[Progress], object]:
    """Tells of a shard of prompts as its share of all prompts."""
    if shard.kind is Kind.COVERAGE:
        return report

    def of_all(progress: Progress) -> object:
        if progress.stage is not Stage.READING:
            return report(progress)
        done = n_before + progress.done
        return report(Progress(Stage.READING, done, len(job.prompts), progress.tokens_per_second))

    return of_all


def check(job: ScanJob) -> None:
    """Refuse a job that could not give a result.

    Raises:
        ScanFailed: it says what is wrong.
    """
    if not job.prompts or not job.watchlist:
        message = f"nothing to scan: {len(job.prompts)} prompts, {len(job.watchlist)} latents"
        raise ScanFailed(message, permanent=True)
    if (found := plain_sha256(job.prompts)) != job.suite_sha256:
        message = f"expected suite sha256 {job.suite_sha256}, the prompts give {found}"
        raise ScanFailed(message, permanent=True)
    if job.dtype not in {"float32", "bfloat16"}:
        message = f"dtype {job.dtype!r}: expected float32 or bfloat16"
        raise ScanFailed(message, permanent=True)
    if job.n_controls < 0:
        message = f"expected 0 or more controls for each watched latent, came {job.n_controls}"
        raise ScanFailed(message, permanent=True)
    if any(latent.threshold <= 0 for latent in job.watchlist):
        message = "a watched latent's threshold must be above zero"
        raise ScanFailed(message, permanent=True)
