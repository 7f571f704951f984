"""Steps 10 and 11: documents with their gaps, and the record taken home and checked offline."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from django.core.management import call_command

from compliance.audit import sequencer
from compliance.models import Document
from compliance.services import dossier
from config.demo.stage import DemoFailed, Stage, tell, wait_for


def documents(stage: Stage) -> None:
    """An assessment report on the planted version and the Annex IV documentation of the first."""
    ada = stage.by("ada")
    asked = [
        dossier.assessment_report(stage.made["v2"], by=ada),
        dossier.annex_iv(stage.made["v1"], by=ada),
    ]
    for made in asked:
        wait_for(f"“{made.title}”", partial(_is_over, made.pk))
        done = Document.objects.get(pk=made.pk)
        if done.state != "ready" or done.pdf is None:
            raise DemoFailed(f"Rendering “{done.title}” failed: {done.problem}")
        tell(
            f"{done.title}: {done.pdf.size // 1024} KiB, sha256 {done.pdf.sha256[:16]}…  {stage.address(done)}"
        )


def _is_over(pk: int) -> bool:
    return Document.objects.filter(pk=pk, state__in=["ready", "failed"]).exists()


def export(stage: Stage) -> None:
    """Export, verify with nothing installed, flip one byte in a copy, and verify again."""
    wait_for("the sequencer", _all_signed, seconds=60)
    out = stage.var / "demo" / "audit-export.zip"
    out.unlink(missing_ok=True)
    call_command("audit_export", out=out, verbosity=0)
    vkey = sequencer.verification_key()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with zipfile.ZipFile(out) as archive:
            (home / "verify.py").write_bytes(archive.read("verify.py"))
        shutil.copy(out, home / "export.zip")
        code, last = _verify(home, "export.zip", vkey)
        tell(f"verify.py, isolated: {last}  (exit {code})")
        if code != 0:
            raise DemoFailed("The export does not verify.")
        _flip(home / "export.zip", home / "tampered.zip")
        code, last = _verify(home, "tampered.zip", vkey)
        tell(f"one byte flipped in a copy: {last}  (exit {code})")
        if code == 0:
            raise DemoFailed("A changed export verified.")
    tell(f"{out}")
    tell(f"verification key: {vkey}")


def _all_signed() -> bool:
    head = sequencer.newest()
    return head is not None and not sequencer.n_waiting()


def _verify(home: Path, name: str, vkey: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", name, "--vkey", vkey],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return done.returncode, lines[-1] if lines else ""


def _flip(source: Path, target: Path) -> None:
    """Flip one bit in the middle of the entries, leaving the zip's own checksums as they were."""
    data = bytearray(source.read_bytes())
    at = data.find(b'"action":"scan.finish"')
    data[at + 15] ^= 0x01
    target.write_bytes(bytes(data))
