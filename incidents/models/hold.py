"""Evidence first: what was snapshotted before anybody touched the system."""

from __future__ import annotations

from django.db import models

from compliance.models import Blob, Public, Subject
from incidents.models.incident import Incident
from incidents.states import HOLD


class Hold(Public):
    """A snapshot of what the incident rests on, kept from deletion while in force.

    `items` lists {what, ref, sha256}; `snapshot` is the sealed bundle.
    """

    kind = "hold"
    MACHINE = HOLD

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="holds")
    reason = models.TextField()
    items = models.JSONField(default=list)
    snapshot = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="holds")
    placed_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    placed_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=20, default="placed")

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.incident.subject
