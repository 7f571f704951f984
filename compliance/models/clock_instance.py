"""A regime's clock as it was computed. Recomputation adds a row; nothing is edited in place."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from compliance.models.base import Public
from compliance.models.subject import Subject


class ClockInstance(Public):
    """One stage of one pinned regime for one incident and authority, as computed at one moment.

    `facts` are those that the last computation rested on and `checked_at` is when that was: the
    same result from newer facts keeps its row; `facts_sha256` covers the facts that this row was
    first computed from. `trace` holds phrases as they are kept. `sequence` numbers the reports of a
    stage that recurs. `earliest_if_confirmed` is the first date that there would be if the missing
    facts were confirmed; it never counts down. `next_mark_at` is when the next warning is due, and
    empty when none is left. `requires_counsel` says that the pinned regime leaves something open.
    """

    kind = "clock"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="clocks")
    about_kind = models.CharField(max_length=40)
    about_uuid = models.UUIDField()
    regime = models.CharField(max_length=60)
    regime_version = models.CharField(max_length=20)
    regime_sha256 = models.CharField(max_length=64)
    regime_title = models.CharField(max_length=200)
    stage = models.CharField(max_length=40)
    sequence = models.PositiveSmallIntegerField(default=1)
    authority = models.CharField(max_length=60, blank=True, default="")
    cite = models.CharField(max_length=200, blank=True, default="")
    recipient = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=20)
    started_at = models.DateTimeField(null=True)
    strict = models.DateTimeField(null=True)
    nominal = models.DateTimeField(null=True)
    legal_latest = models.DateTimeField(null=True)
    target_due = models.DateTimeField(null=True)
    earliest_if_confirmed = models.DateTimeField(null=True)
    met_at = models.DateTimeField(null=True)
    zone = models.CharField(max_length=60, default="UTC")
    trace = models.JSONField(default=list)
    facts = models.JSONField(default=dict)
    requires_counsel = models.BooleanField(default=False)
    facts_sha256 = models.CharField(max_length=64, blank=True, default="")
    inputs_sha256 = models.CharField(max_length=64)
    checked_at = models.DateTimeField(null=True)
    computed_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True, default="")
    replaced_by = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="replaces", db_index=False
    )
    owner = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    deputy = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    warned = models.JSONField(default=list)
    next_mark_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            # An index of all rows would draw SQLite to it for every question about what stands.
            models.UniqueConstraint(
                fields=["replaced_by"],
                condition=Q(replaced_by__isnull=False),
                name="clock_replaces_one",
            ),
        )
        indexes = (
            # Clocks that stand, in one state, by due time; then the board: all that stand, soonest
            # first, a page at a time; then the sweep, which pays for marks that have come alone.
            models.Index(
                fields=["state", "target_due"],
                condition=Q(replaced_by__isnull=True),
                name="clock_due",
            ),
            models.Index(
                fields=["replaced_by", "target_due", "id"],
                condition=Q(replaced_by__isnull=True),
                name="clock_board",
            ),
            models.Index(
                fields=["replaced_by", "next_mark_at"],
                condition=Q(replaced_by__isnull=True, next_mark_at__isnull=False),
                name="clock_mark",
            ),
            models.Index(fields=["about_uuid"], name="clock_about"),
        )
