"""Incidents on an exact model version, and what people decided about them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from compliance.models import Deployment, ModelVersion, Public, Subject
from incidents.states import INCIDENT


class Incident(Public):
    """Something went wrong, or may have.

    `aware_at` is nobody's guess: it stays empty until a person has classified.
    `escalation` is the ladder as it stood when the incident opened.
    """

    kind = "incident"
    MACHINE = INCIDENT

    class Severity(models.TextChoices):
        """How bad it is, worst first; the worse one is assumed until a person confirms."""

        SEV1 = "sev1", _("SEV-1")
        SEV2 = "sev2", _("SEV-2")
        SEV3 = "sev3", _("SEV-3")
        SEV4 = "sev4", _("SEV-4")

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="incident")
    reference = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=300)
    severity = models.CharField(max_length=5, choices=Severity)
    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="incidents")
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="incidents")
    observed_sha256 = models.CharField(max_length=64, blank=True, default="")
    opened_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    occurred_at = models.DateTimeField(null=True)
    detected_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    aware_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        "compliance.User", models.PROTECT, null=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True)
    is_exercise = models.BooleanField(default=False)
    is_simulation = models.BooleanField(default=False)
    escalation = models.JSONField(default=list)
    impact = models.TextField(blank=True, default="")
    state = models.CharField(max_length=20, default="open")

    @override
    def __str__(self) -> str:
        return f"{self.reference} {self.title}"


class Classification(Public):
    """A person's finding of facts. A correction is a new number; the earliest awareness counts.

    `facts` is what `compliance.regimes.facts.Facts.from_json` reads; `details` holds, in words,
    what reports ask for besides (who is affected, which data, whether it was meant). `oecd` holds what
    was said to the criteria of the OECD's common reporting framework, by criterion. `reasons` is one
    text for everything; `reasons_by` holds the same by matter (harm, awareness, laws, what was
    corrected) and, under `regimes`, what was said of one law alone. It is empty where a program gave
    one reason for all. The reasons in `outcome` are phrases as they are kept.
    """

    kind = "classification"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="classifications")
    number = models.PositiveIntegerField()
    serious = models.BooleanField()
    limbs = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    details = models.JSONField(default=dict)
    oecd = models.JSONField(default=dict)
    reasons = models.TextField()
    reasons_by = models.JSONField(default=dict)
    outcome = models.JSONField(default=list)
    by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["incident", "number"], name="classification_once"),
        )

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.incident.subject


class PriorNotice(Public):
    """Art. 73(6) AI Act: authority informed before acting, or the emergency in writing."""

    kind = "prior_notice"

    class Choice(models.TextChoices):
        """What was decided before touching the system."""

        INFORMED = "informed", _("the authority was informed first")
        EMERGENCY = "emergency", _("an emergency: acting first, justified in writing")
        NOT_REQUIRED = "not_required", _("no duty to inform first applies")

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="prior_notices")
    choice = models.CharField(max_length=15, choices=Choice)
    authority = models.CharField(max_length=200, blank=True, default="")
    informed_at = models.DateTimeField(null=True)
    reason = models.TextField()
    by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    at = models.DateTimeField()

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.incident.subject


class Note(Public):
    """What somebody wrote while working on it."""

    kind = "note"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="notes")
    text = models.TextField()
    by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    at = models.DateTimeField()

    @property
    def subject(self) -> Subject:
        """Inside the incident."""
        return self.incident.subject
