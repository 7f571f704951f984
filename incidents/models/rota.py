"""Who is called when."""

from __future__ import annotations

from django.db import models

from compliance.models import Public, Subject


class Shift(Public):
    """One person on call from an instant to an instant, on one rung."""

    kind = "shift"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="shifts")
    person = models.ForeignKey("compliance.User", models.PROTECT, related_name="shifts")
    rung = models.PositiveSmallIntegerField(default=1)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["rung", "starts_at"], name="shift_on_call"),)


class EscalationStep(models.Model):
    """A rung of the ladder: how long to wait, and through which channels."""

    rung = models.PositiveSmallIntegerField(unique=True)
    wait_seconds = models.PositiveIntegerField(default=300)
    channels = models.JSONField(default=list)
