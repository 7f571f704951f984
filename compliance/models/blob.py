"""Files by content: what they hash to, how long they are kept, and who holds them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compliance.models.base import Public
from compliance.models.subject import Subject


class Blob(Public):
    """One stored file within one subject. The bytes lie sealed in the FileStore."""

    kind = "blob"

    class Retention(models.TextChoices):
        """Why it is kept; the years are in regulation, the longest that applies counts."""

        DOCUMENTATION = "documentation", _("documentation, 10 years")
        INCIDENT = "incident", _("incident file, 5 years")
        LOGS = "logs", _("logs, 6 months at least")
        WORKING = "working", _("working copy")

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="blobs")
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    retention = models.CharField(max_length=20, choices=Retention)
    n_holds = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["subject", "sha256"], name="blob_once"),)
