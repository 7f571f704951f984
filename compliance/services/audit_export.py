"""The auditor goes home with the record: packed by a worker, or by a command without one.

Leaves hold no personal text, so every export has all of them. What its reader may see decides
which sealed words are disclosed and which papers go along; the disclosure is recorded too.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from compliance import lease, queries
from compliance.actors import Actor, require, system
from compliance.audit import archive, sequencer
from compliance.audit.advance import advance
from compliance.audit.export import ExportFile, ExportRefused, Written, write_export
from compliance.audit.log import record
from compliance.clock import now
from compliance.filestore import FileStoreError
from compliance.hostile import one_line
from compliance.machines import TransitionRefused
from compliance.models import AuditExport, Blob, Subject
from compliance.permissions import Permission
from compliance.queue import enqueue
from compliance.services import account, blob, subject
from compliance.states import EXPORT

log = logging.getLogger(__name__)
PACKER = system("packer")
LEASE_SECONDS = 600


class NothingToExport(TransitionRefused):
    """No head of the log is signed yet."""


@transaction.atomic
def request(*, by: Actor) -> AuditExport:
    """Ask for an export; a worker packs it. That it was asked for is in the record as well."""
    require(by, Permission.AUDIT_EXPORT)
    made = AuditExport.objects.create(
        subject=subject.make("export", f"Export {now():%Y-%m-%d %H:%M}Z"),
        asked_by_id=by.user_id,
        asked_at=now(),
    )
    record("export.request", made, by=by, after="queued")
    enqueue(AuditExport.TASK, made.pk, queue=AuditExport.QUEUE)
    return made


@transaction.atomic
def retry(export: AuditExport, *, by: Actor) -> None:
    """A person asks to pack a failed export again."""
    advance(export, EXPORT, "retry", by=by, changes={"attempts": 0, "problem": ""})
    enqueue(AuditExport.TASK, export.pk, queue=AuditExport.QUEUE)


def pack(pk: int) -> None:
    """Pack one waiting export as the person who asked for it may see it."""
    taken: AuditExport | None = lease.claim(
        AuditExport, pk, waiting="queued", running="running", seconds=LEASE_SECONDS
    )
    if taken is None:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="strata-export-") as folder:
            out = Path(folder) / "export.zip"
            written = write(out, by=_reader(taken))
            _finish(taken, written)
    except (NothingToExport, ExportRefused, FileStoreError) as error:
        _fail(taken, str(error))


def _reader(export: AuditExport) -> Actor:
    return account.actor_for(export.asked_by, via="worker") if export.asked_by else PACKER


def _finish(export: AuditExport, written: Written) -> None:
    kept = blob.keep(
        export.subject,
        f"audit-export-{written.n_entries}.zip",
        "application/zip",
        written.path.read_bytes(),
        retention=Blob.Retention.WORKING.value,
        by=PACKER,
    )
    advance(
        export,
        EXPORT,
        "finish",
        by=PACKER,
        fence=export.fence,
        changes={
            **lease.free(),
            "blob": kept,
            "n_entries": written.n_entries,
            "problem": one_line("; ".join(written.problems), 500),
        },
        n_entries=written.n_entries,
        export_sha256=written.sha256,
        n_problems=len(written.problems),
    )


def _fail(export: AuditExport, why: str) -> None:
    advance(
        export,
        EXPORT,
        "fail",
        by=PACKER,
        fence=export.fence,
        note=why,
        changes={**lease.free(), "problem": one_line(why, 500)},
    )


def write(out: Path, *, by: Actor, previous: str | None = None) -> Written:
    """Write the export file for one reader: every leaf, and the words and papers they may see.

    Everything recorded so far is sequenced and signed first, the disclosure of sealed words
    included, so that the export tells of itself.

    Raises:
        NotAllowed: the reader may not export.
        NothingToExport: the log is empty.
        ExportRefused: too large for one archive.
    """
    require(by, Permission.AUDIT_EXPORT)
    readable = readable_subjects(by)
    _record_disclosure(readable, by)
    while sequencer.sequence():
        pass
    head = sequencer.newest()
    if head is None:
        raise NothingToExport(_("Nothing is recorded yet; there is no signed head to export."))
    with tempfile.TemporaryDirectory(prefix="strata-export-files-") as folder:
        return write_export(
            out,
            checkpoint_note=head.note,
            leaves=archive.leaves(head.size),
            leaf_hashes=archive.hashes(head.size),
            disclosures=archive.disclosures(head.size, readable),
            files=list(_files(head.size, by, Path(folder))),
            policy={
                "origin": settings.STRATA_LOG_ORIGIN,
                "verification_key": sequencer.verification_key(),
                "reader": str(by.id),
            },
            previous=previous,
        )


def readable_subjects(by: Actor) -> set[UUID]:
    """Whose sealed words this reader may see: open subjects, and restricted ones granted to them."""
    visible = Subject.objects.visible_to(by, Permission.AUDIT_READ)
    return set(visible.values_list("uuid", flat=True))


@transaction.atomic
def _record_disclosure(readable: set[UUID], by: Actor) -> None:
    place = subject.make("disclosure", _("Disclosure in an export"))
    record("audit.disclose", _Disclosed(place), by=by, n_subjects=len(readable))


class _Disclosed:
    """A disclosure as the log speaks of it: about no one thing but the act itself."""

    kind = "disclosure"

    def __init__(self, place: Subject) -> None:
        self.subject = place
        self.uuid = place.uuid


def _files(size: int, by: Actor, folder: Path) -> Iterator[ExportFile]:
    """The papers and receipts this reader may see, each once, if an entry speaks of its digest."""
    leaves = _leaf_of_digest(size)
    for kept in queries.blobs_for(by).exclude(subject__kind="export").order_by("pk"):
        leaf = leaves.pop(kept.sha256, None)
        if leaf is None:
            continue
        path = folder / kept.sha256
        try:
            path.write_bytes(blob.read(kept))
        except FileStoreError as error:
            log.warning("export: %s is left out: %s", kept.uuid, error)
            continue
        yield ExportFile(f"blobs/{kept.sha256}", path, kept.sha256, title=kept.name, leaf=leaf)


def _leaf_of_digest(size: int) -> dict[str, int]:
    """For each stored digest the first entry that says it was kept."""
    by_uuid = archive.kept_at(size)
    digests = Blob.objects.filter(uuid__in=list(by_uuid)).order_by("-pk")
    return {each.sha256: by_uuid[each.uuid] for each in digests}
