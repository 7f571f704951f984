"""Train a sparse autoencoder on one point of the residual stream; small and sound.

1. Read activations of training documents; position 0 and massive tokens are left out.
2. Scale them to unit mean square width, start the decoder at random unit rows, the encoder at its
   transpose and the bias at the mean.
3. Each step keeps the largest pre-activations of the whole batch, `k` a token on average; the
   cut-off is estimated on part of the rows. Latents that have not fired for long learn to explain
   what the others leave over (the auxiliary loss).
4. Pin one threshold so that `k` fire on average, fold the scale into the weights, and hand back a
   JumpReLU autoencoder whose answer for a token no longer depends on its neighbours.

Method: batch-top-k (Bussmann et al. 2024), auxiliary loss (Gao et al. 2024).
Shapes: B batch rows, N tokens, D model width, F latents.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from assessments.scanner.activations import batches, residuals
from assessments.scanner.rows import InMemory
from assessments.scanner.sae import Architecture, SparseAutoencoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from assessments.scanner.corpus import Document
    from assessments.scanner.weights import LoadedModel

MASSIVE = 10.0
"""A token is massive when its norm exceeds so many median norms."""


@dataclass(frozen=True)
class TrainConfig:
    """How an autoencoder is trained."""

    block: int
    d_sae: int = 4096
    k: int = 60
    """Latents on per token, on average over a batch."""
    steps: int = 3000
    batch: int = 2048
    lr: float = 1e-3
    warmup: int = 100
    decay_share: float = 0.4
    """The last share of steps, over which the rate falls to nothing."""
    aux_k: int = 256
    aux_weight: float = 1 / 32
    dead_after: int = 150_000
    """Tokens without firing after which a latent counts as dead for the auxiliary loss."""
    context: int = 192
    token_budget: int = 8192
    sample_share: int = 8
    """The cut-off is estimated on one row in so many."""
    seed: int = 0


class Step(NamedTuple):
    """What one training step says of itself."""

    number: int
    fvu: float
    """Unexplained variance of this batch."""
    n_dead: int
    seconds: float


def sequences(
    loaded: LoadedModel, documents: Sequence[Document], context: int
) -> list[tuple[int, ...]]:
    """The documents as token ids, cut into pieces of at most `context`."""
    found: list[tuple[int, ...]] = []
    for document in documents:
        ids = document.ids or tuple(loaded.tokenizer(document.text)["input_ids"])
        found.extend(ids[at : at + context] for at in range(0, len(ids), context))
    return [each for each in found if len(each) > 1]


def gather(
    loaded: LoadedModel,
    texts: Sequence[Sequence[int]],
    block: int,
    *,
    token_budget: int,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Tensor:
    """The activations of all tokens but each sequence's first: (N, D) float32."""
    rows: list[Tensor] = []
    done = 0
    for given in batches(texts, token_budget):
        stream = residuals(loaded.model, given, block)  # (B, T, D)
        wanted = given.mask.bool()
        wanted[:, 0] = False
        rows.append(stream[wanted].half())
        done += len(given.indices)
        report(done, len(texts))
    return torch.cat(rows).float()  # (N, D)


def ordinary_norm(acts: Tensor) -> Tensor:
    """Which tokens are not massive: (N,)."""
    norms = acts.norm(dim=-1)
    kept: Tensor = norms <= MASSIVE * norms.median()
    return kept


class Trainer(nn.Module):
    """The weights while they are learnt, and how long each latent has been silent."""

    def __init__(self, mean: Tensor, config: TrainConfig) -> None:
        """Start at the mean, with random unit rows."""
        super().__init__()
        d_in = mean.shape[0]
        rows = torch.randn(config.d_sae, d_in)
        rows /= rows.norm(dim=-1, keepdim=True)
        self.config = config
        self.w_dec = nn.Parameter(rows)  # (F, D)
        self.w_enc = nn.Parameter(rows.T.clone().contiguous())  # (D, F)
        self.b_enc = nn.Parameter(torch.zeros(config.d_sae))
        self.b_dec = nn.Parameter(mean.clone())
        self.silent = torch.zeros(config.d_sae)

    def pre(self, x: Tensor) -> Tensor:
        """Pre-activations: (B, D) to (B, F)."""
        return (x - self.b_dec) @ self.w_enc + self.b_enc

    def cut_off(self, pre: Tensor) -> Tensor:
        """Above which value `k` latents a token are on, estimated on part of the rows."""
        part = pre.detach()[:: self.config.sample_share].float().flatten()
        on = self.config.k * len(part) // self.config.d_sae
        return part.kthvalue(len(part) - on).values.clamp_min(0)

    def loss(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Training loss of a batch, and its unexplained variance."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pre = self.pre(x)
            fired = pre > self.cut_off(pre)
            rebuilt = (pre * fired) @ self.w_dec + self.b_dec  # (B, D)
        self.silent = torch.where(fired.any(0), 0, self.silent + len(x))
        total = (x - x.mean(0)).pow(2).sum()
        error = x - rebuilt.float()
        fvu = error.pow(2).sum() / total
        return fvu + self.config.aux_weight * self.auxiliary(pre, error.detach()), fvu.detach()

    def auxiliary(self, pre: Tensor, error: Tensor) -> Tensor:
        """How badly the strongest silent latents explain what is left over; 0 if none is silent."""
        dead = (self.silent > self.config.dead_after).nonzero().squeeze(-1)
        if len(dead) == 0:
            return torch.zeros(())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            theirs = pre[:, dead].relu()
            best = theirs.topk(min(self.config.aux_k, len(dead)), dim=-1)
            kept = torch.zeros_like(theirs).scatter(-1, best.indices, best.values)
            explained = kept @ self.w_dec[dead]
        left = (error - explained.float()).pow(2).sum() / error.pow(2).sum()
        return left.nan_to_num(0.0)

    @torch.no_grad()
    def project_gradient(self) -> None:
        """Drop the part of the decoder's gradient that would only change its rows' length."""
        grad = self.w_dec.grad
        if grad is not None:
            grad -= (grad * self.w_dec).sum(-1, keepdim=True) * self.w_dec

    @torch.no_grad()
    def unit_rows(self) -> None:
        """Set the decoder's rows back to length one."""
        self.w_dec.div_(self.w_dec.norm(dim=-1, keepdim=True))


def rate(step: int, config: TrainConfig) -> float:
    """The learning rate's factor: up over the warm-up, level, then down to nothing."""
    rising = (step + 1) / config.warmup
    falling = (config.steps - step) / (config.decay_share * config.steps)
    return max(0.0, min(1.0, rising, falling))


def fit(
    acts: Tensor, config: TrainConfig, report: Callable[[Step], None] = lambda _: None
) -> SparseAutoencoder:
    """Train on activations (N, D) and hand back the autoencoder for inference."""
    torch.manual_seed(config.seed)
    acts = acts[ordinary_norm(acts)]
    scale = math.sqrt(acts.shape[1]) / float(acts.norm(dim=-1).mean())
    acts = acts * scale
    trainer = Trainer(acts.mean(0), config)
    train(trainer, acts, report)
    return for_inference(trainer, acts, scale)


def train(trainer: Trainer, acts: Tensor, report: Callable[[Step], None]) -> None:
    """The loop: draw rows, take a step, keep the decoder's rows at length one."""
    config = trainer.config
    optimiser = torch.optim.Adam(trainer.parameters(), lr=config.lr, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, config))
    began = time.monotonic()
    for index in range(config.steps):
        x = acts[torch.randint(len(acts), (config.batch,))]  # (B, D)
        loss, fvu = trainer.loss(x)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # Theirs.
        trainer.project_gradient()
        nn.utils.clip_grad_norm_(trainer.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        trainer.unit_rows()
        dead = int((trainer.silent > config.dead_after).sum())
        report(Step(index, float(fvu), dead, time.monotonic() - began))


@torch.no_grad()
def for_inference(trainer: Trainer, acts: Tensor, scale: float) -> SparseAutoencoder:
    """Pin the threshold on training activations and fold the scale into the weights.

    Trained on scaled x: pre = (s·x - b) W + c. Divided by s it reads plain x: biases and threshold
    are divided, encoder and decoder stay, and activations are in units of the stream.
    """
    config = trainer.config
    threshold = pinned_threshold(trainer, acts)
    return SparseAutoencoder(
        Architecture.JUMPRELU,
        w_enc=InMemory(trainer.w_enc.detach().T.contiguous()),
        b_enc=InMemory(trainer.b_enc.detach() / scale),
        w_dec=InMemory(trainer.w_dec.detach().clone()),
        b_dec=trainer.b_dec.detach() / scale,
        b_in=trainer.b_dec.detach() / scale,
        hook_name=f"blocks.{config.block}.hook_resid_post",
        threshold=InMemory(torch.full((config.d_sae,), threshold / scale)),
    )


@torch.no_grad()
def pinned_threshold(trainer: Trainer, acts: Tensor, n_batches: int = 64) -> float:
    """The mean cut-off over batches of training activations, in float32."""
    found = []
    for _ in range(n_batches):
        x = acts[torch.randint(len(acts), (trainer.config.batch,))]
        found.append(float(trainer.cut_off(trainer.pre(x))))
    return sum(found) / len(found)
