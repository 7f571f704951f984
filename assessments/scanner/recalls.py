"""What was counted for all latents of a concern together, and whether it still speaks of them.

Plain data alone, so that a page can ask too. Neither torch nor numpy is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assessments.scanner.contract import ConcernRecall, WatchedLatent


def said_alike(latents: Sequence[WatchedLatent]) -> ConcernRecall | None:
    """What all latents of a concern say of it, if they say the same and it is of them."""
    said = {latent.recall.together if latent.recall else None for latent in latents}
    recall = said.pop() if len(said) == 1 else None
    return recall if recall is not None and speaks_of(recall, latents) else None


def speaks_of(recall: ConcernRecall, latents: Sequence[WatchedLatent]) -> bool:
    """Whether it was counted with exactly these latents of its concern."""
    theirs = dict(zip(recall.latents, recall.thresholds, strict=False))
    concerns = {latent.concern for latent in latents}
    now = {latent.index: latent.threshold for latent in latents}
    return theirs == now and concerns == {recall.concern}
