"""Make the model's text fit to be looked at. Standard library only."""

from __future__ import annotations

import unicodedata

LONGEST = 40
VISIBLE = {"\n": "↵", "\t": "⇥"}
UNSEEN = "\N{REPLACEMENT CHARACTER}"


def shown(text: str, limit: int = LONGEST) -> str:
    """The text without control, format or bidirectional characters, and not longer than `limit`.

    Escaping for HTML is the page's business; this only makes sure that what is escaped is what is
    seen.
    """
    visible = "".join(VISIBLE.get(each) or character(each) for each in text)
    return visible if len(visible) <= limit else visible[: limit - 1] + "…"


def character(each: str) -> str:
    """One character, or the sign for one that is not shown."""
    return UNSEEN if unicodedata.category(each)[0] == "C" else each
