"""What the scanner is asked, from what was pinned on the row."""

from __future__ import annotations

from assessments.models import Scan
from assessments.scanner.contract import Prompt, ScanJob, WatchedLatent
from assessments.services import sae

N_CONTROLS = 8
"""Random latents of like density that are read beside each watched one."""
TOKENS_AT_ONCE = {"cpu": 256}
"""What goes through the model at once; elsewhere `TOKENS_ON_A_GPU`, halved where memory runs out."""
TOKENS_ON_A_GPU = 16_384
ALONE = frozenset({"standard", "jumprelu", "gated"})
"""Architectures in which a latent needs nothing of the others. In the rest, controls would cost the
watch-list its point: with them nearly every token has some latent for which all must be computed."""


def of(scan: Scan) -> ScanJob:
    """The whole scan; every worker of it gets the very same."""
    return ScanJob(
        model_path=scan.version.location,
        model_sha256=scan.version.weights_sha256,
        sae_path=scan.sae.location,
        sae_sha256=scan.sae.sha256,
        hook_name=scan.sae.hook_name,
        watchlist=tuple(WatchedLatent.from_json(raw) for raw in scan.watchlist.latents),
        prompts=tuple(Prompt.from_json(raw) for raw in scan.suite.prompts),
        suite_sha256=scan.suite.sha256,
        seed=scan.seed,
        device=scan.device,
        token_budget=TOKENS_AT_ONCE.get(scan.device, TOKENS_ON_A_GPU),
        sae_format=scan.sae.layout,
        base_fvu=sae.base_fvu(scan.sae, scan.version),
        n_controls=N_CONTROLS if scan.sae.architecture in ALONE else 0,
    )
