"""The hub: everything that can count for or against a model version."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compliance.models.base import Public
from compliance.models.model_version import ModelVersion
from compliance.models.subject import Subject


class Evidence(Public):
    """One attested finding about one version. Never changed; a newer one of its series replaces it.

    `basis` holds the digests it rests on ({"version": …, "manifest": …}); whether it is stale is
    computed on read by comparing them with what those things hash to now.
    """

    kind = "evidence"

    class Status(models.TextChoices):
        """The three things that evidence can say."""

        MET = "met", _("met")
        NOT_MET = "not_met", _("not met")
        INCONCLUSIVE = "inconclusive", _("inconclusive")

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="evidence")
    what = models.CharField(
        max_length=40
    )  # sae_scan, suppression, red_team, rota, drill, monitoring …
    layer = (
        models.PositiveSmallIntegerField()
    )  # 1 interpretation, 2 behaviour, 3 response, 4 record
    series = models.CharField(max_length=300, blank=True, default="")  # as the payload names it
    status = models.CharField(max_length=15, choices=Status)
    summary = models.TextField()
    payload = models.JSONField(default=dict)
    basis = models.JSONField(default=dict)
    sha256 = models.CharField(max_length=64)
    source = models.CharField(max_length=80)
    collected_at = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    attested_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")

    class Meta:
        # The newest evidence of one kind for one version: gates and strips ask this.
        indexes = (models.Index(fields=["version", "what", "-id"], name="evidence_newest"),)

    @property
    def subject(self) -> Subject:
        """Evidence lies inside the version it speaks of."""
        return self.version.subject
