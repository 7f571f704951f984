"""Was the autoencoder read right, and does it fit this model? Measured before it is used.

1. Read held-out text at the point that its files name; position 0, special and massive tokens apart.
2. Measure how many latents a token has, and how much variance stays unexplained.
3. Compare with what its makers declare, and with the model it was trained on where that is known.
4. Where something is wrong: try the points it may have been meant for, and it with and without what
   loaders forget. The best of them is named; it is never used by itself.

Shapes: N tokens, D width of what is read, E width of what is rebuilt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from assessments.scanner import readpoints
from assessments.scanner.activations import batches, several
from assessments.scanner.contract import CandidateScore, CheckStatus, ScanFailed, SelfCheck
from assessments.scanner.coverage import MASSIVE
from assessments.scanner.rebuilding import Figures, figures
from assessments.scanner.sae import Norm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from assessments.scanner.readpoints import ReadPoint
    from assessments.scanner.sae import Declared, SparseAutoencoder
    from assessments.scanner.weights import LoadedModel

L0_FACTOR = 1.5
"""Measured and declared L0 agree within this factor; texts differ, wrong loading differs more."""
FVU_ABOVE, FVU_FACTOR = 0.05, 1.5
"""As much as the declared unexplained variance plus or times this may be found; the larger counts."""
FVU_BOUND = 0.7
"""More unexplained variance than this is a doubt, where none is declared."""
USELESS = 0.99
"""From this share on of what stays unexplained without latents, latents say nothing."""
TRANSFER = 1.5
"""On a version of its model, so many times the base's unexplained variance is too much."""
LEAST_TOKENS = 16
CANDIDATE_TOKENS = 512
SILENT = 20.0
"""The misfit of an autoencoder of which no latent fires."""
SMALLEST_FVU = 1e-4
BETTER = 0.1
"""A candidate is better if its misfit is smaller by so much."""

VARIANTS = {
    "as_declared": "as declared",
    "with_b_in": "with b_dec taken off the input",
    "without_b_in": "without anything taken off the input",
    "with_input_scale": "with the input scaled to a mean length of √D",
    "without_input_scale": "without a scale of the input",
    "with_layer_norm": "with each token normalised",
    "without_norm": "without tokens normalised",
}


class Pair(NamedTuple):
    """What is read, and what is to be rebuilt."""

    read: ReadPoint
    rebuilt: ReadPoint


@dataclass(frozen=True)
class Judgement:
    """What figures say, and why."""

    status: CheckStatus
    reasons: tuple[str, ...]
    transfers: bool | None


def check(  # All but three are named.
    loaded: LoadedModel,
    sae: SparseAutoencoder,
    texts: Sequence[Sequence[int]],
    *,
    token_budget: int,
    base_fvu: float | None = None,
    always_search: bool = False,
    alive: Callable[[], object] = lambda: None,
) -> SelfCheck:
    """Check an autoencoder on its model.

    Args:
        loaded: the model; as deep as the points that are read.
        sae: the autoencoder.
        texts: token ids of held-out text.
        token_budget: how many tokens, padding included, go through the model at once.
        base_fvu: its unexplained variance on the model it was trained on.
        always_search: score candidates even where all is well.
        alive: called often; whatever it raises ends the check.

    Raises:
        ScanFailed: the model has not the point that the files name, or the text is too short.
    """
    declared = pair_of(sae)
    x, y = streams(loaded, texts, declared, token_budget=token_budget)
    found = figures(sae, x, y, alive)
    said = judged(found, sae.declared, base_fvu)
    scores: tuple[CandidateScore, ...] = ()
    untried: tuple[str, ...] = ()
    if always_search or said.status in (CheckStatus.DISAGREES, CheckStatus.UNUSABLE):
        tried, untried = reachable(loaded, sae, declared)
        scores = scored(loaded, sae, texts, tried, token_budget=token_budget, alive=alive)
    status = said.status
    if better(scores, sae) and status is not CheckStatus.UNUSABLE:
        status = CheckStatus.DISAGREES
    return SelfCheck(
        status=status,
        sentence=" ".join([*told(found, sae.declared, said), *advice(scores, sae, untried)]),
        n_tokens=found.n,
        l0=found.l0,
        fvu=found.fvu,
        frozen_fvu=found.frozen_fvu,
        dead_share=found.dead_share,
        declared_l0=sae.declared.l0,
        declared_fvu=sae.declared.fvu,
        base_fvu=base_fvu,
        transfers=said.transfers,
        candidates=scores,
        untried=untried,
    )


def pair_of(sae: SparseAutoencoder) -> Pair:
    """The points that the files name."""
    read = readpoints.parse(sae.hook_name)
    out = rebuilt_elsewhere(sae)
    return Pair(read, readpoints.parse(out) if out else read)


def rebuilt_elsewhere(sae: SparseAutoencoder) -> str:
    """The point that it rebuilds, where that is not the one it reads; else empty."""
    return sae.hook_name_out if sae.w_dec is not None else ""


def streams(
    loaded: LoadedModel, texts: Sequence[Sequence[int]], pair: Pair, *, token_budget: int
) -> tuple[Tensor, Tensor]:
    """What is read and what is to be rebuilt, on ordinary tokens: (N, D) and (N, E).

    Raises:
        ScanFailed: too few tokens are left.
    """
    x, y = gathered(loaded, texts, pair, token_budget)
    ordinary = ordinary_rows(x)
    if int(ordinary.sum()) < LEAST_TOKENS:
        message = f"the self-check needs {LEAST_TOKENS} tokens, the text has {int(ordinary.sum())}"
        raise ScanFailed(message, permanent=True)
    return x[ordinary], y[ordinary]


def gathered(
    loaded: LoadedModel,
    texts: Sequence[Sequence[int]],
    points: Sequence[ReadPoint],
    token_budget: int,
    most: int | None = None,
) -> tuple[Tensor, ...]:
    """What stands at each point, on the same tokens but for position 0 and special ones."""
    special = torch.tensor(sorted(loaded.tokenizer.all_special_ids), dtype=torch.long)
    rows: list[list[Tensor]] = [[] for _ in points]
    n = 0
    for given in batches(texts, token_budget):
        chosen = given.mask.bool() & ~torch.isin(given.ids, special)
        chosen[:, 0] = False
        for place, stream in enumerate(several(loaded.model, given, points)):
            rows[place].append(stream[chosen.to(stream.device)])
        n += int(chosen.sum())
        if most is not None and n >= most:
            break
    return tuple(torch.cat(each)[:most] for each in rows)


def ordinary_rows(x: Tensor) -> Tensor:
    """Which tokens are not massive: (N,)."""
    norms: Tensor = x.norm(dim=-1)
    return norms <= MASSIVE * norms.median() if len(x) else norms > 0


def judged(found: Figures, declared: Declared, base_fvu: float | None) -> Judgement:
    """What the figures say."""
    transfers = None
    if base_fvu is not None and found.fvu is not None:
        transfers = found.fvu <= TRANSFER * base_fvu
    if useless := why_useless(found):
        return Judgement(CheckStatus.UNUSABLE, (useless,), transfers)
    reasons = tuple(disagreements(found, declared))
    if transfers is False:
        grown = (
            f"On the model it was trained on {base_fvu:.3g} stays unexplained, here more than "
            f"{TRANSFER} times that: it does not carry over to this version."
        )
        reasons = (*reasons, grown)
    if reasons:
        return Judgement(CheckStatus.DISAGREES, reasons, transfers)
    is_known = (declared.l0, declared.fvu, base_fvu) != (None, None, None)
    return Judgement(
        CheckStatus.AGREES if is_known else CheckStatus.NOTHING_DECLARED, (), transfers
    )


def why_useless(found: Figures) -> str:
    """Why its latents say nothing; empty where they do."""
    if found.l0 == 0:
        return "No latent fires on any token."
    if found.fvu is None or found.frozen_fvu is None:
        return ""
    if found.fvu >= USELESS * found.frozen_fvu:
        return (
            f"With its latents {found.fvu:.3g} of the variance stays unexplained, with every "
            f"latent held at its mean {found.frozen_fvu:.3g}: they say nothing of this model."
        )
    return ""


def disagreements(found: Figures, declared: Declared) -> Iterator[str]:
    """What is not as declared, or too poor."""
    if declared.l0 and abs(math.log(found.l0 / declared.l0)) > math.log(L0_FACTOR):
        yield f"L0 is not within a factor of {L0_FACTOR:g} of what is declared."
    if found.fvu is None:
        return
    if declared.fvu is not None:
        most = max(declared.fvu + FVU_ABOVE, FVU_FACTOR * declared.fvu)
        if found.fvu > most:
            yield f"More than {most:.3g} stays unexplained, too much for what is declared."
    elif found.fvu > FVU_BOUND:
        yield f"More than {FVU_BOUND} stays unexplained."


def reachable(
    loaded: LoadedModel, sae: SparseAutoencoder, declared: Pair
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Points it may have been meant for, and the names of those that lie beyond what was loaded."""
    n_blocks = loaded.n_blocks
    if not rebuilt_elsewhere(sae):
        pairs = [Pair(each, each) for each in readpoints.candidates(declared.read, n_blocks)]
    else:
        pairs = [Pair(each, declared.rebuilt)
                 for each in readpoints.candidates(declared.read, n_blocks)]  # fmt: skip
        pairs += [Pair(declared.read, each)
                  for each in readpoints.candidates(declared.rebuilt, n_blocks)[1:]]  # fmt: skip
    tried: list[Pair] = []
    untried: list[str] = []
    for pair in pairs:
        if fits(loaded, pair.read, sae.d_in) and fits(loaded, pair.rebuilt, sae.d_out or None):
            tried.append(pair)
        else:
            untried += [each.spelled for each in pair if is_deeper(loaded, each)]
    return tuple(tried), tuple(dict.fromkeys(untried))


def fits(loaded: LoadedModel, point: ReadPoint, width: int | None) -> bool:
    """Whether this model has that point, of that width."""
    try:
        return readpoints.width(loaded.model, point) == width or width is None
    except ScanFailed:
        return False


def is_deeper(loaded: LoadedModel, point: ReadPoint) -> bool:
    """Whether only more of the model would show that point."""
    return readpoints.blocks_needed(point) > len(readpoints.blocks_of(loaded.model))


def scored(
    loaded: LoadedModel,
    sae: SparseAutoencoder,
    texts: Sequence[Sequence[int]],
    pairs: Sequence[Pair],
    *,
    token_budget: int,
    alive: Callable[[], object],
) -> tuple[CandidateScore, ...]:
    """Each pair of points with each variant, best first."""
    points = tuple(dict.fromkeys(point for pair in pairs for point in pair))
    rows = gathered(loaded, texts, points, token_budget, CANDIDATE_TOKENS)
    at = dict(zip(points, rows, strict=True))
    scores = []
    for pair in pairs:
        ordinary = ordinary_rows(at[pair.read])
        x, y = (at[point][ordinary] for point in pair)
        for name, changed in variants(sae, x):
            scores.append(score(pair, name, figures(changed, x, y, alive), sae))
    return tuple(sorted(scores, key=lambda each: each.misfit))


def variants(sae: SparseAutoencoder, x: Tensor) -> Iterator[tuple[str, SparseAutoencoder]]:
    """The autoencoder as declared, and with or without each of what loaders forget."""
    yield "as_declared", sae
    if sae.b_in is not None:
        yield "without_b_in", replace(sae, b_in=None)
    elif sae.b_dec is not None and not sae.hook_name_out:
        yield "with_b_in", replace(sae, b_in=sae.b_dec)
    if sae.input_scale != 1:
        yield "without_input_scale", replace(sae, input_scale=1.0)
    elif sae.norm is Norm.NONE:
        scale = math.sqrt(sae.d_in) / max(float(x.norm(dim=-1).mean()), 1e-12)
        yield "with_input_scale", replace(sae, input_scale=scale)
    if sae.norm is Norm.NONE:
        yield "with_layer_norm", replace(sae, norm=Norm.LAYER_NORM)
    else:
        yield "without_norm", replace(sae, norm=Norm.NONE)


def score(pair: Pair, variant: str, found: Figures, sae: SparseAutoencoder) -> CandidateScore:
    """One candidate's figures, and how ill it fits."""
    misfit = math.log(max(found.fvu, SMALLEST_FVU)) if found.fvu is not None else 0.0
    if found.l0 == 0:
        misfit += SILENT
    elif sae.declared.l0:
        misfit += abs(math.log(found.l0 / sae.declared.l0))
    out = pair.rebuilt.spelled if rebuilt_elsewhere(sae) else ""
    is_alive = not why_useless(found)
    return CandidateScore(pair.read.spelled, out, variant, found.l0, found.fvu, misfit, is_alive)


def told(found: Figures, declared: Declared, said: Judgement) -> Iterator[str]:
    """The figures in a sentence, and what is wrong with them."""
    l0 = f"L0 {found.l0:.3g}" + ("" if declared.l0 is None else f" (declared {declared.l0:.3g})")
    fvu = "it only encodes" if found.fvu is None else f"unexplained variance {found.fvu:.3g}"
    more = "" if declared.fvu is None else f" (declared {declared.fvu:.3g})"
    yield f"On {found.n} tokens: {l0}, {fvu}{more}."
    yield from said.reasons


def advice(
    scores: Sequence[CandidateScore], sae: SparseAutoencoder, untried: Sequence[str]
) -> Iterator[str]:
    """What the candidates say, where any were scored."""
    if not scores:
        return
    if best := better(scores, sae):
        out = f", rebuilding {best.hook_name_out}," if best.hook_name_out else ""
        fvu = "" if best.fvu is None else f" and unexplained variance {best.fvu:.3g}"
        yield (
            f"Of {len(scores)} ways to read it the best is at {best.hook_name}{out} "
            f"{VARIANTS[best.variant]}, with L0 {best.l0:.3g}{fvu}. If that is what its makers "
            "meant, correct its files and register them anew."
        )
    else:
        yield f"None of {len(scores)} ways to read it fits better than the declared one."
    if untried:
        yield f"Not tried, for they need more of the model: {', '.join(untried)}."


def better(scores: Sequence[CandidateScore], sae: SparseAutoencoder) -> CandidateScore | None:
    """The candidate that fits best, if it fits better than the declared way."""
    here = next((each for each in scores if is_declared(each, sae)), None)
    best = next((each for each in scores if each.is_alive), None)
    if here is None or best is None or best.misfit > here.misfit - BETTER:
        return None
    return best


def is_declared(each: CandidateScore, sae: SparseAutoencoder) -> bool:
    """Whether it is read as its files say."""
    points = (each.hook_name, each.hook_name_out)
    declared = (sae.hook_name, rebuilt_elsewhere(sae))
    return each.variant == "as_declared" and points == declared
