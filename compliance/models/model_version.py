"""Models and their versions, identified by what their files hash to."""

from __future__ import annotations

from django.db import models

from compliance.models.base import Public
from compliance.models.subject import Subject
from compliance.models.system import AISystem


class AIModel(Public):
    """A line of versions under one name."""

    kind = "model"

    system = models.ForeignKey(AISystem, models.PROTECT, related_name="models")
    name = models.CharField(max_length=200)
    base = models.CharField(max_length=200, blank=True, default="")
    licence = models.CharField(max_length=120, blank=True, default="")
    facts = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["system", "name"], name="model_name_once"),)

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> Subject:
        """A model lies inside its system."""
        return self.system.subject


class ModelVersion(Public):
    """Weights, by digest. The same files are the same version, whoever brings them.

    `weights_sha256` is the SHA-256 over the canonical list of (path, size, sha256) of all files.
    """

    kind = "version"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="version")
    model = models.ForeignKey(AIModel, models.PROTECT, related_name="versions")
    name = models.CharField(max_length=80)
    weights_sha256 = models.CharField(max_length=64, unique=True)
    location = models.CharField(max_length=500, help_text="Folder of the files, for workers.")
    origin = models.TextField(blank=True, default="", help_text="How it came to be.")
    previous = models.ForeignKey("self", models.PROTECT, null=True, related_name="later")
    state = models.CharField(max_length=20, default="registered")
    registered_by = models.ForeignKey(
        "compliance.User", models.PROTECT, null=True, related_name="+"
    )
    registered_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["model", "name"], name="version_name_once"),)

    def __str__(self) -> str:
        return f"{self.model.name} {self.name}"


class ModelFile(models.Model):
    """One file of a version."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="files")
    path = models.CharField(max_length=300)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["version", "path"], name="file_once"),)
