"""Telemetry as it came, durable before it is answered."""

from __future__ import annotations

from django.db import models

from compliance.models import Deployment, LeasedWork, Public, Subject
from incidents.states import INBOX


class InboxRow(Public, LeasedWork):
    """One request body. It goes when it has been judged; what cannot be read stays, set aside."""

    kind = "inbox"
    MACHINE = INBOX
    TASK = "incidents.judge_batch"
    QUEUE = "events"

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="inbox")
    request_key = models.CharField(max_length=64, unique=True)
    content_type = models.CharField(max_length=60)
    content_encoding = models.CharField(max_length=20, blank=True, default="")
    body = models.BinaryField()
    received_at = models.DateTimeField()
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="queued")

    class Meta:
        # The oldest unjudged row: the age of the queue.
        indexes = (models.Index(fields=["state", "received_at"], name="inbox_oldest"),)

    @property
    def subject(self) -> Subject:
        """Inside the deployment that sent it."""
        return self.deployment.subject


class Intake(models.Model):
    """How many requests were ever answered 200 for one deployment.

    Apart from `StitchState`, so that a sender never waits for a batch that is being judged. What
    was accepted equals what was judged, set aside and still waits; a page compares them.
    """

    deployment = models.OneToOneField(Deployment, models.CASCADE, related_name="intake")
    n_accepted = models.PositiveBigIntegerField(default=0)
    n_repeated = models.PositiveBigIntegerField(default=0)
