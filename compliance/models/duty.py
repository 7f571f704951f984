"""Standing duties: what the law or the house asks for without an incident, and when it was done."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from compliance.models.base import Public
from compliance.models.blob import Blob
from compliance.models.subject import Subject
from compliance.models.system import AISystem, LegalEntity
from compliance.states import DUTY, OCCURRENCE


class StandingDuty(Public):
    """One duty that comes round, or comes once without an incident, with who answers for it.

    `key` is the pack's, and the pack's version and digest are pinned; both stay empty where a
    person set the duty up. `rule` says how the next date is found. It lies in the place of what it
    is about, or in a place of its own where it binds the organisation. `about_*` names what else
    has a date: a waiver, a piece of evidence, a file that is kept for a time.
    """

    kind = "duty"
    MACHINE = DUTY

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="duties")
    key = models.CharField(max_length=80)
    pack_version = models.CharField(max_length=20, blank=True, default="")
    pack_sha256 = models.CharField(max_length=64, blank=True, default="")
    title = models.CharField(max_length=300)
    cite = models.CharField(max_length=200, blank=True, default="")
    entity = models.ForeignKey(LegalEntity, models.PROTECT, null=True, related_name="duties")
    system = models.ForeignKey(AISystem, models.PROTECT, null=True, related_name="duties")
    about_kind = models.CharField(max_length=40, blank=True, default="")
    about_uuid = models.UUIDField(null=True)
    owner = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    deputy = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    rule = models.JSONField(default=dict)
    zone = models.CharField(max_length=60, default="UTC")
    next_due = models.DateTimeField(null=True)
    next_mark_at = models.DateTimeField(null=True)
    made_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField()
    state = models.CharField(max_length=20, default="active")

    class Meta:
        constraints = (
            # A duty stands once for what it is about, however often it is set up.
            models.UniqueConstraint(
                fields=["key", "subject"],
                condition=Q(about_uuid__isnull=True) & ~Q(state="ended"),
                name="duty_once_a_place",
            ),
            models.UniqueConstraint(
                fields=["key", "about_uuid"],
                condition=Q(about_uuid__isnull=False) & ~Q(state="ended"),
                name="duty_once_a_thing",
            ),
        )
        indexes = (
            # The calendar asks by date; the sweep that warns asks for what has a mark to come.
            models.Index(fields=["state", "next_due"], name="duty_due"),
            models.Index(
                fields=["next_mark_at"], condition=Q(next_mark_at__isnull=False), name="duty_mark"
            ),
        )

    def __str__(self) -> str:
        return self.title


class DutyOccurrence(Public):
    """One time that a duty falls due. It is done by a person, with proof or a word of what was done."""

    kind = "occurrence"
    MACHINE = OCCURRENCE

    duty = models.ForeignKey(StandingDuty, models.PROTECT, related_name="occurrences")
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    done_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    proof = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    note = models.TextField(blank=True, default="")
    warned = models.JSONField(default=list)
    state = models.CharField(max_length=20, default="open")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["duty", "due_at"], name="occurrence_once"),)
        indexes = (models.Index(fields=["state", "due_at"], name="occurrence_due"),)

    @property
    def subject(self) -> Subject:
        """Where its duty lies."""
        return self.duty.subject
