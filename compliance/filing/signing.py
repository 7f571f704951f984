"""Our own signatures: detached, Ed25519, over DSSE's pre-authentication encoding.

Signed are the manifest, which names the digests of all else in a package, and the exact body of a
request. The key is the installation's log key; what it signs here begins with `DSSEv1 `, which no
checkpoint and no tree head can, because the name of a log has no space.
"""

import binascii
import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from compliance.audit.canonical import dumps
from compliance.audit.checkpoint import Signer
from compliance.filing.base import FilingPackage
from compliance.filing.receipt import key_id, pre_authentication

VERSION: Final = "strata.signatures/v1"
MANIFEST_TYPE: Final = "application/vnd.strata.filing-manifest.v1+json"
BODY_TYPE: Final = "application/vnd.strata.filing-body.v1"
HEADER: Final = "Strata-Signature"
_HEADER_FORM: Final = re.compile(
    r'keyid="(?P<keyid>[0-9a-f]{64})", type="(?P<type>[!-~]{1,100})", '
    r'sig="(?P<sig>[A-Za-z0-9+/=]{1,200})"\Z'
)


class SignatureRefused(Exception):
    """A signature that is not whole, or not made by whom we expect over what we have."""


def signed(package: FilingPackage, signer: Signer | None) -> FilingPackage:
    """The package with our signature of its manifest; as it is where it has one, or without a key.

    The same key signs the same manifest with the same bytes, so a second sending is the first.
    """
    if signer is None or package.signatures:
        return package
    return replace(package, signatures=detached(MANIFEST_TYPE, package.manifest(), signer))


def detached(kind: str, payload: bytes, signer: Signer) -> bytes:
    """A signature beside what it signs, in canonical JSON."""
    public = signer.private.public_key()
    signature = signer.private.sign(pre_authentication(kind, payload))
    return dumps(
        {
            "v": VERSION,
            "payloadType": kind,
            "payload_sha256": sha256(payload).hexdigest(),
            "signatures": [
                {
                    "alg": "Ed25519",
                    "keyid": key_id(public),
                    "name": signer.name,
                    "public_key": b64encode(public.public_bytes_raw()).decode(),
                    "sig": b64encode(signature).decode(),
                }
            ],
        }
    )


def check(signatures: bytes, kind: str, payload: bytes, public: Ed25519PublicKey) -> None:
    """Check that this key signed this payload, as this kind of thing.

    The key comes from elsewhere: one that stands beside its own signature proves nothing.

    Raises:
        SignatureRefused: it says what was expected and what came.
    """
    try:
        said = json.loads(signatures)
        came, parts = said["payloadType"], [b64decode(each["sig"]) for each in said["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureRefused(f"expected {VERSION}; came {len(signatures)} bytes") from error
    if said.get("v") != VERSION or came != kind:
        raise SignatureRefused(f"expected a signature of {kind}; came {str(came)[:80]!r}")
    if not any(_verifies(public, part, kind, payload) for part in parts):
        raise SignatureRefused(f"no signature over these bytes is by the key {key_id(public)}")


def header(body: bytes, signer: Signer) -> str:
    """The value of the header that signs the exact body of a request."""
    signature = signer.private.sign(pre_authentication(BODY_TYPE, body))
    keyid = key_id(signer.private.public_key())
    return f'keyid="{keyid}", type="{BODY_TYPE}", sig="{b64encode(signature).decode()}"'


def check_header(value: str, body: bytes, public: Ed25519PublicKey) -> None:
    """Check, as the recipient does, that this key signed exactly this body.

    Raises:
        SignatureRefused: the header is absent or malformed, or the signature another's.
    """
    found = _HEADER_FORM.match(value)
    if found is None or found["type"] != BODY_TYPE:
        raise SignatureRefused(f"expected {HEADER}: keyid=…, type={BODY_TYPE}, sig=…")
    try:
        signature = b64decode(found["sig"], validate=True)
    except binascii.Error as error:
        raise SignatureRefused(f"{HEADER} holds no base64") from error
    if not _verifies(public, signature, BODY_TYPE, body):
        raise SignatureRefused(f"{HEADER} is not by the key {key_id(public)} over this body")


def _verifies(public: Ed25519PublicKey, signature: bytes, kind: str, payload: bytes) -> bool:
    try:
        public.verify(signature, pre_authentication(kind, payload))
    except InvalidSignature:
        return False
    return True
