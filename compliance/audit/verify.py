#!/usr/bin/env python3
"""Verify an export of the log: one file, Python 3.9 or later, nothing to install.

    python3 -I -S verify.py EXPORT.zip --vkey KEY [--previous CHECKPOINTFILE] [--json]

1. The archive has exactly the bytes that its contents allow: names, sizes, checksums, order.
2. The checkpoint is signed by the key given on the command line, and names that key's log.
3. The entries rebuild the Merkle root that the checkpoint signs.
4. Earlier checkpoints, yours and the one in the archive, are a beginning of the same log.
5. Every entry is canonical JSON in the form `strata.event/v1`; ids are new, times in order.
6. Nobody approved what they asked for themselves.
7. Every change of state begins where the last one ended.
8. Every filing has a receipt, or is listed as without.
9. Every document and blob has its SHA-256 in an entry.
10. Every disclosed text opens the commitment in its entry.

Exit 0: all hold. 1: broken, and where. 2: something could not be checked, and what.

It cannot tell that the checkpoint is the latest one, that an entry is true, or that nothing
was left out before it was signed.

The writer of the log imports its hashing, canonical form and note format from this very file.
Hashing: RFC 6962 and RFC 9162. Canonical form: RFC 8785 without floats. Signatures: RFC 8032.
Notes: C2SP signed-note v1.0.0 and tlog-checkpoint v1.0.0.
"""

# Python 3.9 has no datetime.UTC, int.bit_count, itertools.pairwise or zip(strict=).
# ruff: noqa: UP017, FURB161, RUF007, B905

from __future__ import annotations

import argparse
import base64
import binascii
import functools
import hashlib
import io
import json
import re
import stat
import struct
import sys
import zlib
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Json = dict[str, "Json"] | list["Json"] | str | int | bool | None

EVENT_FORMAT = "strata.event/v1"
MAX_LEAF_BYTES = 16 * 1024
MAX_LINE_BYTES = 1024 * 1024
MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 32
MAX_MEMBERS = 10_000
MAX_ARCHIVE_BYTES = 2 * 1024**3
MAX_DEPTH = 64
MAX_SAFE_INTEGER = 2**53 - 1
LEAVES_PER_FILE = 10_000
SALT_BYTES = 32
# A transaction may be long and a clock may be an hour wrong; more than this is a story.
CLOCK_TOLERANCE = timedelta(minutes=90)
NOT_SIGNED = "README.txt, policy.json, verify.py and the titles in manifest.json"


class NotCanonical(ValueError):
    """JSON that this log would never have written."""


class NotANote(ValueError):
    """A signed note, checkpoint or key that does not keep to its format."""


class ProofRefused(ValueError):
    """A Merkle proof that does not lead from what was given to the root."""


class Unchecked(Exception):
    """Something needed for the check is missing or beyond this verifier."""


class Broken(Exception):
    """Something does not hold. `index` is the entry, counted from 0, where that is known."""

    def __init__(self, message: str, index: int | None = None) -> None:
        """Remember what does not hold, and where."""
        super().__init__(message)
        self.index = index

    def __str__(self) -> str:
        """Say it as the last line of the program does."""
        place = "" if self.index is None else f" at {self.index:,}"
        return f"Broken{place}: {self.args[0]}"


def shown(value: object, limit: int = 80) -> str:
    """Print text from the archive in ASCII on one line: it may have been written to deceive."""
    text = value if isinstance(value, str) else repr(value)
    return ascii(text if len(text) <= limit else text[:limit] + "...")


# Merkle trees: RFC 6962, section 2.1, and RFC 9162, section 2.1.

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Hash one entry, marked as a leaf so that no inner node can pass for one."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two neighbouring subtrees into their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: one root per full subtree, largest first.

    It holds one hash for each 1 in the binary form of its size, and is all that is needed to
    append the next leaf.
    """

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        """Take up a tree of `size` leaves where it was left."""
        expected = bin(size).count("1")
        if size < 0 or len(nodes) != expected or any(len(node) != 32 for node in nodes):
            raise ValueError(
                f"a frontier of {size} leaves has {expected} hashes of 32 bytes, not {nodes}"
            )
        self.size = size
        self._nodes = list(nodes)

    @classmethod
    def from_hex(cls, size: int, nodes: Iterable[str]) -> Frontier:
        """Take up a tree from what `to_hex` gave."""
        return cls(size, [bytes.fromhex(node) for node in nodes])

    def to_hex(self) -> list[str]:
        """List the subtree roots, largest first, ready for JSON."""
        return [node.hex() for node in self._nodes]

    def append(self, hashed: bytes) -> None:
        """Add the hash of the next leaf."""
        full = self.size
        while full & 1:
            hashed = node_hash(self._nodes.pop(), hashed)
            full >>= 1
        self._nodes.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        """Give the Merkle root of all leaves so far."""
        if not self._nodes:
            return EMPTY_ROOT
        return functools.reduce(lambda right, left: node_hash(left, right), reversed(self._nodes))


def verify_inclusion(
    hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf stands at `index` in the tree with this root (RFC 9162, 2.1.3.2).

    Raises:
        ProofRefused: it does not, or the proof has the wrong length.
    """
    if not 0 <= index < size:
        raise ProofRefused(f"leaf {index} cannot be in a tree of {size}")
    last = size - 1
    for sibling in proof:
        if last == 0:
            raise ProofRefused(
                f"the proof for leaf {index} of {size} has {len(proof)} hashes, too many"
            )
        if index & 1 or index == last:
            hashed = node_hash(sibling, hashed)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        index, last = index >> 1, last >> 1
    if last or hashed != root:
        raise ProofRefused(f"the proof leads to {hashed.hex()}, the root is {root.hex()}")


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the larger tree begins with the smaller one (RFC 9162, 2.1.4.2).

    Raises:
        ProofRefused: it does not, or the proof has the wrong length.
    """
    if not 0 <= old_size <= new_size:
        raise ProofRefused(f"a tree of {new_size} cannot begin with one of {old_size}")
    if old_size in {0, new_size}:
        _verify_trivial_consistency(old_size, old_root, new_root, proof)
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise ProofRefused(f"the proof from {old_size} to {new_size} is empty")
    rebuilt_old, rebuilt_new = _climb(old_size - 1, new_size - 1, path)
    if (rebuilt_old, rebuilt_new) != (old_root, new_root):
        raise ProofRefused(f"the proof from {old_size} to {new_size} leads to other roots")


def _verify_trivial_consistency(
    old_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check the two cases that need no hashes: from nothing, and from the same size."""
    if proof or old_root != (new_root if old_size else EMPTY_ROOT):
        raise ProofRefused(
            f"from {old_size} the proof is empty and the roots are known; these differ"
        )


def _climb(old_last: int, new_last: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Rebuild both roots from a consistency proof, bottom up."""
    while old_last & 1:
        old_last, new_last = old_last >> 1, new_last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if new_last == 0:
            raise ProofRefused(f"the consistency proof has {len(path)} hashes, too many")
        if old_last & 1 or old_last == new_last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not old_last & 1 and old_last:
                old_last, new_last = old_last >> 1, new_last >> 1
        else:
            new = node_hash(new, sibling)
        old_last, new_last = old_last >> 1, new_last >> 1
    if new_last:
        raise ProofRefused(f"the consistency proof has {len(path)} hashes, too few")
    return old, new


# Canonical JSON: RFC 8785 for texts, whole numbers, booleans, null, lists and objects.

_quote = json.JSONEncoder(ensure_ascii=False).encode


def dumps(value: object) -> bytes:
    """Write a value in its one canonical form, UTF-8.

    Raises:
        NotCanonical: it holds a float or another thing with no single form; the path is named.
    """
    try:
        return _written(value, "$", 0).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonical(
            f"half a surrogate pair cannot be written as UTF-8: {shown(error.object)}"
        ) from error


def _written(value: object, path: str, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise NotCanonical(f"{shown(path)}: nested more than {MAX_DEPTH} deep")
    if isinstance(value, str):
        return _quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return _written_integer(value, path)
    if isinstance(value, (list, tuple)):
        items = (_written(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(value))
        return f"[{','.join(items)}]"
    if isinstance(value, dict):
        return _written_object(value, path, depth)
    advice = "write it as a decimal text" if isinstance(value, float) else "use JSON's own types"
    raise NotCanonical(f"{path}: {type(value).__name__} has no canonical form here; {advice}")


def _written_integer(value: int, path: str) -> str:
    if abs(value) > MAX_SAFE_INTEGER:
        raise NotCanonical(
            f"{path}: whole numbers end at {MAX_SAFE_INTEGER}; write larger ones as text"
        )
    return int.__repr__(value)


def _written_object(value: dict[object, object], path: str, depth: int) -> str:
    names = [name for name in value if isinstance(name, str)]
    if len(names) != len(value):
        raise NotCanonical(f"{path}: every name must be a text")
    names.sort(key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    pairs = (f"{_quote(n)}:{_written(value[n], f'{path}.{n}', depth + 1)}" for n in names)
    return f"{{{','.join(pairs)}}}"


def loads(data: bytes) -> Json:
    """Read canonical JSON, and nothing but canonical JSON.

    Raises:
        NotCanonical: a duplicate name, a float, invalid UTF-8, or any other spelling.
    """
    try:
        value: Json = _DECODER.decode(data.decode("utf-8"))
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not JSON in UTF-8: {shown(str(error))}") from error
    if dumps(value) != data:
        raise NotCanonical(f"not in canonical form: {shown(data[:80])}")
    return value


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise NotCanonical(f"a name occurs twice among {shown([name for name, _ in pairs])}")
    return names


def _no_float(text: str) -> Json:
    raise NotCanonical(f"floats are refused: {shown(text)}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_float=_no_float, parse_constant=_no_float
)


def commitment(salt: bytes, text: str) -> str:
    """Commit to a text that an entry must not carry: SHA-256 of the salt and the text, in hex."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, this one {len(salt)}")
    return hashlib.sha256(salt + text.encode("utf-8")).hexdigest()


# Ed25519: RFC 8032, section 5.1.7, verification only, in its strict reading.

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)


class _Point(NamedTuple):
    """A point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z."""

    x: int
    y: int
    z: int
    t: int


_NEUTRAL = _Point(0, 1, 1, 0)


def _add(p: _Point, q: _Point) -> _Point:
    a = (p.y - p.x) * (q.y - q.x) % _P
    b = (p.y + p.x) * (q.y + q.x) % _P
    c = 2 * p.t * q.t * _D % _P
    d = 2 * p.z * q.z % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return _Point(e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _decompress(encoded: bytes) -> _Point | None:
    """Read a point, or None where the encoding is not the one that RFC 8032 gives it."""
    packed = int.from_bytes(encoded, "little")
    sign, y = packed >> 255, packed & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _SQRT_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return _Point(x, y, 1, x * y % _P)


def _compress(point: _Point) -> bytes:
    inverse = pow(point.z, _P - 2, _P)
    x, y = point.x * inverse % _P, point.y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _is_small(point: _Point) -> bool:
    """Say whether eight times the point is the neutral one: such keys sign anything."""
    for _ in range(3):
        point = _add(point, point)
    return point.x == 0 and point.y == point.z


def _two_products(m: int, p: _Point, n: int, q: _Point) -> _Point:
    """Compute mp + nq in one walk over the bits of both."""
    table = (_NEUTRAL, p, q, _add(p, q))
    total = _NEUTRAL
    for bit in range(255, -1, -1):
        total = _add(total, total)
        chosen = (m >> bit & 1) | (n >> bit & 1) << 1
        total = _add(total, table[chosen]) if chosen else total
    return total


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE = _decompress(_BASE_Y.to_bytes(32, "little")) or _NEUTRAL


@functools.lru_cache(maxsize=64)
def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check one signature, refusing what lenient verifiers quarrel about.

    Refused besides wrong signatures: S not below the group order, points not in their one
    encoding, and keys or R of small order. The same note is often checked twice, hence the cache.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    key, nonce = _decompress(public), _decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or nonce is None or scalar >= _L or _is_small(key) or _is_small(nonce):
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % _L
    minus_key = _Point(_P - key.x, key.y, 1, _P - key.t)
    return _compress(_two_products(scalar, _BASE, challenge, minus_key)) == signature[:32]


# Notes and checkpoints: C2SP signed-note v1.0.0 and tlog-checkpoint v1.0.0.

ED25519_TYPE = b"\x01"
_DASH = "— "  # U+2014 and a space begin a signature line.
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class Signature(NamedTuple):
    """One signature line of a note."""

    name: str
    key_id: bytes
    value: bytes


class Note(NamedTuple):
    """A text, with its final newline, and who signed it. Nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]


class Key(NamedTuple):
    """A public key for notes."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that, with the name, identify this key in a signature line."""
        named = self.name.encode() + b"\n" + ED25519_TYPE + self.public
        return hashlib.sha256(named).digest()[:4]

    def __str__(self) -> str:
        """Give the verifier key, name+id+key, as people pass it on."""
        encoded = base64.b64encode(ED25519_TYPE + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


class Checkpoint(NamedTuple):
    """The state of a log that its key signs: which log, how many entries, which root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note text, as it is signed."""
        encoded = base64.b64encode(self.root).decode()
        return "\n".join((self.origin, str(self.size), encoded, *self.extensions, ""))


def is_key_name(name: str) -> bool:
    """Say whether a name may stand in a signature line: no space, no plus, no control."""
    return bool(name) and "+" not in name and name.isprintable() and " " not in name


def decode_base64(text: str) -> bytes:
    """Decode standard base64 in its one spelling.

    Raises:
        NotANote: anything else, also where the unused last bits are not zero.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotANote(f"not base64: {shown(text)}") from error
    if base64.b64encode(data).decode() != text:
        raise NotANote(f"base64 in a second spelling: {shown(text)}")
    return data


def parse_key(text: str) -> Key:
    """Read a verifier key: name, id in hex, and base64 of type byte and key, joined by plus.

    Raises:
        NotANote: it is none, its id is not its own, or it is not an Ed25519 key.
    """
    name, id_hex, encoded = ([*text.strip().split("+", 2), "", ""])[:3]
    packed = decode_base64(encoded)
    if not is_key_name(name) or len(packed) != 33 or packed[:1] != ED25519_TYPE:
        raise NotANote(f"a key reads name+id+base64 of an Ed25519 key, not {shown(text)}")
    key = Key(name, packed[1:])
    if id_hex != key.key_id.hex():
        raise NotANote(
            f"the key's id should be {key.key_id.hex()}, it says {shown(id_hex)}: a slip?"
        )
    return key


def parse_note(data: bytes) -> Note:
    """Take a signed note apart, strictly. Nothing is verified yet.

    Raises:
        NotANote: says which rule it breaks.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise NotANote(f"a note has at most {MAX_NOTE_BYTES:,} bytes, this one {len(data):,}")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotANote(f"the note is not UTF-8 at byte {error.start}") from error
    if any(character < " " and character != "\n" for character in whole):
        raise NotANote("the note holds a control character other than newline (CRLF?)")
    head, blank, tail = whole.rpartition("\n\n")
    if not blank or not head or not tail.endswith("\n"):
        raise NotANote("a note is text, a blank line and signature lines, each ended by a newline")
    return Note(head + "\n", _parse_signatures(tail[:-1].split("\n")))


def _parse_signatures(lines: list[str]) -> tuple[Signature, ...]:
    if len(lines) > MAX_SIGNATURES:
        raise NotANote(
            f"a note has at most {MAX_SIGNATURES} signatures here, this one {len(lines)}"
        )
    signatures = tuple(_parse_signature(line) for line in lines)
    if len({(one.name, one.key_id) for one in signatures}) != len(signatures):
        raise NotANote("the note has two signatures by one key")
    return signatures


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line[len(_DASH) :].partition(" ")
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise NotANote(f"a signature line reads em dash, name, base64; this is {shown(line)}")
    packed = decode_base64(encoded)
    if len(packed) <= 4:
        raise NotANote(f"the signature by {shown(name)} has no more than its key id")
    return Signature(name, packed[:4], packed[4:])


def verify_note(note: Note, key: Key) -> None:
    """Check the signature of one key; those of unknown keys say nothing.

    Raises:
        Broken: the key did not sign, or its signature does not fit the text.
    """
    for one in note.signatures:
        if (one.name, one.key_id) == (key.name, key.key_id):
            if ed25519_verify(key.public, note.text.encode(), one.value):
                return
            raise Broken(f"the signature by {shown(key.name)} does not fit the note")
    signed = ", ".join(shown(f"{one.name}+{one.key_id.hex()}") for one in note.signatures)
    raise Broken(f"no signature by {shown(f'{key.name}+{key.key_id.hex()}')}; signed by {signed}")


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint note.

    Raises:
        NotANote: a line is missing, empty or not in its one spelling.
    """
    lines = text.split("\n")[:-1]
    if len(lines) < 3 or not all(lines):
        raise NotANote("a checkpoint has three lines or more, none empty: origin, size, root")
    origin, size, encoded, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise NotANote(f"a tree size is a decimal number without leading zeros, not {shown(size)}")
    root = decode_base64(encoded)
    if len(root) != 32:
        raise NotANote(f"a root has 32 bytes, this one {len(root)}")
    return Checkpoint(origin, int(size), root, tuple(extensions))


def open_checkpoint(data: bytes, key: Key) -> Checkpoint:
    """Read a checkpoint and trust it: signed by this key, and about this key's log.

    Raises:
        NotANote: it does not keep to the format.
        Broken: it is not signed by this key, or speaks of another log.
    """
    note = parse_note(data)
    verify_note(note, key)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise Broken(
            f"the key is for {shown(key.name)}, the checkpoint for {shown(checkpoint.origin)}"
        )
    return checkpoint


# The archive: a zip whose every byte follows from the names and contents of its members.

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_ZIP_VERSION = 20
_ZIP_UNIX = 3 << 8
_ZIP_DATE = 0x0021  # 1 January 1980, the first day a zip can name
_ZIP_MODE = 0o100644 << 16
_CHUNK = 1 << 20
_ENTRY_FILE = re.compile(r"(entries|leaves)/[0-9]{6}\.(jsonl|txt)")
_FILE = re.compile(r"documents/[A-Za-z0-9][A-Za-z0-9._-]{0,127}|blobs/[0-9a-f]{64}")
_REQUIRED = frozenset(
    {"README.txt", "checkpoint", "disclosures.jsonl", "manifest.json", "policy.json", "verify.py"}
)
_PROOFS = frozenset({"proofs/consistency.json", "proofs/previous-checkpoint"})


class Member(NamedTuple):
    """One file in the archive, and where its local header begins."""

    name: str
    crc: int
    size: int
    offset: int

    @property
    def start(self) -> int:
        """Where the contents begin."""
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Where the next local header begins."""
        return self.start + self.size


def is_file_name(name: str) -> bool:
    """Say whether a document or blob may have this path in an export."""
    return bool(_FILE.fullmatch(name))


def local_header(member: Member) -> bytes:
    """Give the bytes before the contents of a member: stored, dated 1980, no extras."""
    fixed = (b"PK\x03\x04", _ZIP_VERSION, 0, 0, 0, _ZIP_DATE)
    sizes = (member.crc, member.size, member.size, len(member.name), 0)
    return _LOCAL.pack(*fixed, *sizes) + member.name.encode("ascii")


def directory(members: Sequence[Member]) -> bytes:
    """Give the bytes after the last member: the central directory and its end record."""
    listed = b"".join(_central_header(member) for member in members)
    offset, count = (members[-1].end if members else 0), len(members)
    return listed + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(listed), offset, 0)


def _central_header(member: Member) -> bytes:
    fixed = (b"PK\x01\x02", _ZIP_UNIX | _ZIP_VERSION, _ZIP_VERSION, 0, 0, 0, _ZIP_DATE)
    sizes = (member.crc, member.size, member.size, len(member.name), 0, 0, 0, 0)
    return _CENTRAL.pack(*fixed, *sizes, _ZIP_MODE, member.offset) + member.name.encode("ascii")


class Archive:
    """An export on disk or in memory, its shape already checked. Nothing is ever unpacked."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the directory and hold every header against the one it must have.

        Raises:
            Broken: a header, a name, the order or the length is not what the writer writes.
            Unchecked: this is no export at all.
        """
        self._stream = stream
        self._length = stream.seek(0, io.SEEK_END)
        members, listed = self._read_directory()
        self.members = {member.name: member for member in members}
        self._check_names([member.name for member in members])
        self._check_layout(members, listed)

    def _read_directory(self) -> tuple[list[Member], bytes]:
        if self._bytes(0, 4) != b"PK\x03\x04":
            raise Unchecked("this is not an export: it does not begin as a zip file does")
        if self._length > MAX_ARCHIVE_BYTES:
            raise Unchecked(
                f"exports end at {MAX_ARCHIVE_BYTES:,} bytes, this has {self._length:,}"
            )
        end = self._bytes(self._length - _END.size, _END.size)
        if len(end) != _END.size or end[:4] != b"PK\x05\x06":
            raise Broken("the archive does not end where its directory ends: cut short or added to")
        _, _, _, count, _, size, offset, _ = _END.unpack(end)
        if count > MAX_MEMBERS or offset + size + _END.size != self._length:
            raise Broken("the archive's end record does not fit its directory")
        listed = self._bytes(offset, size + _END.size)
        return list(_parse_directory(listed, count)), listed

    def _check_names(self, names: list[str]) -> None:
        for name in names:
            if not (
                name in _REQUIRED | _PROOFS or _ENTRY_FILE.fullmatch(name) or _FILE.fullmatch(name)
            ):
                raise Broken(f"{shown(name)} has no place in an export")
        if any(one >= other for one, other in zip(names, names[1:])):
            raise Broken("the members are not in the order of their names, or one occurs twice")
        missing = _REQUIRED.difference(names)
        if missing or len(_PROOFS.intersection(names)) == 1:
            raise Broken(
                f"the archive lacks {', '.join(sorted(missing)) or 'one of its two proofs'}"
            )

    def _check_layout(self, members: list[Member], listed: bytes) -> None:
        position = 0
        for member in members:
            header = local_header(member)
            if member.offset != position or self._bytes(position, len(header)) != header:
                raise Broken(f"{shown(member.name)} does not begin as the directory says")
            position = member.end
        if directory(members) != listed:
            raise Broken("the archive's directory is not the one its members have")

    def _bytes(self, start: int, size: int) -> bytes:
        self._stream.seek(max(start, 0))
        return self._stream.read(size)

    def pieces(self, name: str) -> Iterator[bytes]:
        """Give the contents of a member in pieces of at most a mebibyte."""
        member = self.members[name]
        for start in range(member.start, member.end, _CHUNK):
            yield self._bytes(start, min(_CHUNK, member.end - start))

    def read(self, name: str, limit: int) -> bytes:
        """Give the whole of a member that must be small."""
        if self.members[name].size > limit:
            raise Broken(f"{shown(name)} should have at most {limit:,} bytes")
        return b"".join(self.pieces(name))

    def lines(self, name: str, limit: int) -> Iterator[bytes]:
        """Give the lines of a member without their newlines, holding only one piece at a time."""
        rest = b""
        for piece in self.pieces(name):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > limit:
                break
        if rest:
            raise Broken(f"{shown(name)} has a line without end, or one over {limit:,} bytes")

    def damaged(self) -> list[str]:
        """Name the members whose contents do not have their checksum."""
        return [name for name, member in self.members.items() if self._crc(name) != member.crc]

    def _crc(self, name: str) -> int:
        return functools.reduce(lambda crc, piece: zlib.crc32(piece, crc), self.pieces(name), 0)

    def sha256(self, name: str) -> str:
        """Hash the contents of a member."""
        digest = hashlib.sha256()
        for piece in self.pieces(name):
            digest.update(piece)
        return digest.hexdigest()


def _parse_directory(listed: bytes, count: int) -> Iterator[Member]:
    """Read what the directory says; `Archive` then demands that it says nothing else."""
    position = 0
    for _ in range(count):
        if len(listed) < position + _CENTRAL.size:
            raise Broken("the archive's directory is shorter than its count")
        fields = _CENTRAL.unpack_from(listed, position)
        position += _CENTRAL.size
        name = listed[position : position + fields[10]].decode("ascii", "backslashreplace")
        position += fields[10] + fields[11] + fields[12]
        _refuse_oddities(name, flags=fields[3], method=fields[4], mode=fields[15] >> 16)
        yield Member(name, crc=fields[7], size=fields[9], offset=fields[16])


def _refuse_oddities(name: str, *, flags: int, method: int, mode: int) -> None:
    """Name the things people hide in zip files, before the byte comparison says only 'differs'."""
    odd = {
        "is encrypted": flags & 1,
        "is compressed": method != 0,
        "is a symbolic link": stat.S_ISLNK(mode),
        "points out of the archive": ".." in name.split("/") or name.startswith("/"),
    }
    for what, present in odd.items():
        if present:
            raise Broken(f"{shown(name)} {what}; exports hold plain stored files only")


# Entries: the form strata.event/v1.

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_AT = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{6}Z")
_ACTION = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+")
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_HEX_32 = re.compile(r"[0-9a-f]{64}")
_MAX_ID = 200


class Thing(NamedTuple):
    """What an entry is about."""

    kind: str
    id: str

    def __str__(self) -> str:
        """Name it, safe to print."""
        return shown(f"{self.kind} {self.id}").strip("'")


@dataclass(frozen=True)
class Event:
    """One entry of the log, in the form `strata.event/v1`."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: Thing
    object: Thing
    before: str
    after: str
    facts: dict[str, Json]
    commitments: dict[str, Json]

    @property
    def about(self) -> Thing:
        """The object, or the subject of an entry that has no object of its own."""
        return self.object if self.object.id else self.subject

    @property
    def family(self) -> str:
        """What stands before the verb: 'rollback' in 'rollback.approve'."""
        return self.action.rpartition(".")[0]

    @property
    def verb(self) -> str:
        """The first word of the verb: 'submit' in 'report.submit_for_approval'."""
        return self.action.rpartition(".")[2].partition("_")[0]


def read_time(text: str) -> datetime:
    """Read a UTC time in microseconds.

    Raises:
        Broken: there is no such time.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise Broken(f"at should be a time that exists, not {shown(text)}") from error


def _matches(pattern: re.Pattern[str]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def _one_of(*words: str) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and value in words


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_short(value: Json) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_ID


def _is_thing(value: Json) -> bool:
    if not isinstance(value, dict) or set(value) != {"kind", "id"}:
        return False
    kind, name = value["kind"], value["id"]
    named = _matches(_KIND)(kind) and _is_short(name) and name != ""
    return named or (kind == "" and name == "")


def _is_actor(value: Json) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"id", "kind", "via"}
        and _matches(_UUID)(value["id"])
        and _one_of("person", "token", "system")(value["kind"])
        and _one_of("ui", "api", "worker", "cli")(value["via"])
    )


def _is_commitments(value: Json) -> bool:
    return isinstance(value, dict) and all(map(_matches(_HEX_32), value.values()))


class _Rule(NamedTuple):
    expected: str
    holds: Callable[[Json], bool]


_SCHEMA = {
    "v": _Rule(f"the text {EVENT_FORMAT}", _one_of(EVENT_FORMAT)),
    "id": _Rule("a UUID in lower case", _matches(_UUID)),
    "at": _Rule("a UTC time with six decimals and Z", _matches(_AT)),
    "actor": _Rule(
        "id (a UUID), kind (person, token, system), via (ui, api, worker, cli)", _is_actor
    ),
    "action": _Rule("words joined by full stops", _matches(_ACTION)),
    "subject": _Rule("kind and id", _is_thing),
    "object": _Rule("kind and id", _is_thing),
    "before": _Rule("a text", _is_text),
    "after": _Rule("a text", _is_text),
    "facts": _Rule("an object", lambda value: isinstance(value, dict)),
    "request": _Rule("a UUID in lower case, or empty", lambda v: v == "" or _matches(_UUID)(v)),
    "commitments": _Rule("SHA-256 digests in hex by name", _is_commitments),
}


def parse_event(leaf: bytes) -> Event:
    """Read one leaf.

    Raises:
        NotCanonical: the bytes are not canonical JSON.
        Broken: the entry is not in the form it claims; the field is named.
        Unchecked: it claims a form that this verifier does not know.
    """
    if len(leaf) > MAX_LEAF_BYTES:
        raise Broken(f"an entry has at most {MAX_LEAF_BYTES:,} bytes, this one {len(leaf):,}")
    value = loads(leaf)
    if not isinstance(value, dict):
        raise Broken(f"an entry is an object, not {shown(value)}")
    _check_schema(value)
    return _event(value)


def _check_schema(value: dict[str, Json]) -> None:
    form = value.get("v")
    if (
        isinstance(form, str)
        and re.fullmatch(r"strata\.event/v[0-9]+", form)
        and form != EVENT_FORMAT
    ):
        raise Unchecked(f"the form {form} is not known here; take a newer verify.py")
    if set(value) != set(_SCHEMA):
        odd = sorted(set(value) ^ set(_SCHEMA))
        raise Broken(f"these names are missing or should not be there: {shown(odd)}")
    for name, rule in _SCHEMA.items():
        if not rule.holds(value[name]):
            raise Broken(f"{name} should be {rule.expected}, not {shown(value[name])}")


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _thing(value: Json) -> Thing:
    return Thing(str(_object(value)["kind"]), str(_object(value)["id"]))


def _event(value: dict[str, Json]) -> Event:
    """Give names and types to what the schema has let through."""
    return Event(
        id=str(value["id"]),
        at=read_time(str(value["at"])),
        actor=str(_object(value["actor"])["id"]),
        action=str(value["action"]),
        subject=_thing(value["subject"]),
        object=_thing(value["object"]),
        before=str(value["before"]),
        after=str(value["after"]),
        facts=_object(value["facts"]),
        commitments=_object(value["commitments"]),
    )


# The checks. Each sees every entry once, in order, and then says in one line what it found.


@dataclass(frozen=True)
class Entry:
    """One line of the export: its bytes, and the event in them or why there is none."""

    index: int
    leaf: bytes
    content: Event | Broken | Unchecked

    @property
    def event(self) -> Event | None:
        """The event, where there is one; only one check needs to complain that there is none."""
        return self.content if isinstance(self.content, Event) else None


def read_entry(index: int, leaf: bytes) -> Entry:
    """Read one leaf, keeping what is wrong with it for the check that asks."""
    try:
        return Entry(index, leaf, parse_event(leaf))
    except Unchecked as error:
        return Entry(index, leaf, Unchecked(f"entry {index:,}: {error.args[0]}"))
    except (Broken, NotCanonical) as error:
        return Entry(index, leaf, Broken(str(error.args[0]), index))


class Check(ABC):
    """One promise of the log. Every method raises Broken or Unchecked where it fails."""

    title: str

    def begin(self) -> None:  # noqa: B027
        """Read what the check needs besides the entries."""

    def take(self, entry: Entry) -> None:  # noqa: B027
        """Look at the next entry."""

    @abstractmethod
    def conclude(self) -> str:
        """Say in one line what was found."""


class RootCheck(Check):
    """The entries rebuild the root; the list of leaf hashes says where they do not."""

    title = "root"

    def __init__(self, archive: Archive, checkpoint: Checkpoint) -> None:
        """Remember what is to be rebuilt."""
        self._archive = archive
        self._checkpoint = checkpoint
        self._frontier = Frontier()
        self._listed: Iterator[bytes] = iter(())
        self._mismatch: Broken | None = None
        self._wanted: set[int] = set()
        self.roots: dict[int, bytes] = {0: EMPTY_ROOT}

    def want_root(self, size: int) -> None:
        """Ask for the root of the first `size` entries, to be found in `roots` afterwards."""
        self._wanted.add(size)

    def begin(self) -> None:
        """Open the list of leaf hashes."""
        self._listed = numbered_lines(self._archive, "leaves", "txt", self._checkpoint.size)

    def take(self, entry: Entry) -> None:
        """Hash the entry and compare it with the listed leaf."""
        computed = leaf_hash(entry.leaf)
        self._frontier.append(computed)
        if self._frontier.size in self._wanted:
            self.roots[self._frontier.size] = self._frontier.root()
        if self._mismatch is None:
            self._compare(entry.index, next(self._listed, None), computed.hex())

    def _compare(self, index: int, listed: bytes | None, computed: str) -> None:
        if listed is None:
            text = f"the leaf is not listed, the entry hashes to {computed[:8]}…."
            self._mismatch = Broken(text, index)
        elif listed != computed.encode():
            before = listed[:8].decode("ascii", "replace")
            plain = before if _HEX_32.fullmatch(before * 8) else "unreadable"
            text = f"the leaf is {plain}…, the entry hashes to {computed[:8]}…."
            self._mismatch = Broken(text, index)

    def conclude(self) -> str:
        """Compare the root; the first entry that differs is the better answer, if there is one."""
        if self._mismatch is not None:
            raise self._mismatch
        count, size = self._frontier.size, self._checkpoint.size
        if next(self._listed, None) is not None or count != size:
            raise Broken(
                f"the checkpoint covers {size:,} entries, the export holds {count:,}",
                min(count, size),
            )
        root = self._frontier.root()
        if root != self._checkpoint.root:
            signed = self._checkpoint.root.hex()
            raise Broken(
                f"the entries rebuild the root {root.hex()}, the checkpoint signs {signed}"
            )
        return f"{count:,} entries rebuild the root {root.hex()}"


class PreviousCheck(Check):
    """Earlier checkpoints are a beginning of this log."""

    title = "previous"

    def __init__(
        self,
        archive: Archive,
        checkpoint: Checkpoint,
        key: Key,
        given: bytes | None,
        root: RootCheck,
    ) -> None:
        """Remember whose checkpoints, and who rebuilds the roots."""
        self._archive = archive
        self._checkpoint = checkpoint
        self._key = key
        self._given = given
        self._root = root
        self._earlier: list[Checkpoint] = []

    def begin(self) -> None:
        """Open the checkpoint given by the auditor and the one in the archive."""
        if self._given is not None:
            self._expect(self._open(self._given, "the previous checkpoint"))
        if "proofs/previous-checkpoint" in self._archive.members:
            enclosed = self._archive.read("proofs/previous-checkpoint", MAX_NOTE_BYTES)
            earlier = self._open(enclosed, "proofs/previous-checkpoint")
            self._expect(earlier)
            self._check_proof(earlier)

    def _open(self, data: bytes, name: str) -> Checkpoint:
        try:
            return open_checkpoint(data, self._key)
        except (NotANote, Broken) as error:
            raise Unchecked(f"{name}: {error.args[0]}") from error

    def _expect(self, earlier: Checkpoint) -> None:
        if earlier.size > self._checkpoint.size:
            raise Broken(
                f"the previous checkpoint covers {earlier.size:,} entries, this export only "
                f"{self._checkpoint.size:,}: entries are missing, or this export is the older one"
            )
        self._earlier.append(earlier)
        self._root.want_root(earlier.size)

    def _check_proof(self, earlier: Checkpoint) -> None:
        data = self._archive.read("proofs/consistency.json", MAX_LINE_BYTES)
        new_size, new_root = self._checkpoint.size, self._checkpoint.root
        try:
            proof = parse_proof(data, earlier.size, new_size)
            verify_consistency(earlier.size, new_size, earlier.root, new_root, proof)
        except (NotCanonical, ProofRefused) as error:
            raise Broken(f"proofs/consistency.json: {error}") from error

    def conclude(self) -> str:
        """Compare the roots of the first entries with the earlier checkpoints."""
        for earlier in self._earlier:
            if self._root.roots.get(earlier.size) != earlier.root:
                raise Broken(f"the first {earlier.size:,} entries are not those signed earlier")
        if not self._earlier:
            return "none was given: nothing was compared with what was signed earlier"
        sizes = ", ".join(f"{earlier.size:,}" for earlier in self._earlier)
        return f"the log still begins with what was signed at {sizes}"


def parse_proof(data: bytes, old_size: int, new_size: int) -> list[bytes]:
    """Read the consistency proof between two sizes.

    Raises:
        NotCanonical: it is in another form, or between other sizes.
    """
    value = _object(loads(data))
    hashes = value.get("hashes")
    if set(value) != {"from", "to", "hashes"} or not isinstance(hashes, list):
        raise NotCanonical("a proof is an object of from, to and hashes")
    if (value["from"], value["to"]) != (old_size, new_size):
        raise NotCanonical(f"the proof should lead from {old_size} to {new_size}")
    if not all(map(_matches(_HEX_32), hashes)):
        raise NotCanonical("every hash is 64 digits in hex")
    return [bytes.fromhex(str(one)) for one in hashes]


class EntryCheck(Check):
    """Every entry is canonical and in its form; ids are new, times in order."""

    title = "entries"

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._ids: set[str] = set()
        self._latest: datetime | None = None
        self._first: datetime | None = None

    def take(self, entry: Entry) -> None:
        """Judge one entry by itself and by the time of those before it."""
        event = entry.content
        if not isinstance(event, Event):
            raise event
        if event.id in self._ids:
            raise Broken(f"the id {event.id} occurred before", entry.index)
        self._ids.add(event.id)
        self._follow(event.at, entry.index)

    def _follow(self, at: datetime, index: int) -> None:
        self._first = self._first or at
        self._latest = self._latest or at
        if at < self._latest - CLOCK_TOLERANCE:
            back = self._latest - at
            raise Broken(
                f"its time {at:%Y-%m-%d %H:%M:%S} is {back} before that of an earlier entry", index
            )
        self._latest = max(self._latest, at)

    def conclude(self) -> str:
        """Say what time the entries span."""
        if self._first is None or self._latest is None:
            return "there are none"
        span = f"from {self._first:%Y-%m-%d %H:%M:%S} to {self._latest:%Y-%m-%d %H:%M:%S} UTC"
        return f"all canonical, in the form {EVENT_FORMAT}, {span}"


# These say yes only to what was asked for; access too is given, with no question before it.
_ASSENTS = (".give", ".grant")


class ApprovalCheck(Check):
    """Nobody approved what they asked for, drafted or submitted themselves."""

    title = "approvals"

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._asked: dict[tuple[Thing, str], dict[str, str]] = {}
        self._approvals = 0
        self._unasked = 0

    def take(self, entry: Entry) -> None:
        """Remember who last asked, drafted or submitted; compare who approves."""
        event = entry.event
        if event is None:
            return
        key = (event.about, event.family)
        if event.verb in {"submit", "request", "draft", "ask"}:
            self._asked.setdefault(key, {})[event.verb] = event.actor
        elif event.verb == "approve" or (event.action.endswith(_ASSENTS) and key in self._asked):
            self._approve(event, self._asked.get(key, {}), entry.index)

    def _approve(self, event: Event, asked: dict[str, str], index: int) -> None:
        self._approvals += 1
        self._unasked += not asked
        if event.actor in asked.values():
            raise Broken(f"{event.actor} approved {event.about} and had asked for it", index)

    def conclude(self) -> str:
        """Count the approvals."""
        unasked = f"; {self._unasked:,} of them answer no recorded request" if self._unasked else ""
        return f"{self._approvals:,}, none by somebody who had asked for it{unasked}"


class StateCheck(Check):
    """Every change of state begins where the last one of the same thing ended."""

    title = "states"

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._last: dict[tuple[Thing, str], str] = {}
        self._changes = 0

    def take(self, entry: Entry) -> None:
        """Compare where the change says it began with where the last one ended."""
        event = entry.event
        if event is None or not (event.before or event.after):
            return
        key = (event.about, event.family)
        known = self._last.get(key, event.before)
        if known != event.before:
            raise Broken(
                f"{event.about} was left {shown(known)}, "
                f"{shown(event.action)} begins at {shown(event.before)}",
                entry.index,
            )
        self._last[key] = event.after
        self._changes += 1

    def conclude(self) -> str:
        """Count the changes."""
        return f"{self._changes:,} changes, each from where the last one ended"


class FilingCheck(Check):
    """Every filing has a receipt, or is listed as without: an open one is no breach."""

    title = "filings"

    def __init__(self) -> None:
        """Begin before the first entry."""
        self._open: dict[Thing, int] = {}
        self._filed = 0

    def take(self, entry: Entry) -> None:
        """Open a filing, or close it with its receipt."""
        event = entry.event
        if event is None:
            return
        if event.verb == "file":
            self._filed += 1
            self._open[event.about] = entry.index
        elif event.verb in {"acknowledge", "receive", "receipt"}:
            self._open.pop(event.about, None)

    @property
    def without_receipt(self) -> list[str]:
        """Name the filings that have no receipt, with the entry of each."""
        return [f"{thing} (entry {index:,})" for thing, index in self._open.items()]

    def conclude(self) -> str:
        """List what has no receipt."""
        named = [*self.without_receipt[:20], *(["and more"] if len(self._open) > 20 else [])]
        listed = f": {', '.join(named)}" if named else ""
        return f"{self._filed:,}, {len(self._open):,} without a receipt{listed}"


class FileRecord(NamedTuple):
    """What the manifest says of one document or blob."""

    path: str
    sha256: str
    leaf: int | None


class FileCheck(Check):
    """Every document and blob is the one whose SHA-256 an entry holds."""

    title = "files"

    def __init__(self, archive: Archive) -> None:
        """Remember where the files are."""
        self._archive = archive
        self._wanted: dict[str, list[FileRecord]] = {}
        self._found: set[FileRecord] = set()
        self._count = 0

    def begin(self) -> None:
        """Hold the manifest against the archive, and the files against the manifest."""
        records = parse_manifest(self._archive.read("manifest.json", MAX_LINE_BYTES * 8))
        enclosed = [name for name in self._archive.members if is_file_name(name)]
        if [record.path for record in records] != enclosed:
            raise Broken("manifest.json does not list exactly the documents and blobs, in order")
        for record in records:
            self._check_digest(record)
            self._wanted.setdefault(record.sha256, []).append(record)
        self._count = len(records)

    def _check_digest(self, record: FileRecord) -> None:
        computed = self._archive.sha256(record.path)
        named = record.path.rpartition("/")[2] if record.path.startswith("blobs/") else computed
        if not computed == named == record.sha256:
            raise Broken(
                f"{record.path} hashes to {computed[:8]}…, manifest.json says {record.sha256[:8]}…"
            )

    def take(self, entry: Entry) -> None:
        """Look for the wanted digests in the facts of the entry."""
        if not self._wanted or entry.event is None:
            return
        for text in texts_in(entry.event.facts):
            for record in self._wanted.get(text.removeprefix("sha256:"), ()):
                if record.leaf in {None, entry.index}:
                    self._found.add(record)

    def conclude(self) -> str:
        """Name the first file that no entry vouches for."""
        for record in (record for group in self._wanted.values() for record in group):
            if record not in self._found:
                where = "no entry holds" if record.leaf is None else "the facts there do not hold"
                raise Broken(f"{where} the SHA-256 of {record.path}", record.leaf)
        return f"{self._count:,}, each with its SHA-256 in an entry"


def parse_manifest(data: bytes) -> list[FileRecord]:
    """Read the list of files.

    Raises:
        Broken: it is in another form.
    """
    try:
        value = _object(loads(data))
    except NotCanonical as error:
        raise Broken(f"manifest.json: {error}") from error
    files = value.get("files")
    if set(value) != {"files"} or not isinstance(files, list):
        raise Broken("manifest.json should be an object of one list, files")
    return [_parse_record(_object(one)) for one in files]


def _parse_record(value: dict[str, Json]) -> FileRecord:
    leaf, title = value.get("leaf"), value.get("title")
    known = set(value) == {"leaf", "path", "sha256", "title"} and isinstance(title, str)
    placed = leaf is None or (isinstance(leaf, int) and not isinstance(leaf, bool) and leaf >= 0)
    if not (
        known and placed and _matches(_FILE)(value["path"]) and _matches(_HEX_32)(value["sha256"])
    ):
        raise Broken(f"manifest.json: a file has path, sha256, leaf and title, not {shown(value)}")
    return FileRecord(
        str(value["path"]), str(value["sha256"]), leaf if isinstance(leaf, int) else None
    )


def texts_in(value: Json) -> Iterator[str]:
    """Walk over every text inside a JSON value, names excepted."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_in(one)


class DisclosureCheck(Check):
    """Every disclosed text opens the commitment of its name in its entry."""

    title = "disclosures"

    def __init__(self, archive: Archive) -> None:
        """Remember where the disclosures are."""
        self._archive = archive
        self._waiting: dict[int, dict[str, str]] = {}
        self._count = 0

    def begin(self) -> None:
        """Read all disclosures, ordered by entry and name."""
        previous = (-1, "")
        for line in self._archive.lines("disclosures.jsonl", MAX_LINE_BYTES):
            place, digest = _parse_disclosure(line)
            if place <= previous:
                raise Broken(f"disclosures.jsonl is not in order at entry {place[0]:,}")
            self._waiting.setdefault(place[0], {})[place[1]] = digest
            self._count += 1
            previous = place

    def take(self, entry: Entry) -> None:
        """Compare what was disclosed of this entry with its commitments."""
        if entry.event is None:
            return
        for name, digest in self._waiting.pop(entry.index, {}).items():
            if entry.event.commitments.get(name) != digest:
                raise Broken(
                    f"the text disclosed as {shown(name)} is not the one committed to", entry.index
                )

    def conclude(self) -> str:
        """Say how many opened; the rest of the commitments stay closed."""
        for index in self._waiting:
            raise Broken("a text is disclosed of an entry that is not there", index)
        return f"{self._count:,}, each opens its commitment"


def _parse_disclosure(line: bytes) -> tuple[tuple[int, str], str]:
    """Read one disclosure: its entry and name, and the commitment it would open."""
    try:
        value = _object(loads(line))
    except NotCanonical as error:
        raise Broken(f"disclosures.jsonl: {error}") from error
    leaf, name, salt, text = (value.get(key) for key in ("leaf", "field", "salt", "text"))
    known = set(value) == {"leaf", "field", "salt", "text"}
    placed = isinstance(leaf, int) and not isinstance(leaf, bool) and leaf >= 0
    if not (known and placed and _is_text(name) and _matches(_HEX_32)(salt) and _is_text(text)):
        raise Broken(f"a disclosure has leaf, field, salt and text, not {shown(value)}")
    return (int(str(leaf)), str(name)), commitment(bytes.fromhex(str(salt)), str(text))


def numbered_lines(archive: Archive, folder: str, suffix: str, size: int) -> Iterator[bytes]:
    """Give the lines of entries/ or leaves/ in order, however many there are.

    Raises:
        Broken: the files are not the ones that a log of this size fills.
    """
    names = [name for name in archive.members if name.startswith(f"{folder}/")]
    count = -(-size // LEAVES_PER_FILE)
    if names != [f"{folder}/{number:06}.{suffix}" for number in range(count)]:
        raise Broken(f"{size:,} entries fill {count:,} files in {folder}/, not {len(names):,}")
    for number, name in enumerate(names):
        lines = 0
        for line in archive.lines(name, MAX_LINE_BYTES):
            lines += 1
            yield line
        if lines != LEAVES_PER_FILE and number < count - 1:
            raise Broken(f"{name} has {lines:,} lines", number * LEAVES_PER_FILE + lines)


# The whole verification, and the program.


@dataclass(frozen=True)
class Outcome:
    """What one step found."""

    step: str
    status: str
    detail: str
    index: int | None = None


HOLDS, BROKEN, UNCHECKED = "holds", "broken", "unchecked"
STEPS = (
    "archive",
    "checkpoint",
    "root",
    "previous",
    "entries",
    "approvals",
    "states",
    "filings",
    "files",
    "disclosures",
)


@dataclass
class Report:
    """What all steps found. `exit_code` is 0 only where everything holds."""

    outcomes: list[Outcome] = field(default_factory=list)
    size: int = 0
    key: str = ""
    without_receipt: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: all hold. 1: something is broken. 2: something could not be checked."""
        statuses = {outcome.status for outcome in self.outcomes}
        return 1 if BROKEN in statuses else 2 if UNCHECKED in statuses else 0

    @property
    def summary(self) -> str:
        """The last line: the verdict, and the nearest place where it fails."""
        failures = [
            one for one in self.outcomes if one.status == (HOLDS, BROKEN, UNCHECKED)[self.exit_code]
        ]
        if self.exit_code:
            return min(failures, key=lambda one: one.index is None).detail
        return (
            f"{self.size:,} entries consistent with checkpoint {self.size} and key {self.key}. "
            "Truth and completeness are not assessed."
        )

    def note(self, step: str, work: Callable[[], str | None]) -> bool:
        """Run one piece of a step and note what it says; say whether it went well."""
        try:
            detail = work()
        except Broken as error:
            self.outcomes.append(Outcome(step, BROKEN, str(error), error.index))
        except Unchecked as error:
            self.outcomes.append(Outcome(step, UNCHECKED, f"Could not be checked: {error}"))
        else:
            if detail is not None:
                self.outcomes.append(Outcome(step, HOLDS, detail))
            return True
        return False

    def to_json(self) -> dict[str, Json]:
        """Give the report as JSON."""
        return {
            "exit_code": self.exit_code,
            "filings_without_receipt": [*self.without_receipt],
            "steps": [asdict(one) for one in self.outcomes],
            "summary": self.summary,
        }


def verify_export(stream: BinaryIO, key: Key, previous: bytes | None = None) -> Report:
    """Run every step that can still say something, and report them all."""
    report = Report(key=shown(f"{key.name}+{key.key_id.hex()}").strip("'"))
    opened: list[Archive] = []
    if not report.note("archive", lambda: opened.append(Archive(stream))):
        return report
    archive = opened[0]
    report.note("archive", lambda: _check_contents(archive))
    signed: list[Checkpoint] = []
    if report.note("checkpoint", lambda: _check_checkpoint(archive, key, signed)):
        report.size = signed[0].size
        _check_entries(report, archive, signed[0], key, previous)
    return report


def _check_contents(archive: Archive) -> str:
    """Compare every checksum. A damaged archive is read on, to find the entry."""
    damaged = archive.damaged()
    if damaged:
        raise Broken(f"{', '.join(damaged[:5])} changed after the archive was written")
    return f"{len(archive.members):,} files, byte for byte as written; {NOT_SIGNED} are not signed"


def _check_checkpoint(archive: Archive, key: Key, signed: list[Checkpoint]) -> str:
    try:
        checkpoint = open_checkpoint(archive.read("checkpoint", MAX_NOTE_BYTES), key)
    except NotANote as error:
        raise Broken(f"checkpoint: {error}") from error
    signed.append(checkpoint)
    return f"{shown(checkpoint.origin)} at {checkpoint.size:,} entries, signed by the given key"


def _check_entries(
    report: Report, archive: Archive, checkpoint: Checkpoint, key: Key, previous: bytes | None
) -> None:
    """Let every check see every entry once, then conclude. A check that fails sees no more."""
    root, filings = RootCheck(archive, checkpoint), FilingCheck()
    checks = [
        root,
        PreviousCheck(archive, checkpoint, key, previous, root),
        EntryCheck(),
        ApprovalCheck(),
        StateCheck(),
        filings,
        FileCheck(archive),
        DisclosureCheck(archive),
    ]
    live = [check for check in checks if report.note(check.title, check.begin)]
    lines = numbered_lines(archive, "entries", "jsonl", checkpoint.size)
    report.note("entries", lambda: _pass_by(report, live, lines))
    for check in live:
        report.note(check.title, check.conclude)
    report.without_receipt = filings.without_receipt
    report.outcomes.sort(key=lambda one: STEPS.index(one.step))


def _pass_by(report: Report, live: list[Check], lines: Iterable[bytes]) -> None:
    """Show each entry to the checks that still stand; one that fails leaves the list."""
    for index, leaf in enumerate(lines):
        entry = read_entry(index, leaf)
        live[:] = [
            one for one in live if report.note(one.title, functools.partial(one.take, entry))
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the verdict."""
    options = _options(arguments)
    try:
        key = parse_key(options.key)
        previous = options.previous.read_bytes() if options.previous else None
        with options.export.open("rb") as stream:
            report = verify_export(stream, key, previous)
    except (NotANote, OSError) as error:
        report = Report(
            [Outcome("archive", UNCHECKED, f"Could not be checked: {shown(str(error), 300)}")]
        )
    _print(report, as_json=options.json)
    return report.exit_code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Verify an export of the log, offline.")
    parser.add_argument("export", type=Path, help="the export, a zip file")
    parser.add_argument("--vkey", dest="key", required=True, help="the log's key: name+id+base64")
    parser.add_argument(
        "--previous", type=Path, help="a checkpoint you kept from an earlier export"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args(arguments)


def _print(report: Report, *, as_json: bool) -> None:
    """Write one line per step and the verdict last, whatever the terminal can show."""
    lines = [f"{one.step:<12} {one.status:<10} {one.detail}" for one in report.outcomes]
    whole = dumps(report.to_json()).decode() if as_json else "\n".join((*lines, report.summary))
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(whole.encode(encoding, "backslashreplace").decode(encoding) + "\n")


if __name__ == "__main__":
    sys.exit(main())
