"""Every pair of colours that carries text is readable, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parents[2] / "compliance/static/strata/tokens.css"
ENOUGH_FOR_TEXT = 4.5
ENOUGH_FOR_CONTROLS = 3.0
INKS = ("text", "muted", "accent", "accent-strong", "green", "red", "amber", "violet", "grey")
GROUNDS = ("canvas", "surface", "sunken")
PAIRS = [
    *((ink, ground) for ink in INKS for ground in GROUNDS),
    *((tone, f"{tone}-soft") for tone in ("accent", "green", "red", "amber", "violet", "grey")),
    *(("on-hue", f"hue-{step}") for step in range(1, 10)),
    ("text", "accent-soft"),
    ("muted", "accent-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("on-red", "red"),
    ("chart-evaluation", "surface"),
    ("chart-deployment", "surface"),
]


def tokens() -> dict[str, tuple[str, str]]:
    """Name to (light, dark)."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", TOKENS.read_text())
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_text_can_be_read(ink: str, ground: str, theme: int) -> None:
    known = tokens()
    assert contrast(known[ink][theme], known[ground][theme]) >= ENOUGH_FOR_TEXT


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["canvas", "surface"])
def test_the_edge_of_a_control_can_be_seen(ground: str, theme: int) -> None:
    known = tokens()
    assert contrast(known["line-strong"][theme], known[ground][theme]) >= ENOUGH_FOR_CONTROLS


def test_the_measure_knows_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
