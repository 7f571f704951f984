"""What every table shares: a public uuid, and the columns of leased work."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

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


class Leg(NamedTuple):
    """One stretch of leased work: where a row waits, where a lease holds it, which task it asks for."""

    waiting: str
    running: str
    task: str


class LeasedWork(models.Model):
    """A row that is work: waits, is claimed by lease, is written back under its fence.

    Work that is done in several stretches names the later ones as `LATER_LEGS`.
    """

    MACHINE: ClassVar[Machine]
    TASK: ClassVar[str]
    QUEUE: ClassVar[str] = "default"
    WAITING: ClassVar[str] = "queued"
    RUNNING: ClassVar[str] = "running"
    LATER_LEGS: ClassVar[tuple[Leg, ...]] = ()
    MOST_ATTEMPTS: ClassVar[int] = 3
    MOST_BELLS: ClassVar[int] = 200  # how many lost ones the keeper makes up for in one round

    lease_until = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=120, blank=True, default="")
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @classmethod
    def legs(cls) -> tuple[Leg, ...]:
        """Every stretch of this work."""
        return (Leg(cls.WAITING, cls.RUNNING, cls.TASK), *cls.LATER_LEGS)
