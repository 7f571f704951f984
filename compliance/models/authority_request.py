"""What authorities ask of us: a record with a date, its questions and their answers."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from compliance.models.base import Public
from compliance.models.blob import Blob
from compliance.models.subject import Subject
from compliance.states import AUTHORITY_REQUEST


class AuthorityRequest(Public):
    """One request as it came in. It has its own place; `about` is what it asks about, if that is known.

    `reference` is the authority's own. `period` is the time to answer in the words of the request;
    `due_at` is what a person made of it, in UTC, and stays empty where none was set.
    """

    kind = "authority_request"
    MACHINE = AUTHORITY_REQUEST

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="authority_request")
    about = models.ForeignKey(
        Subject, models.PROTECT, null=True, related_name="authority_requests_about"
    )
    title = models.CharField(max_length=300)
    authority = models.CharField(max_length=200)
    reference = models.CharField(max_length=120, blank=True, default="")
    legal_basis = models.CharField(max_length=200, blank=True, default="")
    received_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    period = models.CharField(max_length=300, blank=True, default="")
    zone = models.CharField(max_length=60, default="UTC")
    owner = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    deputy = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    letter = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    reply = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    recorded_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    next_mark_at = models.DateTimeField(null=True)
    warned = models.JSONField(default=list)
    state = models.CharField(max_length=20, default="open")

    class Meta:
        indexes = (
            models.Index(fields=["state", "due_at"], name="authority_request_due"),
            models.Index(
                fields=["next_mark_at"],
                condition=Q(next_mark_at__isnull=False),
                name="authority_request_mark",
            ),
        )

    def __str__(self) -> str:
        return self.title


class AuthorityQuestion(Public):
    """One question of a request, and what was answered by whom."""

    kind = "authority_question"

    request = models.ForeignKey(AuthorityRequest, models.PROTECT, related_name="questions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    answer = models.TextField(blank=True, default="")
    answered_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["request", "number"], name="authority_question_once"),
        )

    @property
    def subject(self) -> Subject:
        """Where its request lies."""
        return self.request.subject
