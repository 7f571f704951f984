"""What every table shares: a public uuid, and the columns of leased work."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.ids import uuid7
from compliance.machines import Machine


class Public(models.Model):
    """A row that outsiders may name: by `uuid`, never by its integer key.

    A concrete model also has a `subject`, its own or its root's: the place in the access map.
    """

    kind: ClassVar[str]

    uuid = models.UUIDField(default=uuid7, unique=True, editable=False)

    class Meta:
        abstract = True

    @property
    def ref(self) -> str:
        """The source reference that evidence and log entries use, "scan:0193…"."""
        return f"{self.kind}:{self.uuid}"

    @property
    def path(self) -> str:
        """The address that the roof resolves."""
        return f"/r/{self.kind}/{self.uuid}"


class LeasedWork(models.Model):
    """A row that is work: waits, is claimed by lease, is written back under its fence."""

    MACHINE: ClassVar[Machine]
    TASK: ClassVar[str]
    QUEUE: ClassVar[str] = "default"
    WAITING: ClassVar[str] = "queued"
    RUNNING: ClassVar[str] = "running"
    MOST_ATTEMPTS: ClassVar[int] = 3

    lease_until = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=120, blank=True, default="")
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
