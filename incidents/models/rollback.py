"""Putting an earlier version back, asked by one, approved by another, checked by two vantages."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from compliance.models import (
    ApprovalRequest,
    Deployment,
    LeasedWork,
    ModelVersion,
    Public,
    Subject,
)
from incidents.models.incident import Incident
from incidents.states import ROLLBACK


class Rollback(Public, LeasedWork):
    """`uuid` is the idempotency key at the target, so a retry cannot switch twice.

    `sha256` covers what was asked for; the approval binds to it.
    """

    kind = "rollback"
    MACHINE = ROLLBACK
    TASK = "incidents.execute_rollback"
    WAITING = "approved"
    RUNNING = "executing"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="rollbacks")
    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="rollbacks")
    from_version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    to_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="rollbacks_to")
    reason = models.TextField()
    requested_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    approval = models.OneToOneField(ApprovalRequest, models.PROTECT, null=True, related_name="+")
    sha256 = models.CharField(max_length=64, blank=True, default="")
    approved_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    executed_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    target_says = models.CharField(max_length=64, blank=True, default="")
    telemetry_says = models.CharField(max_length=64, blank=True, default="")
    n_checks = models.PositiveIntegerField(default=0)
    check_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="requested")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["deployment"],
                condition=Q(state__in=["requested", "approved", "executing", "executed"]),
                name="rollback_one_at_a_time",
            ),
        )

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.incident.subject
