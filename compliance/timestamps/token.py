"""Whether a time-stamp holds: for these bytes, in answer to our question, by whom we trust.

In this order, so that a refusal names the first thing that is wrong:

1. The answer is a time-stamp response, and the authority granted it.
2. Its imprint is the SHA-256 of our bytes.
3. It carries our nonce, where one was asked with, and the policy that is expected, if one is.
4. Its signature leads to one of our certificates, valid at the token's own time, and the signer may
   stamp times.

Not checked: whether a certificate was revoked. That needs the network, and the token must hold
without it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import rfc3161_client as rfc3161
from cryptography import x509
from cryptography.x509.oid import NameOID

from compliance.clock import in_utc
from compliance.hostile import one_line
from compliance.phrase import Phrase
from compliance.timestamps.base import Stamp, TimeStampError, TokenRefused

SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
MAX_TOKEN: Final = 64 << 10
"""A token with a chain of certificates has some 6 KiB."""
_MAX_SERIAL: Final = 1 << 160
"""RFC 3161 allows serial numbers up to here."""


@dataclass(frozen=True)
class Trust:
    """Whose word on the time is taken."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    policy: str = ""
    """The OID of the only policy that is taken; empty takes any."""


def trust(certificates: Path | None, policy: str = "") -> Trust:
    """From a file of PEM certificates: those that name themselves as issuer are roots.

    Raises:
        TimeStampError: there is no such file, or no root in it; permanent.
    """
    try:
        held = x509.load_pem_x509_certificates(certificates.read_bytes() if certificates else b"")
    except (OSError, ValueError) as error:
        raise TimeStampError(
            Phrase(
                "The authority's certificates cannot be read: %(why)s", why=one_line(str(error))
            ),
            permanent=True,
        ) from error
    roots = tuple(each for each in held if each.issuer == each.subject)
    if not roots:
        raise TimeStampError(
            Phrase("The authority's certificates hold no root, which signs itself."), permanent=True
        )
    return Trust(roots, tuple(each for each in held if each not in roots), policy)


def check(answer: bytes, content: bytes, trusted: Trust, *, nonce: int | None = None) -> Stamp:
    """What the token says, if it holds for these bytes. Needs no network.

    Args:
        answer: the authority's whole answer, in DER.
        content: what was stamped.
        trusted: whose word is taken.
        nonce: what the question carried; a stored token is checked without it.

    Raises:
        TimeStampError: it is no time-stamp response, or the authority granted nothing.
        TokenRefused: it is one and does not hold.
    """
    try:
        return _checked(answer, content, trusted, nonce)
    except rfc3161.VerificationError as error:
        raise TokenRefused(
            Phrase("The time-stamp does not hold: %(why)s", why=one_line(str(error)))
        ) from error
    except ValueError as error:
        raise TimeStampError(
            Phrase("What came is no time-stamp: %(why)s", why=one_line(str(error))),
            permanent=False,
        ) from error


def _checked(answer: bytes, content: bytes, trusted: Trust, nonce: int | None) -> Stamp:
    response = rfc3161.decode_timestamp_response(answer)
    _check_granted(response)
    said = response.tst_info
    imprint = hashlib.sha256(content)
    if said.message_imprint.hash_algorithm != SHA256:
        raise TokenRefused(
            Phrase("The time-stamp is over another digest than the SHA-256 it was asked for.")
        )
    if said.message_imprint.message != imprint.digest():
        raise TokenRefused(Phrase("The time-stamp is for other bytes."))
    if nonce is not None and said.nonce != nonce:
        raise TokenRefused(
            Phrase("The time-stamp answers another question: its nonce is not ours.")
        )
    policy = said.policy.dotted_string
    if trusted.policy and policy != trusted.policy:
        raise TokenRefused(
            Phrase(
                "The time-stamp is under the policy %(came)s; expected was %(policy)s.",
                came=policy,
                policy=trusted.policy,
            )
        )
    if not 0 <= said.serial_number < _MAX_SERIAL:
        raise TokenRefused(Phrase("The time-stamp's serial number is out of range."))
    _check_signed(response, imprint.digest(), trusted)
    return Stamp(
        token=answer,
        at=in_utc(said.gen_time),
        imprint_sha256=imprint.hexdigest(),
        authority=one_line(_signer(response), 300),
        serial=f"{said.serial_number:x}",
        policy=policy,
    )


def _check_granted(response: rfc3161.TimeStampResponse) -> None:
    """An authority may grant nothing for now; whether it will later, its answer hardly tells."""
    if response.status == rfc3161.PKIStatus.GRANTED:
        return
    raise TimeStampError(
        Phrase(
            "The authority granted no time-stamp (status %(status)s): %(why)s",
            status=response.status,
            why=one_line("; ".join(response.status_string)) or Phrase("it gave no reason"),
        ),
        permanent=False,
    )


def _check_signed(response: rfc3161.TimeStampResponse, digest: bytes, trusted: Trust) -> None:
    verifier = rfc3161.VerifierBuilder(
        roots=list(trusted.roots), intermediates=list(trusted.intermediates)
    )
    verifier.build().verify(response, digest)


def _signer(response: rfc3161.TimeStampResponse) -> str:
    """Who signed. The library has found exactly one, and its certificate beside the signature."""
    (signed,) = response.signed_data.signer_infos
    return next(
        _called(each.subject)
        for each in map(x509.load_der_x509_certificate, response.signed_data.certificates)
        if (each.issuer, each.serial_number) == (signed.issuer, signed.serial_number)
    )


def _called(subject: x509.Name) -> str:
    """Name, organisation and country, as far as they are given."""
    parts = [
        str(each.value)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME)
        for each in subject.get_attributes_for_oid(oid)
    ]
    return ", ".join(parts) or subject.rfc4514_string()
