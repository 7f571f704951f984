"""What a version is declared to do: the yardstick of its behaviour in production."""

from __future__ import annotations

from django.db import models

from compliance.models.base import Public
from compliance.models.model_version import ModelVersion
from compliance.models.subject import Subject


class BehaviourManifest(Public):
    """Tools, data scopes, system-prompt digests and rates. A change is a new number."""

    kind = "manifest"

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="manifests")
    number = models.PositiveIntegerField()
    tools = models.JSONField(default=list)
    external_tools = models.JSONField(default=list)
    untrusted_tools = models.JSONField(default=list)
    data_scopes = models.JSONField(default=list)
    prompt_sha256s = models.JSONField(default=list)
    rates = models.JSONField(default=dict)
    sha256 = models.CharField(max_length=64)
    declared_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")
    declared_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["version", "number"], name="manifest_once"),)

    @property
    def subject(self) -> Subject:
        """A manifest lies inside its version."""
        return self.version.subject
