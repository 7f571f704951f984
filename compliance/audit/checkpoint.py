"""Signing what the log says of itself: C2SP signed-note v1.0.0 and tlog-checkpoint v1.0.0.

Reading and verifying is `verify.py`'s own. The private key lives in one file of one line, in the
form that Go's note tools use too: PRIVATE+KEY+name+id+base64(type byte and seed).
"""

import base64
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit.verify import (
    ED25519_TYPE,
    Broken,
    Checkpoint,
    Key,
    NotANote,
    Note,
    Signature,
    decode_base64,
    is_key_name,
    open_checkpoint,
    parse_checkpoint,
    parse_key,
    parse_note,
)

__all__ = [
    "Broken",
    "Checkpoint",
    "Key",
    "NotANote",
    "Note",
    "Signature",
    "Signer",
    "generate_key",
    "load_key",
    "open_checkpoint",
    "parse",
    "parse_key",
    "save_key",
    "sign",
    "verify",
    "vkey",
]

SEED_BYTES = 32
_PREFIX = "PRIVATE+KEY+"


@dataclass(frozen=True)
class Signer:
    """A private key under the name of its log."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def key(self) -> Key:
        """The public half, to verify with."""
        return Key(self.name, self.private.public_key().public_bytes_raw())


def generate_key(name: str) -> Signer:
    """Make a new key for the log of this name, such as `strata.example.org/log`.

    Raises:
        NotANote: the name cannot stand in a signature line.
    """
    if not is_key_name(name):
        raise NotANote(f"a log's name has no spaces, plus signs or control characters: {name!r}")
    return Signer(name, Ed25519PrivateKey.generate())


def save_key(signer: Signer, path: Path) -> None:
    """Write the private key where only this user can read it; an existing file is never replaced.

    Raises:
        FileExistsError: there is a file already, perhaps a key in use.
    """
    packed = base64.b64encode(ED25519_TYPE + signer.private.private_bytes_raw()).decode()
    line = f"{_PREFIX}{signer.name}+{signer.key.key_id.hex()}+{packed}\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(line)
        stream.flush()
        os.fsync(descriptor)


def load_key(path: Path) -> Signer:
    """Read a private key.

    Raises:
        PermissionError: others than the owner may read the file.
        NotANote: it does not hold a key in this form, or the id is not the key's own.
    """
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise PermissionError(f"{path} can be read by others than its owner; run chmod 600 on it")
    text = path.read_text(encoding="utf-8").strip()
    name, id_hex, encoded = ([*text.removeprefix(_PREFIX).split("+", 2), "", ""])[:3]
    packed = decode_base64(encoded)
    if not text.startswith(_PREFIX) or packed[:1] != ED25519_TYPE or len(packed) != SEED_BYTES + 1:
        raise NotANote(f"{path} should hold one line, {_PREFIX}name+id+base64, for an Ed25519 key")
    signer = Signer(name, Ed25519PrivateKey.from_private_bytes(packed[1:]))
    if id_hex != signer.key.key_id.hex() or not is_key_name(name):
        raise NotANote(f"{path}: the id of this key is {signer.key.key_id.hex()}, not {id_hex!r}")
    return signer


def vkey(signer: Signer) -> str:
    """Give the public key as it is printed on documents and passed to the verifier."""
    return str(signer.key)


def sign(checkpoint: Checkpoint, signer: Signer) -> str:
    """Sign a checkpoint; the caller has made sure that it continues every earlier one.

    Raises:
        ValueError: the checkpoint names another log than the key, or could not be read back.
    """
    if checkpoint.origin != signer.name:
        raise ValueError(f"the key of {signer.name} cannot sign for the log {checkpoint.origin}")
    if parse_checkpoint(checkpoint.text) != checkpoint:
        raise ValueError(f"this checkpoint does not read back as it was written: {checkpoint}")
    signature = signer.private.sign(checkpoint.text.encode())
    encoded = base64.b64encode(signer.key.key_id + signature).decode()
    return f"{checkpoint.text}\n— {signer.name} {encoded}\n"


def parse(note: str | bytes) -> Checkpoint:
    """Read a signed checkpoint without trusting it: its signatures are not verified.

    Raises:
        NotANote: it does not keep to the format.
    """
    return parse_checkpoint(parse_note(_as_bytes(note)).text)


def verify(note: str | bytes, key: Key) -> Checkpoint:
    """Read a signed checkpoint that this key must have signed, for this key's log.

    Raises:
        NotANote: it does not keep to the format.
        Broken: it is not signed by this key, or speaks of another log.
    """
    return open_checkpoint(_as_bytes(note), key)


def _as_bytes(note: str | bytes) -> bytes:
    return note.encode() if isinstance(note, str) else note
