"""Detection rules that this installation added to the ones that ship."""

from __future__ import annotations

from django.db import models

from compliance.models import Public, Subject


class DetectionRule(Public):
    """One rule document, as YAML. Inactive rules are tried and raise nothing."""

    kind = "rule"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="rule")
    key = models.CharField(max_length=120)
    version = models.CharField(max_length=20)
    title = models.CharField(max_length=300)
    level = models.CharField(max_length=20)
    source = models.TextField()
    sha256 = models.CharField(max_length=64)
    active = models.BooleanField(default=False)
    added_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    added_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["key", "version"], name="rule_once"),)
