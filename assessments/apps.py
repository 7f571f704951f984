"""The assessments app."""

from django.apps import AppConfig


class AssessmentsConfig(AppConfig):
    """See ARCHITECTURE.md for what lives here."""

    name = "assessments"
    default_auto_field = "django.db.models.BigAutoField"
