"""Exports are deterministic, whole or absent, and carry what was asked."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import zipfile
from pathlib import Path

import pytest

from compliance.audit import canonical, export, merkle, verify
from tests.compliance.audit.sample import BLOB, NOTE, PDF, SALT, digest, make_event, unpack


def test_an_export_verifies(log, tmp_path):
    report = log.verify(log.export(tmp_path))
    assert report.exit_code == 0, report.summary
    assert [one.step for one in report.outcomes] == list(verify.STEPS)


def test_the_same_log_gives_the_same_bytes(log, tmp_path):
    first = log.export(tmp_path)
    parts = log.parts()
    again = log.export(tmp_path, files=reversed(parts["files"]), leaves=iter(parts["leaves"]))
    assert first == again


def test_the_layout_is_what_the_module_says(log, tmp_path):
    members = unpack(log.export(tmp_path))
    assert list(members) == [
        "README.txt",
        f"blobs/{digest(BLOB)}",
        "checkpoint",
        "disclosures.jsonl",
        "documents/report-17.pdf",
        "entries/000000.jsonl",
        "leaves/000000.txt",
        "manifest.json",
        "policy.json",
        "proofs/consistency.json",
        "proofs/previous-checkpoint",
        "verify.py",
    ]
    assert members["documents/report-17.pdf"] == PDF
    assert members["entries/000000.jsonl"].splitlines() == log.leaves
    assert members["verify.py"] == Path(verify.__file__).read_bytes()
    assert members["checkpoint"].decode() == log.note()
    assert json.loads(members["disclosures.jsonl"]) == {
        "leaf": 2,
        "field": "note",
        "salt": SALT.hex(),
        "text": NOTE,
    }
    assert b"strata.example/log, 10 entries" in members["README.txt"]


def test_other_zip_readers_read_it_too(log, tmp_path):
    log.export(tmp_path)
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("documents/report-17.pdf") == PDF
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_was_written_is_summed_up(log, tmp_path):
    out = tmp_path / "export.zip"
    written = export.write_export(out, **log.parts())
    assert written.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (written.size_bytes, written.n_entries) == (out.stat().st_size, 10)
    assert written.problems == ()
    assert written.path == out


def test_an_empty_log_and_one_without_a_past_can_be_exported(log, tmp_path):
    assert log.verify(log.export(tmp_path, previous=None)).exit_code == 0
    log.events = []
    report = log.verify(log.export(tmp_path))
    assert report.exit_code == 0
    assert report.summary.startswith("0 entries consistent with checkpoint 0 and key ")


def test_entries_beyond_the_checkpoint_stay_at_home(log, tmp_path):
    endless = itertools.chain(log.leaves, itertools.repeat(b"not yet signed"))
    assert log.verify(log.export(tmp_path, leaves=endless)).exit_code == 0


def test_long_logs_fill_several_files(log, tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "LEAVES_PER_FILE", 4)
    data = log.export(tmp_path)
    assert [name for name in unpack(data) if name.startswith(("entries", "leaves"))] == [
        *(f"entries/00000{n}.jsonl" for n in range(3)),
        *(f"leaves/00000{n}.txt" for n in range(3)),
    ]
    assert log.verify(data).exit_code == 0


def test_large_files_are_read_from_disk_in_pieces(log, tmp_path):
    large = tmp_path / "trace.bin"
    large.write_bytes(os.urandom(3 << 20))
    name = digest(large.read_bytes())
    log.events.append(make_event(10, facts={"blob": name}))
    files = [*log.parts()["files"], export.ExportFile(f"blobs/{name}", large, name, leaf=10)]
    report = log.verify(log.export(tmp_path, files=files))
    assert report.exit_code == 0, report.summary


# A log that is broken at home must be exportable, so that somebody sees it.


def test_a_changed_entry_is_exported_and_named(log, tmp_path):
    note, hashes = log.note(), [merkle.leaf_hash(leaf) for leaf in log.leaves]
    log.events[3]["actor"]["via"] = "cli"
    out = tmp_path / "export.zip"
    parts = {**log.parts(), "checkpoint_note": note, "leaf_hashes": hashes, "previous": None}
    written = export.write_export(out, **parts)
    assert written.problems == (
        "entry 3 does not hash to its leaf",
        "the entries do not rebuild the root of checkpoint 10",
    )
    was, now = hashes[3].hex()[:8], merkle.leaf_hash(log.leaves[3]).hex()[:8]
    summary = log.verify(out.read_bytes()).summary
    assert summary == f"Broken at 3: the leaf is {was}…, the entry hashes to {now}…."


def test_a_lost_entry_is_exported_and_named(log, tmp_path):
    parts = log.parts()
    out = tmp_path / "export.zip"
    written = export.write_export(out, **{**parts, "leaves": parts["leaves"][:-1]})
    assert written.problems == ("the checkpoint covers 10 entries, 9 came",)
    report = log.verify(out.read_bytes())
    assert report.summary.startswith("Broken at 9: the checkpoint covers 10 entries, the export")


def test_a_changed_file_is_exported_and_named(log, tmp_path):
    files = [export.ExportFile("documents/report-17.pdf", PDF + b"!", digest(PDF), leaf=4)]
    out = tmp_path / "export.zip"
    written = export.write_export(out, **{**log.parts(), "files": files})
    assert "documents/report-17.pdf: the log knows" in written.problems[0]
    summary = log.verify(out.read_bytes()).summary
    assert summary.startswith("Broken: documents/report-17.pdf hashes to ")


# What no export can have is refused, and nothing is left behind.


@pytest.mark.parametrize(
    "path",
    [
        "verify.py",
        "documents/../checkpoint",
        "documents/a/b",
        "documents/.hidden",
        "documents/ä.pdf",
        "/documents/a",
        "documents/",
        "blobs/short",
        "documents/a\n",
    ],
)
def test_paths_outside_the_layout_are_refused(log, tmp_path, path):
    with pytest.raises(export.ExportRefused, match="files go to documents"):
        log.export(tmp_path, files=[export.ExportFile(path, b"", digest(b""))])
    assert list(tmp_path.iterdir()) == []


def test_the_same_thing_twice_is_refused(log, tmp_path):
    parts = log.parts()
    with pytest.raises(export.ExportRefused, match="same path"):
        log.export(tmp_path, files=parts["files"] * 2)
    with pytest.raises(export.ExportRefused, match="disclosed twice"):
        log.export(tmp_path, disclosures=parts["disclosures"] * 2)


def test_a_previous_checkpoint_from_the_future_is_refused(log, tmp_path):
    note = log.note(4)
    with pytest.raises(export.ExportRefused, match="covers 5 entries, the export only 4"):
        log.export(tmp_path, checkpoint_note=note)


def test_a_failure_on_the_way_leaves_the_old_export_in_place(log, tmp_path):
    before = log.export(tmp_path)
    missing = export.ExportFile("documents/z.pdf", tmp_path / "missing", digest(b""))
    with pytest.raises(FileNotFoundError):
        log.export(tmp_path, files=[missing])
    with pytest.raises(export.ExportRefused, match="no newline"):
        log.export(tmp_path, leaves=[b"{\n}"])
    with pytest.raises(canonical.NotCanonical):
        log.export(tmp_path, policy={"share": 0.5})
    assert [one.name for one in tmp_path.iterdir()] == ["export.zip"]
    assert (tmp_path / "export.zip").read_bytes() == before


def test_what_the_verifier_would_not_open_is_not_written(log, tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "MAX_ARCHIVE_BYTES", 5_000)
    with pytest.raises(export.ExportRefused, match="at most 5,000 bytes"):
        log.export(tmp_path)
    monkeypatch.setattr(verify, "MAX_ARCHIVE_BYTES", 2**31)
    monkeypatch.setattr(verify, "MAX_MEMBERS", 11)
    with pytest.raises(export.ExportRefused, match="at most 11 members"):
        log.export(tmp_path)
    assert list(tmp_path.iterdir()) == []
