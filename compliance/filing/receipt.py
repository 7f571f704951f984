"""Receipts that prove themselves: a DSSE envelope, signed with Ed25519.

The signature covers the very bytes of the statement and their type (DSSE's pre-authentication
encoding), so nothing is parsed before it is trusted.
"""

import binascii
import hashlib
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from compliance import clock
from compliance.audit.canonical import dumps, loads

PAYLOAD_TYPE: Final = "application/vnd.strata.receipt.v1+json"
_VERSION: Final = "strata.receipt/v1"


class ReceiptRefused(Exception):
    """A receipt that is not whole, not of this form, or not signed by whom we expect."""


@dataclass(frozen=True)
class Statement:
    """What a recipient confirms."""

    reference: str
    filing: str
    key: str
    """The idempotency key it was filed under."""
    pdf_sha256: str
    json_sha256: str
    received_at: datetime
    simulation: bool


def key_id(public: Ed25519PublicKey) -> str:
    """How a public key is called: the digest of its 32 bytes."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()


def parse_public_key(text: str) -> Ed25519PublicKey:
    """A recipient's key, as base64 of its 32 bytes.

    Raises:
        ValueError: it is not that.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(b64decode(text, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ValueError("a recipient's key is 32 bytes of Ed25519 in base64") from error


def sign(statement: Statement, private: Ed25519PrivateKey) -> bytes:
    """The envelope of a statement."""
    payload = dumps(
        {**vars(statement), "v": _VERSION, "received_at": clock.stamp(statement.received_at)}
    )
    signature = private.sign(pre_authentication(PAYLOAD_TYPE, payload))
    return dumps(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": b64encode(payload).decode(),
            "signatures": [
                {"keyid": key_id(private.public_key()), "sig": b64encode(signature).decode()}
            ],
        }
    )


def open_receipt(envelope: bytes, public: Ed25519PublicKey) -> Statement:
    """The statement of an envelope that this key signed.

    Raises:
        ReceiptRefused: it says what was expected and what came.
    """
    payload, signatures = _unpack(envelope)
    if not any(_verifies(public, signature, payload) for signature in signatures):
        raise ReceiptRefused(
            f"no signature of the receipt was made by the recipient's key {key_id(public)[:16]}…"
        )
    try:
        return _statement(loads(payload))
    except (ValueError, KeyError, TypeError) as error:
        raise ReceiptRefused(f"the receipt's statement is not of {_VERSION}: {error}") from error


def _unpack(envelope: bytes) -> tuple[bytes, list[bytes]]:
    try:
        parts = json.loads(envelope)
        kind, payload = parts["payloadType"], b64decode(parts["payload"], validate=True)
        signatures = [b64decode(each["sig"], validate=True) for each in parts["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReceiptRefused(
            f"expected a DSSE envelope; came {len(envelope)} bytes that are none"
        ) from error
    if kind != PAYLOAD_TYPE:
        raise ReceiptRefused(f"expected a payload of {PAYLOAD_TYPE}; came {str(kind)[:80]!r}")
    return payload, signatures


def _statement(parts: Any) -> Statement:
    texts = ("reference", "filing", "key", "pdf_sha256", "json_sha256")
    if not isinstance(parts, dict) or parts.get("v") != _VERSION:
        raise ValueError(f"expected an object with v {_VERSION}")
    if not isinstance(parts.get("simulation"), bool):
        raise ValueError("expected simulation as true or false")  # noqa: TRY004
    if any(not isinstance(parts[name], str) or not parts[name] for name in texts):
        raise ValueError(f"expected text for each of {', '.join(texts)}")
    return Statement(
        **{name: parts[name] for name in texts},
        received_at=clock.in_utc(datetime.fromisoformat(parts["received_at"])),
        simulation=parts["simulation"],
    )


def _verifies(public: Ed25519PublicKey, signature: bytes, payload: bytes) -> bool:
    try:
        public.verify(signature, pre_authentication(PAYLOAD_TYPE, payload))
    except InvalidSignature:
        return False
    return True


def pre_authentication(kind: str, payload: bytes) -> bytes:
    """What a DSSE signature is over: type and payload, each with its length."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)
