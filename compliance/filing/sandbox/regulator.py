"""The sandbox itself: from a request to a reply."""

import hashlib
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

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from compliance import clock
from compliance.filing import signing, wire
from compliance.filing.receipt import Statement, key_id, sign
from compliance.filing.sandbox import page
from compliance.filing.sandbox.callback import Callbacks
from compliance.filing.sandbox.faults import Fault, Kind, Plan, problem
from compliance.filing.sandbox.store import Busy, Conflict, Filed, Store
from compliance.filing.sandbox.time_stamper import PATH, STAMPS, TimeStamper
from compliance.loopback import Reply, Request

RETRY_AFTER_SECONDS: Final = 2
_KEY: Final = re.compile(r"[!-~]{1,200}\Z")
_REFERENCE: Final = re.compile(r"/filings/(SIM-[0-9]{6})(?:/(document\.pdf|data\.json))?\Z")
_PENDING: Final = Reply(202, b'{"detail":"received; the receipt follows"}')


@dataclass
class Sandbox:
    """The regulator: its key, what it has received, and how it still fails."""

    state: Path
    private: Ed25519PrivateKey = field(repr=False)
    store: Store = field(repr=False)
    failures_left: int = 0
    """So many filings are answered 503, before any plan."""
    plan: Plan = field(default_factory=Plan)
    callbacks: Callbacks = field(default_factory=lambda: Callbacks.to(""))
    client: Ed25519PublicKey | None = None
    """The key that must have signed body and manifest; None takes unsigned filings too."""
    _stamper: TimeStamper | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def at(
        cls,
        state: Path,
        *,
        fail_first: int = 0,
        plan: Plan | None = None,
        callback: str = "",
        client: Ed25519PublicKey | None = None,
    ) -> Self:
        """Open a state folder, or begin one with a new key; what is owed from before is paid."""
        store = Store.at(state / "filings")
        found = cls(
            state=state,
            private=_private_key(state / "key.raw"),
            store=store,
            failures_left=fail_first,
            plan=plan or Plan(),
            callbacks=Callbacks.to(callback),
            client=client,
        )
        for filed in store.all():
            if filed.is_pending:
                found.callbacks.owe(filed, 0.0)
        return found

    def answer(self, request: Request) -> Reply:
        """The reply to any request."""
        if (request.method, request.path) == ("POST", "/plan"):
            return self._change_plan(request.body)
        if self.plan.is_down:
            return _busy("the sandbox is down, as it was told to be")
        if request.path.startswith(PATH):
            return self.time_stamper().answer(request)
        if (request.method, request.path) == ("POST", "/filings"):
            return self._receive(request)
        if request.method != "GET":
            return problem(405, f"{request.method} is not understood here")
        return self._look_up(request)

    def time_stamper(self) -> TimeStamper:
        """Its neighbour, which stamps times; with its key on first use."""
        with self._lock:
            if self._stamper is None:
                self._stamper = TimeStamper.at(self.state / STAMPS)
            return self._stamper

    def filings(self) -> Iterator[Filed]:
        """All that was received, oldest first."""
        return self.store.all()

    def _look_up(self, request: Request) -> Reply:
        if request.path == "/":
            html = page.index(self.filings(), key_id(self.private.public_key()))
            return Reply(200, html, "text/html; charset=utf-8")
        if request.path == "/key":
            return Reply(200, self._key())
        if request.path == "/filings":
            return self._by_key(request.query.get("key", ""))
        return self._by_path(request.path)

    def _change_plan(self, body: bytes) -> Reply:
        try:
            self.plan = Plan.parse(body)
        except (ValueError, RecursionError) as error:
            return problem(400, str(error))
        return Reply(200, b"{}")

    def _receive(self, request: Request) -> Reply:
        with self._lock:
            if self.failures_left > 0:
                self.failures_left -= 1
                return _busy("the sandbox is busy, as it was told to be")
        key = request.headers.get("idempotency-key", "")
        fault = self.plan.next(key)
        if (instead := fault.instead()) is not None:
            return instead
        try:
            arrived = self._package(request, key)
        except wire.PackageRefused as error:
            return problem(422 if _KEY.match(key) else 400, str(error))
        except signing.SignatureRefused as error:
            return problem(401, str(error))
        if fault.kind is Kind.REJECTED and self.store.by_key(key) is None:
            return problem(422, "fields are missing or wrong", errors=_complaints(arrived))
        return self._settle(key, arrived, fault)

    def _package(self, request: Request, key: str) -> wire.Arrived:
        """What came, whole and acceptable."""
        if not _KEY.match(key):
            raise wire.PackageRefused("expected an Idempotency-Key of 1 to 200 visible characters")
        arrived = wire.decode(request.headers.get("content-type", ""), request.body)
        _check_acceptable(arrived)
        self._check_signed(request, arrived)
        return arrived

    def _settle(self, key: str, arrived: wire.Arrived, fault: Fault) -> Reply:
        """Once per key and once per filing: repeats get the first receipt, others a refusal."""
        about = {
            "key": key,
            "filing": str(arrived.manifest["filing"]),
            "manifest_sha256": hashlib.sha256(arrived.manifest_bytes).hexdigest(),
        }
        is_later = fault.kind is Kind.CALLBACK
        try:
            filed, is_new = self.store.keep(
                about, lambda reference: self._files(reference, about, arrived, later=is_later)
            )
        except Conflict as error:
            return problem(409, str(error))
        except Busy as error:
            return _busy(str(error))
        if is_new and is_later:
            self.callbacks.owe(filed, fault.seconds)
        if filed.is_pending:
            return _PENDING
        return fault.afterwards(Reply(201 if is_new else 200, filed.envelope))

    def _files(
        self, reference: str, about: dict[str, str], arrived: wire.Arrived, *, later: bool
    ) -> dict[str, bytes]:
        received_at = clock.now()
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
        found = {
            "manifest.json": arrived.manifest_bytes,
            "document.pdf": arrived.pdf,
            "data.json": arrived.twin,
            "about.json": json.dumps(about | more).encode(),
            "receipt.json": sign(statement, self.private),
        }
        if arrived.signatures:
            found["signatures.json"] = arrived.signatures
        return found | ({"pending": b""} if later else {})

    def _check_signed(self, request: Request, arrived: wire.Arrived) -> None:
        if self.client is None:
            return
        header = request.headers.get(signing.HEADER.lower(), "")
        signing.check_header(header, request.body, self.client)
        signing.check(
            arrived.signatures, signing.MANIFEST_TYPE, arrived.manifest_bytes, self.client
        )

    def _by_key(self, key: str) -> Reply:
        filed = self.store.by_key(key)
        if filed is None:
            return problem(404, "nothing was filed under this key")
        return _PENDING if filed.is_pending else Reply(200, filed.envelope)

    def _by_path(self, path: str) -> Reply:
        match = _REFERENCE.match(path)
        folder = self.state / "filings" / match.group(1) if match else None
        if match is None or folder is None or not folder.is_dir():
            return problem(404, "there is nothing here")
        name = match.group(2)
        if not name:
            return _PENDING if Filed(folder).is_pending else Reply(200, Filed(folder).envelope)
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


def _busy(detail: str) -> Reply:
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


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


def _complaints(arrived: wire.Arrived) -> list[tuple[str, str]]:
    """What a rejection names: the first fields of the report, or its title."""
    twin: dict[str, Any] = json.loads(arrived.twin)
    fields = twin.get("fields")
    named = [each.get("id") for each in fields or [] if isinstance(each, dict)]
    names = [name for name in named if isinstance(name, str)][:2] or ["title"]
    return [(name, "expected another answer, as the sandbox was told to") for name in names]


def _private_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
