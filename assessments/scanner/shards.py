"""A scan in pieces: what a piece is, and what comes of it.

1. `split` cuts the prompts into lots and the lots into shards; coverage is a shard of its own.
2. `working.work` does one shard and keeps sums, one row a prompt and a few windows; never
   activations.
3. `merging.merge` puts the parts together in the order of the prompts. Counts add; sums are exact.
   One worker or forty, in any order: the result is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from assessments.scanner import lots
from assessments.scanner.chat import chat_tokens, read_tokenizer
from assessments.scanner.contract import (
    Cancelled,
    Coverage,
    Finding,
    Plain,
    Precision,
    SelfCheck,
)
from assessments.scanner.lots import Lot
from assessments.scanner.watching import WatchStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assessments.scanner.chat import ChatTokens
    from assessments.scanner.contract import Progress, ScanJob

    Report = Callable[[Progress], object]

TOKENS_A_SHARD = 16_384


class Kind(StrEnum):
    """What a shard is about."""

    COVERAGE = "coverage"
    PROMPTS = "prompts"


@dataclass(frozen=True)
class Shard(Plain):
    """One piece of a scan."""

    number: int
    kind: Kind
    n_tokens: int
    """What is computed, padding included."""
    lots: tuple[Lot, ...] = ()


@dataclass(frozen=True)
class PromptRow(Plain):
    """What merging needs of one prompt."""

    place: int
    """In the job."""
    n_tokens: int
    content_sha256: str
    """Over the content's token ids."""
    peaks: tuple[float, ...]
    """The highest activation of each watched latent on the content: (M,)."""
    control_peaks: tuple[float, ...] = ()
    """The same of each control, in the order of `controls.read_along`: (C,)."""


@dataclass(frozen=True)
class Worked(Plain):
    """How a part was made."""

    model_files: dict[str, str]
    versions: dict[str, str]
    device: str
    n_threads: int
    seconds: float
    n_tokens: int
    n_halved: int = 0
    batch_deviation: float = 0.0
    """Largest change of a peak when a prompt is read alone, in thresholds."""
    prefix_deviation: float = 0.0
    is_prefix_kept: bool = False


@dataclass(frozen=True)
class Part(Plain):
    """What came of one shard."""

    number: int
    worked: Worked
    rows: tuple[PromptRow, ...] = ()
    statistics: WatchStatistics | None = None
    findings: tuple[Finding, ...] = ()
    coverage: Coverage | None = None
    precision: Precision | None = None
    self_check: SelfCheck | None = None


def split(job: ScanJob, *, tokens_a_shard: int = TOKENS_A_SHARD) -> tuple[Shard, ...]:
    """The shards of a scan: it depends on the job alone.

    Raises:
        ScanFailed: the tokenizer could not be read.
    """
    tokenizer = read_tokenizer(Path(job.tokenizer_path or job.model_path))
    shards: list[Shard] = []
    if job.coverage_tokens:
        shards.append(Shard(0, Kind.COVERAGE, 5 * job.coverage_tokens))
    chosen: list[Lot] = []
    for lot in plan(job, [chat_tokens(tokenizer, prompt) for prompt in job.prompts]):
        if chosen and sum(each.n_tokens for each in [*chosen, lot]) > tokens_a_shard:
            shards.append(of_prompts(len(shards), chosen))
            chosen = []
        chosen.append(lot)
    if chosen:
        shards.append(of_prompts(len(shards), chosen))
    return tuple(shards)


def of_prompts(number: int, chosen: Sequence[Lot]) -> Shard:
    """A shard of some lots."""
    return Shard(number, Kind.PROMPTS, sum(lot.n_tokens for lot in chosen), tuple(chosen))


def plan(job: ScanJob, chats: Sequence[ChatTokens]) -> tuple[Lot, ...]:
    """All prompts in lots; what stands before a prompt's content may be shared."""
    return lots.cut(
        [chat.ids for chat in chats], job.token_budget, prefixes=[chat.start for chat in chats]
    )


def tell(report: Report, progress: Progress) -> None:
    """Report, and stop if the answer is False."""
    if report(progress) is False:
        raise Cancelled(f"stopped while {progress.stage}, {progress.done} of {progress.total} done")
