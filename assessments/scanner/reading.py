"""Read the watched latents on the content of each prompt.

Shapes: T content tokens, M watched latents.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assessments.scanner import activations, readpoints
from assessments.scanner.chat import chat_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from assessments.scanner.chat import ChatTokens
    from assessments.scanner.contract import Prompt
    from assessments.scanner.sae import SparseAutoencoder
    from assessments.scanner.weights import LoadedModel

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One prompt, and what the watched latents did on its content."""

    prompt: Prompt
    tokens: ChatTokens
    activations: Floats
    """(T, M)"""

    @property
    def peaks(self) -> Floats:
        """The highest activation of each latent, (M,)."""
        return np.asarray(self.activations.max(axis=0))

    def strengths(self, thresholds: Floats) -> Floats:
        """log(1 + peak / threshold): 0 is silence, 0.69 the threshold. Shape (M,)."""
        return np.log1p(self.peaks / thresholds)


def read(  # All but four are named.
    loaded: LoadedModel,
    sae: SparseAutoencoder,
    prompts: Sequence[Prompt],
    latents: Sequence[int],
    *,
    token_budget: int,
    report: Callable[[int, int, float], None] = lambda *_: None,
) -> list[Reading]:
    """Every prompt's reading, in the order of the prompts."""
    chats = [chat_tokens(loaded.tokenizer, prompt) for prompt in prompts]
    found: list[Reading | None] = [None] * len(chats)
    began = time.monotonic()
    n_tokens = 0
    columns = sae.columns(latents, loaded.model.device)
    streams = activations.each_sequence(
        loaded.model,
        [chat.ids for chat in chats],
        readpoints.parse(sae.hook_name),
        token_budget=token_budget,
    )
    for done, (at, stream) in enumerate(streams, start=1):
        chat = chats[at]
        watched = columns.encode(stream[chat.start : chat.end])  # (T, M)
        found[at] = Reading(prompts[at], chat, watched.double().cpu().numpy())
        n_tokens += len(chat.ids)
        report(done, len(chats), n_tokens / max(time.monotonic() - began, 1e-9))
    return [each for each in found if each is not None]
