from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.audit.canonical import loads
from compliance.filing.base import FilingPackage, idempotency_key
from compliance.filing.wire import PackageRefused, decode, encode

PACKAGE = FilingPackage(
    filing=UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
    recipient="market-surveillance-authority",
    pdf=b"%PDF-1.7\r\n--strata\r\n\x00\xff",
    twin=b'{"what_happened": "a tool was called"}',
    simulation=True,
)


@given(pdf=st.binary(max_size=500), twin=st.binary(max_size=500))
def test_a_package_arrives_as_it_left_whatever_its_bytes(pdf, twin):
    package = replace(PACKAGE, pdf=pdf, twin=twin)
    arrived = decode(*encode(package))
    assert (arrived.pdf, arrived.twin) == (pdf, twin)
    assert arrived.manifest_bytes == package.manifest()
    assert arrived.manifest == loads(package.manifest())


def test_a_package_holding_its_own_encoding_still_arrives():
    inside = replace(PACKAGE, pdf=encode(PACKAGE).content)
    assert decode(*encode(inside)).pdf == inside.pdf


def test_a_second_sending_is_byte_for_byte_the_first():
    assert encode(PACKAGE) == encode(replace(PACKAGE))


def test_the_key_follows_from_the_bytes():
    key = idempotency_key(PACKAGE)
    assert key == idempotency_key(replace(PACKAGE))
    others = (
        replace(PACKAGE, pdf=b"%PDF-2"),
        replace(PACKAGE, twin=b"{}"),
        replace(PACKAGE, simulation=False),
        replace(PACKAGE, recipient="ai-office"),
        replace(PACKAGE, supersedes=PACKAGE.filing),
    )
    assert len({key, *map(idempotency_key, others)}) == 6


def test_no_altered_byte_of_the_contents_goes_unnoticed():
    content_type, body = encode(PACKAGE)
    for content in (PACKAGE.pdf, PACKAGE.twin):
        start = body.index(content)
        for place in range(start, start + len(content)):
            altered = bytearray(body)
            altered[place] ^= 1
            with pytest.raises(PackageRefused):
                decode(content_type, bytes(altered))


TYPE, BODY = encode(PACKAGE)
BOUNDARY = TYPE.partition("boundary=")[2].encode()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", BODY),
        ("application/json", BODY),
        ("multipart/form-data", BODY),
        ("multipart/form-data; boundary=other", BODY),
        (TYPE, b""),
        (TYPE, BODY[:-4]),
        (TYPE, b"preamble" + BODY),
        (TYPE, BODY.replace(b'name="data"', b'name="document"')),
        (TYPE, BODY.replace(b'name="data"', b'name="../data"')),
        (TYPE, BODY.replace(b"Content-Disposition", b"X-Disposition")),
        (TYPE, BODY.replace(b"strata.filing/v1", b"strata.filing/v2")),
        (TYPE, BODY.replace(b'{"filing"', b'{ "filing"')),
        (TYPE, BODY.replace(PACKAGE.manifest(), b"[]")),
        (TYPE, BODY[: BODY.index(b"--" + BOUNDARY, 5)] + b"--" + BOUNDARY + b"--\r\n"),
    ],
)
def test_a_body_that_is_no_package_is_refused(content_type, body):
    with pytest.raises(PackageRefused):
        decode(content_type, body)
