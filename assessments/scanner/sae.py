"""One sparse autoencoder, whatever file it came from.

    z   = norm(x · input_scale) - b_in                what the encoder sees
    pre = z W_encᵀ + b_enc                            times rank_scale, where there is one
    standard   f = max(pre, 0)
    jumprelu   f = max(pre, 0)·[pre > threshold]
    topk       f = max(pre, 0) where pre is among the k largest of its token
    abstopk    f = pre where |pre| is among the k largest of its token
    groupmax   f = max(pre, 0) where pre is the largest of its group, k groups side by side
    batchtopk  f = max(pre, 0) among the k·N largest of all N tokens given
    gated      f = max(z W_encᵀ ∘ exp(r_mag) + b_mag, 0)·[z W_encᵀ + b_gate > 0]
    x̂   = unnorm(f W_dec + b_dec) (+ x W_skipᵀ)

A batch-top-k autoencoder whose threshold is pinned is a jumprelu one; without, what a token shows
depends on its neighbours, and `not_evidence` says so. Weights may stay on disk: `columns` reads
those of the watched latents alone. Computation is in float32.

Shapes: N tokens, D width, E width of what is rebuilt, F latents, M watched latents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from assessments.scanner.contract import ScanFailed
from assessments.scanner.rows import InMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from assessments.scanner.rows import Rows

CHUNK = 1 << 24
"""Numbers of a weight on disk that are held at once while all latents are computed."""
LAYER_NORM_EPS = 1e-5


class Architecture(StrEnum):
    """How pre-activations become activations."""

    STANDARD = "standard"
    JUMPRELU = "jumprelu"
    TOPK = "topk"
    ABSTOPK = "abstopk"
    GROUPMAX = "groupmax"
    BATCHTOPK = "batchtopk"
    GATED = "gated"


COLUMN_BY_COLUMN = {Architecture.STANDARD, Architecture.JUMPRELU, Architecture.GATED}
"""Where a latent needs nothing of the others."""


class Norm(StrEnum):
    """What is done to each token before the encoder sees it."""

    NONE = "none"
    LAYER_NORM = "layer_norm"
    """(x - mean) / (sd + 1e-5), sd with one degree of freedom less; brought back by sd alone."""
    CONSTANT = "constant_norm_rescale"
    """x · √D / ‖x‖."""


@dataclass(frozen=True)
class Undo:
    """How a rebuilt token is brought back: x̂ = ẑ · scale + shift; both (N, 1)."""

    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Gate:
    """The vectors a gated autoencoder has instead of `b_enc`; each (F,)."""

    b_gate: Rows
    b_mag: Rows
    r_mag: Rows


@dataclass(frozen=True)
class Declared:
    """What its makers say of an autoencoder; None where they say nothing."""

    l0: float | None = None
    fvu: float | None = None
    model_name: str = ""
    n_tokens: int | None = None
    trained_as: str = ""
    """Another rule that it was trained by, such as batch-top-k before its threshold was pinned."""


@dataclass(frozen=True)
class SparseAutoencoder:
    """Weights and the rule that turns a residual stream into latents."""

    architecture: Architecture
    w_enc: Rows
    """(F, D)"""
    b_enc: Rows | None
    """(F,); None for gated ones and where there is no bias."""
    w_dec: Rows | None
    """(F, E); None for what can only be encoded with (crosscoders, cross-layer transcoders)."""
    b_dec: Tensor | None
    """(E,)"""
    hook_name: str
    """Where it reads; several points side by side have " + " between them, unknown ones no name."""
    hook_name_out: str = ""
    """What a transcoder rebuilds; empty: the stream it reads."""
    threshold: Rows | None = None
    """(F,); jumprelu only."""
    gate: Gate | None = None
    k: int = 0
    b_in: Tensor | None = None
    """(D,); taken from the input."""
    norm: Norm = Norm.NONE
    input_scale: float = 1.0
    rank_scale: Rows | None = None
    """(F,); pre-activations are multiplied by it before any are dropped."""
    keeps_rank_scale: bool = True
    """The activations given out carry `rank_scale`; if not, it serves to choose alone."""
    w_skip: Tensor | None = None
    """(E, D)"""
    format: str = ""
    declared: Declared = field(default_factory=Declared)
    doubts: tuple[str, ...] = ()
    """What the file leaves open, in sentences for the record."""

    @property
    def d_in(self) -> int:
        """Width of the stream it reads."""
        return int(self.w_enc.shape[1])

    @property
    def d_sae(self) -> int:
        """How many latents it has."""
        return int(self.w_enc.shape[0])

    @property
    def d_out(self) -> int:
        """Width of what it rebuilds; 0 where it rebuilds nothing."""
        return int(self.w_dec.shape[1]) if self.w_dec is not None else 0

    @property
    def not_evidence(self) -> str:
        """Why its activations cannot count as evidence; empty where they can."""
        if self.architecture is Architecture.BATCHTOPK:
            return (
                "a batch-top-k autoencoder without a pinned threshold: what a prompt shows depends "
                "on the prompts beside it; save it for inference, so that the threshold is pinned"
            )
        return ""

    def held(self, device: torch.device | str = "cpu") -> SparseAutoencoder:
        """The same autoencoder with all weights in memory, on `device`."""

        def there(rows: Rows) -> InMemory:
            return InMemory(rows.part(0, self.d_sae).contiguous().to(device))

        def perhaps(rows: Rows | None) -> InMemory | None:
            return None if rows is None else there(rows)

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        gate = self.gate and Gate(
            there(self.gate.b_gate), there(self.gate.b_mag), there(self.gate.r_mag)
        )
        return replace(
            self, w_enc=there(self.w_enc), b_enc=perhaps(self.b_enc), w_dec=perhaps(self.w_dec),
            gate=gate, threshold=perhaps(self.threshold), rank_scale=perhaps(self.rank_scale),
            b_dec=moved(self.b_dec), b_in=moved(self.b_in), w_skip=moved(self.w_skip),
        )  # fmt: skip

    def seen(self, x: Tensor) -> tuple[Tensor, Undo | None]:
        """The stream as the encoder wants it, (N, D) float32, and how to undo it."""
        if x.shape[-1] != self.d_in:
            message = f"the autoencoder reads a width of {self.d_in}, the model gives {x.shape[-1]}"
            raise ScanFailed(message, permanent=True)
        z, undo = normalised(x.float() * self.input_scale, self.norm)
        return (z if self.b_in is None else z - self.b_in.to(z.device)), undo

    def columns(self, latents: Sequence[int], device: torch.device | str = "cpu") -> Columns:
        """The watched latents' own weights, read and ready on `device`.

        Raises:
            ScanFailed: there is no such latent.
        """
        beyond = [each for each in latents if not 0 <= each < self.d_sae]
        if beyond:
            message = f"the autoencoder has {self.d_sae} latents; asked for {beyond[:5]}"
            raise ScanFailed(message, permanent=True)
        own = Weights.read(self, lambda rows: rows.take(latents)).to(device)
        first = min(self.d_sae, max(1, CHUNK // self.d_in), max(4 * self.k, self.d_sae // 8))
        ranks = self.architecture in {Architecture.TOPK, Architecture.ABSTOPK}
        some = Weights.read(self, lambda rows: rows.part(0, first)) if ranks else None
        return Columns(self, tuple(latents), own, some.to(device) if some else None)

    def parts(self, device: torch.device | str = "cpu") -> Iterator[tuple[int, Weights]]:
        """All latents' weights, a run of latents at a time, with where the run begins."""
        step = max(1, CHUNK // self.d_in)
        for start in range(0, self.d_sae, step):
            stop = min(start + step, self.d_sae)
            yield start, Weights.read(self, run_of(start, stop)).to(device)

    def encode(self, x: Tensor) -> Tensor:
        """All latents of each token: (N, D) to (N, F)."""
        z, _ = self.seen(x)
        if self.architecture in COLUMN_BY_COLUMN:
            f = torch.cat([each.on(each.pre(z)) for _, each in self.parts(z.device)], -1)
        else:
            f = largest(self, torch.cat([each.pre(z) for _, each in self.parts(z.device)], -1))
        if self.rank_scale is not None and not self.keeps_rank_scale:
            return unscaled(f, self.rank_scale.part(0, self.d_sae).to(f.device))
        return f

    def decode(self, f: Tensor, undo: Undo | None = None, x: Tensor | None = None) -> Tensor:
        """The stream as the latents tell it: (N, F) to (N, E).

        Args:
            f: activations as `encode` gives them.
            undo: how the input was normalised, where it was.
            x: the input, (N, D), for autoencoders with a skip connection.
        """
        if self.w_dec is None or self.b_dec is None:
            raise ScanFailed(
                f"{self.format or 'this autoencoder'} encodes only; it does not rebuild the stream",
                permanent=True,
            )
        if self.rank_scale is not None and self.keeps_rank_scale:
            f = unscaled(f, self.rank_scale.part(0, self.d_sae).to(f.device))
        rebuilt = self.b_dec.to(f.device).expand(*f.shape[:-1], -1).clone()
        step = max(1, CHUNK // self.d_out)
        for start in range(0, self.d_sae, step):
            stop = min(start + step, self.d_sae)
            rebuilt += f[..., start:stop] @ self.w_dec.part(start, stop).to(f.device)
        if not self.hook_name_out:
            if undo is not None:
                rebuilt = rebuilt * undo.scale + undo.shift
            rebuilt = rebuilt / self.input_scale
        if self.w_skip is not None:
            if x is None:
                raise ScanFailed("an autoencoder with a skip connection decodes with its input", permanent=True)  # fmt: skip
            rebuilt = rebuilt + x.float() @ self.w_skip.to(f.device).T
        return rebuilt

    def rebuild(self, x: Tensor) -> Tensor:
        """Encode and decode: (N, D) to (N, E)."""
        _, undo = self.seen(x)
        return self.decode(self.encode(x), undo, x)


@dataclass(frozen=True)
class Weights:
    """The encoder's share of some latents."""

    w: Tensor
    """(M, D)"""
    bias: Tensor | None
    threshold: Tensor | None
    gate: tuple[Tensor, Tensor, Tensor] | None
    """b_gate, b_mag and exp(r_mag)."""
    rank_scale: Tensor | None

    @classmethod
    def read(cls, sae: SparseAutoencoder, some: Callable[[Rows], Tensor]) -> Weights:
        """What `some` takes of each weight."""
        gate = sae.gate
        return cls(
            some(sae.w_enc),
            some(sae.b_enc) if sae.b_enc is not None else None,
            some(sae.threshold) if sae.threshold is not None else None,
            (some(gate.b_gate), some(gate.b_mag), some(gate.r_mag).exp()) if gate else None,
            some(sae.rank_scale) if sae.rank_scale is not None else None,
        )

    def to(self, device: torch.device | str) -> Weights:
        """The same on another device."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        gate = self.gate and (
            self.gate[0].to(device), self.gate[1].to(device), self.gate[2].to(device)
        )  # fmt: skip
        return Weights(
            self.w.to(device), moved(self.bias), moved(self.threshold), gate, moved(self.rank_scale)
        )

    def pre(self, z: Tensor) -> Tensor:
        """Pre-activations: (N, D) to (N, M)."""
        pre = functional.linear(z, self.w, self.bias)
        return pre if self.rank_scale is None else pre * self.rank_scale

    def on(self, pre: Tensor) -> Tensor:
        """Activations, where a latent needs nothing of the others: (N, M)."""
        if self.gate is not None:
            b_gate, b_mag, growth = self.gate
            return (pre * growth + b_mag).relu() * (pre + b_gate > 0)
        if self.threshold is not None:
            return pre.relu() * (pre > self.threshold)
        return pre.relu()


@dataclass(frozen=True)
class Columns:
    """The watched latents alone: equal to the columns of `encode`, at a fraction of its cost.

    A top-k latent needs its rank. The k-th largest of any subset is never above the k-th largest of
    all, so a latent below it is off; only tokens with a latent above it are encoded in full.
    """

    sae: SparseAutoencoder
    latents: tuple[int, ...]
    own: Weights
    some: Weights | None
    """A subset of all latents, for the bound; ranked architectures only."""

    def encode(self, x: Tensor) -> Tensor:
        """The watched latents of each token: (N, D) to (N, M)."""
        sae = self.sae
        if self.some is None and sae.architecture not in COLUMN_BY_COLUMN:
            return sae.encode(x)[..., list(self.latents)]
        z, _ = sae.seen(x)
        pre = self.own.pre(z)
        f = self.own.on(pre) if self.some is None else self._ranked(z, pre, self.some)
        if self.own.rank_scale is not None and not sae.keeps_rank_scale:
            return unscaled(f, self.own.rank_scale)
        return f

    def pre(self, x: Tensor) -> Tensor:
        """Pre-activations of the watched latents: (N, D) to (N, M)."""
        return self.own.pre(self.sae.seen(x)[0])

    def borders(self, thresholds: Tensor) -> Tensor | None:
        """The pre-activation above which each latent is above its threshold: (M,) to (M,).

        None where latents compete: there a pre-activation alone says nothing.
        """
        if self.sae.architecture not in COLUMN_BY_COLUMN:
            return None
        wanted = thresholds.to(self.own.w)
        if self.own.rank_scale is not None and not self.sae.keeps_rank_scale:
            wanted = wanted * self.own.rank_scale
        if self.own.gate is not None:
            b_gate, b_mag, growth = self.own.gate
            return torch.maximum((wanted - b_mag) / growth, -b_gate)
        return wanted if self.own.threshold is None else wanted.maximum(self.own.threshold)

    def _ranked(self, z: Tensor, pre: Tensor, some: Weights) -> Tensor:
        """Top-k without all latents for most tokens."""
        is_absolute = self.sae.architecture is Architecture.ABSTOPK
        height = pre.abs() if is_absolute else pre.relu()
        rivals = some.pre(z)
        rivals = rivals.abs() if is_absolute else rivals
        least = rivals.topk(min(self.sae.k, rivals.shape[-1]), dim=-1).values[:, -1:]
        if rivals.shape[-1] < self.sae.k:
            least = torch.full_like(least, -torch.inf)
        open_rows = ((height > 0) & (height >= least)).any(-1)
        f = torch.zeros_like(pre)
        if open_rows.any():
            f[open_rows] = self._in_full(z[open_rows], is_absolute=is_absolute)
        return f

    def _in_full(self, z: Tensor, *, is_absolute: bool) -> Tensor:
        """The same from all latents, a run at a time: (N, D) to (N, M)."""
        watched = torch.tensor(self.latents, device=z.device)
        own = z.new_zeros(len(z), len(self.latents))
        best = z.new_empty(len(z), 0)
        for start, weights in self.sae.parts(z.device):
            pre = weights.pre(z)
            here = (watched >= start) & (watched < start + pre.shape[-1])
            own[:, here] = pre[:, watched[here] - start]
            best = torch.cat([best, pre.abs() if is_absolute else pre], -1)
            best = best.topk(min(self.sae.k, best.shape[-1]), dim=-1).values
        least = best[:, -1:]
        if is_absolute:
            return own * (own.abs() >= least)
        return own.relu() * (own >= least)


def unscaled(f: Tensor, scale: Tensor) -> Tensor:
    """Activations without their scale; a latent that writes nothing is off, not undefined."""
    return torch.where(scale > 0, f / scale, 0.0)


def run_of(start: int, stop: int) -> Callable[[Rows], Tensor]:
    """Takes the latents from `start` up to `stop` of a weight."""
    return lambda rows: rows.part(start, stop)


def largest(sae: SparseAutoencoder, pre: Tensor) -> Tensor:
    """Activations where latents compete: (N, F) to (N, F)."""
    match sae.architecture:
        case Architecture.TOPK:
            return keep_largest(pre.relu(), sae.k)
        case Architecture.ABSTOPK:
            best = pre.abs().topk(sae.k, dim=-1).indices
            return torch.zeros_like(pre).scatter(-1, best, pre.gather(-1, best))
        case Architecture.GROUPMAX:
            groups = pre.relu().reshape(*pre.shape[:-1], sae.k, -1)
            best_of = groups.argmax(-1, keepdim=True)
            kept = torch.zeros_like(groups).scatter(-1, best_of, groups.gather(-1, best_of))
            return kept.flatten(-2)
        case Architecture.BATCHTOPK:
            return keep_largest(pre.relu().flatten().unsqueeze(0), sae.k * len(pre)).view_as(pre)
        case _:
            raise ScanFailed(f"{sae.architecture}: latents do not compete", permanent=True)


def divided(f: Tensor, scale: Tensor) -> Tensor:
    """Activations without their rank scale; where that is zero nothing is on, and stays so."""
    return f / torch.where(scale == 0, 1.0, scale).to(f.device)


def keep_largest(f: Tensor, k: int) -> Tensor:
    """Each row with all but its k largest entries set to zero."""
    best = f.topk(min(k, f.shape[-1]), dim=-1)
    return torch.zeros_like(f).scatter(-1, best.indices, best.values)


def normalised(x: Tensor, norm: Norm) -> tuple[Tensor, Undo | None]:
    """Each token normalised, (N, D), and how to undo it."""
    match norm:
        case Norm.LAYER_NORM:
            mean, spread = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
            return (x - mean) / (spread + LAYER_NORM_EPS), Undo(spread, mean)
        case Norm.CONSTANT:
            length = x.norm(dim=-1, keepdim=True) / math.sqrt(x.shape[-1])
            return x / length, Undo(length, torch.zeros_like(length))
        case _:
            return x, None
