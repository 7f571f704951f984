"""Papers that workers make: documents as PDF with a machine-readable twin, and audit exports."""

from __future__ import annotations

from django.db import models

from compliance.models.base import LeasedWork, Public
from compliance.models.blob import Blob
from compliance.models.subject import Subject
from compliance.states import DOCUMENT, EXPORT


class Document(Public, LeasedWork):
    """One edition of one document. Its content is frozen as JSON before it is rendered."""

    kind = "document"
    MACHINE = DOCUMENT
    TASK = "compliance.render_document"
    QUEUE = "documents"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="documents")
    what = models.CharField(max_length=40)  # assessment_report, annex_iv, incident_report
    title = models.CharField(max_length=300)
    edition = models.PositiveIntegerField(default=1)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    about_kind = models.CharField(max_length=40)
    about_uuid = models.UUIDField()
    is_simulation = models.BooleanField(default=False)
    asked_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    pdf = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    twin = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="queued")

    def __str__(self) -> str:
        return self.title


class AuditExport(Public, LeasedWork):
    """The record, packed for an auditor who trusts nobody's server."""

    kind = "export"
    MACHINE = EXPORT
    TASK = "compliance.export_audit"
    QUEUE = "documents"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="export")
    asked_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    n_entries = models.PositiveBigIntegerField(null=True)
    blob = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    problem = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=20, default="queued")
