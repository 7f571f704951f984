import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.filing import signing, wire
from compliance.filing.base import idempotency_key
from tests.compliance.filing.doubles import KEY, PACKAGE, SIGNER

PUBLIC = SIGNER.private.public_key()
OTHER = Ed25519PrivateKey.generate().public_key()


def test_a_signed_package_is_the_same_package_under_the_same_key():
    signed = signing.signed(PACKAGE, SIGNER)
    assert signed.manifest() == PACKAGE.manifest()
    assert idempotency_key(signed) == KEY
    assert signing.signed(PACKAGE, SIGNER) == signed
    assert signing.signed(signed, None) is signed
    assert signing.signed(PACKAGE, None) is PACKAGE


def test_the_signature_of_the_manifest_holds_and_names_its_key():
    signatures = signing.signed(PACKAGE, SIGNER).signatures
    signing.check(signatures, signing.MANIFEST_TYPE, PACKAGE.manifest(), PUBLIC)
    (said,) = json.loads(signatures)["signatures"]
    assert (said["name"], said["alg"]) == ("strata.test/log", "Ed25519")


def test_it_holds_for_nothing_else():
    signatures = signing.signed(PACKAGE, SIGNER).signatures
    manifest, other = PACKAGE.manifest(), replace(PACKAGE, pdf=b"%PDF-other").manifest()
    for kind, payload, public in (
        (signing.MANIFEST_TYPE, other, PUBLIC),
        (signing.MANIFEST_TYPE, manifest, OTHER),
        (signing.BODY_TYPE, manifest, PUBLIC),
    ):
        with pytest.raises(signing.SignatureRefused):
            signing.check(signatures, kind, payload, public)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"payloadType": 1, "signatures": []}'])
def test_what_is_no_signature_is_refused(raw):
    with pytest.raises(signing.SignatureRefused, match="expected"):
        signing.check(raw, signing.MANIFEST_TYPE, PACKAGE.manifest(), PUBLIC)


def test_the_header_signs_the_exact_body():
    body = wire.encode(PACKAGE).content
    header = signing.header(body, SIGNER)
    signing.check_header(header, body, PUBLIC)
    for value, content, public in (
        (header, body + b"\n", PUBLIC),
        (header, body, OTHER),
        ("", body, PUBLIC),
        (header.replace("filing-body", "filing-manifest"), body, PUBLIC),
        (header.replace('sig="', 'sig="='), body, PUBLIC),
    ):
        with pytest.raises(signing.SignatureRefused):
            signing.check_header(value, content, public)


def test_signatures_travel_in_both_forms_and_a_package_without_them_is_still_read():
    for package in (PACKAGE, signing.signed(PACKAGE, SIGNER)):
        body = wire.encode(package)
        for arrived in (
            wire.decode(body.content_type, body.content),
            wire.unzipped(wire.zipped(package)),
        ):
            assert arrived.manifest_bytes == PACKAGE.manifest()
            assert arrived.signatures == package.signatures


def test_an_archive_is_the_same_bytes_every_time():
    assert wire.zipped(PACKAGE) == wire.zipped(PACKAGE)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_archive_is_refused(content):
    with pytest.raises(wire.PackageRefused, match="no whole archive"):
        wire.unzipped(content)


def test_an_archive_with_a_stranger_in_it_is_refused():
    import io
    import zipfile

    found = io.BytesIO(wire.zipped(PACKAGE))
    with zipfile.ZipFile(found, "a") as archive:
        archive.writestr("../evil", b"")
    with pytest.raises(wire.PackageRefused, match="expected the files"):
        wire.unzipped(found.getvalue())
