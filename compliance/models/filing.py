"""The way of an approved report to its recipient, attempt by attempt."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from compliance.models.base import LeasedWork, Public
from compliance.models.blob import Blob
from compliance.models.release import ReleaseAuthorisation
from compliance.models.report import Report
from compliance.models.subject import Subject
from compliance.states import FILING


class Filing(Public, LeasedWork):
    """One approved digest on its way through one channel.

    `key` is the idempotency key that the recipient was given. A person files it, or it goes out
    under a standing authorisation. `callback_sha256` is the digest of the token with which the
    recipient may bring the receipt later. A receipt that a person entered is looked at by another:
    `entered_by`, `checked_by`.
    """

    kind = "filing"
    MACHINE = FILING
    TASK = "compliance.send_filing"
    QUEUE = "documents"
    RUNNING = "sending"
    # No number of tries ends it: people are asked early, and trying goes on past the deadline.
    MOST_ATTEMPTS = 2_000_000_000

    report = models.ForeignKey(Report, models.PROTECT, related_name="filings")
    way = models.CharField(max_length=20)
    way_config = models.JSONField(default=dict)
    report_sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=64, blank=True, default="")
    callback_sha256 = models.CharField(max_length=64, blank=True, default="")
    filed_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    authorisation = models.ForeignKey(
        ReleaseAuthorisation, models.PROTECT, null=True, related_name="filings"
    )
    asked_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    reference = models.CharField(max_length=200, blank=True, default="")
    receipt = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    entered_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    checked_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    checked_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="queued")

    class Meta:
        constraints = (
            # At most one filing per approved digest.
            models.UniqueConstraint(
                fields=["report", "report_sha256"], name="filing_once_a_digest"
            ),
            models.CheckConstraint(
                condition=Q(filed_by__isnull=False) | Q(authorisation__isnull=False),
                name="filing_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(checked_by=F("entered_by")), name="receipt_checked_by_another"
            ),
        )
        # Whose receipt it is that a recipient brings.
        indexes = (
            models.Index(
                fields=["callback_sha256"], condition=~Q(callback_sha256=""), name="filing_callback"
            ),
        )

    @property
    def subject(self) -> Subject:
        """A filing lies where its report lies."""
        return self.report.subject


class FilingAttempt(models.Model):
    """Written before the network call; the answer is added after.

    `key` is what was sent, `status` and `headers` are the answer's, `body_sha256` is the digest of
    its body and `tls_sha256` that of the certificate which the other side showed.
    """

    filing = models.ForeignKey(Filing, models.PROTECT, related_name="tries")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, default="started")
    detail = models.CharField(max_length=500, blank=True, default="")
    key = models.CharField(max_length=64, blank=True, default="")
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body_sha256 = models.CharField(max_length=64, blank=True, default="")
    tls_sha256 = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["filing", "number"], name="attempt_once"),)


class WayBreaker(models.Model):
    """The circuit breaker of one configured way: after failures in a row it is left alone for a while."""

    class State(models.TextChoices):
        """Whether calls go through."""

        CLOSED = "closed", _("in use")
        OPEN = "open", _("left alone after failures")
        HALF_OPEN = "half_open", _("tried again with one call")

    name = models.CharField(max_length=80, unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.CLOSED)
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
