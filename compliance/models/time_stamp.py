"""What an outside authority was shown of a filing, and when it says it saw it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from compliance.models.base import LeasedWork, Public
from compliance.models.blob import Blob
from compliance.models.filing import Filing
from compliance.models.subject import Subject
from compliance.states import TIME_STAMP


class TimeStamp(Public, LeasedWork):
    """One thing of a filing, and the authority's token over it, once there is one.

    `manifest` holds the package's own words from the moment it was filed, so that nothing has to be
    stored as a file before a filing may go; with the token it becomes the file `stamped`. A receipt
    is a file already.
    """

    kind = "time_stamp"
    MACHINE = TIME_STAMP
    TASK = "compliance.ask_time_stamp"
    RUNNING = "asking"
    # With the longest wait between tries some three days; then a person may ask again.
    MOST_ATTEMPTS = 300

    class What(models.TextChoices):
        """What of a filing is stamped."""

        PACKAGE = "package", _("The package: digests of PDF and JSON")
        RECEIPT = "receipt", _("The recipient's receipt")

    filing = models.ForeignKey(Filing, models.PROTECT, related_name="time_stamps")
    what = models.CharField(max_length=10, choices=What)
    imprint_sha256 = models.CharField(max_length=64)
    manifest = models.TextField(blank=True, default="")
    stamped = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    token = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    stamped_at = models.DateTimeField(null=True)  # by the authority's clock
    authority = models.CharField(max_length=300, blank=True, default="")
    serial = models.CharField(max_length=40, blank=True, default="")
    policy = models.CharField(max_length=100, blank=True, default="")
    problem = models.JSONField(blank=True, default=str)  # a phrase, as it is kept
    state = models.CharField(max_length=20, default="queued")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["filing", "what", "imprint_sha256"], name="time_stamp_once"
            ),
            models.CheckConstraint(
                condition=~Q(state="stamped")
                | Q(token__isnull=False, stamped__isnull=False, stamped_at__isnull=False),
                name="time_stamp_with_token",
            ),
        )

    @property
    def subject(self) -> Subject:
        """A time-stamp lies where its filing lies."""
        return self.filing.subject
