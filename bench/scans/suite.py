"""The shipped suite's first prompts with the shipped autoencoder, where lengths differ.

watched       no deeper than the autoencoder, its watch-list's columns
everything    Hugging Face's whole pass with hidden states and logits, then every latent
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from assessments.scanner import activations, chat, formats, lots, prompts, readpoints, weights
from assessments.scanner.reading import Reader
from bench.frame import ROOT, serve
from bench.scans import inputs, ours

N_PROMPTS = 32
TOKEN_BUDGET = 2048
SAE = ROOT / "assessments/scanner/weights/smollm2-135m-block10"


def sequences(loaded: weights.LoadedModel) -> list[tuple[int, ...]]:
    """The prompts as tokens."""
    return [chat.chat_tokens(loaded.tokenizer, each).ids for each in prompts.suite()[:N_PROMPTS]]


def watched() -> tuple[Callable[[], object], float]:
    """As the scanner does it."""
    sae = formats.open_sae(SAE)
    point = readpoints.parse(sae.hook_name)
    loaded = weights.load_model(inputs.MODEL, blocks=readpoints.blocks_needed(point))
    columns = sae.columns([latent.index for latent in prompts.load_watchlist()])
    asked = sequences(loaded)
    reader, ids = Reader(loaded.model, point), dict(enumerate(asked))

    def once() -> None:
        for _, streams in reader.read(ids, lots.cut(asked, ours.BUDGET)):
            for _, stream in streams:
                columns.encode(stream)

    return once, sum(map(len, asked))


def everything() -> tuple[Callable[[], object], float]:
    """As one would without thinking of cost."""
    torch.set_grad_enabled(False)
    sae = formats.open_sae(SAE).held()
    block = activations.block_of(sae.hook_name)
    loaded = weights.load_model(inputs.MODEL)
    asked = sequences(loaded)

    def once() -> None:
        for given in activations.batches(asked, TOKEN_BUDGET):
            out = loaded.model(
                input_ids=given.ids,
                attention_mask=given.mask,
                output_hidden_states=True,
                use_cache=False,
            )
            for row, index in enumerate(given.indices):
                sae.encode(out.hidden_states[block + 1][row, : len(asked[index])])

    return once, sum(map(len, asked))


if __name__ == "__main__":
    serve({"watched": watched, "everything": everything})
