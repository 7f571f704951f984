"""A language in which all that was translated stands in marks, and a reader who finds the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

from django.utils.translation import trans_real

OPEN, CLOSE = "\u27e6", "\u27e7"
# What programs read; and what says by its element that it stands as it was written.
SILENT = frozenset({"script", "style", "template", "svg"})
VERBATIM = frozenset({"code", "kbd", "samp", "pre", "textarea"})
READ_ALOUD = ("title", "alt", "aria-label", "aria-description", "placeholder", "data-label")
EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
LETTER = re.compile(r"[^\W\d_]")


class Marked(trans_real.DjangoTranslation):
    """English in which each text that came from the catalogue is marked; it notes what was asked."""

    def __init__(self) -> None:
        super().__init__("en")
        self.asked: set[str] = set()

    def gettext(self, message: str) -> str:
        """One text; its context, where it has one, is left out."""
        self.asked.add(message)
        return _marked(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The one or the other; catalogues know both by the first."""
        self.asked.add(msgid1)
        return _marked(msgid1 if n == 1 else msgid2)


def _marked(message: str) -> str:
    words = message.rpartition(trans_real.CONTEXT_SEPARATOR)[2]
    return f"{OPEN}{words}{CLOSE}" if words.strip() else words


@contextmanager
def spoken() -> Iterator[Marked]:
    """While this holds, English is the marked language, for everybody and in every request."""
    before, default = trans_real._translations.get("en"), trans_real._default
    marked = Marked()
    trans_real._translations["en"], trans_real._default = marked, None
    trans_real.activate("en")
    try:
        yield marked
    finally:
        trans_real.deactivate()
        trans_real._default = default
        del trans_real._translations["en"]
        if before is not None:
            trans_real._translations["en"] = before


def unmarked(text: str) -> str:
    """What of a text stands outside all marks; a mark whose end was cut off reaches to the end."""
    depth, kept = 0, []
    for letter in text:
        if letter in {OPEN, CLOSE}:
            depth = max(depth + (1 if letter == OPEN else -1), 0)
            kept.append(" ")
        elif depth == 0:
            kept.append(letter)
    return " ".join("".join(kept).split())


def seen(page: str) -> list[str]:
    """What a page says to a person, piece by piece: its text and what is read out or hovered."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.pieces


def drawn(spec: object) -> list[str]:
    """The words in a chart's specification: titles, printed words and the names of its rows."""
    if isinstance(spec, list):
        return [words for each in spec for words in drawn(each)]
    if not isinstance(spec, dict):
        return []
    own = [spec[name] for name in ("title", "label", "lane") if isinstance(spec.get(name), str)]
    text = spec.get("text")
    printed = text.get("value") if isinstance(text, dict) else None
    own += [printed] if isinstance(printed, str) else []
    return own + drawn(list(spec.values()))


class _Reader(HTMLParser):
    """Collects visible text and the attributes that stand for text."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._open: list[str] = []
        self._text = ""
        self._is_chart = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._flush()
        said = {name: value or "" for name, value in attrs}
        self.pieces += [said[name] for name in READ_ALOUD if said.get(name)]
        if tag == "input" and said.get("type") in {"submit", "button", "reset"}:
            self.pieces.append(said.get("value", ""))
        self._is_chart = tag == "script" and said.get("id", "").endswith("-spec")
        if tag not in EMPTY:
            self._open.append("code" if said.get("translate") == "no" else tag)

    def handle_endtag(self, tag: str) -> None:
        self._flush()
        if tag not in EMPTY and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._text += data

    def close(self) -> None:
        super().close()
        self._flush()

    def _flush(self) -> None:
        text, self._text = " ".join(self._text.split()), ""
        if text and self._is_chart:
            self.pieces += drawn(json.loads(text))
        if text and not (SILENT | VERBATIM) & set(self._open):
            self.pieces.append(text)
