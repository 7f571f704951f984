"""A package as it travels: the parts of one multipart body, or the files of one archive.

Manifest, document and data are always there; our signatures, where the package has them. The
bytes are the same every time.
"""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final, NamedTuple

from compliance.audit.canonical import loads
from compliance.filing.base import MANIFEST_VERSION, FilingPackage

_PARTS: Final = {
    "manifest": ("manifest.json", "application/json"),
    "document": ("document.pdf", "application/pdf"),
    "data": ("data.json", "application/json"),
    "signatures": ("signatures.json", "application/json"),
}
_OPTIONAL: Final = frozenset({"signatures"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest date an archive can say, so that it says none."""
MAX_ARCHIVE: Final = 256 << 20
"""Bytes, unpacked."""


class PackageRefused(Exception):
    """A package that came is not whole, or not what it says."""


class Body(NamedTuple):
    """What to send and what to call it."""

    content_type: str
    content: bytes


@dataclass(frozen=True)
class Arrived:
    """A package on the other side, its digests checked."""

    manifest: dict[str, Any]
    manifest_bytes: bytes = field(repr=False)
    pdf: bytes = field(repr=False)
    twin: bytes = field(repr=False)
    signatures: bytes = field(default=b"", repr=False)
    """As they came; whoever has the sender's key checks them with `signing.check`."""


def encode(package: FilingPackage) -> Body:
    """Write a package as multipart/form-data."""
    manifest = package.manifest()
    # From the digest of what names the content's digests: no content can hold it by chance, and a
    # second sending is byte for byte the first.
    boundary = f"strata-{hashlib.sha256(manifest).hexdigest()[:40]}"
    contents = _contents(package)
    pieces = [_part(boundary, name, content) for name, content in contents.items()]
    return Body(
        f"multipart/form-data; boundary={boundary}",
        b"".join(pieces) + f"--{boundary}--\r\n".encode(),
    )


def decode(content_type: str, body: bytes) -> Arrived:
    """Read a package and check it against its manifest.

    Raises:
        PackageRefused: a part is missing, or a digest is not the manifest's.
    """
    return _arrived(_split(content_type, body))


def zipped(package: FilingPackage) -> bytes:
    """The same package as one archive, for ways that carry files."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for name, content in _contents(package).items():
            entry = zipfile.ZipInfo(_PARTS[name][0], _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED  # no version of zlib changes it
            archive.writestr(entry, content)
    return found.getvalue()


def unzipped(content: bytes) -> Arrived:
    """Read an archive that `zipped` wrote and check it against its manifest.

    Raises:
        PackageRefused: it is no archive, or a file is missing, too much, or not the manifest's.
    """
    names = {filename: name for name, (filename, _) in _PARTS.items()}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MAX_ARCHIVE:
                raise PackageRefused(f"the archive unpacks to more than {MAX_ARCHIVE} bytes")
            if len({entry.filename for entry in entries} & set(names)) != len(entries):
                raise PackageRefused(f"expected the files {', '.join(names)}, each once")
            parts = {names[entry.filename]: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise PackageRefused(f"this is no whole archive: {error}") from error
    return _arrived(parts)


def _contents(package: FilingPackage) -> dict[str, bytes]:
    whole = {
        "manifest": package.manifest(),
        "document": package.pdf,
        "data": package.twin,
        "signatures": package.signatures,
    }
    return {name: content for name, content in whole.items() if content or name not in _OPTIONAL}


def _arrived(parts: dict[str, bytes]) -> Arrived:
    if not set(_PARTS) - _OPTIONAL <= set(parts):
        raise PackageRefused(f"expected the parts {', '.join(_PARTS)}; came {len(parts)} parts")
    try:
        manifest = loads(parts["manifest"])
    except ValueError as error:
        raise PackageRefused(f"the manifest is not canonical JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("v") != MANIFEST_VERSION:
        raise PackageRefused(f"expected a manifest of version {MANIFEST_VERSION}")
    for name, part in (("pdf", "document"), ("json", "data")):
        _check_digest(manifest, name, parts[part])
    return Arrived(
        manifest, parts["manifest"], parts["document"], parts["data"], parts.get("signatures", b"")
    )


def _part(boundary: str, name: str, content: bytes) -> bytes:
    filename, content_type = _PARTS[name]
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: {content_type}\r\n"
        "Content-Transfer-Encoding: binary\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


def _split(content_type: str, body: bytes) -> dict[str, bytes]:
    boundary = _boundary(content_type)
    opened, _, rest = body.partition(b"--" + boundary + b"\r\n")
    inner, closed, _ = rest.rpartition(b"\r\n--" + boundary + b"--")
    if opened or not closed:
        raise PackageRefused("the multipart body does not begin or end with its boundary")
    parts: dict[str, bytes] = {}
    for piece in inner.split(b"\r\n--" + boundary + b"\r\n"):
        name, content = _read_part(piece)
        if name in parts:
            raise PackageRefused(f"the part {name!r} came twice")
        parts[name] = content
    return parts


def _boundary(content_type: str) -> bytes:
    message = EmailMessage(policy=HTTP)
    message["Content-Type"] = content_type.replace("\r", "").replace("\n", "")
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary:
        raise PackageRefused("expected multipart/form-data with a boundary")
    return str(boundary).encode()


def _read_part(piece: bytes) -> tuple[str, bytes]:
    head, blank, content = piece.partition(b"\r\n\r\n")
    headers = BytesParser(policy=HTTP).parsebytes(head + b"\r\n\r\n", headersonly=True)
    name = headers["Content-Disposition"] and headers["Content-Disposition"].params.get("name")
    if not blank or name not in _PARTS:
        raise PackageRefused(f"expected parts called {', '.join(_PARTS)}")
    return str(name), content


def _check_digest(manifest: dict[str, Any], name: str, content: bytes) -> None:
    named = manifest.get(name)
    found = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    if named != found:
        raise PackageRefused(
            f"the manifest's {name} is not the one that came: that has {found['size']} bytes "
            f"and the digest {found['sha256']}"
        )
