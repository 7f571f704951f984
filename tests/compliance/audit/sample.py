"""A small log: a report that was filed and a rollback that was approved, with its export."""

import hashlib
import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit import canonical, checkpoint, export, merkle, verify

ADA, BO, SYSTEM = (str(UUID(int=n)) for n in (0xADA, 0xB0, 0x5))
REPORT = {"kind": "report", "id": str(UUID(int=0x17))}
ROLLBACK = {"kind": "rollback", "id": str(UUID(int=0x42))}
PDF = b"%PDF-1.7 a serious incident, page 1 of 1"
BLOB = b"what the model said, byte for byte"
SALT = bytes(range(32))
NOTE = "Drifted after the tool was added. <b>\u202etxt.exe"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_event(number: int, action: str = "log.heartbeat", **changes: Any) -> dict[str, Any]:
    """Give one event; `number` sets its id and its minute."""
    hour, minute = divmod(number, 60)
    return {
        "v": "strata.event/v1",
        "id": str(UUID(int=0x1000 + number)),
        "at": f"2026-11-22T{hour:02}:{minute:02}:00.000000Z",
        "actor": {"id": SYSTEM, "kind": "system", "via": "worker"},
        "action": action,
        "subject": {"kind": "incident", "id": str(UUID(int=0x99))},
        "object": {"kind": "", "id": ""},
        "before": "",
        "after": "",
        "facts": {},
        "request": "",
        "commitments": {},
        **changes,
    }


def by(person: str) -> dict[str, str]:
    return {"id": person, "kind": "person", "via": "ui"}


def story() -> list[dict[str, Any]]:
    """The events of the small log, in order."""
    rows: list[tuple[str, str, dict[str, str], str, str, dict[str, Any]]] = [
        ("report.start", BO, REPORT, "", "drafting", {"duty": "serious-incident"}),
        ("report.submit", BO, REPORT, "drafting", "review", {}),
        ("rollback.request", BO, ROLLBACK, "", "requested", {"tries": 0}),
        ("report.approve", ADA, REPORT, "review", "approved", {}),
        ("report.render", SYSTEM, REPORT, "", "", {"files": [{"sha256": digest(PDF)}]}),
        ("rollback.approve", ADA, ROLLBACK, "requested", "approved", {}),
        ("report.file", ADA, REPORT, "approved", "filed", {}),
        ("hold.store", SYSTEM, ROLLBACK, "", "", {"blob": f"sha256:{digest(BLOB)}"}),
        ("report.acknowledge", SYSTEM, REPORT, "filed", "acknowledged", {"receipt": "R-17"}),
        ("log.heartbeat", SYSTEM, {"kind": "", "id": ""}, "", "", {}),
    ]
    return [
        make_event(
            number,
            action,
            actor=by(person),
            object=thing,
            before=before,
            after=after,
            facts=facts,
            commitments={"note": canonical.commitment(SALT, NOTE)} if number == 2 else {},
        )
        for number, (action, person, thing, before, after, facts) in enumerate(rows)
    ]


@dataclass
class SampleLog:
    """A log in memory, with the one key that may sign it."""

    events: list[dict[str, Any]] = field(default_factory=story)
    signer: checkpoint.Signer = field(
        default_factory=lambda: checkpoint.Signer(
            "strata.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        )
    )

    @property
    def key(self) -> verify.Key:
        return self.signer.key

    @property
    def leaves(self) -> list[bytes]:
        return [canonical.dumps(event) for event in self.events]

    def note(self, size: int | None = None) -> str:
        """Sign the first `size` entries, or all."""
        hashes = [merkle.leaf_hash(leaf) for leaf in self.leaves][:size]
        state = verify.Checkpoint(self.signer.name, len(hashes), merkle.root(hashes))
        return checkpoint.sign(state, self.signer)

    def parts(self) -> dict[str, Any]:
        """What `write_export` takes."""
        return {
            "checkpoint_note": self.note(),
            "leaves": self.leaves,
            "disclosures": [export.Disclosure(2, "note", SALT, NOTE)] if self.events else [],
            "files": [
                export.ExportFile("documents/report-17.pdf", PDF, digest(PDF), "Report 17", 4),
                export.ExportFile(f"blobs/{digest(BLOB)}", BLOB, digest(BLOB)),
            ]
            if self.events
            else [],
            "policy": {"origin": self.signer.name, "vkey": str(self.key)},
            "previous": self.note(5),
        }

    def export(self, folder: Path, **changes: Any) -> bytes:
        out = folder / "export.zip"
        export.write_export(out, **{**self.parts(), **changes})
        return out.read_bytes()

    def verify(self, data: bytes, previous: str | None = None) -> verify.Report:
        earlier = previous.encode() if previous is not None else None
        return verify.verify_export(io.BytesIO(data), self.key, earlier)


def unpack(data: bytes) -> dict[str, bytes]:
    """Give the members of an export by name."""
    archive = verify.Archive(io.BytesIO(data))
    return {name: b"".join(archive.pieces(name)) for name in archive.members}


def repack(members: dict[str, bytes]) -> bytes:
    """Pack members as somebody would who knows the format: all checksums right again."""
    whole, listed = b"", []
    for name in sorted(members):
        member = verify.Member(name, zlib.crc32(members[name]), len(members[name]), len(whole))
        whole += verify.local_header(member) + members[name]
        listed.append(member)
    return whole + verify.directory(listed)
