"""The written permission to file without a person at the last step: for one regime, for a time."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from compliance.models.approval import ApprovalRequest
from compliance.models.base import Public
from compliance.models.subject import Subject
from compliance.states import RELEASE


class ReleaseAuthorisation(Public):
    """What may go out unattended, and why; approved by a second person, until it expires.

    `scope` says what is covered: {"stages": […], "reports": […], "authorities": […]}; a list that is
    missing or empty covers nothing. `sha256` covers regime, scope, reasons and expiry: it is what
    was approved.
    """

    kind = "release"
    MACHINE = RELEASE

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="release")
    regime = models.CharField(max_length=60)
    scope = models.JSONField(default=dict)
    reasons = models.TextField()
    asked_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    approval = models.OneToOneField(ApprovalRequest, models.PROTECT, null=True, related_name="+")
    given_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=20, default="asked")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("asked_at")), name="release_expires_after_asking"
            ),
        )
        # Whether one stands for this regime now.
        indexes = (models.Index(fields=["regime", "state", "expires_at"], name="release_standing"),)
