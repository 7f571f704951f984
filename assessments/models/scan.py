"""One run of a sparse autoencoder over a prompt suite, for one model version."""

from __future__ import annotations

from django.db import models

from assessments.models.instrument import PromptSuite, Sae, WatchList
from assessments.states import SCAN
from compliance.models import LeasedWork, Leg, ModelVersion, Public, Subject


class Scan(Public, LeasedWork):
    """What was asked is pinned on the row; what was found hangs on it.

    One worker splits it, any number read its shards, one puts the parts together. There is no
    progress here: it is that of the shards.
    """

    kind = "scan"
    MACHINE = SCAN
    TASK = "assessments.run_scan"
    QUEUE = "scans"
    LATER_LEGS = (Leg("read", "merging", "assessments.merge_scan"),)

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="scans")
    sae = models.ForeignKey(Sae, models.PROTECT, related_name="scans")
    watchlist = models.ForeignKey(WatchList, models.PROTECT, related_name="scans")
    suite = models.ForeignKey(PromptSuite, models.PROTECT, related_name="scans")
    seed = models.PositiveIntegerField(default=0)
    together = models.UUIDField(null=True, db_index=True)
    """Shared by scans that were asked at once: one version and suite at several read points."""
    requested_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    device = models.CharField(max_length=20, default="cpu")
    reader_sha256 = models.CharField(max_length=64, blank=True, default="")
    coverage = models.JSONField(null=True)
    run = models.JSONField(null=True)
    result = models.BinaryField(null=True)
    """The whole result, packed: sums, figures and a few windows; what a second run is held against."""
    repeats = models.ForeignKey("self", models.PROTECT, null=True, related_name="repetitions")
    agreement = models.JSONField(null=True)
    """Whether it says what the scan it repeats said."""
    result_sha256 = models.CharField(max_length=64, blank=True, default="")
    problem = models.TextField(blank=True, default="")
    state = models.CharField(max_length=20, default="queued")

    class Meta:
        indexes = (models.Index(fields=["version", "-id"], name="scan_newest"),)

    @property
    def subject(self) -> Subject:
        """A scan lies inside the version it reads."""
        return self.version.subject
