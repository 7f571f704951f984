"""Envelope encryption: a key file wraps data keys, and each data key seals one thing.

1. The key file holds key-encryption keys; the first one wraps, every one may unwrap.
2. `Keyring.new_data_key()` makes a fresh 256-bit key and its wrapped form, which may lie
   beside what it sealed.
3. `seal()` and `unseal()` are AES-256-GCM with a random nonce; what is given as `aad` must be
   given again, so sealed bytes cannot be carried to another row or file unnoticed.

To erase a thing for good, forget its wrapped key. To rotate, put a new line on top of the key
file: new keys are wrapped by it, and old ones still open.
"""

import os
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
ID_BYTES: Final = 8
OVERHEAD_BYTES: Final = 1 + NONCE_BYTES + TAG_BYTES
"""How much longer sealed bytes are than what they seal."""
WRAPPED_BYTES: Final = 1 + ID_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES
"""The length of every wrapped data key."""

_HEADING: Final = "strata-keyring v1"
_FORMAT: Final = b"\x01"


class SealingError(Exception):
    """Something sealed did not open, or a key is not to be had."""


class KeyringError(SealingError):
    """The key file is absent, readable by others, or not a key file."""


class DataKey(NamedTuple):
    """A data key as it is used and as it is kept."""

    key: bytes
    """32 bytes, for `seal()` and `unseal()`; never stored."""
    wrapped: bytes
    """The same key under a key-encryption key; to be stored."""


@dataclass(frozen=True)
class Keyring:
    """The key-encryption keys of this installation, the current one first."""

    keys: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    """(id, key) pairs."""

    @classmethod
    def fresh(cls) -> Self:
        """A keyring of one new key, kept nowhere: for tests, or to be written to a file."""
        return cls(keys=((secrets.token_bytes(ID_BYTES), secrets.token_bytes(KEY_BYTES)),))

    @classmethod
    def from_file(cls, path: Path, *, create: bool = False) -> Self:
        """Read the key file, or write a new one when asked to and there is none.

        Raises:
            KeyringError: the file is absent, open to others, or malformed.
        """
        if create and not path.exists():
            _write_new(path, cls.fresh().to_text())
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii")
        except FileNotFoundError as error:
            raise KeyringError(
                f"{path}: no key file; restore it from its backup, or run manage.py make_keys on first set-up"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise KeyringError(f"{path}: the key file cannot be read: {error}") from error
        if mode & 0o077:
            raise KeyringError(
                f"{path}: the key file has mode {mode & 0o777:04o}, so others may read it; "
                "expected 0600, run chmod 600"
            )
        return cls.from_text(text, source=str(path))

    @classmethod
    def from_text(cls, text: str, *, source: str = "keyring") -> Self:
        """Read a keyring in the form `to_text()` writes."""
        heading, *lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
        if heading != _HEADING or not lines:
            raise KeyringError(
                f"{source}: expected the line {_HEADING!r} and then one key a line; "
                "this is not a key file, or it was cut short"
            )
        keys = tuple(_parse_line(line, f"{source}, key {n}") for n, line in enumerate(lines, 1))
        if len({key_id for key_id, _ in keys}) != len(keys):
            raise KeyringError(f"{source}: two keys bear the same id; remove one of them")
        return cls(keys=keys)

    def to_text(self) -> str:
        """The key file's text: a heading, then `id key` a line, the current key first."""
        lines = [f"{key_id.hex()} {b64encode(key).decode()}" for key_id, key in self.keys]
        return "\n".join([_HEADING, *lines]) + "\n"

    def rotated(self) -> Self:
        """The same keyring with a new current key on top."""
        return type(self)(keys=type(self).fresh().keys + self.keys)

    def new_data_key(self, aad: bytes = b"") -> DataKey:
        """Make a data key; `aad` says what it is for and is asked again by `unwrap()`."""
        key = secrets.token_bytes(KEY_BYTES)
        return DataKey(key, self.wrap(key, aad))

    def wrap(self, key: bytes, aad: bytes = b"") -> bytes:
        """The stored form of a data key, WRAPPED_BYTES long."""
        _check_key(key)
        key_id, kek = self.keys[0]
        nonce = secrets.token_bytes(NONCE_BYTES)
        return _FORMAT + key_id + nonce + AESGCM(kek).encrypt(nonce, key, _wrap_aad(key_id, aad))

    def unwrap(self, wrapped: bytes, aad: bytes = b"") -> bytes:
        """The data key out of its stored form.

        Raises:
            SealingError: it was wrapped by a key this ring lacks, for another purpose, or altered.
        """
        if len(wrapped) != WRAPPED_BYTES or wrapped[:1] != _FORMAT:
            raise SealingError(
                f"a wrapped key is {WRAPPED_BYTES} bytes of format 1; came {len(wrapped)} bytes"
            )
        key_id = wrapped[1 : 1 + ID_BYTES]
        nonce = wrapped[1 + ID_BYTES : 1 + ID_BYTES + NONCE_BYTES]
        kek = dict(self.keys).get(key_id)
        if kek is None:
            raise SealingError(
                f"wrapped by key {key_id.hex()}, which the key file does not hold; "
                "put that key back below the current one"
            )
        body = wrapped[1 + ID_BYTES + NONCE_BYTES :]
        try:
            return AESGCM(kek).decrypt(nonce, body, _wrap_aad(key_id, aad))
        except InvalidTag as error:
            raise SealingError(
                f"a key wrapped by {key_id.hex()} does not open: "
                "it was altered, or it belongs to something else"
            ) from error


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Encrypt and authenticate; the same `aad` must be given to open it again."""
    _check_key(key)
    nonce = secrets.token_bytes(NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def unseal(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Open what `seal()` closed.

    Raises:
        SealingError: another key, another `aad`, or altered bytes; AES-GCM cannot say which.
    """
    _check_key(key)
    if len(sealed) < OVERHEAD_BYTES or sealed[:1] != _FORMAT:
        raise SealingError(
            f"sealed bytes are at least {OVERHEAD_BYTES} long and of format 1; "
            f"came {len(sealed)} bytes"
        )
    try:
        return AESGCM(key).decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], aad)
    except InvalidTag as error:
        raise SealingError(
            "sealed bytes do not open: they were altered, or key or place is not theirs"
        ) from error


def _wrap_aad(key_id: bytes, aad: bytes) -> bytes:
    return b"strata.wrap/v1\x00" + key_id + aad


def _check_key(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise SealingError(f"a data key is {KEY_BYTES} bytes; came {len(key)}")


def _parse_line(line: str, where: str) -> tuple[bytes, bytes]:
    try:
        key_id, key = line.split()
        pair = bytes.fromhex(key_id), b64decode(key, validate=True)
    except (ValueError, NotBase64) as error:
        raise KeyringError(f"{where}: expected 'id key', hexadecimal and base64") from error
    if (len(pair[0]), len(pair[1])) != (ID_BYTES, KEY_BYTES):
        raise KeyringError(
            f"{where}: expected an id of {ID_BYTES} bytes and a key of {KEY_BYTES}; "
            f"came {len(pair[0])} and {len(pair[1])}"
        )
    return pair


def _write_new(path: Path, text: str) -> None:
    """Write a file only its owner may read; two processes may race, and the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and linked into place, so that nobody ever reads half a key file.
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        aside.unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
