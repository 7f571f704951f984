"""No template breaks the Content-Security-Policy, and every icon that is named is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(
    path
    for app in ("compliance", "assessments", "incidents", "config")
    for path in ROOT.glob(f"{app}/templates/**/*.html")
)
SPRITE = (ROOT / "compliance/static/vendor/tabler/icons.svg").read_text(encoding="utf-8")
INLINE = re.compile(
    r"\sstyle=|<style|\son[a-z]+=\"|javascript:|hx-on|<script(?![^>]*\ssrc=)(?![^>]*application/json)"
)
COMMENT = re.compile(r"\{#.*?#\}|\{% comment.*?endcomment %\}", re.DOTALL)
ICON = re.compile(r'components/icon\.html" with name="([\w-]+)"')


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_carries_no_inline_style_or_script(path: Path) -> None:
    found = INLINE.findall(COMMENT.sub("", path.read_text(encoding="utf-8")))
    assert found == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_icon_a_template_names_is_in_the_sprite(path: Path) -> None:
    missing = [
        name
        for name in ICON.findall(path.read_text(encoding="utf-8"))
        if f'id="{name}"' not in SPRITE
    ]
    assert missing == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_short_comment_stays_on_its_line(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        assert line.count("{#") == line.count("#}")


def test_the_rule_catches_what_it_should() -> None:
    for wrong in (' style="x"', "<script>x", ' onclick="x"', "<style>"):
        assert INLINE.search(f"<p{wrong}")
    assert INLINE.search('<script defer src="x">') is None
