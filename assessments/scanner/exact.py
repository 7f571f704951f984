"""Sums of floats without rounding, so that no order of adding changes a bit of them.

A sum is kept as its expansion: the sum rounded to a float, then what that left over, rounded, and
so on until nothing is left. A number has one such expansion, mostly of one to three floats.

Method: `math.fsum` rounds the true sum once (Shewchuk 1997).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Expansion = tuple[float, ...]


def add(values: Iterable[float]) -> Expansion:
    """The expansion of a sum of floats, or of the floats of several expansions.

    Raises:
        OverflowError: the sum is larger than any float.
        ValueError: one of them is not finite.
    """
    parts = list(values)
    found: list[float] = []
    while rest := math.fsum(parts):
        if not math.isfinite(rest):
            raise ValueError(f"expected finite numbers to add, their sum is {rest}")
        found.append(rest)
        parts.append(-rest)
    return tuple(found)


def mean(total: Sequence[float], n: int) -> float:
    """The mean, rounded once."""
    return float(whole(total) / n)


def standard_deviation(total: Sequence[float], squares: Sequence[float], n: int) -> float:
    """From the sum and the sum of squares, with n - 1. 0 for one value.

    Nothing is lost where the two cancel. What was rounded before is: in float64 squares of float32
    are exact, those of float64 are not.
    """
    if n < 2:
        return 0.0
    spread = n * whole(squares) - whole(total) ** 2
    # With rounded squares equal values may end a hair below zero.
    return math.sqrt(max(spread / (n * (n - 1)), Fraction(0)))


def whole(expansion: Sequence[float]) -> Fraction:
    """The number an expansion stands for."""
    return sum(map(Fraction, expansion), Fraction(0))
