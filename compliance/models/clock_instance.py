"""A regime's clock as it was computed. Recomputation adds a row; nothing is edited in place."""

from __future__ import annotations

from django.db import models

from compliance.models.base import Public
from compliance.models.subject import Subject


class ClockInstance(Public):
    """One stage of one pinned regime for one incident, as computed at one moment.

    `facts` are those that the last computation rested on and `checked_at` is when that was: the
    same result from newer facts keeps its row. `trace` holds phrases as they are kept.
    """

    kind = "clock"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="clocks")
    about_kind = models.CharField(max_length=40)
    about_uuid = models.UUIDField()
    regime = models.CharField(max_length=60)
    regime_version = models.CharField(max_length=20)
    regime_sha256 = models.CharField(max_length=64)
    regime_title = models.CharField(max_length=200)
    stage = models.CharField(max_length=40)
    cite = models.CharField(max_length=200, blank=True, default="")
    recipient = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=20)
    started_at = models.DateTimeField(null=True)
    strict = models.DateTimeField(null=True)
    nominal = models.DateTimeField(null=True)
    legal_latest = models.DateTimeField(null=True)
    target_due = models.DateTimeField(null=True)
    zone = models.CharField(max_length=60, default="UTC")
    trace = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    inputs_sha256 = models.CharField(max_length=64)
    checked_at = models.DateTimeField(null=True)
    computed_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True, default="")
    replaced_by = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaces")
    warned = models.JSONField(default=list)

    class Meta:
        indexes = (
            # The sweep that rings asks only for running clocks by due time.
            models.Index(fields=["state", "target_due"], name="clock_due"),
            models.Index(fields=["about_uuid"], name="clock_about"),
        )
