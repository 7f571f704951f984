"""Names that come out of files: a read point is looked at before it is passed on."""

from __future__ import annotations

import re

from assessments.scanner import readnames
from assessments.scanner.contract import ScanFailed

HOOK_NAME = re.compile(r"[\w.:\-]{1,200}", re.ASCII)


def hook_name(where: str, name: str) -> str:
    """The name of a read point, if it is one by its looks.

    Raises:
        ScanFailed: it holds what no read point is called, such as a path.
    """
    if HOOK_NAME.fullmatch(name) is None or ".." in name:
        raise ScanFailed(
            f"{where}: expected a read point as blocks.8.hook_resid_post, came {ascii(name)[:80]}",
            permanent=True,
        )
    return name


def known_point(name: str) -> str:
    """The name, if it is a read point that some model may have; else nothing."""
    try:
        return readnames.parse(name).spelled
    except ScanFailed:
        return ""
