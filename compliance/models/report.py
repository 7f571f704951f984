"""Reports to a regulator: one per incident, regime and stage, with numbered revisions."""

from __future__ import annotations

from django.db import models

from compliance.models.base import Public
from compliance.models.blob import Blob
from compliance.models.subject import Subject


class Report(Public):
    """One duty's report. The regime's version and digest are pinned when it starts.

    There is no `deleted_at`: a filed report cannot be withdrawn, only superseded.
    """

    kind = "report"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="reports")
    about_kind = models.CharField(max_length=40)
    about_uuid = models.UUIDField()
    title = models.CharField(max_length=300)
    regime = models.CharField(max_length=60)
    regime_version = models.CharField(max_length=20)
    regime_sha256 = models.CharField(max_length=64)
    stage = models.CharField(max_length=40)
    recipient = models.CharField(max_length=200, blank=True, default="")
    is_simulation = models.BooleanField(default=False)
    drafted_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    revised_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    approved_sha256 = models.CharField(max_length=64, blank=True, default="")
    pdf = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    twin = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, related_name="later")
    state = models.CharField(max_length=20, default="drafting")
    started_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.title


class Revision(models.Model):
    """The report's fields as they stood after one save; `sha256` covers their canonical form.

    `fields` maps field id to {"value", "status": value|unknown|not_applicable|missing, "why",
    "mark", "source", "at"}: `source` is a reference or who said it, `at` when a person did.
    """

    report = models.ForeignKey(Report, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    fields = models.JSONField()
    sha256 = models.CharField(max_length=64)
    by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["report", "number"], name="revision_once"),)
