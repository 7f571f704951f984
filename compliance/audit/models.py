"""The rows of the log. Nothing but this package may touch them.

There is no foreign key out of here: history must survive whatever it speaks of, and nothing
cascades into it. Entry, Leaf and Checkpoint are written once; the database itself refuses to
change or delete them (`triggers.py`).
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from compliance.clock import now
from compliance.ids import uuid7


class Immutable(models.Model):
    """A row that can be added and never changed."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save is an error."""
        if not self._state.adding:
            raise TypeError(
                f"{type(self).__name__} {self.pk} is part of the log: never saved twice."
            )
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Log rows cannot be deleted."""
        raise TypeError(
            f"{type(self).__name__} {self.pk} is part of the log: it cannot be deleted."
        )


class Entry(Immutable):
    """One thing that happened, as canonical bytes (`leaf`) and as columns to search by."""

    uuid = models.UUIDField(default=uuid7, unique=True, editable=False)
    at = models.DateTimeField(default=now, db_index=True)
    action = models.CharField(max_length=60)
    actor_id = models.UUIDField()
    actor_kind = models.CharField(max_length=10)
    subject_uuid = models.UUIDField()
    subject_kind = models.CharField(max_length=40)
    object_uuid = models.UUIDField()
    object_kind = models.CharField(max_length=40)
    request_id = models.CharField(max_length=36, blank=True, default="")
    leaf = models.BinaryField()

    class Meta:
        indexes = (
            # The timeline of one subject, oldest first.
            models.Index(fields=["subject_uuid", "id"], name="audit_entry_subject"),
            # The history of one object.
            models.Index(fields=["object_uuid", "id"], name="audit_entry_object"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%dT%H:%M:%SZ} {self.action} {self.object_kind}:{self.object_uuid}"


class SubjectKey(models.Model):
    """The wrapped data key of one subject. Deleting it erases every payload under it."""

    subject_uuid = models.UUIDField(unique=True)
    wrapped = models.BinaryField()


class Payload(models.Model):
    """Names, labels, notes and reasons of an entry, sealed under its subject's key."""

    entry = models.OneToOneField(Entry, models.PROTECT, related_name="payload")
    key = models.ForeignKey(SubjectKey, models.SET_NULL, null=True, related_name="payloads")
    sealed = models.BinaryField()


class Unsequenced(models.Model):
    """An entry that has no place in the tree yet. The sequencer deletes this row, and only this."""

    entry = models.OneToOneField(Entry, models.PROTECT, related_name="waiting")


class Leaf(Immutable):
    """An entry's gap-free place in the tree and its RFC 6962 leaf hash."""

    idx = models.PositiveBigIntegerField(unique=True)
    entry = models.OneToOneField(Entry, models.PROTECT, related_name="leaf_row")
    hash = models.BinaryField(max_length=32)


class Checkpoint(Immutable):
    """A signed C2SP tree head."""

    size = models.PositiveBigIntegerField(unique=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    at = models.DateTimeField(default=now)


class Head(models.Model):
    """Where the sequencer stands. One row per log; `epoch` fences a second sequencer off."""

    origin = models.CharField(max_length=200, unique=True)
    epoch = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    frontier = models.JSONField(default=list)
    root = models.BinaryField(max_length=32, default=bytes)
