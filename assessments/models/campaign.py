"""Red-team campaigns and what they found."""

from __future__ import annotations

from django.db import models

from assessments.states import CAMPAIGN
from compliance.models import ModelVersion, Public, Subject


class Campaign(Public):
    """A bounded attempt to break one version. Outsiders see it by grant on its own subject."""

    kind = "campaign"
    MACHINE = CAMPAIGN

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="campaign")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="campaigns")
    name = models.CharField(max_length=200)
    scope = models.TextField()
    opened_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    n_attempts = models.PositiveIntegerField(default=0)
    conclusion = models.TextField(blank=True, default="")
    state = models.CharField(max_length=20, default="open")

    def __str__(self) -> str:
        return self.name


class CampaignFinding(Public):
    """One way in that worked, or nearly."""

    kind = "campaign_finding"

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="findings")
    title = models.CharField(max_length=200)
    concern = models.CharField(max_length=40)
    severity = models.CharField(max_length=20)
    detail = models.TextField()
    by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    at = models.DateTimeField()

    @property
    def subject(self) -> Subject:
        """Inside its campaign."""
        return self.campaign.subject
