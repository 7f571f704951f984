"""Do one shard of a scan: read its prompts, or measure coverage.

Where the job asks for a coarser number than float32, that only sorts: a prompt with a hit, with a
peak near its threshold, or one of a pair is read again in float32, and nothing else is a finding.

Shapes: T content tokens, M watched latents.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from collections import defaultdict
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from assessments.scanner import coverage, lots, selfcheck, watching
from assessments.scanner.cells import AROUND, Watched
from assessments.scanner.chat import chat_tokens, spelled
from assessments.scanner.contract import (
    CheckStatus,
    FeatureHit,
    Finding,
    Frame,
    Precision,
    Progress,
    ScanFailed,
    Stage,
    TokenWindow,
)
from assessments.scanner.instrument import assemble, held_if_small
from assessments.scanner.lots import Lot
from assessments.scanner.prompts import DATA, pairs
from assessments.scanner.reading import Reader, prefix_deviation
from assessments.scanner.shards import Kind, Part, PromptRow, Worked, tell
from assessments.scanner.text import shown
from assessments.scanner.watching import PromptStatistics, WatchStatistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from assessments.scanner.chat import ChatTokens
    from assessments.scanner.contract import Family, Prompt, ScanJob, SelfCheck
    from assessments.scanner.instrument import Instrument
    from assessments.scanner.sae import Columns, SparseAutoencoder
    from assessments.scanner.shards import Report, Shard

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Rank = tuple[float, int, int]
    """Strongest first, then the earlier prompt, then the earlier latent."""

N_ALONE = 16
"""Prompts read once more, each alone and without a kept prefix, to see what company changes."""
MOST_PREFIX_DEVIATION = {"float32": 1e-5, "bfloat16": 2e-2}
"""A kept prefix that changes the stream by more is not used."""
GUARD = 6.0
"""How far below its border a prompt's highest pre-activation in bfloat16 still has the prompt read
again: standard deviations of the difference between bfloat16 and float32. Pre-activations, for past
a jump of a JumpReLU the least difference is a large one."""
ON_ALL_CORES = 1024
"""Tokens at once where a pass is not one of many side by side: coverage and the self-check."""
MERGE_AFTER = 256
"""Prompts whose sums are kept apart at most."""
GOLDEN = (math.sqrt(5) - 1) / 2
LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy")
HELD_OUT = DATA / "held_out.jsonl"


def work(job: ScanJob, shard: Shard, report: Report = lambda _: None) -> Part:
    """Do one shard.

    Args:
        job: the whole scan.
        shard: which piece of it.
        report: called often with how far the shard is; whatever it raises ends the work, and so
            does its answering False.

    Raises:
        ScanFailed: a file is not what the job says, or does not fit.
        Cancelled: `report` answered False.
    """
    torch.manual_seed(job.seed)
    tell(report, Progress(Stage.LOADING, 0, 1))
    if shard.kind is Kind.COVERAGE:
        return cover(job, shard, report)
    return PromptWork(job, shard, report).part()


def cover(job: ScanJob, shard: Shard, report: Report) -> Part:
    """Measure coverage on the held-out text that comes with the scanner."""
    began = time.monotonic()
    instrument = assemble(job, whole=True)
    sae = held_if_small(instrument.sae, instrument.device)
    checked = self_check(instrument, sae, report) if shard.number == 0 else None
    texts = held_out_sequences(instrument.loaded.tokenizer, job.coverage_tokens)
    found = coverage.measure(
        instrument.loaded.model,
        sae,
        texts,
        at=instrument.point,
        special=frozenset(instrument.loaded.tokenizer.all_special_ids),
        token_budget=max(job.token_budget, ON_ALL_CORES),
        contexts=contexts(job, instrument.loaded.tokenizer),
        report=lambda done, total: tell(report, Progress(Stage.COVERAGE, done, total)),
    )
    n_tokens = sum(map(len, texts))
    made = worked(instrument, began, n_tokens)
    return Part(shard.number, made, coverage=found, self_check=checked)


def self_check(instrument: Instrument, sae: SparseAutoencoder, report: Report) -> SelfCheck | None:
    """Whether the autoencoder was read right; the first shard asks, before anything else.

    Raises:
        ScanFailed: its latents say nothing of this model.
    """
    job = instrument.job
    if not job.self_check_tokens:
        return None
    found = selfcheck.check(
        instrument.loaded,
        sae,
        held_out_sequences(instrument.loaded.tokenizer, job.self_check_tokens),
        token_budget=max(job.token_budget, ON_ALL_CORES),
        base_fvu=job.base_fvu,
        alive=lambda: tell(report, Progress(Stage.LOADING, 0, 1)),
    )
    if found.status is CheckStatus.UNUSABLE:
        name = Path(job.sae_path).name
        message = f"{name}: the autoencoder is unusable on this model. {found.sentence}"
        raise ScanFailed(message, permanent=True)
    return found


def contexts(job: ScanJob, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[tuple[int, ...]]]:
    """Prompts of each frame, evenly drawn, about half as many tokens each as the held-out text."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for frame in Frame:
        under = [prompt for prompt in job.prompts if prompt.frame is frame]
        chosen: list[tuple[int, ...]] = []
        for prompt in spread(under):
            if sum(map(len, chosen)) >= job.coverage_tokens // 2:
                break
            chosen.append(chat_tokens(tokenizer, prompt).ids)
        if chosen:
            found[frame.value] = chosen
    return found


def spread(prompts: Sequence[Prompt]) -> Iterator[Prompt]:
    """All of them, in an order of which every beginning is spread over the whole."""
    n = len(prompts)
    step = next((each for each in range(round(n * GOLDEN), n) if math.gcd(each, n) == 1), 1)
    for at in range(n):
        yield prompts[at * step % n]


def held_out_sequences(tokenizer: PreTrainedTokenizerBase, n_tokens: int) -> list[tuple[int, ...]]:
    """Held-out texts as token ids, as many as make up `n_tokens`."""
    chosen: list[tuple[int, ...]] = []
    with HELD_OUT.open(encoding="utf-8") as stream:
        for line in stream:
            chosen.append(tuple(tokenizer(json.loads(line)["text"])["input_ids"]))
            if sum(map(len, chosen)) >= n_tokens:
                break
    return chosen


def worked(instrument: Instrument, began: float, n_tokens: int) -> Worked:
    """How a part was made."""
    return Worked(
        model_files=instrument.loaded.files,
        versions={"python": platform.python_version()} | {n: version(n) for n in LIBRARIES},
        device=instrument.job.device,
        n_threads=torch.get_num_threads(),
        seconds=time.monotonic() - began,
        n_tokens=n_tokens,
    )


def paired_ids(job: ScanJob) -> frozenset[str]:
    """The prompts that are compared with each other."""
    both = ((pair.evaluation.id, pair.deployment.id) for pair in pairs(job.prompts))
    return frozenset(each for pair in both for each in pair)


def n_alone_step(job: ScanJob) -> int:
    """Each so many-th prompt of the job is read once more, alone."""
    return max(1, math.ceil(len(job.prompts) / N_ALONE))


def borders(instrument: Instrument, thresholds: Floats) -> Floats:
    """Pre-activations above which latents are above their thresholds; -inf where latents compete."""
    found = instrument.columns.borders(torch.from_numpy(thresholds))
    if found is None:
        return np.full(len(thresholds), -np.inf)
    return np.asarray(found.double().cpu().numpy())


def width_of(band: Floats, borders: Floats) -> float | None:
    """The widest part of a guard band, as a share of the border it guards; None for no border."""
    if not np.isfinite(borders).all():
        return None
    return float((band / np.maximum(np.abs(borders), np.finfo(float).tiny)).max())


def highest_pre(instrument: Instrument, content: Tensor) -> Floats:
    """The highest pre-activation of each watched latent on a content: (T, D) to (M,)."""
    return np.asarray(instrument.columns.pre(content).max(0).values.double().cpu().numpy())


class PromptWork:
    """One shard of prompts, while it is being worked."""

    def __init__(self, job: ScanJob, shard: Shard, report: Report) -> None:
        """Load what is needed and decide how to read."""
        self.began = time.monotonic()
        self.job, self.shard, self.report = job, shard, report
        self.exact = assemble(job, whole=False)
        self.is_screened = job.dtype != "float32"
        self.first = assemble(job, whole=False, dtype=job.dtype) if self.is_screened else self.exact
        self.reader = Reader(self.first.loaded.model, self.first.point)
        self.careful = Reader(self.exact.loaded.model, self.exact.point)
        tokenizer = self.exact.loaded.tokenizer
        self.tokenizer = tokenizer
        self.special = frozenset(tokenizer.all_special_ids)
        places = [place for lot in shard.lots for place in lot.places]
        self.chats = {at: chat_tokens(tokenizer, job.prompts[at]) for at in places}
        self.ids = {at: chat.ids for at, chat in self.chats.items()}
        self.watched = Watched.of(job.watchlist)
        self.thresholds = np.array(self.watched.thresholds)
        self.paired = paired_ids(job) if self.is_screened else frozenset()
        self.borders = borders(self.first, self.thresholds)
        self.rows: list[PromptRow] = []
        self.statistics: list[WatchStatistics] = []
        self.candidates: dict[tuple[Family, Frame], list[tuple[Rank, Finding]]] = defaultdict(list)
        self.control_peaks: dict[int, tuple[float, ...]] = {}
        self.n_rechecked = self.n_flipped = 0

    def part(self) -> Part:
        """Read every lot, and sum up."""
        checked = None
        if self.shard.number == 0:
            sae = held_if_small(self.exact.sae, self.exact.device)
            checked = self_check(self.exact, sae, self.report)
        deviation, is_kept = self.prefix()
        chosen = [lot if is_kept else Lot(lot.places, 0, lot.n_tokens) for lot in self.shard.lots]
        band = self.band() if self.is_screened else None
        reading = time.monotonic()
        n_done = 0
        for place, activations in self.read(chosen, band):
            self.take_in(place, activations)
            n_done += len(self.ids[place])
            speed = n_done / max(time.monotonic() - reading, 1e-9)
            done = Progress(Stage.READING, len(self.rows), len(self.chats), speed)
            tell(self.report, done)
        made = worked(self.exact, self.began, n_done)
        return Part(
            self.shard.number,
            replace(
                made,
                n_halved=self.reader.n_halved + self.careful.n_halved,
                batch_deviation=self.alone(),
                prefix_deviation=deviation,
                is_prefix_kept=is_kept and any(lot.n_prefix for lot in chosen),
                seconds=time.monotonic() - self.began,
            ),
            rows=tuple(sorted(self.rows, key=lambda row: row.place)),
            statistics=watching.merge(self.statistics),
            findings=self.findings(),
            precision=self.precision(band),
            self_check=checked,
        )

    def prefix(self) -> tuple[float, bool]:
        """What a kept prefix changes, tried on the job's first prompt, and whether it is used."""
        chat = chat_tokens(self.tokenizer, self.job.prompts[0])
        if chat.start < lots.SHORTEST_PREFIX:
            return 0.0, True
        deviation = prefix_deviation(
            self.first.loaded.model, self.first.point, chat.ids, chat.start
        )
        return deviation, deviation <= MOST_PREFIX_DEVIATION[self.job.dtype]

    def read(self, chosen: Sequence[Lot], band: Floats | None) -> Iterator[tuple[int, Floats]]:
        """Each prompt's watched activations on its content: its place, and (T, M)."""
        if band is None:
            yield from self.encoded(self.careful, self.exact, chosen)
            return
        before: dict[int, Bools] = {}
        again: list[Lot] = []
        for lot, streams in self.reader.read(self.ids, chosen):
            near: list[int] = []
            for place, stream in streams:
                content = self.content(place, lot, stream)
                height = highest_pre(self.first, content)
                if self.is_near(place, height, band):
                    before[place] = height > self.borders
                    near.append(place)
                else:
                    yield place, self.activations(self.first, place, content)
            if near:
                again.append(Lot(tuple(near), lot.n_prefix, lot.n_tokens))
        for place, activations in self.encoded(self.careful, self.exact, again):
            self.n_rechecked += 1
            after = activations.max(axis=0) > self.thresholds
            self.n_flipped += int((before[place] != after).any())
            yield place, activations

    def is_near(self, place: int, height: Floats, band: Floats) -> bool:
        """Whether a prompt is read again: one of a pair, or near a border or past it."""
        is_paired = self.job.prompts[place].id in self.paired
        return is_paired or bool((height > self.borders - band).any())

    def encoded(
        self, reader: Reader, instrument: Instrument, chosen: Sequence[Lot]
    ) -> Iterator[tuple[int, Floats]]:
        """Some lots' streams through the watched columns."""
        for lot, streams in reader.read(self.ids, chosen):
            for place, stream in streams:
                yield place, self.activations(instrument, place, self.content(place, lot, stream))

    def content(self, place: int, lot: Lot, stream: Tensor) -> Tensor:
        """The scored part of a prompt's stream: (T, D)."""
        chat = self.chats[place]
        return stream[chat.start - lot.n_prefix : chat.end - lot.n_prefix]

    def activations(self, instrument: Instrument, place: int, content: Tensor) -> Floats:
        """The watched latents, (T, M); what the latents beside them peak at is kept aside."""
        if instrument.beside is not None:
            self.control_peaks[place] = self.highest(instrument.beside, self.chats[place], content)
        return np.asarray(instrument.columns.encode(content).double().cpu().numpy())

    def highest(self, columns: Columns, chat: ChatTokens, content: Tensor) -> tuple[float, ...]:
        """Each latent's peak on the content, set-apart tokens left out: (C,) of (T, D)."""
        scored = torch.from_numpy(~watching.set_apart(chat.content, chat.start, self.special))
        if not scored.any():  # Taking such a prompt in is refused, and says why.
            return ()
        peaks = columns.encode(content[scored.to(content.device)]).max(0).values
        return tuple(peaks.double().tolist())

    def band(self) -> Floats:
        """How near its border each latent's highest pre-activation is read again: (M,).

        Measured on prompts spread over the whole job, so that it is the same in every shard.
        Infinite where latents compete: there everything is read again.
        """
        if not np.isfinite(self.borders).all():
            return np.full(len(self.thresholds), np.inf)
        differences = []
        for place in range(0, len(self.job.prompts), n_alone_step(self.job)):
            chat = chat_tokens(self.tokenizer, self.job.prompts[place])
            coarse, exact = (
                highest_pre(instrument, reader.alone(chat.ids)[chat.start : chat.end])
                for reader, instrument in ((self.reader, self.first), (self.careful, self.exact))
            )
            differences.append(coarse - exact)
        spread = np.sqrt(np.mean(np.square(differences), axis=0))
        return np.asarray(GUARD * np.maximum(spread, np.median(spread)))

    def take_in(self, place: int, activations: Floats) -> None:
        """Sum one prompt up."""
        prompt, chat = self.job.prompts[place], self.chats[place]
        apart = watching.set_apart(chat.content, chat.start, self.special)
        found = PromptStatistics.of(
            activations, prompt=prompt, place=place, ids=chat.content, start=chat.start,
            apart=apart, watched=self.watched,
        )  # fmt: skip
        self.statistics.append(found)
        if len(self.statistics) >= MERGE_AFTER:
            self.statistics = [watching.merge(self.statistics)]
        said = hashlib.sha256(json.dumps(chat.content).encode()).hexdigest()
        beside = self.control_peaks.pop(place, ())
        self.rows.append(PromptRow(place, len(chat.ids), said, found.peaks, beside))
        for column, height in enumerate(np.array(found.peaks) / self.thresholds):
            if height > 1:
                cell = self.candidates[self.job.watchlist[column].concern, prompt.frame]
                rank = (-float(height), place, column)
                if len(cell) < self.job.findings_per_cell or rank < cell[-1][0]:
                    cell.append(
                        (rank, self.finding(place, column, activations, found.positions[column]))
                    )
                    cell.sort(key=lambda each: each[0])
                    del cell[self.job.findings_per_cell :]

    def finding(self, place: int, column: int, activations: Floats, position: int) -> Finding:
        """One latent's peak in one prompt, at a position of it."""
        latent, prompt, chat = (
            self.job.watchlist[column],
            self.job.prompts[place],
            self.chats[place],
        )
        activity = activations[:, column]  # (T,)
        peak = position - chat.start
        first, last = max(0, peak - AROUND), peak + AROUND + 1
        words = tuple(shown(spelled(self.tokenizer, [each])) for each in chat.content[first:last])
        return Finding(
            hit=FeatureHit(
                latent=latent.index,
                concern=latent.concern,
                prompt_id=prompt.id,
                position=position,
                token=words[peak - first],
                activation=float(activity[peak]),
            ),
            threshold=latent.threshold,
            frame=prompt.frame,
            family=prompt.family,
            template_id=prompt.template_id,
            content_id=prompt.content_id,
            n_tokens_above=int((activity > latent.threshold).sum()),
            window=TokenWindow(
                tokens=words,
                activations=tuple(float(each) for each in activity[first:last]),
                peak=peak - first,
            ),
        )

    def findings(self) -> tuple[Finding, ...]:
        """The strongest of each concern under each frame, in this shard."""
        return tuple(
            found for cell in sorted(self.candidates) for _, found in self.candidates[cell]
        )

    def alone(self) -> float:
        """How far peaks move, in thresholds, when a few prompts are read without neighbours."""
        peaks = {row.place: np.array(row.peaks) for row in self.rows}
        worst = 0.0
        for place in range(0, len(self.job.prompts), n_alone_step(self.job)):
            if place not in peaks:
                continue
            ((_, activations),) = self.encoded(self.careful, self.exact, [Lot((place,), 0, 0)])
            moved = np.abs(activations.max(axis=0) - peaks[place]) / self.thresholds
            worst = max(worst, float(moved.max()))
        return worst

    def precision(self, band: Floats | None) -> Precision | None:
        """How bfloat16 was kept from deciding; None where everything is float32."""
        if band is None:
            return None
        return Precision(
            dtype=self.job.dtype,
            n_prompts=len(self.rows),
            n_rechecked=self.n_rechecked,
            n_flipped=self.n_flipped,
            widest_band=width_of(band, self.borders),
        )
