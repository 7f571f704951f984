"""What a scan measures with: sparse autoencoders, watch-lists and prompt suites."""

from __future__ import annotations

from django.db import models

from compliance.models import Public, Subject


class Sae(Public):
    """A sparse autoencoder on disk, by digest. `card` is its measured quality, as published."""

    kind = "sae"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="sae")
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, unique=True)
    location = models.CharField(max_length=500)
    hook_name = models.CharField(max_length=120)
    d_in = models.PositiveIntegerField()
    d_sae = models.PositiveIntegerField()
    architecture = models.CharField(max_length=40)
    card = models.JSONField(default=dict)
    registered_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class WatchList(Public):
    """The latents that matter and why; a change is a new number. `latents` as `WatchedLatent`."""

    kind = "watchlist"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="watchlists")
    sae = models.ForeignKey(Sae, models.PROTECT, related_name="watchlists")
    name = models.CharField(max_length=120)
    number = models.PositiveIntegerField()
    latents = models.JSONField()
    sha256 = models.CharField(max_length=64)
    registered_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name", "number"], name="watchlist_once"),)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class PromptSuite(Public):
    """A pinned set of prompts. The prompts lie in the row, so a scan can be repeated."""

    kind = "suite"

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="suites")
    name = models.CharField(max_length=120)
    number = models.PositiveIntegerField()
    prompts = models.JSONField()
    n_prompts = models.PositiveIntegerField()
    n_pairs = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    registered_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name", "number"], name="suite_once"),)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"
