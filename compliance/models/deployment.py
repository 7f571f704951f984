"""Where a version serves, and what was seen serving there."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compliance.models.base import Public
from compliance.models.model_version import ModelVersion
from compliance.models.subject import Subject
from compliance.models.system import AISystem


class Deployment(Public):
    """A version serving in an environment."""

    kind = "deployment"

    class Environment(models.TextChoices):
        """How much of the world a deployment touches."""

        PRODUCTION = "production", _("production")
        CANARY = "canary", _("canary")
        STAGING = "staging", _("staging")

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="deployment")
    system = models.ForeignKey(AISystem, models.PROTECT, related_name="deployments")
    key = models.SlugField(unique=True, help_text="As telemetry names it: service.name.")
    environment = models.CharField(max_length=20, choices=Environment)
    zone = models.CharField(max_length=60, default="Europe/Berlin")
    serves = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="deployments")
    target_kind = models.CharField(max_length=20, default="null")
    target_config = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=20, default="active")

    def __str__(self) -> str:
        return self.key


class ServingRecord(models.Model):
    """What served when, by whose word: the record is added to, never changed."""

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="servings")
    version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    weights_sha256 = models.CharField(max_length=64)
    said_by = models.CharField(max_length=20)  # declared, telemetry or target
    at = models.DateTimeField()
