"""A regulator to practise with: takes simulated filings and signs for them.

    python -m compliance.filing.sandbox --port 8801 --state var/sandbox --fail-first 1

    POST /filings              a package, with an Idempotency-Key; a signed receipt comes back
    GET  /filings?key=KEY      the receipt of what was filed under a key
    GET  /filings/REFERENCE    the receipt of a filing; /document.pdf and /data.json below it
    GET  /key                  the public key the receipts are signed with
    GET  /                     what was received, for people

It is a process of its own with a key of its own, so that what the product does towards a regulator
is done towards somebody else. It refuses whatever is not marked as a simulation.
"""

import argparse
import hashlib
import html
import json
import os
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance import clock, loopback
from compliance.filing import wire
from compliance.filing.receipt import Statement, key_id, sign
from compliance.hostile import one_line
from compliance.loopback import Reply, Request

RETRY_AFTER_SECONDS: Final = 2
_KEY: Final = re.compile(r"[!-~]{1,200}\Z")
_REFERENCE: Final = re.compile(r"/filings/(SIM-[0-9]{6})(?:/(document\.pdf|data\.json))?\Z")


@dataclass(frozen=True)
class Filed:
    """One filing as the sandbox keeps it: a folder of files."""

    folder: Path

    @property
    def reference(self) -> str:
        """What the sandbox calls it."""
        return self.folder.name

    @property
    def envelope(self) -> bytes:
        """The signed receipt."""
        return (self.folder / "receipt.json").read_bytes()

    @property
    def about(self) -> dict[str, Any]:
        """Its key, filing and manifest digest, when it came and for whom."""
        found: dict[str, Any] = json.loads((self.folder / "about.json").read_bytes())
        return found


@dataclass
class Sandbox:
    """The regulator: its key, what it has received, and how often it still fails."""

    state: Path
    private: Ed25519PrivateKey = field(repr=False)
    failures_left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def at(cls, state: Path, *, fail_first: int = 0) -> Self:
        """Open a state folder, or begin one with a new key."""
        (state / "filings").mkdir(parents=True, exist_ok=True)
        return cls(state, _private_key(state / "key.raw"), fail_first)

    def answer(self, request: Request) -> Reply:
        """The reply to any request."""
        if (request.method, request.path) == ("POST", "/filings"):
            with self._lock:
                return self._receive(request)
        if request.method != "GET":
            return _problem(405, f"{request.method} is not understood here")
        if request.path == "/":
            return Reply(200, self._index().encode(), "text/html; charset=utf-8")
        if request.path == "/key":
            return Reply(200, self._key())
        if request.path == "/filings":
            return self._by_key(request.query.get("key", ""))
        return self._by_path(request.path)

    def filings(self) -> Iterator[Filed]:
        """All that was received, oldest first."""
        for folder in sorted((self.state / "filings").glob("SIM-*")):
            yield Filed(folder)

    def _receive(self, request: Request) -> Reply:
        if self.failures_left > 0:
            self.failures_left -= 1
            return _problem(
                503,
                "the sandbox is busy, as it was told to be",
                **{"Retry-After": RETRY_AFTER_SECONDS},
            )
        key = request.headers.get("idempotency-key", "")
        if not _KEY.match(key):
            return _problem(400, "expected an Idempotency-Key of 1 to 200 visible characters")
        try:
            arrived = wire.decode(request.headers.get("content-type", ""), request.body)
            _check_acceptable(arrived)
        except wire.PackageRefused as error:
            return _problem(422, str(error))
        return self._settle(key, arrived)

    def _settle(self, key: str, arrived: wire.Arrived) -> Reply:
        """Once per key and once per filing: repeats get the first receipt, others a refusal."""
        about = {
            "key": key,
            "filing": str(arrived.manifest["filing"]),
            "manifest_sha256": hashlib.sha256(arrived.manifest_bytes).hexdigest(),
        }
        for filed in self.filings():
            known = {name: filed.about[name] for name in about}
            if known == about:
                return Reply(200, filed.envelope)
            if known["key"] == key:
                return _problem(409, f"the key was used for another package, {filed.reference}")
            if known["filing"] == about["filing"]:
                return _problem(409, f"the filing was received before, as {filed.reference}")
        return Reply(201, self._keep(about, arrived).envelope)

    def _keep(self, about: dict[str, str], arrived: wire.Arrived) -> Filed:
        reference, received_at = f"SIM-{len(list(self.filings())) + 1:06d}", clock.now()
        statement = Statement(
            reference=reference,
            filing=about["filing"],
            key=about["key"],
            pdf_sha256=arrived.manifest["pdf"]["sha256"],
            json_sha256=arrived.manifest["json"]["sha256"],
            received_at=received_at,
            simulation=True,
        )
        more = {"received_at": clock.stamp(received_at), "recipient": arrived.manifest["recipient"]}
        contents = {
            "manifest.json": arrived.manifest_bytes,
            "document.pdf": arrived.pdf,
            "data.json": arrived.twin,
            "about.json": json.dumps(about | more).encode(),
            "receipt.json": sign(statement, self.private),
        }
        return Filed(_appear(self.state / "filings" / reference, contents))

    def _by_key(self, key: str) -> Reply:
        for filed in self.filings():
            if filed.about["key"] == key:
                return Reply(200, filed.envelope)
        return _problem(404, "nothing was filed under this key")

    def _by_path(self, path: str) -> Reply:
        match = _REFERENCE.match(path)
        folder = self.state / "filings" / match.group(1) if match else None
        if match is None or folder is None or not folder.is_dir():
            return _problem(404, "there is nothing here")
        name = match.group(2)
        if not name:
            return Reply(200, Filed(folder).envelope)
        return Reply(
            200,
            (folder / name).read_bytes(),
            "application/pdf" if name.endswith("pdf") else "application/json",
            {"Content-Disposition": f'attachment; filename="{folder.name}-{name}"'},
        )

    def _key(self) -> bytes:
        public = self.private.public_key()
        return json.dumps(
            {
                "algorithm": "Ed25519",
                "key_id": key_id(public),
                "public_key": b64encode(public.public_bytes_raw()).decode(),
            }
        ).encode()

    def _index(self) -> str:
        rows = "".join(_row(filed) for filed in self.filings())
        return _PAGE.format(
            rows=rows or '<tr><td colspan="5">Nothing was received yet.</td></tr>',
            key=key_id(self.private.public_key()),
        )


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Regulator sandbox: SIMULATION</title></head>
<body><h1>Regulator sandbox: SIMULATION</h1>
<p>Nothing here reaches an authority. Receipts are signed with the key {key}.</p>
<table><caption>Filings received</caption>
<thead><tr><th scope="col">Reference</th><th scope="col">Received (UTC)</th>
<th scope="col">For</th><th scope="col">Filing</th><th scope="col">Files</th></tr></thead>
<tbody>{rows}</tbody></table></body></html>
"""


def _row(filed: Filed) -> str:
    about = {name: html.escape(one_line(str(value), 120)) for name, value in filed.about.items()}
    here = f"/filings/{filed.reference}"
    return (
        f'<tr><th scope="row"><a href="{here}">{filed.reference}</a></th>'
        f"<td>{about['received_at']}</td><td>{about['recipient']}</td><td>{about['filing']}</td>"
        f'<td><a href="{here}/document.pdf">PDF</a> <a href="{here}/data.json">JSON</a></td></tr>'
    )


def _check_acceptable(arrived: wire.Arrived) -> None:
    if arrived.manifest.get("simulation") is not True:
        raise wire.PackageRefused(
            "this is a sandbox and takes simulations alone; the package is not marked as one"
        )
    if not arrived.pdf.startswith(b"%PDF-"):
        raise wire.PackageRefused("the document is no PDF")
    try:
        UUID(arrived.manifest.get("filing"))
        twin = json.loads(arrived.twin)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise wire.PackageRefused("the filing's uuid or its JSON cannot be read") from error
    if not isinstance(twin, dict) or not isinstance(arrived.manifest.get("recipient"), str):
        raise wire.PackageRefused("expected an object as JSON, and the recipient as text")


def _problem(status: int, detail: str, **headers: object) -> Reply:
    return Reply(
        status,
        json.dumps({"status": status, "detail": detail}).encode(),
        "application/problem+json",
        {name: str(value) for name, value in headers.items()},
    )


def _appear(folder: Path, contents: dict[str, bytes]) -> Path:
    """Write a folder aside and move it into place, so that it is there whole or not at all."""
    aside = folder.with_name(f".incoming-{folder.name}")
    aside.mkdir(exist_ok=True)
    for name, content in contents.items():
        with (aside / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    return aside.rename(folder)


def _private_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m compliance.filing.sandbox",
        description="A regulator to practise with; it takes simulations alone.",
    )
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="where filings and key are kept")
    parser.add_argument(
        "--fail-first", type=int, default=0, metavar="N", help="answer 503 to the first N filings"
    )
    chosen = parser.parse_args(arguments)
    sandbox = Sandbox.at(chosen.state, fail_first=chosen.fail_first)
    loopback.run("regulator sandbox", chosen.port, sandbox.answer)


if __name__ == "__main__":
    main()
