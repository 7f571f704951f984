"""How much of the model the autoencoder sees, on held-out text.

1. Read the stream; set position 0, special and massive tokens apart.
2. Rebuild it: unexplained variance about the mean, latents on per token, latents never on.
3. Put the rebuilt stream back and let the model finish: cross-entropy clean, rebuilt, with every
   token's stream replaced by the mean, and by zero. Position 0 is left untouched in all of them,
   for the model leans on it; replacing it would flatter the autoencoder.

Sums are kept in float64. Shapes: B sequences, T positions, D model width, F latents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from assessments.scanner import readpoints
from assessments.scanner.activations import Batch, batches, residuals, spelled_out
from assessments.scanner.contract import Coverage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from assessments.scanner.readpoints import ReadPoint
    from assessments.scanner.sae import SparseAutoencoder

MASSIVE = 10.0
"""A token is massive when its norm exceeds so many median norms."""
RULE_OF_THREE = 3.0
NINETEEN_TWENTIETHS = 0.95


@dataclass
class Moments:
    """Running sums for unexplained variance: float64, whatever is added."""

    d_in: int
    n: int = 0
    squared_error: float = 0.0
    squared: float = 0.0
    total: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Start from nothing."""
        self.total = torch.zeros(self.d_in, dtype=torch.float64)

    def add(self, x: Tensor, rebuilt: Tensor) -> None:
        """Take in some tokens and their rebuilt streams: both (N, D)."""
        x, rebuilt = x.double().cpu(), rebuilt.double().cpu()
        self.n += len(x)
        self.squared_error += float((x - rebuilt).pow(2).sum())
        self.squared += float(x.pow(2).sum())
        self.total += x.sum(0)

    @property
    def mean(self) -> Tensor:
        """The mean stream: (D,)."""
        return self.total / max(self.n, 1)

    @property
    def fvu(self) -> float:
        """Squared error over squared distance from the mean."""
        variance = self.squared - self.n * float(self.mean.pow(2).sum())
        return self.squared_error / variance if variance > 0 else 1.0


@dataclass
class Tally:
    """What `measure` adds up while it reads."""

    ordinary: Moments
    everything: Moments
    fired: Tensor
    """(F,); how often each latent was on."""
    l0: list[Tensor] = field(default_factory=list)
    n_massive: int = 0
    n_excluded: int = 0


@dataclass(frozen=True)
class Losses:
    """Mean cross-entropy of the next token, in nats."""

    clean: float
    rebuilt: float
    mean_ablated: float
    zero_ablated: float
    n_tokens: int


def median_norm(
    model: PreTrainedModel,
    texts: Sequence[Sequence[int]],
    at: ReadPoint | int,
    token_budget: int,
) -> float:
    """The median length of a token's stream, position 0 apart, from the first few batches."""
    norms: list[Tensor] = []
    for _, given in zip(range(4), batches(texts, token_budget), strict=False):
        stream = residuals(model, given, at)
        wanted = given.mask.bool()
        wanted[:, 0] = False
        norms.append(stream[wanted].norm(dim=-1))
    return float(torch.cat(norms).median())


def measure(  # All but three are named.
    model: PreTrainedModel,
    sae: SparseAutoencoder,
    texts: Sequence[Sequence[int]],
    *,
    at: ReadPoint | int,
    special: frozenset[int],
    token_budget: int,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Coverage:
    """Everything at once, over held-out token sequences."""
    limit = MASSIVE * median_norm(model, texts, at, token_budget)
    tally = Tally(Moments(sae.d_in), Moments(sae.d_in), torch.zeros(sae.d_sae))
    done = 0
    for given in batches(texts, token_budget):
        add_batch(tally, sae, given, residuals(model, given, at), special, limit)
        done += len(given.indices)
        report(done, 2 * len(texts))
    mean = tally.ordinary.mean.float()
    losses = cross_entropies(
        model,
        sae,
        texts,
        at=at,
        mean=mean,
        token_budget=token_budget,
        report=lambda more: report(len(texts) + more, 2 * len(texts)),
    )
    return coverage(tally, losses)


def add_batch(  # Each argument is one thing it counts by.
    tally: Tally,
    sae: SparseAutoencoder,
    given: Batch,
    stream: Tensor,
    special: frozenset[int],
    limit: float,
) -> None:
    """Count one batch's tokens, each on its side."""
    present = given.mask.bool()
    present[:, 0] = False
    marked = torch.isin(given.ids, torch.tensor(sorted(special)))
    massive = (stream.norm(dim=-1) > limit).cpu()
    chosen = present & ~marked & ~massive
    tally.n_massive += int((present & ~marked & massive).sum())
    tally.n_excluded += int(given.mask.sum() - (present & ~marked).sum())
    x = stream[chosen]
    f = sae.encode(x)  # (N, F)
    tally.ordinary.add(x, sae.decode(f))
    tally.fired += (f > 0).sum(0).cpu()
    tally.l0.append((f > 0).sum(-1).cpu())
    whole = stream[given.mask.bool()]
    tally.everything.add(whole, sae.rebuild(whole))


def cross_entropies(  # All but three are named.
    model: PreTrainedModel,
    sae: SparseAutoencoder,
    texts: Sequence[Sequence[int]],
    *,
    at: ReadPoint | int,
    mean: Tensor,
    token_budget: int,
    report: Callable[[int], None] = lambda _: None,
) -> Losses:
    """Let the model finish from the true stream, the rebuilt one, the mean, and from nothing."""
    edits: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda x: x,
        sae.rebuild,
        lambda x: mean.to(x).expand_as(x),
        torch.zeros_like,
    )
    sums = [0.0] * len(edits)
    n_tokens = done = 0
    for given in batches(texts, token_budget):
        for place, edit in enumerate(edits):
            sums[place] += summed_loss(model, given, at, edit)
        n_tokens += int(given.mask[:, 1:].sum())
        done += len(given.indices)
        report(done)
    clean, rebuilt, mean_ablated, zero_ablated = (each / max(n_tokens, 1) for each in sums)
    return Losses(clean, rebuilt, mean_ablated, zero_ablated, n_tokens)


@torch.no_grad()
def summed_loss(
    model: PreTrainedModel, given: Batch, at: ReadPoint | int, edit: Callable[[Tensor], Tensor]
) -> float:
    """Cross-entropy of a batch, summed, with the read point edited but for position 0."""

    def but_the_first(x: Tensor) -> Tensor:
        return torch.cat([x[:, :1], edit(x[:, 1:])], dim=1)

    handle = readpoints.tap(model, spelled_out(at)).splice(but_the_first)
    try:
        ids, mask = given.ids.to(model.device), given.mask.to(model.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits  # (B, T, V)
    finally:
        handle.remove()
    targets = ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
    flat = logits[:, :-1].float().flatten(0, 1)
    return float(functional.cross_entropy(flat, targets.flatten(), reduction="sum"))


def recovered(losses: Losses, ablated: float) -> float:
    """Share of the loss an ablation costs that the rebuilt stream gives back."""
    cost = ablated - losses.clean
    return (ablated - losses.rebuilt) / cost if cost > 0 else 0.0


def coverage(tally: Tally, losses: Losses) -> Coverage:
    """The sums as figures."""
    l0 = torch.cat(tally.l0).double()
    return Coverage(
        n_tokens=tally.ordinary.n,
        n_massive=tally.n_massive,
        n_excluded=tally.n_excluded,
        fvu=tally.ordinary.fvu,
        fvu_with_massive=tally.everything.fvu,
        l0_mean=float(l0.mean()),
        l0_median=float(l0.median()),
        l0_p95=float(l0.quantile(NINETEEN_TWENTIETHS)),
        dead_share=float((tally.fired == 0).double().mean()),
        dead_density_bound=RULE_OF_THREE / max(tally.ordinary.n, 1),
        n_ce_tokens=losses.n_tokens,
        ce_clean=losses.clean,
        ce_sae=losses.rebuilt,
        ce_mean_ablated=losses.mean_ablated,
        ce_zero_ablated=losses.zero_ablated,
        ce_recovered_mean=recovered(losses, losses.mean_ablated),
        ce_recovered_zero=recovered(losses, losses.zero_ablated),
    )
