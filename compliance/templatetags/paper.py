"""What templates of paper ask for: exact values of frozen content in words, with their zone."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from django import template
from django.utils.html import format_html, format_html_join

from compliance.services import wording
from compliance.views import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.utils.safestring import SafeString

register = template.Library()

DASH = "\u2013"
NBSP = "\u00a0"
SHA256 = re.compile(r"\b((?:sha256 )?[0-9a-f]{64})\b")
REFERENCE = re.compile(r"([a-z_]+):([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
KEPT_DIGITS = 12


@register.filter
def instant(text: str, zone: str = "UTC") -> str:
    """An ISO 8601 instant as date and time in a zone, the zone named; a dash for none."""
    if not text:
        return DASH
    return wording.moment(datetime.fromisoformat(text), zone).replace(" ", NBSP)


@register.filter
def in_words(text: str, zone: str = "UTC") -> str:
    """What content that was frozen before it held words says exactly, in words."""
    return wording.text(str(text), zone or "UTC")


@register.filter
def reckoned(line: str) -> str:
    """A step of a clock's reckoning that was frozen before it was put in words."""
    return str(wording.phrase(line))


@register.filter
def printed(text: str, zone: str = "UTC") -> SafeString:
    """A cell or a line as paper shows it: instants written out, digests shortened in the middle.

    The whole digest stands in the attached JSON, and where a paper says which digest it is about.
    """
    told = wording.instants(str(text), zone or "UTC", has_seconds=False)
    told = REFERENCE.sub(lambda found: f"{shown.kind_name(found[1])} {found[2]}", told)
    return _set(told, _short)


@register.filter
def whole(text: str) -> SafeString:
    """A text in which digests stand whole, set apart from the words."""
    return _set(str(text), _whole)


def _set(text: str, form: Callable[[str], SafeString]) -> SafeString:
    """The text, escaped, with its digests in the type of keys; `split` gives every second as one."""
    pieces = ((form(each) if n % 2 else each,) for n, each in enumerate(SHA256.split(text)))
    return format_html_join("", "{}", pieces)


def _whole(digest: str) -> SafeString:
    return format_html('<span class="mono">{}</span>', digest)


def _short(digest: str) -> SafeString:
    name, space, digits = digest.rpartition(" ")
    cut = f"{name}{space}{digits[:KEPT_DIGITS]}…{digits[-KEPT_DIGITS:]}"
    return format_html('<span class="mono short-digest">{}</span>', cut)
