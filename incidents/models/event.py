"""What a running model did, as the rules saw it."""

from __future__ import annotations

from django.db import models

from compliance.models import Deployment, Public, Subject


class Event(Public):
    """One judged record: a span stitched to its trace. `fields` is redacted."""

    kind = "event"

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="events")
    record_id = models.CharField(max_length=60)
    at = models.DateTimeField()
    name = models.CharField(max_length=200)
    operation = models.CharField(max_length=60, blank=True, default="")
    model_version = models.CharField(max_length=120, blank=True, default="")
    weights_sha256 = models.CharField(max_length=64, blank=True, default="")
    conversation = models.CharField(max_length=120, blank=True, default="")
    record = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["deployment", "record_id"], name="event_once"),
        )
        # A deployment's stream, newest first, and the history that correlations ask for.
        indexes = (models.Index(fields=["deployment", "-at"], name="event_stream"),)

    @property
    def subject(self) -> Subject:
        """Inside the deployment that sent it."""
        return self.deployment.subject


class StitchState(models.Model):
    """What judging carries from batch to batch, one row for each deployment.

    `blind` lists the rules that could not see in the newest batch, and what they lacked.
    """

    deployment = models.OneToOneField(Deployment, models.CASCADE, related_name="stitch_state")
    carried = models.TextField(default="")
    n_judged = models.PositiveBigIntegerField(default=0)
    n_records = models.PositiveBigIntegerField(default=0)
    n_rejected = models.PositiveBigIntegerField(default=0)
    n_forgotten = models.PositiveBigIntegerField(default=0)
    blind = models.JSONField(default=list)
    degraded = models.JSONField(default=list)
    last_seen_at = models.DateTimeField(null=True)
    observed_sha256 = models.CharField(max_length=64, blank=True, default="")
