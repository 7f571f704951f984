"""No template writes what the Content-Security-Policy would refuse."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(
    path
    for app in ("assessments", "compliance", "config", "incidents")
    for path in (ROOT / app).rglob("templates/**/*.html")
)
COMMENTS = re.compile(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}|<!--.*?-->", re.DOTALL)
REFUSED = {
    "an inline style": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "a <style> element": re.compile(r"<style[\s>]", re.IGNORECASE),
    "an inline script": re.compile(
        r"<script(?![^>]*\ssrc\s*=)(?![^>]*\stype=\"application/json\")", re.IGNORECASE
    ),
    "an event handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "htmx that evaluates": re.compile(
        r"hx-on|hx-vals\s*=\s*[\"']js:|hx-vars|hx-trigger=\"[^\"]*\["
    ),
    "a foreign host": re.compile(r"(?:src|href)\s*=\s*[\"'](?:https?:)?//", re.IGNORECASE),
    "an unescaped value": re.compile(r"\|\s*safe\b|\{%\s*autoescape off"),
}


def test_there_are_templates():
    assert len(TEMPLATES) > 60


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_writes_nothing_that_the_policy_refuses(path):
    text = COMMENTS.sub("", path.read_text())
    found = {
        what: match.group()[:80]
        for what, pattern in REFUSED.items()
        if (match := pattern.search(text))
    }
    assert found == {}


def test_the_policy_names_only_ourselves():
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    allowed = {source for sources in directives.values() for source in sources}
    assert allowed <= {"'none'", "'self'", "data:"}
    assert directives["default-src"] == ["'none'"]
    assert "data:" not in directives["script-src"]


def test_scripts_of_ours_need_no_eval():
    ours = sorted((ROOT / "compliance/static/strata").glob("*.js"))
    assert ours
    for path in ours:
        text = path.read_text()
        assert not re.search(
            r"\beval\s*\(|new Function\s*\(|\.innerHTML\s*=|document\.write", text
        ), path.name
