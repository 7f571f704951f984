"""Where autoencoders read, and what the names of files and folders say of them.

A name that several readers join, because an autoencoder reads several points side by side, holds
each point's own name, in the order of its columns, with `SEPARATOR` between them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from assessments.scanner import readnames
from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import naming

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SEPARATOR = " + "
UNKNOWN = ""
"""The read point of an autoencoder that says nothing of it: it encodes, but cannot be scanned with."""


def spelled(where: str, name: str) -> str:
    """A read point in the words of TransformerLens; as it came where it has none there.

    Raises:
        ScanFailed: no read point is called anything like it.
    """
    naming.hook_name(where, name)
    try:
        point = readnames.parse(name)
    except ScanFailed:
        return name
    if point.processed or point.site not in {*readnames.LENS.values(), readnames.Site.EMBED}:
        return name
    return readnames.named(point.site, point.block).spelled


def joined(names: Iterable[str]) -> str:
    """One name for points that are read side by side."""
    return SEPARATOR.join(names)


def first(pattern: str, names: Iterable[str]) -> re.Match[str] | None:
    """The first of the names that says something of the kind."""
    found = (re.search(pattern, each, re.ASCII) for each in names)
    return next(filter(None, found), None)


def upwards(path: Path) -> tuple[str, ...]:
    """The names of a path, the nearest first. Links are not followed: caches link to bare digests."""
    return tuple(reversed(path.absolute().parts))
