"""Letting one unmet criterion pass, for a while, by two people who did not ask for it."""

from __future__ import annotations

from django.db import models

from assessments.models.gate import GateDecision
from assessments.states import WAIVER
from compliance.models import ApprovalRequest, ModelVersion, Public, Subject


class Waiver(Public):
    """One criterion of one policy, for one version in one environment, until it expires."""

    kind = "waiver"
    MACHINE = WAIVER

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="waivers")
    decision = models.ForeignKey(GateDecision, models.PROTECT, related_name="waivers")
    criterion = models.CharField(max_length=60)
    environment = models.CharField(max_length=20)
    reason = models.TextField()
    conditions = models.TextField(blank=True, default="")
    asked_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    approval = models.OneToOneField(ApprovalRequest, models.PROTECT, null=True, related_name="+")
    sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=20, default="asked")

    @property
    def subject(self) -> Subject:
        """Inside the version it is for."""
        return self.version.subject
