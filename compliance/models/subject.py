"""The access map: every root object on every storey owns a Subject, and grants open it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from compliance.ids import uuid7

if TYPE_CHECKING:
    from compliance.actors import Actor
    from compliance.permissions import Permission


class SubjectQuery(models.QuerySet["Subject"]):
    """Subjects as an actor may see them."""

    def visible_to(self, actor: Actor, permission: Permission) -> SubjectQuery:
        """What the actor may see under this permission: by role, unless restricted, or by grant."""
        granted = [uuid for uuid, held in actor.grants.items() if permission in held]
        if permission in actor.permissions:
            return self.filter(Q(restricted=False) | Q(uuid__in=granted))
        return self.filter(uuid__in=granted)


class Subject(models.Model):
    """One thing that can be seen or hidden as a whole, with everything that hangs on it."""

    kind = models.CharField(max_length=40)
    uuid = models.UUIDField(default=uuid7, unique=True, editable=False)
    label = models.CharField(max_length=200)
    restricted = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: Any = SubjectQuery.as_manager()

    class Meta:
        # Lists filter by kind and openness before anything else.
        indexes = (models.Index(fields=["kind", "restricted"], name="subject_kind"),)

    def __str__(self) -> str:
        return self.label

    @property
    def subject(self) -> Subject:
        """A subject is its own place, so that it can be recorded about."""
        return self


class Grant(models.Model):
    """One permission on one subject for one person."""

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="grants")
    person = models.ForeignKey("compliance.User", models.CASCADE, related_name="grants")
    permission = models.CharField(max_length=40)
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["subject", "person", "permission"], name="grant_once"),
        )
