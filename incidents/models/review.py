"""What was learnt, and whether it would have helped."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compliance.models import Public, Subject
from incidents.models.incident import Incident
from incidents.states import REVIEW


class Review(Public):
    """The blameless account of one incident."""

    kind = "review"
    MACHINE = REVIEW

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="review")
    summary = models.TextField(blank=True, default="")
    causes = models.TextField(blank=True, default="")
    started_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=20, default="writing")

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.incident.subject


class Lesson(Public):
    """A prompt pair for the suite or a detection rule, and what replaying it measured.

    `replay` is {caught: true|false|null, sentence, measured: {...}, at}; null means not replayed.
    """

    kind = "lesson"

    class What(models.TextChoices):
        """Which layer learns."""

        PROMPT_PAIR = "prompt_pair", _("prompt pair")
        RULE = "rule", _("detection rule")

    review = models.ForeignKey(Review, models.PROTECT, related_name="lessons")
    what = models.CharField(max_length=15, choices=What)
    title = models.CharField(max_length=300)
    content = models.JSONField()
    replay = models.JSONField(default=dict)
    scan_ref = models.CharField(max_length=80, blank=True, default="")
    added_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    added_at = models.DateTimeField()

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.review.incident.subject
