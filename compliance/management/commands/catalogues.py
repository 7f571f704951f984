"""Compile the catalogues of report language, the same bytes everywhere: no gettext tools are needed.

The `.mo` files are kept beside their `.po`, because the installation compiles nothing.
"""

from __future__ import annotations

import ast
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from typing_extensions import override

MAGIC = 0x950412DE
CONTEXT = "\x04"
HEAD = struct.Struct("<7I")
ENTRY = struct.Struct("<2I")


class CatalogueError(ValueError):
    """A line of a catalogue that is none; the message names the file and the line."""


def entries(text: str, *, file: str) -> Iterator[tuple[str, str]]:
    """Each message with its translation, as a compiled catalogue holds them; fuzzy ones are left out.

    Raises:
        CatalogueError: a line that a catalogue cannot hold.
    """
    for block in text.split("\n\n"):
        parts: dict[str, str] = {}
        current, is_fuzzy = "", False
        for number, line in enumerate(block.splitlines(), start=1):
            if line.startswith("#"):
                is_fuzzy = is_fuzzy or (line.startswith("#,") and "fuzzy" in line)
                continue
            keyword, _space, quoted = (
                (current, "", line) if line.startswith('"') else line.partition(" ")
            )
            if not quoted.startswith('"') or not keyword.startswith("msg"):
                raise CatalogueError(f"{file}: expected a message, got {line!r} (line {number})")
            current = keyword
            parts[keyword] = parts.get(keyword, "") + str(ast.literal_eval(quoted))
        if "msgid" in parts and not is_fuzzy:
            yield from _entry(parts)


def _entry(parts: dict[str, str]) -> Iterator[tuple[str, str]]:
    context = parts["msgctxt"] + CONTEXT if "msgctxt" in parts else ""
    if "msgid_plural" in parts:
        forms = [parts[name] for name in sorted(parts) if name.startswith("msgstr[")]
        if all(forms):
            yield f"{context}{parts['msgid']}\0{parts['msgid_plural']}", "\0".join(forms)
    elif parts.get("msgstr"):
        yield context + parts["msgid"], parts["msgstr"]


def compiled(text: str, *, file: str) -> bytes:
    """The catalogue in the format of gettext: sorted, without a hash table, little endian."""
    found = sorted((key.encode(), value.encode()) for key, value in entries(text, file=file))
    at = HEAD.size + 2 * ENTRY.size * len(found)
    tables, data = [b"", b""], b""
    for side in (0, 1):
        for pair in found:
            tables[side] += ENTRY.pack(len(pair[side]), at + len(data))
            data += pair[side] + b"\0"
    n = len(found)
    head = HEAD.pack(MAGIC, 0, n, HEAD.size, HEAD.size + ENTRY.size * n, 0, at)
    return head + tables[0] + tables[1] + data


def catalogues() -> list[Path]:
    """Every catalogue of this project."""
    return sorted(
        path for each in settings.LOCALE_PATHS for path in Path(each).glob("*/LC_MESSAGES/*.po")
    )


class Command(BaseCommand):
    """Write each `.mo` anew, or say which are not what their `.po` comes to."""

    help = "Compile the catalogues of the languages of reports."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        """One switch."""
        parser.add_argument(
            "--check", action="store_true", help="write nothing; fail if one is old"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Compile, or compare."""
        for path in catalogues():
            made = compiled(path.read_text(encoding="utf-8"), file=path.name)
            target = path.with_suffix(".mo")
            stands = target.read_bytes() if target.exists() else b""
            if options["check"] and stands != made:
                self.stderr.write(f"{target}: not what {path.name} comes to")
                raise SystemExit(1)
            if not options["check"]:
                target.write_bytes(made)
            self.stdout.write(f"{target.parent.parent.name}: {len(made)} bytes")
