"""The outline of Annex IV, as data: which sections there are and what each asks for."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Point:
    """One letter of the Annex."""

    id: str
    title: str
    asks: str


@dataclass(frozen=True)
class Section:
    """One number of the Annex."""

    id: str
    title: str
    points: tuple[Point, ...]


@cache
def annex_iv() -> tuple[Section, ...]:
    """Sections 1 to 9 in the Annex's own order."""
    text = resources.files(__package__).joinpath("data/annex_iv.toml").read_text(encoding="utf-8")
    return tuple(
        Section(raw["id"], raw["title"], tuple(Point(**item) for item in raw["items"]))
        for raw in tomllib.loads(text)["section"]
    )
