"""What a scan measures with: sparse autoencoders, watch-lists and prompt suites."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from assessments.states import SAE
from compliance.models import LeasedWork, ModelVersion, Public, Subject


class Sae(Public, LeasedWork):
    """A sparse autoencoder on disk, by digest. What it is, a worker says, who opened it.

    Until then `sha256` is empty and the figures are 0. `card` holds the figures published beside
    the weights; `declared`, what its makers say of it in the files themselves; `self_check`, what
    the scanner measured on `made_for`, as `SelfCheck`.
    """

    kind = "sae"
    MACHINE = SAE
    TASK = "assessments.check_sae"
    QUEUE = "scans"
    WAITING = "waiting"
    RUNNING = "checking"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="sae")
    name = models.CharField(max_length=200)
    location = models.CharField(max_length=500)
    layout = models.CharField(max_length=40, blank=True, default="")  # as asked, then as found
    made_for = models.ForeignKey(
        ModelVersion, models.PROTECT, null=True, blank=True, related_name="saes"
    )
    registered_by = models.ForeignKey(
        "compliance.User", models.PROTECT, null=True, related_name="+"
    )
    registered_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=20, default="waiting")
    problem = models.TextField(blank=True, default="")
    same_as = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")

    sha256 = models.CharField(max_length=64, blank=True, default="")
    hook_name = models.CharField(max_length=600, blank=True, default="")
    hook_name_out = models.CharField(max_length=600, blank=True, default="")
    d_in = models.PositiveIntegerField(default=0)
    d_sae = models.PositiveIntegerField(default=0)
    d_out = models.PositiveIntegerField(default=0)
    architecture = models.CharField(max_length=40, blank=True, default="")
    card = models.JSONField(default=dict)
    declared = models.JSONField(default=dict)
    doubts = models.JSONField(default=list)
    not_evidence = models.TextField(blank=True, default="")
    unreadable = models.TextField(blank=True, default="")  # why its read point cannot be read
    self_check = models.JSONField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["sha256"], condition=~models.Q(sha256=""), name="sae_files_once"
            ),
        )

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
    reason = models.TextField(blank=True, default="")
    registered_by = models.ForeignKey(
        "compliance.User", models.PROTECT, null=True, related_name="+"
    )
    registered_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name", "number"], name="watchlist_once"),)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class PromptSuite(Public):
    """A pinned set of prompts. The prompts lie in the row, so a scan can be repeated."""

    kind = "suite"

    class Sensitivity(models.TextChoices):
        """What could come of the prompts in the wrong hands."""

        PUBLIC = "public", _("public")
        INTERNAL = "internal", _("internal")
        SENSITIVE = "sensitive", _("sensitive")
        HAZARDOUS = "hazardous", _("hazardous")

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="suites")
    name = models.CharField(max_length=120)
    number = models.PositiveIntegerField()
    prompts = models.JSONField()
    n_prompts = models.PositiveIntegerField()
    n_pairs = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    sensitivity = models.CharField(max_length=12, choices=Sensitivity, default=Sensitivity.INTERNAL)
    reason = models.TextField(blank=True, default="")
    registered_by = models.ForeignKey(
        "compliance.User", models.PROTECT, null=True, related_name="+"
    )
    registered_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name", "number"], name="suite_once"),)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"

    @property
    def is_hidden(self) -> bool:
        """Whether its texts are shown only to who may scan with them, and each look is logged."""
        return self.sensitivity == self.Sensitivity.HAZARDOUS
