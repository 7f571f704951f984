"""What opening an autoencoder told of it, as plain values. Neither torch nor numpy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assessments.scanner.contract import Plain, SelfCheck

LAYOUTS = (
    "saelens", "sparsify", "dictionary_learning", "openai_v5", "gemma_scope", "gemma_scope_2",
    "goodfire", "llama_scope", "llamascopium", "qwen_scope", "circuit_tracer",
)  # fmt: skip
"""What `formats` can read, by name; kept here so that a page can offer them without torch."""


@dataclass(frozen=True)
class Examined(Plain):
    """An autoencoder whose every weight was read."""

    layout: str
    sha256: str
    """Over the files that make it; cards and figures beside them do not count."""
    files: dict[str, str]
    """Each of these files and its digest."""
    architecture: str
    d_in: int
    d_sae: int
    d_out: int
    """0 where it rebuilds nothing."""
    hook_name: str
    """Where it reads; empty where the files do not say."""
    hook_name_out: str
    """What it rebuilds, where that is not what it reads."""
    unreadable: str
    """Why no model can be read there; empty where it can."""
    declared: dict[str, Any]
    """What its makers say: l0, fvu, model_name, n_tokens, trained_as."""
    doubts: tuple[str, ...]
    not_evidence: str
    """Why its activations cannot count as evidence; empty where they can."""
    self_check: SelfCheck | None
    """None where no model was given, or its read point cannot be read."""
