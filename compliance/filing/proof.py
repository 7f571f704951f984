"""Receipts as proof: signed by the recipient, and for exactly the package that was filed.

They come as the answer to a filing, to a question about it, as a file beside it, or later by
themselves; they are judged here, whichever way they came.
"""

import json
from base64 import b64decode
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from compliance.egress import Answer
from compliance.filing.base import FilingPackage, Proof, Receipt
from compliance.filing.exchange import Exchange
from compliance.filing.receipt import ReceiptRefused, Statement, key_id, open_receipt
from compliance.hostile import one_line

MAX_RECEIPT: Final = 1 << 20


def prove(
    raw: bytes,
    public: Ed25519PublicKey,
    package: FilingPackage,
    key: str,
    *,
    answer: Answer | None = None,
    exchange: Exchange | None = None,
) -> Receipt:
    """A receipt worth the name.

    Raises:
        ReceiptRefused: it is not signed by this key, or is for something else.
    """
    statement = open_receipt(raw, public)
    _check_same(statement, package, key)
    return Receipt(
        reference=one_line(statement.reference, 120),
        received_at=statement.received_at,
        proof=Proof.SIGNED,
        raw=raw,
        key_id=key_id(public),
        answer=answer,
        exchange=exchange,
    )


def about(raw: bytes) -> UUID:
    """The filing that a receipt, come by itself, says it is for.

    Nothing is proved yet: it only tells whose key and package to give to `prove`.

    Raises:
        ReceiptRefused: it names none.
    """
    if len(raw) > MAX_RECEIPT:
        raise ReceiptRefused(f"expected at most {MAX_RECEIPT} bytes; came {len(raw)}")
    try:
        return UUID(json.loads(b64decode(json.loads(raw)["payload"], validate=True))["filing"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReceiptRefused("expected a receipt that names a filing") from error


def _check_same(statement: Statement, package: FilingPackage, key: str) -> None:
    expected = {
        "filing": str(package.filing),
        "key": key,
        "pdf_sha256": package.pdf_sha256,
        "json_sha256": package.twin_sha256,
        "simulation": package.simulation,
    }
    for name, value in expected.items():
        came = getattr(statement, name)
        if came != value:
            raise ReceiptRefused(f"it is for {name} {one_line(str(came), 80)}, not {value}")
