"""Reports to a regulator: by incident, regime, stage, authority and recurrence, in numbered revisions."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compliance.models.base import Public
from compliance.models.blob import Blob
from compliance.models.subject import Subject


class Report(Public):
    """One duty's report. The regime's version and digest are pinned when it starts.

    There is no `deleted_at`: a filed report can be superseded or, where the recipient's template
    knows it, withdrawn by a further report; the record stays. `sequence` counts the reports of a
    stage that recurs. `is_incomplete` says that it goes out with fields still missing, as the
    regime allows. `what` is its kind in the words of recipients.
    """

    kind = "report"

    class What(models.TextChoices):
        """What a report is to its recipient, whatever the stage is called."""

        INITIAL = "initial", _("initial")
        INTERMEDIATE = "intermediate", _("intermediate")
        FOLLOW_UP = "follow_up", _("follow-up")
        COMBINED = "combined", _("initial and final in one")
        FINAL = "final", _("final")
        FINAL_NON_REPORTABLE = "final_non_reportable", _("final: not reportable")
        WITHDRAWAL = "withdrawal", _("withdrawal")

    class Language(models.TextChoices):
        """Languages in which the fixed text of a report can be had."""

        EN = "en", _("English")
        DE = "de", _("German")
        FR = "fr", _("French")

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="reports")
    about_kind = models.CharField(max_length=40)
    about_uuid = models.UUIDField()
    title = models.CharField(max_length=300)
    regime = models.CharField(max_length=60)
    regime_version = models.CharField(max_length=20)
    regime_sha256 = models.CharField(max_length=64)
    stage = models.CharField(max_length=40)
    what = models.CharField(max_length=20, choices=What, default=What.INITIAL)
    sequence = models.PositiveSmallIntegerField(default=1)
    authority = models.CharField(max_length=60, blank=True, default="")
    language = models.CharField(max_length=5, choices=Language, default=Language.EN)
    recipient = models.CharField(max_length=200, blank=True, default="")
    is_simulation = models.BooleanField(default=False)
    is_incomplete = models.BooleanField(default=False)
    late_reasons = models.TextField(blank=True, default="")
    drafted_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    revised_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    approved_sha256 = models.CharField(max_length=64, blank=True, default="")
    pdf = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    twin = models.ForeignKey(Blob, models.PROTECT, null=True, related_name="+")
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, related_name="later")
    state = models.CharField(max_length=20, default="drafting")
    started_at = models.DateTimeField()

    class Meta:
        # Which reports one stage has already.
        indexes = (models.Index(fields=["about_uuid", "regime", "stage"], name="report_stage"),)

    def __str__(self) -> str:
        return self.title


class Revision(models.Model):
    """The report's fields as they stood after one save; `sha256` covers their canonical form.

    `fields` maps field id to {"value", "status": value|unknown|not_applicable|missing, "why",
    "mark", "source", "at"}: `source` is a reference or who said it, `at` when a person did.

    A translation is a revision of its own: `translation_of` is what it renders, `translator` who
    did it. Of the two, the one that `is_authoritative` counts.
    """

    report = models.ForeignKey(Report, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    language = models.CharField(max_length=5, choices=Report.Language, default=Report.Language.EN)
    translation_of = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="translations"
    )
    translator = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    is_authoritative = models.BooleanField(default=True)
    fields = models.JSONField()
    sha256 = models.CharField(max_length=64)
    by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["report", "number"], name="revision_once"),)
