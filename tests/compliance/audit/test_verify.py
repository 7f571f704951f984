"""Nothing can be changed in an export without being noticed, and honest ones pass."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.audit import canonical, checkpoint, export, merkle, verify
from tests.compliance.audit.sample import (
    ADA,
    BLOB,
    BO,
    NOTE,
    PDF,
    REPORT,
    SALT,
    SampleLog,
    by,
    digest,
    make_event,
    repack,
    unpack,
)


def written_from(log: SampleLog, folder: Path, **changes) -> verify.Report:
    """Export a log as it is now, properly signed, and verify it."""
    bare = {"previous": None, "files": [], "disclosures": []}
    return log.verify(log.export(folder, **{**bare, **changes}))


def replaced(data: bytes, name: str, content: bytes) -> bytes:
    """Put other contents into one member, all checksums right."""
    return repack({**unpack(data), name: content})


# Every byte.


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_no_byte_of_an_export_can_change_unnoticed(log, tmp_path, mask):
    data = bytearray(log.export(tmp_path))
    missed = []
    for position in range(len(data)):
        data[position] ^= mask
        if holds_together(log, bytes(data)):
            missed.append(position)
        data[position] ^= mask
    assert len(data) > 20_000
    assert missed == []


def holds_together(log: SampleLog, data: bytes) -> bool:
    """Open the archive and compare its checksums: the first step, and here the only one needed."""
    try:
        return not verify.Archive(io.BytesIO(data)).damaged()
    except verify.Broken:
        return False
    except verify.Unchecked:
        return log.verify(data).exit_code == 0


HOSTILE = [b"\n", b"\x1b[2J", b"[" * 50_000, b"9" * 5_000, b"\\ud800", b"\xff", b"1.5", b'","x":"']
SIGNED = [
    f"blobs/{digest(BLOB)}",
    "checkpoint",
    "disclosures.jsonl",
    "documents/report-17.pdf",
    "entries/000000.jsonl",
    "leaves/000000.txt",
    "manifest.json",
    "proofs/consistency.json",
    "proofs/previous-checkpoint",
]


@pytest.mark.parametrize("name", SIGNED)
def test_no_byte_can_change_unnoticed_by_somebody_who_mends_the_checksums(log, tmp_path, name):
    members = unpack(log.export(tmp_path))
    original, missed = members[name], []
    title = members["manifest.json"].index(b'"title":"Report 17"') if name == "manifest.json" else 0
    for position in range(len(original)):
        if title and title + 9 <= position < title + 18:
            continue  # Titles are not signed, and both the README and the verifier say so.
        for mask in (0x01, 0x80):
            changed = bytearray(original)
            changed[position] ^= mask
            report = log.verify(repack({**members, name: bytes(changed)}))
            if report.exit_code == 0:
                missed.append((position, mask))
    assert missed == []


@given(st.data())
def test_hostile_contents_never_stop_the_verifier(data):
    log = SampleLog()
    with tempfile.TemporaryDirectory() as folder:
        members = unpack(log.export(Path(folder)))
    name = data.draw(st.sampled_from(SIGNED))
    start = data.draw(st.integers(0, len(members[name])))
    hostile = data.draw(st.sampled_from(HOSTILE) | st.binary(max_size=40))
    changed = members[name][:start] + hostile + members[name][start + len(hostile) :]
    report = log.verify(repack({**members, name: changed}))
    assert report.exit_code in ((0, 1, 2) if changed == members[name] else (0, 1, 2)[1:])
    assert report.summary.isprintable()


def test_what_is_not_signed_is_named(log, tmp_path):
    members = unpack(log.export(tmp_path))
    for name in ("README.txt", "policy.json", "verify.py"):
        report = log.verify(repack({**members, name: b"other"}))
        assert report.exit_code == 0
        assert name in report.outcomes[0].detail
        assert "not signed" in report.outcomes[0].detail


# Entries: deleted, inserted, swapped, doubled, cut, spliced.


def tampered_entries(data: bytes) -> list[tuple[str, bytes, int]]:
    """Give every way to rearrange the lines of the entries, and where it must be found."""
    lines = unpack(data)["entries/000000.jsonl"].splitlines(keepends=True)
    found = []
    for n in range(len(lines)):
        found.append((f"without {n}", [*lines[:n], *lines[n + 1 :]], n))
        found.append((f"{n} doubled", [*lines[: n + 1], lines[n], *lines[n + 1 :]], n + 1))
        invented = canonical.dumps(make_event(500)) + b"\n"
        found.append((f"one invented before {n}", [*lines[:n], invented, *lines[n:]], n))
        found.append((f"cut at {n}", lines[:n], n))
        if n:
            swapped = [*lines[: n - 1], lines[n], lines[n - 1], *lines[n + 1 :]]
            found.append((f"{n} swapped with the one before", swapped, n - 1))
    return [(how, b"".join(changed), where) for how, changed, where in found]


def test_entries_cannot_be_rearranged_and_the_place_is_named(log, tmp_path):
    data = log.export(tmp_path)
    for how, content, where in tampered_entries(data):
        report = log.verify(replaced(data, "entries/000000.jsonl", content))
        assert report.exit_code == 1, how
        assert report.summary.startswith(f"Broken at {where}: "), (how, report.summary)


def test_entries_and_their_hashes_cannot_be_rearranged_together(log, tmp_path):
    data = log.export(tmp_path)
    for how, content, _ in tampered_entries(data):
        hashes = [merkle.leaf_hash(line).hex() for line in content.splitlines()]
        listed = "".join(f"{one}\n" for one in hashes).encode()
        both = replaced(
            replaced(data, "entries/000000.jsonl", content), "leaves/000000.txt", listed
        )
        assert log.verify(both).exit_code == 1, how


def test_a_listed_hash_that_is_missing_or_is_none_is_named(log, tmp_path):
    data = log.export(tmp_path)
    lines = unpack(data)["leaves/000000.txt"].splitlines(keepends=True)
    cut = log.verify(replaced(data, "leaves/000000.txt", b"".join(lines[:7])))
    assert cut.summary.startswith("Broken at 7: the leaf is not listed, the entry hashes to ")
    lines[4] = b"\x1b[31m not a hash\n"
    odd = log.verify(replaced(data, "leaves/000000.txt", b"".join(lines)))
    assert odd.summary.startswith("Broken at 4: the leaf is unreadable…, the entry hashes to ")
    more = log.verify(replaced(data, "leaves/000000.txt", b"".join([*lines[:4], *lines])))
    assert more.exit_code == 1


def test_an_older_checkpoint_does_not_cover_a_longer_log(log, tmp_path):
    data = replaced(log.export(tmp_path), "checkpoint", log.note(7).encode())
    report = log.verify(data)
    assert report.summary.startswith(
        "Broken at 7: the checkpoint covers 7 entries, the export holds 10"
    )


def test_two_logs_cannot_be_spliced(log, tmp_path):
    other = SampleLog([make_event(n) for n in range(10)])
    mine, theirs = (
        unpack(log.export(tmp_path)),
        unpack(other.export(tmp_path, files=[], disclosures=[])),
    )
    for name in ("checkpoint", "entries/000000.jsonl", "leaves/000000.txt"):
        assert log.verify(repack({**mine, name: theirs[name]})).exit_code == 1, name


def test_files_of_entries_hold_ten_thousand_each(log, tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "LEAVES_PER_FILE", 4)
    members = unpack(log.export(tmp_path))
    first, second = members["entries/000000.jsonl"], members["entries/000001.jsonl"]
    moved = first.splitlines(keepends=True)[-1]
    shifted = {
        "entries/000000.jsonl": first[: -len(moved)],
        "entries/000001.jsonl": moved + second,
    }
    report = log.verify(repack({**members, **shifted}))
    assert "Broken at 3: entries/000000.jsonl has 3 lines" in [
        one.detail for one in report.outcomes
    ]
    del members["entries/000001.jsonl"]
    details = [one.detail for one in log.verify(repack(members)).outcomes]
    assert "Broken: 10 entries fill 3 files in entries/, not 2" in details


def test_a_line_without_end_is_refused(log, tmp_path):
    data = log.export(tmp_path)
    content = unpack(data)["entries/000000.jsonl"]
    assert log.verify(replaced(data, "entries/000000.jsonl", content[:-1])).exit_code == 1
    endless = content + b"x" * (3 << 20)
    report = log.verify(replaced(data, "entries/000000.jsonl", endless))
    assert any("has a line without end" in one.detail for one in report.outcomes)


# The archive.


def test_a_truncated_export_is_broken_at_every_length(log, tmp_path):
    data = log.export(tmp_path)
    for size in [*range(0, len(data), 997), *range(len(data) - 30, len(data))]:
        report = log.verify(data[:size])
        assert report.exit_code == (1 if size >= 4 else 2), size


@pytest.mark.parametrize("extra", [b"\x00", b"PK\x05\x06" + bytes(18), b"x" * 100_000])
def test_appended_and_prepended_bytes_are_noticed(log, tmp_path, extra):
    data = log.export(tmp_path)
    assert log.verify(data + extra).exit_code == 1
    assert log.verify(extra + data).exit_code in {1, 2}
    assert log.verify(data[:-22] + extra + data[-22:]).exit_code == 1


def test_bytes_hidden_between_members_are_noticed(log, tmp_path):
    members, whole, listed = unpack(log.export(tmp_path)), b"", []
    for name, content in members.items():
        member = verify.Member(name, verify.zlib.crc32(content), len(content), len(whole) + 3)
        whole += b"gap" + verify.local_header(member) + content
        listed.append(member)
    report = log.verify(b"PK\x03\x04" + (whole + verify.directory(listed))[4:])
    assert "does not begin as the directory says" in report.summary


def zipped(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """Write a zip as other programs do."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("documents/a", {"external_attr": 0o120777 << 16}, "is a symbolic link"),
        ("documents/a", {"compress_type": zipfile.ZIP_DEFLATED}, "is compressed"),
        ("../a", {}, "points out of the archive"),
        ("/etc/passwd", {}, "points out of the archive"),
        ("documents/\x1b[2J", {}, "has no place in an export"),
        ("notes.txt", {}, "has no place in an export"),
        ("documents/a", {"extra": b"\xfe\xca\x02\x00ab"}, "lacks"),
        ("documents/a", {"comment": b"hello"}, "lacks"),
    ],
)
def test_hostile_archives_are_refused(log, name, changes, said):
    info = zipfile.ZipInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    report = log.verify(zipped([(info, b"x")]))
    assert report.exit_code == 1
    assert said in report.summary
    assert "\x1b" not in report.summary


def test_the_same_contents_zipped_by_another_program_are_not_the_export(log, tmp_path):
    members = unpack(log.export(tmp_path))
    foreign = zipped([(zipfile.ZipInfo(name), content) for name, content in members.items()])
    assert log.verify(foreign).exit_code == 1


def test_an_encrypted_member_is_refused(log, tmp_path):
    data = bytearray(log.export(tmp_path))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    assert "is encrypted" in log.verify(bytes(data)).summary


def test_members_twice_or_out_of_order_are_refused(log, tmp_path):
    members = unpack(log.export(tmp_path))
    for names in ([*members, "verify.py"], list(reversed(members))):
        whole, listed = b"", []
        for name in names:
            content = members[name]
            member = verify.Member(name, verify.zlib.crc32(content), len(content), len(whole))
            whole += verify.local_header(member) + content
            listed.append(member)
        assert "one occurs twice" in log.verify(whole + verify.directory(listed)).summary


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("checkpoint", "lacks checkpoint"),
        ("proofs/consistency.json", "lacks one of its two proofs"),
    ],
)
def test_a_missing_member_is_named(log, tmp_path, name, said):
    members = unpack(log.export(tmp_path))
    del members[name]
    assert said in log.verify(repack(members)).summary


def test_a_false_count_in_the_end_record_is_noticed(log, tmp_path):
    data = bytearray(log.export(tmp_path))
    data[-14] += 1
    data[-12] += 1
    assert "shorter than its count" in log.verify(bytes(data)).summary


def test_what_is_no_export_or_too_large_could_not_be_checked(log, monkeypatch):
    assert log.verify(b"").exit_code == log.verify(b"%PDF-1.7").exit_code == 2
    monkeypatch.setattr(verify, "MAX_ARCHIVE_BYTES", 1000)
    report = log.verify(b"PK\x03\x04" + bytes(2000))
    assert report.exit_code == 2
    assert "exports end at 1,000 bytes" in report.summary


def test_a_member_that_must_be_small_is_not_read_when_large(log, tmp_path):
    data = replaced(log.export(tmp_path), "checkpoint", b"x" * 300_000)
    assert "'checkpoint' should have at most 262,144 bytes" in log.verify(data).summary


# Keys and earlier checkpoints.


def test_only_the_given_key_counts(log, tmp_path):
    stranger = SampleLog(signer=checkpoint.generate_key("strata.example/log"))
    report = stranger.verify(log.export(tmp_path))
    assert report.exit_code == 1
    assert "no signature by 'strata.example/log+" in report.summary


def test_an_earlier_checkpoint_of_the_same_log_is_confirmed(log, tmp_path):
    data = log.export(tmp_path)
    for size in range(11):
        report = log.verify(data, previous=log.note(size))
        assert report.exit_code == 0
        assert f"signed at {size:,}, 5" in report.outcomes[3].detail


def test_rewritten_history_signed_with_the_same_key_is_noticed(log, tmp_path):
    kept = log.note(8)
    log.events[3]["actor"] = by(str(UUID(int=7)))
    report = written_from(log, tmp_path)
    assert report.exit_code == 0
    report = log.verify(log.export(tmp_path, previous=None), previous=kept)
    assert report.summary == "Broken: the first 8 entries are not those signed earlier"


def test_a_shorter_log_than_before_is_noticed(log, tmp_path):
    kept = log.note(10)
    log.events = log.events[:9]
    report = log.verify(log.export(tmp_path), previous=kept)
    assert report.exit_code == 1
    assert "covers 10 entries, this export only 9" in report.summary


@pytest.mark.parametrize("previous", ["nonsense", "strata.example/log\n5\nAAAA\n\n— x AAAAAAA=\n"])
def test_a_previous_checkpoint_that_cannot_be_trusted_could_not_be_checked(log, tmp_path, previous):
    report = log.verify(log.export(tmp_path), previous=previous)
    assert report.exit_code == 2
    assert report.summary.startswith("Could not be checked: the previous checkpoint: ")


@pytest.mark.parametrize(
    "proof",
    [
        b"[]",
        b"{",
        b'{"from":5,"hashes":[],"to":10}',
        b'{"from":4,"hashes":[],"to":10}',
        b'{"from":5,"hashes":["xy"],"to":10}',
        b'{"from":5,"hashes":7,"to":10}',
        b'{"extra":1,"from":5,"hashes":[],"to":10}',
    ],
)
def test_a_false_consistency_proof_is_noticed(log, tmp_path, proof):
    report = log.verify(replaced(log.export(tmp_path), "proofs/consistency.json", proof))
    assert report.exit_code == 1
    assert report.summary.startswith("Broken: proofs/consistency.json: ")


# The form of an entry.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"v": "other"}, "v should be the text strata.event/v1, not 'other'"),
        ({"v": 1}, "v should be"),
        ({"id": "17"}, "id should be a UUID"),
        ({"id": str(UUID(int=0xABC)).upper()}, "id should be a UUID in lower case"),
        ({"at": "2026-11-22T17:00:00Z"}, "at should be a UTC time with six decimals"),
        ({"at": "2026-02-30T17:00:00.000000Z"}, "at should be a time that exists"),
        ({"at": "0000-02-03T17:00:00.000000Z"}, "at should be a time that exists"),
        ({"at": "2026-11-22T23:59:60.000000Z"}, "at should be a time that exists"),
        ({"actor": "ada"}, "actor should be"),
        ({"actor": {**by(ADA), "name": "Ada"}}, "actor should be"),
        ({"actor": {**by(ADA), "kind": "robot"}}, "actor should be"),
        ({"actor": {**by(ADA), "via": "post"}}, "actor should be"),
        ({"actor": {**by(ADA), "id": "ada"}}, "actor should be"),
        ({"action": "approve"}, "action should be words joined by full stops"),
        ({"action": "Report.Approve"}, "action should be"),
        ({"subject": {"kind": "report"}}, "subject should be kind and id"),
        ({"object": {"kind": "report", "id": ""}}, "object should be kind and id"),
        ({"object": {"kind": "", "id": "7"}}, "object should be kind and id"),
        ({"object": {"kind": "report", "id": "x" * 201}}, "object should be kind and id"),
        ({"object": None}, "object should be kind and id"),
        ({"before": None}, "before should be a text"),
        ({"after": 1}, "after should be a text"),
        ({"facts": []}, "facts should be an object"),
        ({"request": "x"}, "request should be a UUID in lower case, or empty"),
        ({"commitments": {"note": "x"}}, "commitments should be SHA-256"),
        ({"commitments": []}, "commitments should be SHA-256"),
        ({"name": "Ada"}, "missing or should not be there: \"['name']\""),
        ({"facts": {"text": "x" * 17_000}}, "an entry has at most 16,384 bytes"),
    ],
)
def test_an_entry_in_another_form_is_broken_and_named(log, tmp_path, changes, said):
    log.events.append(make_event(10, **changes))
    report = written_from(log, tmp_path)
    assert report.exit_code == 1
    assert report.summary.startswith("Broken at 10: ")
    assert said in report.summary


@pytest.mark.parametrize(
    "leaf", [b"[]", b"7", b'{"v": 1}', b"", b"\xff", b'{"a":1,"a":1}', b'{"score":0.5}']
)
def test_a_leaf_that_is_no_canonical_object_is_broken_even_if_signed(log, tmp_path, leaf):
    leaves = [*log.leaves, leaf]
    hashes = [merkle.leaf_hash(one) for one in leaves]
    state = verify.Checkpoint(log.signer.name, 11, merkle.root(hashes))
    note = checkpoint.sign(state, log.signer)
    report = written_from(log, tmp_path, leaves=leaves, checkpoint_note=note)
    assert report.summary.startswith("Broken at 10: ")


def test_an_entry_in_a_later_form_could_not_be_checked(log, tmp_path):
    log.events.append(make_event(10, v="strata.event/v2"))
    report = written_from(log, tmp_path)
    assert report.exit_code == 2
    assert report.summary == (
        "Could not be checked: entry 10: the form strata.event/v2 is not known here; "
        "take a newer verify.py"
    )


def test_an_id_must_be_new(log, tmp_path):
    log.events.append(make_event(3))
    assert "Broken at 10: the id 0000" in written_from(log, tmp_path).summary


@pytest.mark.parametrize(("minutes_back", "code"), [(90, 0), (91, 1)])
def test_time_may_go_back_a_little_and_not_more(tmp_path, minutes_back, code):
    late = SampleLog([make_event(200), make_event(200 - minutes_back), make_event(201)])
    report = written_from(late, tmp_path)
    assert report.exit_code == code
    assert (
        code == 0 or "Broken at 1: its time 2026-11-22 01:49:00 is 1:31:00 before" in report.summary
    )


# What the entries say.


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("submit", "approve"),
        ("request", "approve"),
        ("draft", "approve"),
        ("submit_for_approval", "approve"),
        ("ask", "give"),
        ("ask", "grant"),
    ],
)
def test_nobody_approves_what_they_asked_for(tmp_path, asked, answered):
    rows = [(f"waiver.{asked}", BO), ("waiver.note", ADA), (f"waiver.{answered}", BO)]
    log = SampleLog([make_event(n, a, actor=by(p), object=REPORT) for n, (a, p) in enumerate(rows)])
    report = written_from(log, tmp_path)
    assert report.exit_code == 1
    assert report.summary == (
        f"Broken at 2: {BO} approved report {REPORT['id']} and had asked for it"
    )


def test_an_approval_is_compared_with_the_latest_request_for_the_same_thing(tmp_path):
    rows = [
        ("waiver.request", ADA, REPORT),
        ("waiver.request", BO, REPORT),
        ("waiver.approve", ADA, REPORT),
        ("rollback.request", BO, REPORT),
        ("rollback.approve", ADA, REPORT),
        ("waiver.approve", BO, {"kind": "report", "id": "other"}),
    ]
    log = SampleLog([make_event(n, a, actor=by(p), object=o) for n, (a, p, o) in enumerate(rows)])
    report = written_from(log, tmp_path)
    assert report.exit_code == 0
    details = {one.step: one.detail for one in report.outcomes}
    assert details["approvals"].startswith("3, none by somebody who had asked")
    assert details["approvals"].endswith("1 of them answer no recorded request")


def test_giving_up_and_giving_access_are_no_approvals(tmp_path):
    rows = ["export.request", "export.give_up", "grant.give"]
    log = SampleLog([make_event(n, a, actor=by(BO), object=REPORT) for n, a in enumerate(rows)])
    report = written_from(log, tmp_path)
    assert report.exit_code == 0
    assert {one.step: one.detail for one in report.outcomes}["approvals"].startswith("0, ")


def test_an_entry_without_an_object_is_about_its_subject(tmp_path):
    rows = [("hold.request", BO), ("hold.approve", BO)]
    log = SampleLog([make_event(n, a, actor=by(p)) for n, (a, p) in enumerate(rows)])
    assert "Broken at 1: " in written_from(log, tmp_path).summary


def test_a_change_of_state_begins_where_the_last_one_ended(tmp_path):
    rows = [("", "drafting"), ("drafting", "review"), ("", ""), ("drafting", "approved")]
    log = SampleLog(
        [
            make_event(n, "report.move", object=REPORT, before=before, after=after)
            for n, (before, after) in enumerate(rows)
        ]
    )
    summary = written_from(log, tmp_path).summary
    assert summary == (
        f"Broken at 3: report {REPORT['id']} was left 'review', 'report.move' begins at 'drafting'"
    )


def test_a_thing_begins_in_the_state_it_was_made_in(tmp_path):
    made = make_event(0, "report.start", object=REPORT, before="", after="drafting")
    moved = make_event(1, "report.approve", object=REPORT, before="review", after="approved")
    summary = written_from(SampleLog([made, moved]), tmp_path).summary
    assert "Broken at 1: " in summary
    assert "was left 'drafting'" in summary


def test_an_id_may_have_200_characters(log, tmp_path):
    log.events.append(make_event(10, object={"kind": "report", "id": "x" * 200}))
    assert written_from(log, tmp_path).exit_code == 0


def test_filings_without_a_receipt_are_listed_and_not_broken(tmp_path):
    rows = [
        ("report.file", "1"),
        ("report.file", "2"),
        ("report.acknowledge", "1"),
        ("x.receive", "9"),
    ]
    log = SampleLog(
        [make_event(n, a, object={"kind": "report", "id": i}) for n, (a, i) in enumerate(rows)]
    )
    report = written_from(log, tmp_path)
    assert report.exit_code == 0
    assert report.without_receipt == ["report 2 (entry 1)"]
    details = {one.step: one.detail for one in report.outcomes}
    assert details["filings"] == "2, 1 without a receipt: report 2 (entry 1)"


def test_a_long_list_of_open_filings_is_cut_in_the_line_and_whole_in_json(tmp_path):
    things = [{"kind": "report", "id": str(n)} for n in range(25)]
    log = SampleLog([make_event(n, "report.file", object=one) for n, one in enumerate(things)])
    report = written_from(log, tmp_path)
    details = {one.step: one.detail for one in report.outcomes}
    assert details["filings"].endswith("report 19 (entry 19), and more")
    assert report.to_json()["filings_without_receipt"] == [
        f"report {n} (entry {n})" for n in range(25)
    ]


# Files and disclosures.


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (None, "Broken: no entry holds the SHA-256 of"),
        (3, "Broken at 3: the facts there do not hold"),
    ],
)
def test_a_file_that_no_entry_speaks_of_is_noticed(log, tmp_path, leaf, said):
    stray = export.ExportFile("documents/stray.pdf", b"stray", digest(b"stray"), leaf=leaf)
    report = written_from(log, tmp_path, files=[*log.parts()["files"], stray])
    assert report.exit_code == 1
    assert report.summary.startswith(said)


def test_a_file_in_two_places_needs_only_one_entry(log, tmp_path):
    copy = export.ExportFile(f"blobs/{digest(PDF)}", PDF, digest(PDF))
    assert written_from(log, tmp_path, files=[*log.parts()["files"], copy]).exit_code == 0


def test_files_and_manifest_agree(log, tmp_path):
    members = unpack(log.export(tmp_path))
    without = {name: one for name, one in members.items() if not name.startswith("documents/")}
    added = {**members, "documents/more.pdf": PDF}
    for changed in (without, added):
        assert "manifest.json does not list exactly" in log.verify(repack(changed)).summary
    named = {**members, f"blobs/{digest(BLOB)}": b"other"}
    assert f"blobs/{digest(BLOB)} hashes to " in log.verify(repack(named)).summary


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b'{"files":{}}',
        b'{"files":[],"more":1}',
        b'{"files":[7]}',
        b'{"files":[{"leaf":-1,"path":"documents/a","sha256":"%s","title":""}]}' % (b"0" * 64),
        b'{"files":[{"leaf":true,"path":"documents/a","sha256":"%s","title":""}]}' % (b"0" * 64),
        b'{"files":[{"leaf":null,"path":"documents/a","sha256":"%s","title":1}]}' % (b"0" * 64),
        b'{"files":[{"leaf":null,"path":"verify.py","sha256":"%s","title":""}]}' % (b"0" * 64),
        b'{"files":[{"leaf":null,"path":"documents/a","sha256":"0","title":""}]}',
    ],
)
def test_a_malformed_manifest_is_broken(log, tmp_path, manifest):
    report = log.verify(replaced(log.export(tmp_path), "manifest.json", manifest))
    assert report.exit_code == 1
    assert "manifest.json" in report.summary


def disclosure(**changes) -> bytes:
    whole = {"leaf": 2, "field": "note", "salt": SALT.hex(), "text": NOTE, **changes}
    return canonical.dumps(whole) + b"\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (disclosure(text="Nothing happened."), "Broken at 2: the text disclosed as 'note' is not"),
        (disclosure(salt="00" * 32), "Broken at 2: the text disclosed as 'note' is not"),
        (disclosure(field="name"), "Broken at 2: the text disclosed as 'name' is not"),
        (disclosure(leaf=3), "Broken at 3: the text disclosed as 'note' is not"),
        (disclosure(leaf=11), "Broken at 11: a text is disclosed of an entry that is not there"),
        (disclosure() * 2, "Broken: disclosures.jsonl is not in order at entry 2"),
        (disclosure(leaf=-1), "Broken: a disclosure has leaf, field, salt and text"),
        (disclosure(leaf=True), "Broken: a disclosure has leaf, field, salt and text"),
        (disclosure(leaf="2"), "Broken: a disclosure has leaf, field, salt and text"),
        (disclosure(salt="00"), "Broken: a disclosure has leaf, field, salt and text"),
        (disclosure(text=None), "Broken: a disclosure has leaf, field, salt and text"),
        (disclosure(more=1), "Broken: a disclosure has leaf, field, salt and text"),
        (b"{}\n", "Broken: a disclosure has leaf, field, salt and text"),
        (b"{ }\n", "Broken: disclosures.jsonl: not in canonical form"),
        (b"\n", "Broken: disclosures.jsonl: not JSON"),
    ],
)
def test_a_disclosure_must_open_its_commitment(log, tmp_path, lines, said):
    report = log.verify(replaced(log.export(tmp_path), "disclosures.jsonl", lines))
    assert report.exit_code == 1
    assert report.summary.startswith(said)


def test_texts_are_found_wherever_they_stand_in_the_facts():
    facts = {"a": "1", "b": [{"c": "2", "name": 3}, "4", None, True]}
    assert list(verify.texts_in(facts)) == ["1", "2", "4"]


# The program.


@pytest.fixture
def desk(log, tmp_path, monkeypatch):
    """An auditor's empty folder: an export, the verifier taken from it, a kept checkpoint."""
    data = log.export(tmp_path)
    (tmp_path / "verify.py").write_bytes(unpack(data)["verify.py"])
    (tmp_path / "kept").write_text(log.note(7))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def at_home(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier as the README says: isolated, no site packages, no environment."""
    command = [sys.executable, "-I", "-S", "verify.py", *arguments]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=environment, check=False, timeout=60
    )


@pytest.mark.usefixtures("desk")
def test_the_verifier_runs_alone_and_says_what_it_found(log):
    done = at_home("export.zip", "--vkey", str(log.key), "--previous", "kept")
    assert (done.returncode, done.stderr) == (0, "")
    *steps, last = done.stdout.splitlines()
    assert [line.split()[:2] for line in steps] == [[step, "holds"] for step in verify.STEPS]
    assert last == (
        "10 entries consistent with checkpoint 10 and key "
        f"strata.example/log+{log.key.key_id.hex()}. Truth and completeness are not assessed."
    )


def test_the_verifier_says_where_it_broke(desk, log):
    changed = desk.joinpath("export.zip").read_bytes().replace(b'"R-17"', b'"R-18"')
    desk.joinpath("export.zip").write_bytes(changed)
    done = at_home("export.zip", "--vkey", str(log.key))
    assert done.returncode == 1
    was = merkle.leaf_hash(log.leaves[8]).hex()[:8]
    now = merkle.leaf_hash(log.leaves[8].replace(b'"R-17"', b'"R-18"')).hex()[:8]
    assert done.stdout.splitlines()[-1] == (
        f"Broken at 8: the leaf is {was}…, the entry hashes to {now}…."
    )
    assert "entries/000000.jsonl changed after the archive was written" in done.stdout


@pytest.mark.usefixtures("desk")
def test_the_verifier_speaks_json_too(log):
    done = at_home("export.zip", "--vkey", str(log.key), "--json")
    report = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode == 0
    assert report["filings_without_receipt"] == []
    assert [one["step"] for one in report["steps"]] == list(verify.STEPS)
    assert report["steps"][0] == {
        "detail": report["steps"][0]["detail"],
        "index": None,
        "status": "holds",
        "step": "archive",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.zip", "--vkey", "KEY"], "No such file"),
        (["export.zip", "--vkey", "KEY", "--previous", "missing"], "No such file"),
        (["export.zip", "--vkey", "nonsense"], "a key reads name+id+base64"),
        (["verify.py", "--vkey", "KEY"], "this is not an export"),
    ],
)
@pytest.mark.usefixtures("desk")
def test_what_could_not_be_checked_ends_with_2(log, arguments, said, capsys):
    asked = [str(log.key) if one == "KEY" else one for one in arguments]
    assert verify.main(asked) == 2
    assert said in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.usefixtures("desk")
def test_a_missing_key_ends_with_2_as_well(capsys):
    with pytest.raises(SystemExit) as ended:
        verify.main(["export.zip"])
    assert ended.value.code == 2
    assert "--vkey" in capsys.readouterr().err


def test_a_poor_terminal_gets_what_it_can_show(desk, log, monkeypatch):
    changed = desk.joinpath("export.zip").read_bytes().replace(b'"R-17"', b'"R-18"')
    desk.joinpath("export.zip").write_bytes(changed)
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert verify.main(["export.zip", "--vkey", str(log.key)]) == 1
    terminal.flush()
    assert b"\\u2026, the entry hashes to" in terminal.buffer.getvalue()


def test_the_verifier_imports_the_standard_library_alone():
    tree = ast.parse(Path(verify.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))
    names = {
        one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names
    }
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
