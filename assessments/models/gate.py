"""What the release gate concluded, and what may therefore serve where."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from assessments.states import AUTHORISATION
from compliance.models import Deployment, ModelVersion, Public, Subject


class GateDecision(Public):
    """One evaluation of one pinned policy over the evidence of one version. Never changed.

    `evidence_sha256` covers the evidence it rests on; `reasons` is a list of
    {criterion, title, why, cite, supply, waivable, status, verdict, sentence, evidence, sha256, waiver},
    where verdict is met, not_met, inconclusive, stale, missing or waived and evidence and waiver are
    uuids or empty. `valid_until` is when the first thing it rests on runs out.
    """

    kind = "decision"

    class Outcome(models.TextChoices):
        """What a gate can conclude; none of them says safe."""

        GO = "go", _("GO")
        CONDITIONAL = "conditional", _("CONDITIONAL")
        NO_GO = "no_go", _("NO-GO")

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="decisions")
    policy = models.CharField(max_length=60)
    policy_version = models.CharField(max_length=20)
    policy_sha256 = models.CharField(max_length=64)
    environment = models.CharField(max_length=20)
    outcome = models.CharField(max_length=15, choices=Outcome)
    reasons = models.JSONField()
    evidence_sha256 = models.CharField(max_length=64)
    valid_until = models.DateTimeField(null=True)
    evaluated_at = models.DateTimeField()
    asked_by = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = (models.Index(fields=["version", "environment", "-id"], name="decision_newest"),)

    @property
    def subject(self) -> Subject:
        """Inside the version it judges."""
        return self.version.subject


class Authorisation(Public):
    """A person let a version serve in an environment, on the evidence of one decision."""

    kind = "authorisation"
    MACHINE = AUTHORISATION

    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="authorisations")
    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="authorisations")
    decision = models.ForeignKey(GateDecision, models.PROTECT, related_name="authorisations")
    given_by = models.ForeignKey("compliance.User", models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=20, default="standing")

    @property
    def subject(self) -> Subject:
        """Inside the version that may serve."""
        return self.version.subject
