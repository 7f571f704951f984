"""What somebody stated about an organisation, a system or a model: the provenance of its facts."""

from __future__ import annotations

from django.db import models

from compliance.models.base import Public
from compliance.models.subject import Subject


class Statement(Public):
    """One answer to one question of fact, by whom and when. Never changed; a newer one replaces it.

    `value` is what was answered; none means stated as unknown. The facts that regimes read stand
    with the thing itself; this says how they came there.
    """

    kind = "statement"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="statements")
    about_kind = models.CharField(max_length=40)
    about_uuid = models.UUIDField()
    name = models.CharField(max_length=60)
    value = models.JSONField(null=True)
    is_withdrawn = models.BooleanField(default=False)
    reason = models.TextField(blank=True, default="")
    by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        # The newest statement of each name about one thing.
        indexes = (models.Index(fields=["about_uuid", "name", "-id"], name="statement_newest"),)
