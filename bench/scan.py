"""Reading prompts: no deeper than the autoencoder and only watched columns, against everything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.frame import ROOT, Row, answer, apart

TITLE = "Reading prompts with an autoencoder"
ABOUT = """
The same prompts, batches and weights, float32 on the processor. Ours: the model is cut behind the block that is read, there is no
language-model head, and only the watch-list's columns are encoded. Baseline: the whole Hugging
Face forward pass with all hidden states and logits, then every latent encoded. With the demo's
model where `make demo` has made it; else with a seeded random model of the same shape.
"""
N_PROMPTS = 32
TOKEN_BUDGET = 2048
WEIGHTS = ROOT / "assessments/scanner/weights/smollm2-135m-block10"
MODEL = Path(os.environ.get("BENCH_MODEL", ROOT / "var/models/helpdesk-1.0.0"))


def run() -> list[Row]:
    """Tokens a second."""
    named = "SmolLM2-135M" if MODEL.is_dir() else "random model of SmolLM2's shape"
    threads = {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
    return [
        Row(
            f"prompt tokens read, {named}",
            apart("bench.scan", "watched", threads),
            apart("bench.scan", "everything", threads),
            "a second",
        )
    ]


def watched() -> float:
    """As the scanner does it."""
    from assessments.scanner import activations, prompts
    from assessments.scanner.formats import saelens

    sae = saelens.load(WEIGHTS)
    latents = [latent.index for latent in prompts.load_watchlist()]
    block = activations.block_of(sae.hook_name)
    model, sequences = _model(blocks=block + 1)

    def read() -> None:
        for _, stream in activations.each_sequence(
            model, sequences, block, token_budget=TOKEN_BUDGET
        ):
            sae.encode_some(stream, latents)  # (T, M)

    return _timed(read, sequences)


def everything() -> float:
    """As one would without thinking of cost."""
    import torch

    from assessments.scanner import activations
    from assessments.scanner.formats import saelens

    sae = saelens.load(WEIGHTS)
    block = activations.block_of(sae.hook_name)
    model, sequences = _model(blocks=None)

    @torch.no_grad()
    def read() -> None:
        for given in activations.batches(sequences, TOKEN_BUDGET):
            out = model(
                input_ids=given.ids,
                attention_mask=given.mask,
                output_hidden_states=True,
                use_cache=False,
            )
            stream = out.hidden_states[block + 1].float()  # (B, T, D)
            for row, index in enumerate(given.indices):
                sae.encode(stream[row, : len(sequences[index])])  # (T, F)

    return _timed(read, sequences)


def _model(*, blocks: int | None) -> tuple[Any, list[Any]]:
    """The model, no deeper than asked, and the prompts as tokens."""
    if MODEL.is_dir():
        from assessments.scanner import chat, weights

        loaded = weights.load_model(MODEL, blocks=blocks)
        return loaded.model, [chat.chat_tokens(loaded.tokenizer, each).ids for each in _prompts()]
    return _random_model(blocks), list(_random_sequences())


def _prompts() -> list[Any]:
    """The shipped suite's first prompts."""
    from assessments.scanner import prompts

    return list(prompts.suite())[:N_PROMPTS]


def _random_model(blocks: int | None) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=blocks or 30,
        num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def _random_sequences() -> Iterator[list[int]]:
    import random

    chosen = random.Random(0)  # noqa: S311 - a benchmark's tokens
    for _ in range(N_PROMPTS):
        yield [chosen.randrange(49152) for _ in range(chosen.randrange(60, 140))]


def _timed(read: Callable[[], None], sequences: list[Any]) -> float:
    """Once to warm up, then twice for the clock."""
    read()
    began = time.monotonic()
    for _ in range(2):
        read()
    return 2 * sum(len(each) for each in sequences) / (time.monotonic() - began)


CASES: dict[str, Callable[[], float]] = {"watched": watched, "everything": everything}

if __name__ == "__main__":
    answer(CASES)
