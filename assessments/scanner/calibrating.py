"""Calibrate a watch-list on one model: how often it is wrong, and how much it finds.

1. Read the watched latents on benign prompts and on positive controls, lot by lot, as a scan does;
   on benign ones count all latents.
2. Set each threshold at the rate asked for, or keep it and say which rate it is shown to keep.
3. Count what each latent finds, and what the latents of a concern find together.
4. Draw for each watched latent a pool of others that fire about as often, for scans to compare with.

Latents are found on sentences with slots, and other fillings of the same sentences show next to
nothing: on those the shipped list finds all of most concerns. So the built-in prompts are worded
unlike any of them; what is counted speaks of other wordings, in English, one prompt each. A
threshold is never judged by the prompts that set it: where thresholds are set, every third benign
prompt is held back, and false alarms of concerns are counted on these alone.

Shapes: P prompts, M watched latents, F latents, U units.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from assessments.scanner import calibration, controls, lots, run, watching, working
from assessments.scanner.chat import chat_tokens
from assessments.scanner.contract import (
    Criterion,
    Family,
    Progress,
    ScanFailed,
    Stage,
    WatchedLatent,
    plain_sha256,
)
from assessments.scanner.instrument import assemble, held_if_small
from assessments.scanner.reading import Reader
from assessments.scanner.shards import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from assessments.scanner.contract import ConcernRecall, Prompt, ScanJob
    from assessments.scanner.sae import SparseAutoencoder
    from assessments.scanner.shards import Report

    Floats = NDArray[np.float64]

HELD_BACK = 3
"""Every so many-th benign prompt sets no threshold."""
POOL = 32
"""Controls that are drawn for each watched latent; a scan takes some of them."""


@dataclass(frozen=True)
class Settings:
    """How a watch-list is calibrated."""

    rate: float = 0.01
    """The share of benign prompts that may rise above a threshold, assured with `confidence`."""
    keeps_thresholds: bool = False
    """Thresholds stay, and only what they are worth is measured."""
    confidence: float = 0.95
    seed: int = 0
    """Which prompt stands under which frame, and which latents are controls."""


class Read(NamedTuple):
    """What was read: one row a unit."""

    peaks: Floats
    """(U, M)"""
    families: tuple[Family, ...]
    densities: Floats
    """(F,); share of benign content tokens on which each latent fires."""
    n_benign_tokens: int


@dataclass(frozen=True)
class Calibrated:
    """A watch-list with what is known of it, and what that rests on."""

    watchlist: tuple[WatchedLatent, ...]
    concerns: tuple[ConcernRecall, ...]
    n_units: dict[str, int]
    """By family."""
    n_benign_tokens: int
    prompts_sha256: str
    model_sha256: str


def calibrate(job: ScanJob, settings: Settings, report: Report = lambda _: None) -> Calibrated:
    """The job's watch-list, calibrated on the job's prompts.

    Args:
        job: model, autoencoder, watch-list and prompts; what else a scan does is left out.
        settings: how.
        report: called often with how far it is; its answering False ends it.

    Raises:
        ScanFailed: a file is not what the job says, too few benign prompts for the rate, or a
            concern without a positive control.
    """
    run.check(job)
    expect_every_family(job)
    expect_enough(job, settings)
    read = read_all(job, report)
    found = with_thresholds(job, read, settings)
    found = with_pools(found, read, settings)
    measured = measuring(read, settings)
    peaks = read.peaks[measured]
    families = [read.families[row] for row in measured]
    found = calibration.with_recall(
        found, peaks, families, confidence=settings.confidence, suite_sha256=job.suite_sha256
    )
    concerns = calibration.concern_recalls(
        found,
        peaks,
        families,
        confidence=settings.confidence,
        suite_sha256=job.suite_sha256,
        model_sha256=job.model_sha256,
    )
    return Calibrated(
        watchlist=calibration.with_together(found, concerns),
        concerns=concerns,
        n_units={family.value: n for family, n in Counter(read.families).items()},
        n_benign_tokens=read.n_benign_tokens,
        prompts_sha256=job.suite_sha256,
        model_sha256=job.model_sha256,
    )


def expect_every_family(job: ScanJob) -> None:
    """Refuse prompts that leave a concern of the list, or its absence, untold."""
    have = {prompt.family for prompt in job.prompts}
    lacking = ({latent.concern for latent in job.watchlist} | {Family.BENIGN}) - have
    if lacking:
        named = ", ".join(sorted(family.value for family in lacking))
        message = f"expected prompts of each watched concern and benign ones, came none of {named}"
        raise ScanFailed(message, permanent=True)


def expect_enough(job: ScanJob, settings: Settings) -> None:
    """Refuse what is no rate, and too few benign prompts for one, before anything is read."""
    if not 0 < settings.rate < 1:
        message = f"expected a false-positive rate between 0 and 1, came {settings.rate:g}"
        raise ScanFailed(message, permanent=True)
    if settings.keeps_thresholds:
        return
    benign = {unit_of(prompt) for prompt in job.prompts if prompt.family is Family.BENIGN}
    n = len(benign) - len(benign) // HELD_BACK
    rate, confidence = settings.rate, settings.confidence
    if n < (needed := calibration.fewest(rate, confidence, Criterion.ASSURED)):
        message = (
            f"a false-positive rate of {rate:g} needs at least {needed} benign prompts to set "
            f"thresholds on, came {n} (of {len(benign)}; every {HELD_BACK}rd is held back, for "
            "false alarms to be counted on). Bring more, ask for a rate above "
            f"{calibration.lowest_rate(n, confidence):.4f}, or keep the thresholds and have them "
            "measured"
        )
        raise ScanFailed(message, permanent=True)


def read_all(job: ScanJob, report: Report) -> Read:
    """Every prompt's peaks, and how often each latent fires on benign ones."""
    tell(report, Progress(Stage.LOADING, 0, 1))
    instrument = assemble(job, whole=False)
    sae = held_if_small(instrument.sae, instrument.device)
    working.self_check(instrument, sae, report)
    tokenizer = instrument.loaded.tokenizer
    special = frozenset(tokenizer.all_special_ids)
    chats = [chat_tokens(tokenizer, prompt) for prompt in job.prompts]
    ids = {place: chat.ids for place, chat in enumerate(chats)}
    peaks = np.zeros((len(chats), len(job.watchlist)))  # (P, M)
    counted = Counted(np.zeros(sae.d_sae), 0)
    reader = Reader(instrument.loaded.model, instrument.point)
    n_done = 0
    cut = lots.cut([chat.ids for chat in chats], job.token_budget)
    for _, streams in reader.read(ids, cut):
        for place, stream in streams:
            chat = chats[place]
            scored = ~watching.set_apart(chat.content, chat.start, special)
            content = stream[chat.start : chat.end][torch.from_numpy(scored).to(stream.device)]
            if not len(content):
                message = f"prompt {chat.prompt_id!r} has no token to score; give it text"
                raise ScanFailed(message, permanent=True)
            peaks[place] = instrument.columns.encode(content).max(0).values.double().cpu().numpy()
            if job.prompts[place].family is Family.BENIGN:
                counted = counted.on(sae, content)
            n_done += 1
            tell(report, Progress(Stage.READING, n_done, len(chats)))
    return by_unit(job.prompts, peaks, counted)


class Counted(NamedTuple):
    """On how many tokens each latent fired, (F,), and of how many."""

    n_fired: Floats
    n_tokens: int

    def on(self, sae: SparseAutoencoder, content: Tensor) -> Counted:
        """The same with some more tokens: (T, D)."""
        fired = (sae.encode(content) != 0).sum(0).double().cpu().numpy()
        return Counted(self.n_fired + fired, self.n_tokens + len(content))


def by_unit(asked: Sequence[Prompt], peaks: Floats, counted: Counted) -> Read:
    """Prompts of one content taken together: their highest peaks, one row a content."""
    highest, units = calibration.by_unit(peaks, [unit_of(prompt) for prompt in asked])
    families = tuple(Family(unit.partition(" ")[0]) for unit in units)
    return Read(highest, families, counted.n_fired / counted.n_tokens, counted.n_tokens)


def unit_of(prompt: Prompt) -> str:
    """What makes prompts one unit: family and content."""
    return f"{prompt.family.value} {prompt.content_id or prompt.id}"


def held_back(read: Read) -> set[int]:
    """The benign rows that set no threshold."""
    benign = [row for row, family in enumerate(read.families) if family is Family.BENIGN]
    return set(benign[HELD_BACK - 1 :: HELD_BACK])


def setting(read: Read, settings: Settings) -> list[int]:
    """The benign rows that thresholds are set, or measured, on."""
    back: set[int] = set() if settings.keeps_thresholds else held_back(read)
    return [
        row
        for row, family in enumerate(read.families)
        if family is Family.BENIGN and row not in back
    ]


def measuring(read: Read, settings: Settings) -> list[int]:
    """The rows that recall and false alarms are counted on."""
    spent = set() if settings.keeps_thresholds else set(setting(read, settings))
    return [row for row in range(len(read.families)) if row not in spent]


def with_thresholds(job: ScanJob, read: Read, settings: Settings) -> tuple[WatchedLatent, ...]:
    """The watch-list with a calibration each, at new thresholds or at its own."""
    peaks = read.peaks[setting(read, settings)]
    benign = tuple(prompt for prompt in job.prompts if prompt.family is Family.BENIGN)
    pinned, confidence = plain_sha256(benign), settings.confidence
    if settings.keeps_thresholds:
        return calibration.kept(job.watchlist, peaks, confidence=confidence, corpus_sha256=pinned)
    return calibration.calibrated(
        job.watchlist,
        peaks,
        rate=settings.rate,
        least=[
            least(column, at, settings) for column, at in zip(peaks.T, job.watchlist, strict=True)
        ],
        confidence=confidence,
        corpus_sha256=pinned,
    )


def least(column: Floats, latent: WatchedLatent, settings: Settings) -> float:
    """Below which a latent's threshold is not set: its present one, if benign prompts ask for none.

    Where enough benign prompts are silent, any threshold above zero would keep the rate.
    """
    n = len(column)
    k = calibration.allowed(n, settings.rate, settings.confidence, Criterion.ASSURED)
    asked = float(np.sort(column)[n - 1 - k]) if 0 <= k < n else 0.0
    return asked if asked > 0 else latent.threshold


def with_pools(
    watchlist: Sequence[WatchedLatent], read: Read, settings: Settings
) -> tuple[WatchedLatent, ...]:
    """The watch-list with each latent's density and its equals."""
    watched = [latent.index for latent in watchlist]
    pools = controls.matched(read.densities, watched, n=POOL, seed=settings.seed)
    return tuple(
        replace(
            latent,
            calibration=latent.calibration
            and replace(
                latent.calibration, density=float(read.densities[latent.index]), controls=pool
            ),
        )
        for latent, pool in zip(watchlist, pools, strict=True)
    )
