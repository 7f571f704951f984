"""The peers' side of `bench.scan`, run inside .venv-peers; nothing of ours computes here.

saelens        SAELens's own API: the bridge, `run_with_cache_with_saes`, one name kept
hidden         Hugging Face with all hidden states, then SAELens's encoder
nnsight        stopped by nnsight behind the block that is read, then SAELens's encoder
stop_at_layer  stopped by TransformerLens behind it, then SAELens's encoder
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from sae_lens import SAE
from sae_lens.analysis.sae_transformer_bridge import SAETransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.frame import serve
from bench.scans import inputs

Way = Callable[[int], Callable[[], torch.Tensor]]


def model() -> Any:
    """The whole model, float32."""
    return AutoModelForCausalLM.from_pretrained(inputs.MODEL, dtype=torch.float32).eval()


def sae_of(n_latents: int) -> Any:
    """The autoencoder as SAELens reads it."""
    return SAE.load_from_disk(inputs.sae_folder(n_latents))


def bridge() -> Any:
    """The model as TransformerLens and SAELens hold it."""
    return SAETransformerBridge.boot_transformers(
        str(inputs.MODEL),
        hf_model=model(),
        tokenizer=AutoTokenizer.from_pretrained(inputs.MODEL),
        device="cpu",
    )


def saelens(n_latents: int) -> Callable[[], torch.Tensor]:
    """SAELens's documented way."""
    whole, sae, ids = bridge(), sae_of(n_latents), inputs.ids()
    # The bridge's own name of the point; under the one in the autoencoder's file nothing is kept.
    name = f"blocks.{inputs.BLOCKS - 1}.hook_out.hook_sae_acts_post"

    def read() -> torch.Tensor:
        _, cache = whole.run_with_cache_with_saes(ids, saes=[sae], names_filter=[name])
        return cache[name]

    return read


def hidden(n_latents: int) -> Callable[[], torch.Tensor]:
    """The way of most notebooks."""
    whole, sae, ids = model(), sae_of(n_latents), inputs.ids()

    def read() -> torch.Tensor:
        out = whole(ids, output_hidden_states=True, use_cache=False)
        return sae.encode(out.hidden_states[inputs.BLOCKS])

    return read


def nnsight(n_latents: int) -> Callable[[], torch.Tensor]:
    """Stopped early by nnsight."""
    from nnsight import LanguageModel

    tokenizer = AutoTokenizer.from_pretrained(inputs.MODEL)
    whole, sae, ids = LanguageModel(model(), tokenizer=tokenizer), sae_of(n_latents), inputs.ids()

    def read() -> torch.Tensor:
        with whole.trace(ids) as tracer:
            stream = whole.model.layers[inputs.BLOCKS - 1].output.save()
            tracer.stop()
        return sae.encode(stream if isinstance(stream, torch.Tensor) else stream[0])

    return read


def stop_at_layer(n_latents: int) -> Callable[[], torch.Tensor]:
    """Stopped early by TransformerLens."""
    whole, sae, ids = bridge(), sae_of(n_latents), inputs.ids()

    def read() -> torch.Tensor:
        return sae.encode(whole(ids, stop_at_layer=inputs.BLOCKS))

    return read


def case(way: Way, n_latents: int) -> tuple[Callable[[], object], float]:
    """One pass over the texts; what the first finds is left for comparison."""
    warnings.simplefilter("ignore")
    torch.set_grad_enabled(False)
    read = way(n_latents)
    found = read()[..., inputs.watched(n_latents)]
    inputs.leave(found, f"{way.__name__}-{n_latents}")
    return read, inputs.N_TEXTS * inputs.N_TOKENS


CASES = {
    f"{way.__name__}-{n_latents}": partial(case, way, n_latents)
    for way in (saelens, hidden, nnsight, stop_at_layer)
    for n_latents in inputs.WIDTHS
}

if __name__ == "__main__":
    serve(CASES)
