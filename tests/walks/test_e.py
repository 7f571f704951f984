"""The auditor takes the record home and checks it with nothing installed; one flipped byte shows."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.walks.visitor import Visitor

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("walks")]


def verify(home: Path, name: str, key: str) -> tuple[int, str]:
    """Run the verifier of the export itself, isolated from every package; code and what it said."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", name, "--vkey", key],
        cwd=home, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def flipped(source: Path, target: Path, mark: bytes) -> None:
    """A copy in which one bit of an entry differs."""
    data = bytearray(source.read_bytes())
    at = data.find(mark)
    assert at > 0
    data[at + len(mark) - 3] ^= 0x01
    target.write_bytes(bytes(data))


def test_the_auditor_goes_home_with_the_record(
    signed_in: Callable[[str], Visitor], outsider: Visitor, assistant: str, tmp_path: Path
) -> None:
    ada, cy = signed_in("ada"), signed_in("cy")
    prove = cy.wait("/prove/", lambda page: re.search(r"\d entries, ", page.text) is not None)
    asked = cy.submit("/prove/", "/prove/exports/new/")
    packed = cy.wait(asked.path, lambda page: page.links("/blobs/") != [])
    answer = cy.open(packed.link("/blobs/"))
    assert answer.status == 200
    export = tmp_path / "export.zip"
    export.write_bytes(answer.body)
    with zipfile.ZipFile(export) as archive:
        (tmp_path / "verify.py").write_bytes(archive.read("verify.py"))
    key = next(line for line in packed.text.split("--vkey '")[1:]).partition("'")[0]
    assert key in prove.text

    code, said = verify(tmp_path, "export.zip", key)
    assert code == 0, said
    assert " broken " not in said

    flipped(export, tmp_path / "flipped.zip", b'"action":"system.register"')
    code, said = verify(tmp_path, "flipped.zip", key)
    assert code == 1, said
    assert re.search(r"Broken at \d+: ", said), said

    # Whoever may not export cannot, and cannot fetch what another exported.
    assert ada.press("/prove/", "/prove/exports/new/").status == 403
    assert outsider.press("/", "/prove/exports/new/").status == 403
    for other in (ada, outsider):
        assert other.open(asked.path).status == 404
        assert other.open(packed.link("/blobs/")).status == 404
