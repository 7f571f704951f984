"""Exports: the whole log, its own verifier, and no more words than the reader may see."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from compliance.audit import log, sequencer
from compliance.models import AuditExport, Blob
from compliance.permissions import NotAllowed, Permission
from compliance.services import audit_export, blob
from compliance.services.subject import grant
from tests.compliance.papers import answered, make_incident

pytestmark = pytest.mark.django_db


def verified(folder: Path, export: Path) -> subprocess.CompletedProcess[str]:
    """What the verifier says that travels inside, run in an empty folder with nothing installed."""
    with zipfile.ZipFile(export) as archive:
        (folder / "verify.py").write_bytes(archive.read("verify.py"))
    command = [
        sys.executable,
        "-I",
        "-S",
        "verify.py",
        str(export),
        "--vkey",
        sequencer.verification_key(),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def disclosed(export: Path) -> str:
    with zipfile.ZipFile(export) as archive:
        return archive.read("disclosures.jsonl").decode()


def test_an_export_verifies_with_what_travels_inside(rae, cy, as_actor, tmp_path) -> None:
    answered(make_incident(), by=as_actor(rae))
    written = audit_export.write(tmp_path / "export.zip", by=as_actor(cy))
    assert written.problems == ()
    done = verified(tmp_path, tmp_path / "export.zip")
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_flipped_byte_is_found_and_named(rae, cy, as_actor, tmp_path) -> None:
    answered(make_incident(), by=as_actor(rae))
    out = tmp_path / "export.zip"
    audit_export.write(out, by=as_actor(cy))
    data = bytearray(out.read_bytes())
    at = data.index(b'"report.start"')
    data[at + 1] ^= 1
    out.write_bytes(bytes(data))
    done = verified(tmp_path, out)
    assert done.returncode == 1
    assert "Broken" in done.stdout + done.stderr


def test_a_worker_packs_and_keeps_it(cy, as_actor, tmp_path) -> None:
    made = audit_export.request(by=as_actor(cy))
    audit_export.pack(made.pk)
    made.refresh_from_db()
    assert made.state == "ready", made.problem
    assert made.n_entries
    out = tmp_path / "export.zip"
    out.write_bytes(blob.read(made.blob))
    assert verified(tmp_path, out).returncode == 0


def test_the_export_tells_of_itself(cy, as_actor, tmp_path) -> None:
    made = audit_export.request(by=as_actor(cy))
    audit_export.pack(made.pk)
    actions = [line.action for line in log.entries(limit=1000)]
    assert {"export.request", "audit.disclose", "export.finish"} <= set(actions)


def test_words_about_a_restricted_subject_stay_sealed(rae, ada, cy, as_actor, tmp_path) -> None:
    incident = make_incident("a secret incident", restricted=True)
    from django.db import transaction

    from compliance.audit.log import record

    with transaction.atomic():
        record("incident.note", incident, by=as_actor(rae), note="the hidden words")
    audit_export.write(tmp_path / "narrow.zip", by=as_actor(cy))
    assert "the hidden words" not in disclosed(tmp_path / "narrow.zip")
    assert verified(tmp_path, tmp_path / "narrow.zip").returncode == 0
    grant(incident.subject, cy, Permission.AUDIT_READ, by=as_actor(ada))
    audit_export.write(tmp_path / "wide.zip", by=as_actor(cy))
    assert "the hidden words" in disclosed(tmp_path / "wide.zip")


def test_papers_go_along_under_their_digest(rae, cy, as_actor, tmp_path) -> None:
    incident = make_incident()
    kept = blob.keep(
        incident.subject,
        "receipt.json",
        "application/json",
        b'{"a":1}',
        retention=Blob.Retention.INCIDENT.value,
        by=as_actor(rae),
    )
    audit_export.write(tmp_path / "export.zip", by=as_actor(cy))
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        assert archive.read(f"blobs/{kept.sha256}") == b'{"a":1}'
        titles = {each["title"] for each in json.loads(archive.read("manifest.json"))["files"]}
    assert "receipt.json" in titles
    assert verified(tmp_path, tmp_path / "export.zip").returncode == 0


def test_only_an_auditor_exports(bo, as_actor) -> None:
    with pytest.raises(NotAllowed):
        audit_export.request(by=as_actor(bo))
    assert not AuditExport.objects.exists()


def test_the_command_needs_no_worker(cy, tmp_path, capsys) -> None:
    out, key = tmp_path / "export.zip", tmp_path / "key"
    call_command("audit_export", "--out", str(out), "--vkey-out", str(key), "--as", cy.email)
    assert key.read_text().strip() == sequencer.verification_key()
    assert "entries" in capsys.readouterr().out
    assert verified(tmp_path, out).returncode == 0


def test_the_command_knows_no_strangers(ada, tmp_path) -> None:
    with pytest.raises(CommandError, match="has no account"):
        call_command("audit_export", "--out", str(tmp_path / "x.zip"), "--as", "nobody@example.org")


def test_a_later_export_continues_the_earlier_head(rae, cy, as_actor, tmp_path) -> None:
    audit_export.write(tmp_path / "first.zip", by=as_actor(cy))
    earlier = sequencer.newest().note
    answered(make_incident(), by=as_actor(rae))
    audit_export.write(tmp_path / "second.zip", by=as_actor(cy), previous=earlier)
    assert verified(tmp_path, tmp_path / "second.zip").returncode == 0
