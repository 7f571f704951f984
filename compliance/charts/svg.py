"""A chart as SVG, for paper and for pages before their scripts run. Workers only.

The converter is large and slow to start, so the web process never loads it; a page that needs a
picture finds it stored beside the evidence.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any

FONTS = Path(__file__).resolve().parent.parent / "static/vendor/fonts"
VEGA_LITE = "6.4"
NEEDED = 'vl-convert-python (pip install "strata[documents]")'


class ChartsUnavailable(RuntimeError):
    """This process cannot draw."""


def render(spec: dict[str, Any]) -> str:
    """The specification as one SVG document.

    Raises:
        ChartsUnavailable: vl-convert is not installed here, or refused the specification.
    """
    try:
        return str(converter().vegalite_to_svg(spec, vl_version=VEGA_LITE))
    except ValueError as error:
        raise ChartsUnavailable(f"expected a Vega-Lite specification; {error}") from error


def data_uri(svg: str) -> str:
    """The SVG as an address that an `<img>` may carry; scripts inside would not run."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


@cache
def converter() -> ModuleType:
    """vl-convert with our font at hand, so that text is measured as it will be printed."""
    try:
        import vl_convert
        from fontTools.ttLib import TTFont
    except ImportError as error:
        raise ChartsUnavailable(f"a chart as SVG needs {NEEDED}; run this in a worker") from error
    folder = mkdtemp(prefix="strata-fonts-")
    font = TTFont(FONTS / "inter-latin-normal.woff2")
    font.flavor = None
    font.save(Path(folder) / "inter.ttf")
    vl_convert.register_font_directory(folder)
    module: ModuleType = vl_convert
    return module


def size(svg: str) -> tuple[float, float]:
    """Width and height of a drawing in pixels, from its root element."""
    found = re.search(r'<svg[^>]*?width="([\d.]+)"[^>]*?height="([\d.]+)"', svg)
    if found is None:
        raise ChartsUnavailable("expected an SVG with width and height; came one without")
    return float(found[1]), float(found[2])
