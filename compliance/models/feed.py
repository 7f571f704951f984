"""The addresses under which people's calendars fetch what is due."""

from __future__ import annotations

from django.db import models

from compliance.models.account import User
from compliance.models.base import Public
from compliance.models.subject import Subject


class FeedToken(Public):
    """One address of one person's calendar feed. Only its SHA-256 is kept; the text was shown once.

    It shows what the person may see at the time of the call, and nothing else.
    """

    kind = "feed"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="feed_token")
    person = models.ForeignKey(User, models.CASCADE, related_name="feed_tokens")
    label = models.CharField(max_length=120, blank=True, default="")
    sha256 = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
