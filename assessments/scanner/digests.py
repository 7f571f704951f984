"""Digests of files and folders, in the one form the record uses. Standard library only."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BLOCK = 1 << 20


def file_sha256(path: Path) -> str:
    """The digest of one file, read block by block."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def folder_files(folder: Path) -> dict[str, str]:
    """Each file below `folder`, by its path with forward slashes, and its digest."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}


def manifest_sha256(files: Mapping[str, str]) -> str:
    """One digest for a set of files: over the lines `<sha256>  <path>` sorted by path.

    It is what `sha256sum` would print, so a person can repeat it with coreutils alone.
    """
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def folder_sha256(folder: Path) -> str:
    """One digest for everything below `folder`."""
    return manifest_sha256(folder_files(folder))
