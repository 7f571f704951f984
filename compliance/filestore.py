"""Files by the digest of what is in them, encrypted where they lie.

A stored file is one header byte, segments of at most 1 MiB, and a wrapped data key:

    version | segment 0 | segment 1 | … | last segment | wrapped key

Each segment is sealed with its number and whether it is the last, so none can be moved, dropped
or added. The data key is wrapped with the file's digest as `aad`, so a file put under another's
name does not open. The digest is known only after the last byte, which is why the key comes last.
Reading verifies as it goes, and the digest once more at the end.
"""

import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from typing_extensions import override

from compliance.sealing import (
    KEY_BYTES,
    OVERHEAD_BYTES,
    WRAPPED_BYTES,
    Keyring,
    SealingError,
    seal,
    unseal,
)

SEGMENT_BYTES: Final = 1 << 20
_VERSION: Final = b"\x01"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")


class FileStoreError(Exception):
    """A file cannot be stored or had back."""


class NotStored(FileStoreError):
    """No file of this digest is here."""


class Damaged(FileStoreError):
    """What lies here is not what was stored."""


@dataclass(frozen=True)
class StoredFile:
    """What a file is called and how long it is."""

    sha256: str
    """Of the plain bytes, 64 lower-case hexadecimal digits."""
    size: int
    """In plain bytes."""


class FileStore(Protocol):
    """A place for files; the same bytes are stored once."""

    def put(self, source: bytes | BinaryIO) -> StoredFile:
        """Store bytes, or all that a stream yields."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """A stream of the plain bytes; reading it raises Damaged when they are not these."""
        ...

    def read(self, sha256: str) -> bytes:
        """All the plain bytes, verified before any is handed out."""
        ...

    def exists(self, sha256: str) -> bool:
        """Whether a file of this digest is here."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove a file and its key; nothing happens when it is gone already."""
        ...


@dataclass(frozen=True)
class MemoryFileStore:
    """Files in memory, gone with the process: for tests and trials."""

    files: dict[str, bytes] = field(default_factory=dict)

    def put(self, source: bytes | BinaryIO) -> StoredFile:
        """Keep a copy."""
        content = b"".join(_pieces(source))
        stored = StoredFile(hashlib.sha256(content).hexdigest(), len(content))
        self.files[stored.sha256] = content
        return stored

    def open(self, sha256: str) -> BinaryIO:
        """A stream of the copy."""
        return io.BytesIO(self.read(sha256))

    def read(self, sha256: str) -> bytes:
        """The copy."""
        try:
            return self.files[_checked(sha256)]
        except KeyError as error:
            raise _not_stored(sha256) from error

    def exists(self, sha256: str) -> bool:
        """Whether a copy is kept."""
        return _checked(sha256) in self.files

    def delete(self, sha256: str) -> None:
        """Forget the copy."""
        self.files.pop(_checked(sha256), None)


@dataclass(frozen=True)
class LocalFileStore:
    """Files in a folder of this machine, each under a key of its own."""

    folder: Path
    keyring: Keyring = field(repr=False)

    def put(self, source: bytes | BinaryIO) -> StoredFile:
        """Encrypt while reading; the file appears under its digest complete or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside = self.folder / f".incoming-{secrets.token_hex(8)}"
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as target:
                stored = _write(source, target, self.keyring)
                target.flush()
                os.fsync(target.fileno())
            self._settle(aside, stored.sha256)
        finally:
            aside.unlink(missing_ok=True)
        return stored

    def open(self, sha256: str) -> BinaryIO:
        """A verifying stream over the encrypted file."""
        try:
            file = self._path(sha256).open("rb")
        except FileNotFoundError as error:
            raise _not_stored(sha256) from error
        try:
            return io.BufferedReader(_Unsealing(file, sha256, self.keyring))
        except BaseException:
            file.close()
            raise

    def read(self, sha256: str) -> bytes:
        """The whole file."""
        with closing(self.open(sha256)) as stream:
            return stream.read()

    def exists(self, sha256: str) -> bool:
        """Whether the file is in the folder."""
        return self._path(sha256).is_file()

    def delete(self, sha256: str) -> None:
        """Remove the file; its data key goes with it."""
        path = self._path(sha256)
        with suppress(FileNotFoundError):
            path.unlink()
            _sync(path.parent)

    def _path(self, sha256: str) -> Path:
        digest = _checked(sha256)
        return self.folder / digest[:2] / digest

    def _settle(self, aside: Path, sha256: str) -> None:
        path = self._path(sha256)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        # Replaced even when it is there: what lay there may have been damaged.
        aside.replace(path)
        _sync(path.parent)
        _sync(self.folder)


class _Unsealing(io.RawIOBase):
    """Opens one segment after the other, and checks the digest at the end."""

    def __init__(self, file: BinaryIO, sha256: str, keyring: Keyring) -> None:
        self._file, self._sha256 = file, sha256
        end = file.seek(0, os.SEEK_END) - WRAPPED_BYTES
        if end < len(_VERSION) + OVERHEAD_BYTES:
            raise self._damaged("it is too short to be one of ours")
        file.seek(end)
        try:
            self._key = keyring.unwrap(file.read(), bytes.fromhex(sha256))
        except SealingError as error:
            raise self._damaged(str(error)) from error
        file.seek(0)
        if file.read(len(_VERSION)) != _VERSION:
            raise self._damaged(f"expected format {_VERSION.hex()} in the first byte")
        self._left, self._number = end - len(_VERSION), 0
        self._digest = hashlib.sha256()
        self._plain = memoryview(b"")

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._plain and self._left:
            self._plain = memoryview(self._next_segment())
        n = min(len(buffer), len(self._plain))
        buffer[:n] = self._plain[:n]
        self._plain = self._plain[n:]
        return n

    @override
    def close(self) -> None:
        self._file.close()
        super().close()

    def _next_segment(self) -> bytes:
        sealed = self._file.read(min(SEGMENT_BYTES + OVERHEAD_BYTES, self._left))
        self._left -= len(sealed)
        try:
            plain = unseal(self._key, sealed, _place(self._number, last=not self._left))
        except SealingError as error:
            raise self._damaged(f"segment {self._number}: {error}") from error
        self._number += 1
        self._digest.update(plain)
        if not self._left and self._digest.hexdigest() != self._sha256:
            raise self._damaged(f"its bytes hash to {self._digest.hexdigest()}")
        return plain

    def _damaged(self, reason: str) -> Damaged:
        return Damaged(f"file {self._sha256} does not open: {reason}; restore it from a backup")


def _write(source: bytes | BinaryIO, target: BinaryIO, keyring: Keyring) -> StoredFile:
    key, digest, size = secrets.token_bytes(KEY_BYTES), hashlib.sha256(), 0
    target.write(_VERSION)
    for number, (piece, last) in enumerate(_with_last(_pieces(source))):
        digest.update(piece)
        size += len(piece)
        target.write(seal(key, piece, _place(number, last=last)))
    target.write(keyring.wrap(key, digest.digest()))
    return StoredFile(digest.hexdigest(), size)


def _pieces(source: bytes | BinaryIO) -> Iterator[bytes]:
    """Pieces of exactly SEGMENT_BYTES but for the last; a short read is no end."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    gathered = bytearray()
    while piece := stream.read(SEGMENT_BYTES - len(gathered)):
        gathered += piece
        if len(gathered) == SEGMENT_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _with_last(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each piece and whether it is the last; an empty file is one empty piece."""
    held = next(pieces, b"")
    for piece in pieces:
        yield held, False
        held = piece
    yield held, True


def _place(number: int, *, last: bool) -> bytes:
    return b"strata.file/v1" + number.to_bytes(8, "big") + bytes([last])


def _checked(sha256: str) -> str:
    if not _DIGEST.match(sha256):
        raise FileStoreError(
            f"a stored file is named by 64 lower-case hexadecimal digits; came {sha256[:80]!r}"
        )
    return sha256


def _not_stored(sha256: str) -> NotStored:
    return NotStored(f"no file {sha256} is stored here; it was never put, or it was deleted")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
