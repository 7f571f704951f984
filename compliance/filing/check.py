"""Check a filing package offline: that it is whole, and who signed it.

    python -m compliance.filing.check PACKAGE.zip --key KEY

KEY is the installation's public key as its papers print it (name+id+base64), or the base64 of its
32 bytes. It must come from elsewhere than the package. Exit 0: whole and signed; 1: not; 2: the
question cannot be answered.
"""

import argparse
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from compliance.audit.checkpoint import NotANote, parse_key
from compliance.filing import signing, wire
from compliance.filing.receipt import key_id, parse_public_key


def public_key(text: str) -> Ed25519PublicKey:
    """The key, in either of its forms.

    Raises:
        ValueError: it is neither.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(parse_key(text).public)
    except (NotANote, ValueError):
        return parse_public_key(text)


def check(content: bytes, public: Ed25519PublicKey) -> list[str]:
    """What a package says of itself, once all of it was checked.

    Raises:
        PackageRefused: it is not whole.
        SignatureRefused: it is not signed by this key.
    """
    arrived = wire.unzipped(content)
    if not arrived.signatures:
        raise signing.SignatureRefused("the package holds no signatures")
    signing.check(arrived.signatures, signing.MANIFEST_TYPE, arrived.manifest_bytes, public)
    said = arrived.manifest
    return [
        f"filing      {said['filing']}",
        f"recipient   {said['recipient']}",
        f"simulation  {'yes' if said['simulation'] else 'no'}",
        f"pdf         {said['pdf']['sha256']}",
        f"json        {said['json']['sha256']}",
        f"signed by   {key_id(public)}",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Check one file and say so."""
    parser = argparse.ArgumentParser(
        prog="python -m compliance.filing.check",
        description="Check a filing package offline: that it is whole, and who signed it.",
    )
    parser.add_argument("package", type=Path, help="the archive")
    parser.add_argument("--key", required=True, help="the installation's public key")
    chosen = parser.parse_args(arguments)
    try:
        content, public = chosen.package.read_bytes(), public_key(chosen.key)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        lines = check(content, public)
    except (wire.PackageRefused, signing.SignatureRefused) as error:
        sys.stderr.write(f"NOT GOOD: {error}\n")
        return 1
    sys.stdout.write("\n".join([*lines, "whole and signed"]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
