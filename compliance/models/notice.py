"""The outbox: what is to be said to somebody outside, through one channel."""

from __future__ import annotations

from django.db import models

from compliance.models.base import LeasedWork, Public
from compliance.models.subject import Subject
from compliance.states import NOTICE


class Notice(Public, LeasedWork):
    """One message to one address. `uuid` is the idempotency key of the channel."""

    kind = "notice"
    MACHINE = NOTICE
    TASK = "compliance.send_notice"
    RUNNING = "sending"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="notices")
    channel = models.CharField(max_length=20)
    to = models.CharField(max_length=300)
    title = models.CharField(max_length=300)
    body = models.TextField()
    url = models.CharField(max_length=300, blank=True, default="")
    severity = models.CharField(max_length=20, blank=True, default="")
    about_kind = models.CharField(max_length=40, blank=True, default="")
    about_uuid = models.UUIDField(null=True)
    made_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="queued")
