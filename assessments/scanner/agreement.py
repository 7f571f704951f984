"""Does a second run say what the first one said?

Both are written out plainly and compared value by value: words, counts and verdicts must be equal,
measured figures within a tolerance. What may differ without anything being wrong (time taken,
library versions, device, how the work was split) is listed beside it, never judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assessments.scanner.contract import Plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assessments.scanner.contract import ScanResult

TOLERANCE = 1e-4
"""Relative: last bits differ between processors, and a rank may turn on them."""
SMALLEST = 1e-6
"""Figures nearer to each other than this are the same, however small they are."""
MOST_SHOWN = 20
PINNED = (
    "model_sha256", "sae_sha256", "suite_sha256", "watchlist_sha256", "hook_name", "seed", "dtype",
    "n_prompts", "n_pairs", "n_pairs_dropped", "n_tokens",
)  # fmt: skip
CONDITIONS = ("code_sha256", "device", "n_threads", "versions")


@dataclass(frozen=True)
class Agreement(Plain):
    """Whether two runs of one scan agree."""

    agrees: bool
    tolerance: float
    n_compared: int
    largest_difference: float
    """Of measured figures that had to agree, relative."""
    differences: tuple[str, ...]
    """What does not agree, at most twenty of them, each with both values."""
    n_differences: int
    conditions: tuple[str, ...]
    """What was different about the runs: code, libraries, device."""


def compare(first: ScanResult, again: ScanResult, *, tolerance: float = TOLERANCE) -> Agreement:
    """Compare two results of the same job.

    Args:
        first: what was found before.
        again: what was found this time.
        tolerance: largest relative difference of a measured figure.
    """
    one, other = (dict(leaves(judged(each))) for each in (first, again))
    differences: list[str] = []
    largest = 0.0
    for place in sorted(one.keys() | other.keys()):
        if place not in one or place not in other:
            differences.append(f"{place}: only in the {'first' if place in one else 'second'} run")
            continue
        a, b = one[place], other[place]
        if isinstance(a, float) and isinstance(b, float):
            apart = distance(a, b)
            if apart > tolerance:
                differences.append(f"{place}: {a:.6g} then {b:.6g}")
            largest = max(largest, apart)
        elif a != b:
            differences.append(f"{place}: {a!r} then {b!r}")
    return Agreement(
        agrees=not differences,
        tolerance=tolerance,
        n_compared=len(one.keys() | other.keys()),
        largest_difference=largest,
        differences=tuple(differences[:MOST_SHOWN]),
        n_differences=len(differences),
        conditions=tuple(conditions(first, again)),
    )


def distance(a: float, b: float) -> float:
    """How far apart two figures are, relative to the larger; 0 where both say the same."""
    if a == b or abs(a - b) < SMALLEST or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


def judged(result: ScanResult) -> dict[str, Any]:
    """What has to agree; lists whose order is a ranking are keyed by what they speak of."""
    raw = result.to_json()
    return {
        "run": {key: raw["run"][key] for key in PINNED},
        "coverage": raw["coverage"],
        "findings": {
            f"{each['hit']['concern']}, {each['frame']}, latent {each['hit']['latent']}, "
            f"prompt {each['hit']['prompt_id']}": each
            for each in raw["findings"]
        },
        "summaries": {f"{each['concern']}, {each['frame']}": each for each in raw["summaries"]},
        "suppression": {f"{each['scope']} {each['key']}": each for each in raw["suppression"]},
    }


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with the path to it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, f"{place} / {key}" if place else str(key))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from leaves(each, f"{place} / {at}")
    else:
        yield place, value


def conditions(first: ScanResult, again: ScanResult) -> Iterator[str]:
    """What was different about the two runs without being a disagreement."""
    for name in CONDITIONS:
        one, other = getattr(first.run, name), getattr(again.run, name)
        if one == other:
            continue
        if isinstance(one, dict):
            for key in sorted(one.keys() | other.keys()):
                if one.get(key) != other.get(key):
                    yield f"{key} {one.get(key, 'absent')} then {other.get(key, 'absent')}"
        else:
            yield f"{name} {one} then {other}"
