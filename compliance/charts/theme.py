"""How every chart looks: one Vega-Lite configuration and the Okabe-Ito colours.

Plain data, so that pages and workers share it without loading a chart library. Pages lay the
colours of light or dark over it (`static/strata/charts.js`); paper takes it as it is.

Colours: Okabe and Ito, "Color Universal Design", 2008.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Hue(StrEnum):
    """The eight Okabe-Ito colours by name."""

    BLACK = "#000000"
    ORANGE = "#E69F00"
    SKY = "#56B4E9"
    GREEN = "#009E73"
    YELLOW = "#F0E442"
    BLUE = "#0072B2"
    VERMILION = "#D55E00"
    PURPLE = "#CC79A7"


SERIES = (Hue.BLUE, Hue.VERMILION, Hue.GREEN, Hue.PURPLE, Hue.ORANGE, Hue.SKY)
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
FONT = "Inter, sans-serif"
INK = "#15181c"
SOFT_INK = "#505964"
LINE = "#d8dce1"
WIDTH = 560
ROW_HEIGHT = 26


def config() -> dict[str, Any]:
    """The theme; a fresh copy, because a specification may add to it."""
    return {
        "font": FONT,
        "background": "transparent",
        "view": {"stroke": None},
        "range": {"category": [str(hue) for hue in SERIES]},
        "title": {"anchor": "start", "fontSize": 13, "fontWeight": 600, "color": INK, "offset": 12},
        "axis": axis(),
        "header": {"labelFontSize": 12, "labelColor": INK, "titleColor": SOFT_INK},
        "text": {"color": INK, "fontSize": 12},
        "bar": {"color": str(Hue.BLUE)},
        "point": {"color": str(Hue.BLUE), "filled": True, "size": 70},
        "tick": {"color": str(Hue.BLUE)},
        "rule": {"color": SOFT_INK},
        # Names that pages give other colours on a dark ground.
        "style": {
            "interval": {"color": INK},
            "evaluation": {"color": str(Hue.BLUE)},
            "deployment": {"color": str(Hue.VERMILION)},
        },
    }


def axis() -> dict[str, Any]:
    """Quiet lines, readable labels, the title where a sentence would end."""
    return {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 400,
        "labelColor": INK,
        "titleColor": SOFT_INK,
        "gridColor": LINE,
        "domainColor": LINE,
        "tickColor": LINE,
        "labelPadding": 6,
        "titlePadding": 10,
        "labelLimit": 240,
    }
