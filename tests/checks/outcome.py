"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.checks.stage import Stage


@dataclass(frozen=True)
class Found:
    """Whether it holds, and the figures that say so."""

    holds: bool
    figures: Mapping[str, object]


@dataclass(frozen=True)
class Check:
    """One line of the scorecard."""

    key: str
    title: str
    run: Callable[[Stage], Found]
