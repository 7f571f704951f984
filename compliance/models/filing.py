"""The way of an approved report to its recipient, attempt by attempt."""

from __future__ import annotations

from django.db import models

from compliance.models.base import LeasedWork, Public
from compliance.models.blob import Blob
from compliance.models.report import Report
from compliance.models.subject import Subject
from compliance.states import FILING


class Filing(Public, LeasedWork):
    """One approved digest on its way through one channel. `uuid` is the idempotency key."""

    kind = "filing"
    MACHINE = FILING
    TASK = "compliance.send_filing"
    QUEUE = "documents"
    RUNNING = "sending"
    MOST_ATTEMPTS = 12  # then a person is asked; the filing itself is never dropped

    report = models.ForeignKey(Report, models.PROTECT, related_name="filings")
    way = models.CharField(max_length=20)
    way_config = models.JSONField(default=dict)
    report_sha256 = models.CharField(max_length=64)
    filed_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    reference = models.CharField(max_length=200, blank=True, default="")
    receipt = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="queued")

    class Meta:
        constraints = (
            # At most one filing per approved digest.
            models.UniqueConstraint(
                fields=["report", "report_sha256"], name="filing_once_a_digest"
            ),
        )

    @property
    def subject(self) -> Subject:
        """A filing lies where its report lies."""
        return self.report.subject


class FilingAttempt(models.Model):
    """Written before the network call; the answer is added after."""

    filing = models.ForeignKey(Filing, models.PROTECT, related_name="tries")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, default="started")
    detail = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["filing", "number"], name="attempt_once"),)
