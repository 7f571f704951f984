"""Legal entities and the AI systems they answer for."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from compliance.models.base import Public
from compliance.models.subject import Subject


class LegalEntity(Public):
    """One legal person of the organisation; `facts` feeds the applicability of regimes."""

    kind = "entity"

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="entity")
    name = models.CharField(max_length=200, unique=True)
    country = models.CharField(max_length=2)
    facts = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name


class AISystem(Public):
    """What is placed on the market, with an intended purpose and a risk class."""

    kind = "system"

    class RiskClass(models.TextChoices):
        """Article 6 and Annex III/I of the AI Act, as the provider classified it."""

        PROHIBITED = "prohibited", _("prohibited practice (Art. 5)")
        HIGH_ANNEX_III = "annex_iii", _("high-risk, Annex III")
        HIGH_ANNEX_I = "annex_i", _("high-risk, Annex I")
        TRANSPARENCY = "transparency", _("transparency duties (Art. 50)")
        MINIMAL = "minimal", _("minimal")
        UNKNOWN = "unknown", _("not classified yet")

    class Role(models.TextChoices):
        """Article 3 of the AI Act."""

        PROVIDER = "provider", _("provider")
        DEPLOYER = "deployer", _("deployer")
        IMPORTER = "importer", _("importer")
        DISTRIBUTOR = "distributor", _("distributor")

    subject = models.OneToOneField(Subject, models.PROTECT, related_name="system")
    entity = models.ForeignKey(LegalEntity, models.PROTECT, related_name="systems")
    reference = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    intended_purpose = models.TextField()
    risk_class = models.CharField(max_length=20, choices=RiskClass, default=RiskClass.UNKNOWN)
    eu_role = models.CharField(max_length=20, choices=Role, default=Role.PROVIDER)
    zone = models.CharField(max_length=60, default="Europe/Berlin")
    member_states = models.JSONField(default=list, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    owner = models.ForeignKey("compliance.User", models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return self.name
