"""Keep bytes: content-addressed, sealed at rest, with a retention class and holds."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.db import transaction
from django.db.models import F

from compliance.actors import Actor
from compliance.audit.log import keyring, record
from compliance.clock import now
from compliance.filestore import FileStore, LocalFileStore
from compliance.models import Blob, Subject


@cache
def store() -> FileStore:
    """Where this installation keeps its files."""
    return LocalFileStore(settings.STRATA_FILES, keyring())


def keep(
    subject: Subject, name: str, media_type: str, data: bytes, *, retention: str, by: Actor
) -> Blob:
    """Store bytes under their digest; the same bytes in the same subject are one blob.

    The bytes are written before the row: a crash between leaves an unnamed file, never a name
    without its file.
    """
    stored = store().put(data)
    with transaction.atomic():
        blob, new = Blob.objects.get_or_create(
            subject=subject,
            sha256=stored.sha256,
            defaults={
                "size": stored.size,
                "media_type": media_type,
                "name": name[:200],
                "retention": Blob.Retention(retention).value,
                "at": now(),
            },
        )
        if new:
            record(
                "blob.keep",
                blob,
                by=by,
                words={"name": name},
                sha256=stored.sha256,
                size=stored.size,
                retention=blob.retention,
            )
    return blob


def read(blob: Blob) -> bytes:
    """The bytes, checked against their digest while reading."""
    return store().read(blob.sha256)


@transaction.atomic
def hold(blob: Blob, *, by: Actor) -> None:
    """Keep it whatever its retention says. Holds are counted; each must be released."""
    Blob.objects.filter(pk=blob.pk).update(n_holds=F("n_holds") + 1)
    record("blob.hold", blob, by=by, sha256=blob.sha256)


@transaction.atomic
def release(blob: Blob, *, by: Actor) -> None:
    """One hold fewer."""
    if Blob.objects.filter(pk=blob.pk, n_holds__gt=0).update(n_holds=F("n_holds") - 1):
        record("blob.release", blob, by=by, sha256=blob.sha256)
