import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit.canonical import dumps
from compliance.filing.receipt import (
    PAYLOAD_TYPE,
    ReceiptRefused,
    Statement,
    key_id,
    open_receipt,
    parse_public_key,
    pre_authentication,
    sign,
)

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key()
STATEMENT = Statement(
    reference="SIM-000001",
    filing="017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    key="k1",
    pdf_sha256="a" * 64,
    json_sha256="b" * 64,
    received_at=datetime(2026, 8, 2, 12, tzinfo=UTC),
    simulation=True,
)


def signed(payload: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    signature = PRIVATE.sign(pre_authentication(kind, payload))
    return json.dumps(
        {
            "payloadType": kind,
            "payload": b64encode(payload).decode(),
            "signatures": [{"sig": b64encode(signature).decode()}],
        }
    ).encode()


def test_the_example_of_dsse_is_encoded_as_dsse_says():
    encoded = pre_authentication("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_a_receipt_opens_with_the_key_that_signed_it():
    assert open_receipt(sign(STATEMENT, PRIVATE), PUBLIC) == STATEMENT


def test_another_key_does_not_open_it():
    with pytest.raises(ReceiptRefused, match=key_id(PUBLIC)[:16]):
        open_receipt(sign(STATEMENT, Ed25519PrivateKey.generate()), PUBLIC)


def test_no_altered_byte_of_the_payload_or_signature_goes_unnoticed():
    envelope = json.loads(sign(STATEMENT, PRIVATE))
    holders = [(envelope, "payload"), (envelope["signatures"][0], "sig")]
    for holder, name in holders:
        whole = b64decode(holder[name])
        for place in range(len(whole)):
            altered = bytearray(whole)
            altered[place] ^= 1
            holder[name] = b64encode(altered).decode()
            with pytest.raises(ReceiptRefused, match="no signature"):
                open_receipt(json.dumps(envelope).encode(), PUBLIC)
        holder[name] = b64encode(whole).decode()


@pytest.mark.parametrize(
    "envelope",
    [b"", b"\xff", b"[]", b"null", b"{}", b"[" * 100_000, b'{"payloadType":1,"payload":"*"}'],
)
def test_what_is_no_envelope_is_refused(envelope):
    with pytest.raises(ReceiptRefused, match="expected a DSSE envelope"):
        open_receipt(envelope, PUBLIC)


def test_an_envelope_of_another_kind_is_refused_although_signed():
    with pytest.raises(ReceiptRefused, match="expected a payload of"):
        open_receipt(signed(b"{}", "text/plain"), PUBLIC)


def statement(**changes: object) -> bytes:
    whole = vars(STATEMENT) | {"v": "strata.receipt/v1", "received_at": "2026-08-02T12:00:00Z"}
    return dumps(whole | changes)


def test_the_spoilt_statements_below_are_spoilt_by_their_change_alone():
    assert open_receipt(signed(statement()), PUBLIC) == STATEMENT


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"[]",
        b"not json",
        statement(v="strata.receipt/v2"),
        statement(simulation="true"),
        statement(reference=""),
        statement(filing=7),
        statement(received_at="soon"),
        statement(received_at="2026-08-02T12:00:00"),
        statement(received_at=None),
    ],
)
def test_a_statement_that_lacks_something_is_refused_although_signed(payload):
    with pytest.raises(ReceiptRefused):
        open_receipt(signed(payload), PUBLIC)


def test_an_instant_of_another_zone_is_read_as_the_same_instant():
    payload = statement(received_at="2026-08-02T14:00:00+02:00")
    assert open_receipt(signed(payload), PUBLIC) == STATEMENT


def test_a_public_key_is_read_from_base64():
    text = b64encode(PUBLIC.public_bytes_raw()).decode()
    assert key_id(parse_public_key(text)) == key_id(PUBLIC)


@pytest.mark.parametrize("text", ["", "AAAA", "*", "ä"])
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(ValueError, match="32 bytes"):
        parse_public_key(text)


def test_a_receipt_for_an_exercise_says_so_under_the_signature():
    earnest = replace(STATEMENT, simulation=False)
    assert not open_receipt(sign(earnest, PRIVATE), PUBLIC).simulation
