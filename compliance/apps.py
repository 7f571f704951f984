"""The compliance app."""

from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    """See ARCHITECTURE.md for what lives here."""

    name = "compliance"
    default_auto_field = "django.db.models.BigAutoField"
