"""Send one sheet to the press: a process of its own with limits, whose only way out is a file."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from compliance.hostile import one_line

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_SECONDS = 180


class NotPrinted(Exception):
    """The paper could not be made; `permanent` says that trying again will not help."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        """Say what came of it."""
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True)
class Sheet:
    """Everything that makes a paper; the same sheet gives the same bytes."""

    html: str = field(repr=False)
    twin: bytes = field(repr=False)
    """The machine-readable content, canonical JSON."""
    name: str
    """What the attached twin is called, without its ending."""
    made_at: datetime
    """When the content was frozen; the renderer asks no clock of its own."""
    charts: tuple[str, ...] = ()
    """Vega-Lite specifications as JSON text; the page shows number n as charts/n.svg."""
    twin_words: str = "The content of this document as canonical JSON"
    """What the attachment is called for whoever opens it."""

    @property
    def identifier(self) -> str:
        """Fixed by the content, so that nothing in the paper is left to chance."""
        return hashlib.sha256(self.html.encode() + b"\0" + self.twin).hexdigest()[:32]


def pdf(sheet: Sheet, *, seconds: float = LONGEST_SECONDS) -> bytes:
    """The paper.

    Raises:
        NotPrinted: the renderer refused it, was killed at a limit, or is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="strata-paper-") as name:
        folder = Path(name)
        _lay_in(sheet, folder)
        _run(folder, seconds)
        return (folder / "paper.pdf").read_bytes()


def _lay_in(sheet: Sheet, folder: Path) -> None:
    (folder / "page.html").write_text(sheet.html, encoding="utf-8")
    (folder / "twin.json").write_bytes(sheet.twin)
    job = {
        "identifier": sheet.identifier,
        "twin_name": f"{sheet.name}.json",
        "twin_description": sheet.twin_words,
        "made_at": sheet.made_at.isoformat(),
        "charts": list(sheet.charts),
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def _run(folder: Path, seconds: float) -> None:
    """No secret of the worker's environment goes along; fontconfig may cache in the folder."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "XDG_CACHE_HOME": str(folder),
        # fontTools stamps the fonts it cuts; a fixed day keeps the bytes the same.
        "SOURCE_DATE_EPOCH": "315532800",
    }
    command = [sys.executable, "-m", "compliance.documents.render", str(folder)]
    try:
        done = subprocess.run(  # our own module, our own folder
            command, cwd=ROOT, env=environment, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotPrinted(
            f"laying out took longer than {seconds:.0f} seconds and was stopped", permanent=True
        ) from error
    if done.returncode != 0 or not (folder / "paper.pdf").is_file():
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise NotPrinted(
            f"the renderer ended with {done.returncode}: {one_line(last, 300)}",
            # A signal (negative) may be a machine short of memory; an exception comes again.
            permanent=done.returncode > 0,
        )
