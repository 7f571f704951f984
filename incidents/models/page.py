"""Somebody is woken."""

from __future__ import annotations

from django.db import models

from compliance.models import LeasedWork, Public, Subject
from incidents.models.incident import Incident
from incidents.states import PAGE


class Page(Public, LeasedWork):
    """One call to one person through one channel; `uuid` is the channel's idempotency key.

    `cause` is "incident" for the ladder, or the clock and mark that rang ("clock:0193…:half"); a
    `lap` is one climb of the ladder from its first rung.
    """

    kind = "page"
    MACHINE = PAGE
    TASK = "incidents.send_page"
    RUNNING = "sending"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="pages")
    person = models.ForeignKey("compliance.User", models.PROTECT, related_name="pages")
    cause = models.CharField(max_length=80, default="incident")
    lap = models.PositiveSmallIntegerField(default=1)
    rung = models.PositiveSmallIntegerField()
    channel = models.CharField(max_length=20)
    why = models.CharField(max_length=300)
    made_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    escalate_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="queued")

    class Meta:
        constraints = (
            # Two escalations that race, or a mark seen twice, wake a person once.
            models.UniqueConstraint(
                fields=["incident", "cause", "lap", "rung", "person", "channel"], name="page_once"
            ),
        )
        # The escalation sweep asks only for unanswered pages by due time.
        indexes = (models.Index(fields=["state", "escalate_at"], name="page_due"),)

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.incident.subject
