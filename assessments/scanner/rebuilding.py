"""How well an autoencoder rebuilds some rows, whatever its size: weights are read once, by pieces.

Where latents do not compete, a piece of them is an autoencoder of its own, and what the pieces add
to the rebuilt rows is summed. Where they compete, rows are taken in runs. Shapes: N rows, F
latents, P latents of a piece, E width of what is rebuilt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from assessments.scanner.coverage import Moments
from assessments.scanner.rows import InMemory
from assessments.scanner.sae import CHUNK, COLUMN_BY_COLUMN, Architecture, Gate, Norm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from assessments.scanner.rows import Rows
    from assessments.scanner.sae import SparseAutoencoder

HELD = 1 << 22
"""Activations that are held at once."""
LARGEST = 1e9
"""Unexplained variance is not told beyond it."""


@dataclass(frozen=True)
class Figures:
    """What some rows say of an autoencoder."""

    n: int
    l0: float
    dead_share: float
    fvu: float | None
    """None where it only encodes."""
    frozen_fvu: float | None
    """With every latent held at its mean: 1 or more where nothing but latents tells rows apart."""


class Piece(NamedTuple):
    """Some latents on some rows."""

    sae: SparseAutoencoder
    rows: slice
    latents: slice


def figures(
    sae: SparseAutoencoder, x: Tensor, y: Tensor, alive: Callable[[], object] = lambda: None
) -> Figures:
    """Measure an autoencoder.

    Args:
        sae: what is measured.
        x: what it reads, (N, D).
        y: what it should rebuild, (N, E); `x` itself but for transcoders.
        alive: called often; whatever it raises ends the measuring.
    """
    n_on = torch.zeros(len(x))  # (N,)
    total = torch.zeros(sae.d_sae, dtype=torch.float64)  # (F,)
    fired = torch.zeros(sae.d_sae, dtype=torch.bool)

    def live(piece: Piece) -> Tensor:
        alive()
        f = piece.sae.encode(x[piece.rows])  # (n, P)
        n_on[piece.rows] += (f != 0).sum(-1).cpu()
        fired[piece.latents] |= (f != 0).any(0).cpu()
        total[piece.latents] += f.sum(0, dtype=torch.float64).cpu()
        return f

    def frozen(piece: Piece) -> Tensor:
        alive()
        mean = (total[piece.latents] / len(x)).float().to(x.device)
        return mean.expand(len(x[piece.rows]), -1)

    rebuilt = rebuild(sae, x, live)
    fvu = frozen_fvu = None
    if sae.w_dec is not None:
        fvu = unexplained(y, rebuilt)
        frozen_fvu = unexplained(y, rebuild(sae, x, frozen)) if has_more(sae) else 1.0
    return Figures(len(x), float(n_on.mean()), 1 - float(fired.double().mean()), fvu, frozen_fvu)


def has_more(sae: SparseAutoencoder) -> bool:
    """Whether anything but latents tells rebuilt rows apart: a skip, or a norm that is undone."""
    return sae.w_skip is not None or (sae.norm is not Norm.NONE and not sae.hook_name_out)


def unexplained(y: Tensor, rebuilt: Tensor) -> float:
    """Share of the variance of `y` that is not rebuilt."""
    moments = Moments(y.shape[1])
    moments.add(y, rebuilt)
    return min(moments.fvu, LARGEST) if math.isfinite(moments.fvu) else LARGEST


def rebuild(sae: SparseAutoencoder, x: Tensor, activations: Callable[[Piece], Tensor]) -> Tensor:
    """The rows as some activations tell them: (N, E); nothing where it only encodes.

    Args:
        sae: what rebuilds.
        x: what it reads, (N, D).
        activations: what the latents of a piece are on its rows, (n, P).
    """
    rebuilt = torch.zeros(len(x), sae.d_out, device=x.device)
    for piece in pieces(sae, len(x)):
        f = activations(piece)
        if sae.w_dec is None:
            continue
        rows = x[piece.rows]
        _, undo = sae.seen(rows)
        added = piece.sae.decode(f, undo, rows)
        if piece.latents.start:  # What a piece adds besides its latents counts once.
            added = added - part(sae, 0, 1).decode(torch.zeros_like(f[:, :1]), undo, rows)
        rebuilt[piece.rows] += added
    return rebuilt


def pieces(sae: SparseAutoencoder, n: int) -> Iterator[Piece]:
    """Latents and rows, so many together as are held at once."""
    if sae.architecture in COLUMN_BY_COLUMN:
        step = max(1, min(HELD // max(n, 1), CHUNK // max(sae.d_in, sae.d_out, 1)))
        for start in range(0, sae.d_sae, step):
            stop = min(start + step, sae.d_sae)
            yield Piece(part(sae, start, stop), slice(0, n), slice(start, stop))
        return
    is_whole = sae.architecture is Architecture.BATCHTOPK  # All rows compete.
    step = n if is_whole else max(1, HELD // sae.d_sae)
    for at in range(0, n, max(step, 1)):
        yield Piece(sae, slice(at, min(at + step, n)), slice(0, sae.d_sae))


def part(sae: SparseAutoencoder, start: int, stop: int) -> SparseAutoencoder:
    """Some latents as an autoencoder of their own, in memory."""

    def there(rows: Rows) -> InMemory:
        return InMemory(rows.part(start, stop))

    def perhaps(rows: Rows | None) -> InMemory | None:
        return None if rows is None else there(rows)

    gate = sae.gate
    return replace(
        sae, w_enc=there(sae.w_enc), b_enc=perhaps(sae.b_enc), w_dec=perhaps(sae.w_dec),
        threshold=perhaps(sae.threshold), rank_scale=perhaps(sae.rank_scale),
        gate=gate and Gate(there(gate.b_gate), there(gate.b_mag), there(gate.r_mag)),
    )  # fmt: skip
