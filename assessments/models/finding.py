"""What a scan found: tokens above a threshold, per-concern sums, and suppression tests."""

from __future__ import annotations

from django.db import models

from assessments.models.scan import Scan
from compliance.models import Public, Subject


class Finding(Public):
    """A watched latent fired on one prompt. `window` holds tokens and activations around it."""

    kind = "finding"

    scan = models.ForeignKey(Scan, models.CASCADE, related_name="findings")
    latent = models.PositiveIntegerField()
    concern = models.CharField(max_length=40)
    frame = models.CharField(max_length=20)
    family = models.CharField(max_length=40)
    prompt_id = models.CharField(max_length=120)
    template_id = models.CharField(max_length=120, blank=True, default="")
    content_id = models.CharField(max_length=120, blank=True, default="")
    position = models.PositiveIntegerField()
    token = models.CharField(max_length=120)
    activation = models.FloatField()
    threshold = models.FloatField()
    n_tokens_above = models.PositiveIntegerField()
    window = models.JSONField()

    class Meta:
        # The scan page: strongest first, by concern.
        indexes = (
            models.Index(fields=["scan", "concern", "-activation"], name="finding_strongest"),
        )

    @property
    def subject(self) -> Subject:
        """A finding lies inside the version scanned."""
        return self.scan.version.subject


class ConcernSummary(models.Model):
    """One concern under one frame, over all its prompts."""

    scan = models.ForeignKey(Scan, models.CASCADE, related_name="summaries")
    concern = models.CharField(max_length=40)
    frame = models.CharField(max_length=20)
    n_prompts = models.PositiveIntegerField()
    n_hit = models.PositiveIntegerField()
    hit_rate = models.FloatField()
    mean_strength = models.FloatField()
    highest = models.FloatField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["scan", "concern", "frame"], name="summary_once"),
        )


class SuppressionTest(models.Model):
    """The paired test, evaluation against deployment frames, for one latent or one concern.

    `row` is the scanner's SuppressionTest in full; the columns are what lists sort by.
    """

    scan = models.ForeignKey(Scan, models.CASCADE, related_name="suppression")
    scope = models.CharField(max_length=10)
    key = models.CharField(max_length=60)
    concern = models.CharField(max_length=40)
    verdict = models.CharField(max_length=40)
    p_max_t = models.FloatField(null=True)
    ratio = models.FloatField(null=True)
    row = models.JSONField()
