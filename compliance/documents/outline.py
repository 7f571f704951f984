"""The outline of Annex IV, as data: which sections there are and what each asks for."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from compliance.phrase import Phrase


@dataclass(frozen=True)
class Point:
    """One letter of the Annex."""

    id: str
    title: Phrase
    asks: Phrase


@dataclass(frozen=True)
class Section:
    """One number of the Annex."""

    id: str
    title: Phrase
    points: tuple[Point, ...]


@cache
def annex_iv() -> tuple[Section, ...]:
    """Sections 1 to 9 in the Annex's own order."""
    return parse(resources.files(__package__).joinpath("data/annex_iv.toml").read_bytes())


def parse(content: bytes) -> tuple[Section, ...]:
    """An outline from its bytes."""
    return tuple(
        Section(raw["id"], Phrase(raw["title"]), tuple(_point(item) for item in raw["items"]))
        for raw in tomllib.loads(content.decode())["section"]
    )


def _point(raw: dict[str, str]) -> Point:
    return Point(raw["id"], Phrase(raw["title"]), Phrase(raw["asks"]))
