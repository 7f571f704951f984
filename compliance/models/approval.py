"""The second pair of eyes, for gates, waivers, rollbacks, reports and documents alike."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from compliance.models.base import Public
from compliance.models.subject import Subject


class ApprovalRequest(Public):
    """Somebody asks others to approve exactly this content."""

    kind = "approval"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="approval_requests")
    thing_kind = models.CharField(max_length=40)
    thing_uuid = models.UUIDField()
    purpose = models.CharField(max_length=60)
    permission = models.CharField(max_length=40)
    title = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    needed = models.PositiveSmallIntegerField(default=1)
    asked_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=20, default="asked")

    class Meta:
        # What waits for me.
        indexes = (models.Index(fields=["state", "permission"], name="approval_waiting"),)


class Approval(models.Model):
    """One person's yes to one digest. The database itself refuses the asker's own."""

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="approvals")
    person = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    asked_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["request", "person"], name="approval_once_a_person"),
            models.CheckConstraint(
                condition=~Q(person=F("asked_by")), name="approval_never_by_the_asker"
            ),
        )
