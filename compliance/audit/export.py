"""Write an export: the whole log, what was disclosed of it, and the program that checks it.

The layout, in the order of the archive:

    README.txt                 how to check, and what checking cannot prove
    blobs/<sha256>             attachments, named by their digest
    checkpoint                 the signed note that the entries must rebuild
    disclosures.jsonl          texts that open commitments, with their salts
    documents/<name>           documents, listed with their digests in manifest.json
    entries/000000.jsonl ...   the leaves as they were hashed, 10,000 lines to a file
    leaves/000000.txt ...      the leaf hashes in hex as the log keeps them, to say where it broke
    manifest.json              the files: path, sha256, the leaf that holds it, title
    policy.json                origin and key, for information; trust is what the auditor brings
    proofs/                    an earlier checkpoint and the consistency proof from it, if given
    verify.py                  the verifier, the very file that the log's writer uses

Every byte follows from the contents: stored, sorted, dated 1980. The same log gives the same file.
Leaves hold no personal text, so all of them go into every export; a narrower view means fewer
disclosures and files, not fewer leaves.
"""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

from compliance.audit import merkle, verify
from compliance.audit.canonical import dumps
from compliance.audit.checkpoint import Checkpoint, parse

README = """\
An export of the log {origin}, {size:,} entries.

To check it you need Python 3.9 or later and nothing else: no network, nothing installed.

    python3 -I -S verify.py EXPORT.zip --vkey KEY

Take KEY from somewhere you trust: a filed document, a letter, your own notes of an earlier visit.
The one in policy.json was packed by whoever packed this archive. The same goes for verify.py: where
it matters, use a copy from the project's release. With a checkpoint from an earlier export add
`--previous CHECKPOINTFILE`; keep the file `checkpoint` of this one for the next time.

It ends with 0 if everything holds, 1 if something is broken (and where: entries count from 0, as
the lines do), 2 if something could not be checked.

What this proves: the entries, their order and their number are those that the key signed; they
begin with what the same key signed earlier, if you bring an earlier checkpoint; documents, blobs
and disclosed texts are the ones the entries speak of.

Blobs whose title ends in .tsr are time-stamps of an outside authority (RFC 3161). The entry with the
action time_stamp.keep names the digest that was stamped (imprint_sha256) and the token's (token_sha256); with
the authority's certificates, taken from the authority:

    openssl ts -verify -data blobs/IMPRINT -in blobs/TOKEN -CAfile CERTIFICATES.pem

What it cannot prove:
- that an entry is true. It proves what was written down, not what happened;
- that everything was written down. What was never recorded leaves no trace here;
- that every document and text was enclosed. It proves those that are;
- that this is the latest checkpoint, or the only log. Checkpoints are also printed on filed
  documents and sent to second places; compare them;
- anything about {not_signed}: these are not signed.

Texts about people are not in the entries. Where an entry has a commitment without a disclosure, the
text was not for you to see, or has been erased; the entry stays provable without it.
"""


class ExportRefused(ValueError):
    """An export that could not be written in a form that the verifier accepts."""


@dataclass(frozen=True)
class Disclosure:
    """A text behind a commitment: the entry, the commitment's name, its salt and the text."""

    leaf: int
    field: str
    salt: bytes
    text: str

    def line(self) -> bytes:
        """Give the line of disclosures.jsonl."""
        parts = {"leaf": self.leaf, "field": self.field, "salt": self.salt.hex(), "text": self.text}
        return dumps(parts) + b"\n"


@dataclass(frozen=True)
class ExportFile:
    """A document or blob, and the digest by which the log knows it.

    `path` is `documents/<name>` or `blobs/<sha256>`; `leaf` is the entry whose facts hold the
    digest, or None where any may.
    """

    path: str
    content: bytes | Path = field(repr=False)
    sha256: str
    title: str = ""
    leaf: int | None = None

    def pieces(self) -> Iterator[bytes]:
        """Give the contents without holding a large file in memory."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as stream:
            while piece := stream.read(1 << 20):
                yield piece


@dataclass(frozen=True)
class Written:
    """What was written, and what the verifier will object to: a broken log can be exported too."""

    path: Path
    sha256: str
    size_bytes: int
    n_entries: int
    problems: tuple[str, ...]


class _Zip:
    """A zip file written in one pass, each local header patched once its contents are known."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._members: list[verify.Member] = []

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        """Append one member."""
        offset, crc, size = self._stream.tell(), 0, 0
        self._stream.write(verify.local_header(verify.Member(name, 0, 0, offset)))
        for piece in pieces:
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            self._stream.write(piece)
            _refuse_above("bytes", offset + size, verify.MAX_ARCHIVE_BYTES)
        member = verify.Member(name, crc, size, offset)
        self._stream.seek(offset)
        self._stream.write(verify.local_header(member))
        self._stream.seek(member.end)
        self._members.append(member)

    def close(self) -> None:
        """Append the directory."""
        _refuse_above("members", len(self._members), verify.MAX_MEMBERS)
        self._stream.write(verify.directory(self._members))
        _refuse_above("bytes", self._stream.tell(), verify.MAX_ARCHIVE_BYTES)


def _refuse_above(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise ExportRefused(f"an export holds at most {limit:,} {what}; leave out some files")


def write_export(
    out: Path,
    *,
    checkpoint_note: str,
    leaves: Iterable[bytes],
    disclosures: Iterable[Disclosure],
    files: Iterable[ExportFile],
    policy: Mapping[str, object],
    previous: str | None = None,
    leaf_hashes: Iterable[bytes] | None = None,
) -> Written:
    """Write the export in one pass and put it in place only once it is whole and on disk.

    Args:
        out: where to; an existing file is replaced in one step.
        checkpoint_note: the signed checkpoint that the leaves should rebuild.
        leaves: canonical entries in leaf order; only as many as the checkpoint covers are read.
        disclosures: texts that this reader may see, in any order.
        files: documents and blobs that this reader may see, in any order.
        policy: origin, key and what else may help; for information only.
        previous: an earlier signed checkpoint, to prove that this log continues it.
        leaf_hashes: the hashes as the log keeps them, so that the verifier can name the entry
            that changed. Left out, they are computed and can only agree.

    Raises:
        ExportRefused: a path, an order or a size that no export can have. Nothing is left behind.
        NotANote: the checkpoint or the earlier one is malformed.
    """
    packing = _Packing(checkpoint_note, previous, files, disclosures, policy)
    with _in_place_when_whole(out) as stream:
        packing.write(_Zip(stream), leaves, leaf_hashes)
        size_bytes = stream.tell()
        digest = _sha256_of(stream)
    return Written(out, digest, size_bytes, packing.n_entries, tuple(packing.problems))


@contextmanager
def _in_place_when_whole(out: Path) -> Iterator[IO[bytes]]:
    """Give a temporary file beside `out`; sync and rename it at the end, or remove it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(out.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256_of(stream: IO[bytes]) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


class _Packing:
    """One export under way: what goes in, and what turned out to be wrong with it."""

    def __init__(
        self,
        checkpoint_note: str,
        previous: str | None,
        files: Iterable[ExportFile],
        disclosures: Iterable[Disclosure],
        policy: Mapping[str, object],
    ) -> None:
        self._note = checkpoint_note
        self._checkpoint = parse(checkpoint_note)
        self._previous = previous
        self._earlier = parse(previous) if previous is not None else None
        self._files = sorted(files, key=lambda one: one.path)
        self._disclosures = sorted(disclosures, key=lambda one: (one.leaf, one.field))
        self._policy = dumps(dict(policy))
        self._kept = bytearray()  # 32 bytes for each entry
        self._frontier = merkle.Frontier()
        self.problems: list[str] = []
        self._refuse_what_cannot_be_verified()

    @property
    def n_entries(self) -> int:
        """How many entries went in."""
        return self._frontier.size

    def _refuse_what_cannot_be_verified(self) -> None:
        paths = [one.path for one in self._files]
        for path in paths:
            if not verify.is_file_name(path):
                raise ExportRefused(f"files go to documents/<name> or blobs/<sha256>, not {path!r}")
        if len(set(paths)) != len(paths):
            raise ExportRefused("two files have the same path in the export")
        places = {(one.leaf, one.field) for one in self._disclosures}
        if len(places) != len(self._disclosures):
            raise ExportRefused("one commitment is disclosed twice")
        if self._earlier is not None and self._earlier.size > self._checkpoint.size:
            raise ExportRefused(
                f"the earlier checkpoint covers {self._earlier.size:,} entries, "
                f"the export only {self._checkpoint.size:,}"
            )

    def write(
        self, archive: _Zip, leaves: Iterable[bytes], leaf_hashes: Iterable[bytes] | None
    ) -> None:
        """Write all members in the order of their names."""
        readme = README.format(
            origin=self._checkpoint.origin, size=self._checkpoint.size, not_signed=verify.NOT_SIGNED
        )
        archive.add("README.txt", [readme.encode()])
        self._write_files(archive, "blobs/")
        archive.add("checkpoint", [self._note.encode()])
        archive.add("disclosures.jsonl", (one.line() for one in self._disclosures))
        self._write_files(archive, "documents/")
        self._write_numbered(archive, "entries/{:06}.jsonl", self._entry_lines(leaves))
        self._write_numbered(archive, "leaves/{:06}.txt", self._leaf_lines(leaf_hashes))
        archive.add("manifest.json", [self._manifest()])
        archive.add("policy.json", [self._policy])
        self._write_proofs(archive)
        archive.add("verify.py", [Path(verify.__file__).read_bytes()])
        archive.close()
        self._compare_root()

    def _write_files(self, archive: _Zip, folder: str) -> None:
        for one in self._files:
            if one.path.startswith(folder):
                archive.add(one.path, self._hashed(one))

    def _hashed(self, one: ExportFile) -> Iterator[bytes]:
        """Pass the contents on, and note if they are not what the log knows."""
        digest = hashlib.sha256()
        for piece in one.pieces():
            digest.update(piece)
            yield piece
        if digest.hexdigest() != one.sha256:
            self.problems.append(
                f"{one.path}: the log knows {one.sha256[:8]}…, the file hashes to "
                f"{digest.hexdigest()[:8]}…"
            )

    def _write_numbered(self, archive: _Zip, pattern: str, lines: Iterator[bytes]) -> None:
        for number in range(-(-self._checkpoint.size // verify.LEAVES_PER_FILE)):
            archive.add(pattern.format(number), islice(lines, verify.LEAVES_PER_FILE))

    def _entry_lines(self, leaves: Iterable[bytes]) -> Iterator[bytes]:
        for leaf in islice(leaves, self._checkpoint.size):
            if b"\n" in leaf:
                raise ExportRefused("a canonical entry has no newline in it")
            hashed = merkle.leaf_hash(leaf)
            self._frontier.append(hashed)
            self._kept += hashed
            yield leaf + b"\n"

    def _leaf_lines(self, leaf_hashes: Iterable[bytes] | None) -> Iterator[bytes]:
        known = map(self._leaf_at, range(self.n_entries)) if leaf_hashes is None else leaf_hashes
        for index, hashed in enumerate(islice(known, self._checkpoint.size)):
            if index < self.n_entries and hashed != self._leaf_at(index):
                self.problems.append(f"entry {index:,} does not hash to its leaf")
            yield hashed.hex().encode() + b"\n"

    def _leaf_at(self, index: int) -> bytes:
        return bytes(self._kept[32 * index : 32 * index + 32])

    def _manifest(self) -> bytes:
        files = [
            {"path": one.path, "sha256": one.sha256, "leaf": one.leaf, "title": one.title}
            for one in self._files
        ]
        return dumps({"files": files})

    def _write_proofs(self, archive: _Zip) -> None:
        if self._earlier is None or self._previous is None:
            return
        archive.add("proofs/consistency.json", [self._proof(self._earlier)])
        archive.add("proofs/previous-checkpoint", [self._previous.encode()])

    def _proof(self, earlier: Checkpoint) -> bytes:
        size = self._checkpoint.size
        complete = self.n_entries == size
        hashes = merkle.consistency_proof(earlier.size, size, self._leaf_at) if complete else []
        return dumps({"from": earlier.size, "to": size, "hashes": [one.hex() for one in hashes]})

    def _compare_root(self) -> None:
        size = self._checkpoint.size
        if self.n_entries != size:
            self.problems.append(f"the checkpoint covers {size:,} entries, {self.n_entries:,} came")
        elif self._frontier.root() != self._checkpoint.root:
            self.problems.append(f"the entries do not rebuild the root of checkpoint {size}")
