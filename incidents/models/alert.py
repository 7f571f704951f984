"""A rule fired on what a deployment did."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from compliance.models import Deployment, ModelVersion, Public, Subject
from incidents.models.incident import Incident
from incidents.states import ALERT


class Alert(Public):
    """One rule and one group of a deployment. The same again while it is open counts up."""

    kind = "alert"
    MACHINE = ALERT

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="alerts")
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="alerts")
    observed_sha256 = models.CharField(max_length=64, blank=True, default="")
    rule_key = models.CharField(max_length=120)
    rule_version = models.CharField(max_length=20)
    rule_sha256 = models.CharField(max_length=64)
    level = models.CharField(max_length=20)
    title = models.CharField(max_length=300)
    fingerprint = models.CharField(max_length=64)
    count = models.PositiveIntegerField(default=1)
    matched = models.JSONField(default=dict)
    record_ids = models.JSONField(default=list)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    raised_at = models.DateTimeField()
    incident = models.ForeignKey(Incident, models.PROTECT, null=True, related_name="alerts")
    disposition = models.CharField(max_length=30, blank=True, default="")
    state = models.CharField(max_length=20, default="open")

    class Meta:
        constraints = (
            # The same fingerprint is one alert until it is resolved.
            models.UniqueConstraint(
                fields=["fingerprint"], condition=~Q(state="resolved"), name="alert_one_unresolved"
            ),
        )
        indexes = (models.Index(fields=["state", "-last_at"], name="alert_newest"),)

    @property
    def subject(self) -> Subject:
        """Inside the deployment that behaved so."""
        return self.deployment.subject
