"""bfloat16 with recheck: whole prompts through the scanner's own shard of work.

    bfloat16     read in bfloat16; what is near a threshold or above it is read again in float32
    float32      the same prompts, all in float32
    unchecked    the same in bfloat16 and never again: what the recheck costs

Prompts are built-in sentences strung together to 128 tokens. Each watched latent's threshold lies a
quarter above its highest peak on as many other prompts, so that hits, which are always read again,
are few, as on benign prompts they are. What was decided on each prompt is left for comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from safetensors.torch import save_file

from assessments.scanner import formats, weights
from assessments.scanner.chat import chat_tokens
from assessments.scanner.contract import Family, Prompt, ScanJob, WatchedLatent, plain_sha256
from assessments.scanner.prompts import Content, Use, contents
from assessments.scanner.shards import split
from assessments.scanner.working import PromptWork
from bench.frame import serve
from bench.scans import inputs, ours

N_PROMPTS = 64
N_LATENTS = max(inputs.WIDTHS)
ABOVE = 1.25


def prompts(tokenizer: object, use: Use) -> tuple[Prompt, ...]:
    """As many prompts of 128 tokens as are wanted, from contents of one use."""
    pool = sorted((each for each in contents() if each.use is use), key=lambda each: each.id)
    found: list[Prompt] = []
    while len(found) < N_PROMPTS:
        place = len(found) * 5 % len(pool)
        found.append(strung(tokenizer, f"{use}-{len(found)}", pool[place:] + pool[:place]))
    return tuple(found)


def strung(tokenizer: object, name: str, pool: Sequence[Content]) -> Prompt:
    """Contents, one behind the other, as long as 128 tokens hold them."""
    words = " ".join(each.text for each in pool[:20]).split()
    low, high = 1, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        prompt = Prompt(name, Family.BENIGN, " ".join(words[:middle]))
        fits = len(chat_tokens(tokenizer, prompt).ids) <= inputs.N_TOKENS  # type: ignore[arg-type]
        low, high = (middle, high) if fits else (low, middle - 1)
    return Prompt(name, Family.BENIGN, " ".join(words[:low]))


def job(dtype: str) -> ScanJob:
    """The prompts under a watch-list whose thresholds were set on others."""
    loaded = weights.load_model(inputs.MODEL, blocks=inputs.BLOCKS)
    latents = inputs.watched(N_LATENTS)
    columns = formats.open_sae(inputs.sae_folder(N_LATENTS)).columns(latents)
    peaks = []
    for prompt in prompts(loaded.tokenizer, Use.FIT):
        chat = chat_tokens(loaded.tokenizer, prompt)
        (stream,) = ours.read(loaded.model, [list(chat.ids)])
        peaks.append(columns.encode(stream[chat.start : chat.end]).max(0).values)
    highest = ABOVE * torch.stack(peaks).max(0).values.clamp(min=1e-3)
    asked = prompts(loaded.tokenizer, Use.CONFIRM)
    return ScanJob(
        model_path=str(inputs.MODEL),
        model_sha256=loaded.sha256,
        sae_path=str(inputs.sae_folder(N_LATENTS)),
        sae_sha256="",
        hook_name=inputs.HOOK,
        watchlist=tuple(
            WatchedLatent(latent, Family.DECEPTION, "random", float(threshold))
            for latent, threshold in zip(latents, highest, strict=True)
        ),
        prompts=asked,
        suite_sha256=plain_sha256(asked),
        dtype=dtype,
        token_budget=ours.BUDGET,
        coverage_tokens=0,
    )


def unchecked() -> tuple[Callable[[], object], float]:
    """All prompts once, in bfloat16 alone."""
    asked = job("bfloat16")
    (shard,) = split(asked)
    work = PromptWork(asked, shard, lambda _: None)

    def once() -> list[object]:
        return list(work.encoded(work.reader, work.first, shard.lots))

    return once, sum(len(chat.ids) for chat in work.chats.values())


def scan(dtype: str) -> tuple[Callable[[], object], float]:
    """All prompts once."""
    asked = job(dtype)
    (shard,) = split(asked)
    work = PromptWork(asked, shard, lambda _: None)
    band = work.band() if work.is_screened else None
    latents = len(asked.watchlist)

    def once() -> dict[int, torch.Tensor]:
        return {place: torch.from_numpy(found) for place, found in work.read(shard.lots, band)}

    decided = torch.zeros(N_PROMPTS, latents, dtype=torch.bool)
    for place, found in once().items():
        decided[place] = found.max(0).values > torch.from_numpy(work.thresholds)
    told = torch.tensor([work.n_rechecked, work.n_flipped])
    save_file({"decided": decided, "told": told}, inputs.FOLDER / f"screened_{dtype}.safetensors")
    return once, sum(len(chat.ids) for chat in work.chats.values())


CASES: dict[str, Callable[[], tuple[Callable[[], object], float]]] = {
    "float32": partial(scan, "float32"),
    "bfloat16": partial(scan, "bfloat16"),
    "unchecked": unchecked,
}

if __name__ == "__main__":
    serve(CASES)
