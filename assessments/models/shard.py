"""One piece of a scan: what one worker reads at a time."""

from __future__ import annotations

from django.db import models

from assessments.models.scan import Scan
from assessments.states import SHARD
from compliance.models import LeasedWork, Public, Subject


class ScanShard(Public, LeasedWork):
    """What is to be read, how far it is, and what came of it until all parts are put together.

    There is no `suite` or `sae` here: what is measured with what is pinned on the scan.
    """

    kind = "shard"
    MACHINE = SHARD
    TASK = "assessments.work_shard"
    QUEUE = "scans"
    # A shard takes minutes and a round of the keeper seconds: ringing for every waiting shard in
    # every round would bury the queue. A few are enough to begin again after lost bells.
    MOST_BELLS = 8

    scan = models.ForeignKey(Scan, models.PROTECT, related_name="shards")
    number = models.PositiveIntegerField()
    what = models.CharField(max_length=20)  # coverage, prompts
    n_tokens = models.PositiveIntegerField()  # computed, padding included
    plan = models.JSONField()
    worker = models.CharField(max_length=120, blank=True, default="")
    stage = models.CharField(max_length=40, blank=True, default="")
    n_done = models.PositiveIntegerField(default=0)
    n_total = models.PositiveIntegerField(default=0)
    tokens_per_second = models.FloatField(null=True)
    device_seconds = models.FloatField(default=0)  # of all tries, lost ones as far as they told
    part = models.BinaryField(default=b"")  # compressed JSON; empty once it is put together
    problem = models.TextField(blank=True, default="")
    state = models.CharField(max_length=20, default="queued")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["scan", "number"], name="shard_once"),)

    @property
    def subject(self) -> Subject:
        """Inside the version that the scan reads."""
        return self.scan.version.subject
