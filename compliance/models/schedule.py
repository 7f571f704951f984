"""What is due when, in UTC; and which processes are alive."""

from __future__ import annotations

from django.db import models


class Schedule(models.Model):
    """One recurring task. Any number of keepers may look; one conditional UPDATE wins."""

    name = models.CharField(max_length=80, unique=True)
    queue = models.CharField(max_length=20, default="default")
    every_seconds = models.PositiveIntegerField()
    next_due = models.DateTimeField(db_index=True)
    last_rung = models.DateTimeField(null=True)


class WorkerBeat(models.Model):
    """A process that says it lives."""

    name = models.CharField(max_length=160, unique=True)
    what = models.CharField(max_length=40)
    at = models.DateTimeField()
