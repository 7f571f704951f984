"""How much of the model the autoencoder sees, on held-out text and on the prompts of each frame.

1. Read the stream; set position 0, special and massive tokens apart.
2. Rebuild it: unexplained variance about the mean, latents on per token, latents never on.
3. Put the rebuilt stream back and let the model finish: cross-entropy clean, rebuilt, with every
   token's stream replaced by the mean, and by zero. Position 0 is left untouched in all of them,
   for the model leans on it; replacing it would flatter the autoencoder.

Sums are kept in float64, text by text: tokens of a text are alike, so intervals come from leaving
out one text at a time (Efron and Stein 1981). A transcoder is compared with what it rebuilds, not
with what it reads. Shapes: B sequences, T positions, N tokens, D width read, E width rebuilt, F
latents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

import torch
from scipy import stats as scipy_stats
from torch.nn import functional

from assessments.scanner import readpoints
from assessments.scanner.activations import batches, residuals, several, spelled_out
from assessments.scanner.contract import ContextCoverage, Coverage, Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor
    from transformers import PreTrainedModel

    from assessments.scanner.activations import Batch
    from assessments.scanner.readpoints import ReadPoint
    from assessments.scanner.sae import SparseAutoencoder

MASSIVE = 10.0
"""A token is massive when its norm exceeds so many median norms."""
RULE_OF_THREE = 3.0
NINETEEN_TWENTIETHS = 0.95
AT_ONCE = 1 << 25
"""Activations held at once; wide autoencoders take fewer tokens at a time."""


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

    def __add__(self, other: Moments) -> Moments:
        """The sums over both."""
        both = Moments(
            self.d_in, self.n + other.n, self.squared_error + other.squared_error,
            self.squared + other.squared,
        )  # fmt: skip
        both.total = self.total + other.total
        return both

    def __sub__(self, other: Moments) -> Moments:
        """The sums without those of a part."""
        rest = Moments(
            self.d_in, self.n - other.n, self.squared_error - other.squared_error,
            self.squared - other.squared,
        )  # fmt: skip
        rest.total = self.total - other.total
        return rest

    @property
    def error_share(self) -> float:
        """Squared error over squared length: how much of the stream itself is not rebuilt."""
        return self.squared_error / self.squared if self.squared else 1.0


@dataclass
class Tally:
    """What `measure` adds up while it reads."""

    ordinary: list[Moments]
    """Text by text."""
    everything: Moments
    """All tokens, position 0 and massive ones too."""
    fired: Tensor
    """(F,); how often each latent was on."""
    l0: list[Tensor] = field(default_factory=list)
    l0_by_text: list[float] = field(default_factory=list)
    n_massive: int = 0
    n_excluded: int = 0

    @property
    def whole(self) -> Moments:
        """The ordinary tokens of all texts."""
        return reduce(Moments.__add__, self.ordinary)


@dataclass(frozen=True)
class Losses:
    """Summed cross-entropy of the next token, in nats, text by text."""

    clean: tuple[float, ...]
    rebuilt: tuple[float, ...]
    mean_ablated: tuple[float, ...]
    zero_ablated: tuple[float, ...]
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
    contexts: Mapping[str, Sequence[Sequence[int]]] | None = None,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Coverage:
    """Everything at once, over held-out token sequences.

    Args:
        model: whole, with its head.
        sae: what is measured.
        texts: held-out token ids.
        at: where the autoencoder reads.
        special: token ids that are no text.
        token_budget: tokens that go through the model at once, padding included.
        contexts: further token ids by name, for which unexplained variance and L0 are measured too.
        report: called with how many sequences are done, and of how many.
    """
    contexts = contexts or {}
    n_all = 2 * len(texts) + sum(map(len, contexts.values()))
    done = 0

    def told(n: int) -> None:
        nonlocal done
        done += n
        report(done, n_all)

    limit = MASSIVE * median_norm(model, texts, at, token_budget)
    settings = Settings(at, special, limit, token_budget)
    tally = tallied(model, sae, texts, settings, told)
    by_context = tuple(
        context_coverage(name, tallied(model, sae, some, settings, told))
        for name, some in contexts.items()
    )
    mean = tally.whole.mean.float()  # (E,)
    losses = cross_entropies(model, sae, texts, at=at, mean=mean, token_budget=token_budget, report=told)  # fmt: skip
    return coverage(tally, losses, by_context)


@dataclass(frozen=True)
class Settings:
    """How tokens are read and set apart."""

    at: ReadPoint | int
    special: frozenset[int]
    limit: float
    """A token with a longer stream is massive."""
    token_budget: int


def points(sae: SparseAutoencoder, at: ReadPoint | int) -> tuple[ReadPoint, ReadPoint]:
    """What is read, and what is to be rebuilt."""
    read = spelled_out(at)
    return read, readpoints.parse(sae.hook_name_out) if sae.hook_name_out else read


def streams(
    model: PreTrainedModel, sae: SparseAutoencoder, given: Batch, at: ReadPoint | int
) -> tuple[Tensor, Tensor]:
    """What the autoencoder reads, (B, T, D), and what it should rebuild, (B, T, E)."""
    read, rebuilt = points(sae, at)
    if read == rebuilt:
        (x,) = several(model, given, (read,))
        return x, x
    x, y = several(model, given, (read, rebuilt))
    return x, y


def tallied(
    model: PreTrainedModel,
    sae: SparseAutoencoder,
    texts: Sequence[Sequence[int]],
    settings: Settings,
    told: Callable[[int], None],
) -> Tally:
    """Read some texts and add up."""
    tally = Tally([], Moments(sae.d_out), torch.zeros(sae.d_sae, dtype=torch.float64))
    for given in batches(texts, settings.token_budget):
        add_batch(tally, sae, given, streams(model, sae, given, settings.at), settings)
        told(len(given.indices))
    return tally


def add_batch(
    tally: Tally,
    sae: SparseAutoencoder,
    given: Batch,
    read: tuple[Tensor, Tensor],
    settings: Settings,
) -> None:
    """Count one batch's tokens, each on its side."""
    stream, target = read
    present = given.mask.bool()
    present[:, 0] = False
    marked = torch.isin(given.ids, torch.tensor(sorted(settings.special)))
    massive = (stream.norm(dim=-1) > settings.limit).cpu()
    chosen = present & ~marked & ~massive
    tally.n_massive += int((present & ~marked & massive).sum())
    tally.n_excluded += int(given.mask.sum() - (present & ~marked).sum())
    for row in range(len(given.indices)):
        moments = Moments(sae.d_out)
        n_on = []
        for x, y in runs(sae, stream[row, chosen[row]], target[row, chosen[row]]):
            f, rebuilt = encoded(sae, x)
            moments.add(y, rebuilt)
            tally.fired += (f != 0).sum(0).double().cpu()
            n_on.append((f != 0).sum(-1).cpu())
        if n_on:
            tally.ordinary.append(moments)
            tally.l0 += n_on
            tally.l0_by_text.append(float(torch.cat(n_on).double().mean()))
    whole = given.mask.bool()
    for x, y in runs(sae, stream[whole], target[whole]):
        tally.everything.add(y, sae.rebuild(x))


def runs(sae: SparseAutoencoder, x: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Some tokens at a time, so that their activations are held."""
    step = max(1, AT_ONCE // sae.d_sae)
    for start in range(0, len(x), step):
        yield x[start : start + step], y[start : start + step]


def encoded(sae: SparseAutoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """Activations (N, F), and what they rebuild (N, E)."""
    _, undo = sae.seen(x)
    f = sae.encode(x)
    return f, sae.decode(f, undo, x)


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
    read, out = points(sae, at)
    sums: list[list[float]] = [[], [], [], []]
    n_tokens = 0
    for given in batches(texts, token_budget):
        x = residuals(model, given, read) if read != out else None
        edits: tuple[Callable[[Tensor], Tensor], ...] = (
            lambda y: y,
            sae.rebuild if x is None else rebuilt_from(sae, x[:, 1:]),
            lambda y: mean.to(y).expand_as(y),
            torch.zeros_like,
        )
        for place, edit in enumerate(edits):
            sums[place] += summed_losses(model, given, out, edit)
        n_tokens += int(given.mask[:, 1:].sum())
        report(len(given.indices))
    clean, rebuilt, mean_ablated, zero_ablated = map(tuple, sums)
    return Losses(clean, rebuilt, mean_ablated, zero_ablated, n_tokens)


def rebuilt_from(sae: SparseAutoencoder, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Puts what a transcoder makes of `x` in the place of what it should rebuild."""
    return lambda y: sae.rebuild(x).to(y)


@torch.no_grad()
def summed_losses(
    model: PreTrainedModel, given: Batch, at: ReadPoint | int, edit: Callable[[Tensor], Tensor]
) -> list[float]:
    """Cross-entropy of each sequence of a batch, summed, with a point edited but for position 0."""

    def but_the_first(x: Tensor) -> Tensor:
        return torch.cat([x[:, :1], edit(x[:, 1:])], dim=1)

    handle = readpoints.tap(model, spelled_out(at)).splice(but_the_first)
    try:
        ids, mask = given.ids.to(model.device), given.mask.to(model.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits  # (B, T, V)
    finally:
        handle.remove()
    targets = ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100).to(logits.device)
    found: list[float] = []
    for row, wanted in zip(logits[:, :-1], targets, strict=True):
        loss = functional.cross_entropy(row.float(), wanted, reduction="sum", ignore_index=-100)
        found.append(float(loss))
    return found


def recovered(clean: float, rebuilt: float, ablated: float) -> float:
    """Share of the loss an ablation costs that the rebuilt stream gives back."""
    cost = ablated - clean
    return (ablated - rebuilt) / cost if cost > 0 else 0.0


def jackknife(
    whole: float, without_each: Sequence[float], confidence: float = NINETEEN_TWENTIETHS
) -> Interval:
    """An interval around a figure, from what it is without each text (Efron and Stein 1981).

    Student's t with one degree of freedom less than there are texts; with fewer than two texts
    there is no interval, and the figure stands for both ends.
    """
    n = len(without_each)
    if n < 2:
        return Interval(whole, whole, confidence)
    mean = math.fsum(without_each) / n
    spread = math.sqrt((n - 1) / n * math.fsum((each - mean) ** 2 for each in without_each))
    reach = float(scipy_stats.t.ppf((1 + confidence) / 2, n - 1)) * spread
    return Interval(whole - reach, whole + reach, confidence)


def fvu_interval(tally: Tally) -> Interval:
    """Unexplained variance without each text."""
    whole = tally.whole
    return jackknife(whole.fvu, [(whole - each).fvu for each in tally.ordinary])


def l0_interval(tally: Tally) -> Interval:
    """Mean L0 without each text."""
    counts = [each.n for each in tally.ordinary]
    sums = [n * mean for n, mean in zip(counts, tally.l0_by_text, strict=True)]
    n, total = sum(counts), math.fsum(sums)
    rest = [(total - a) / (n - b) for a, b in zip(sums, counts, strict=True) if n > b]
    return jackknife(total / n, rest)


def recovered_interval(losses: Losses) -> Interval:
    """Cross-entropy recovered against mean ablation, without each text."""
    columns = (losses.clean, losses.rebuilt, losses.mean_ablated)
    totals = [math.fsum(each) for each in columns]
    rest = [
        recovered(*(total - one for total, one in zip(totals, each, strict=True)))
        for each in zip(*columns, strict=True)
    ]
    return jackknife(recovered(*totals), rest)


def context_coverage(name: str, tally: Tally) -> ContextCoverage:
    """The figures of one context."""
    whole = tally.whole
    return ContextCoverage(
        context=name,
        n_texts=len(tally.ordinary),
        n_tokens=whole.n,
        fvu=whole.fvu,
        fvu_interval=fvu_interval(tally),
        error_share=whole.error_share,
        l0_mean=float(torch.cat(tally.l0).double().mean()),
    )


def coverage(tally: Tally, losses: Losses, contexts: tuple[ContextCoverage, ...] = ()) -> Coverage:
    """The sums as figures."""
    l0 = torch.cat(tally.l0).double()
    whole = tally.whole
    n = max(losses.n_tokens, 1)
    clean, rebuilt, mean_ablated, zero_ablated = (
        math.fsum(each) / n
        for each in (losses.clean, losses.rebuilt, losses.mean_ablated, losses.zero_ablated)
    )
    return Coverage(
        n_tokens=whole.n,
        n_massive=tally.n_massive,
        n_excluded=tally.n_excluded,
        fvu=whole.fvu,
        fvu_with_massive=tally.everything.fvu,
        l0_mean=float(l0.mean()),
        l0_median=float(l0.median()),
        l0_p95=float(l0.quantile(NINETEEN_TWENTIETHS)),
        dead_share=float((tally.fired == 0).double().mean()),
        dead_density_bound=RULE_OF_THREE / max(whole.n, 1),
        n_ce_tokens=losses.n_tokens,
        ce_clean=clean,
        ce_sae=rebuilt,
        ce_mean_ablated=mean_ablated,
        ce_zero_ablated=zero_ablated,
        ce_recovered_mean=recovered(clean, rebuilt, mean_ablated),
        ce_recovered_zero=recovered(clean, rebuilt, zero_ablated),
        n_texts=len(tally.ordinary),
        fvu_interval=fvu_interval(tally),
        l0_interval=l0_interval(tally),
        ce_recovered_interval=recovered_interval(losses),
        error_share=whole.error_share,
        contexts=contexts,
    )
