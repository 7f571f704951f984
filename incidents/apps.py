"""The incidents app."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    """See ARCHITECTURE.md for what lives here."""

    name = "incidents"
    default_auto_field = "django.db.models.BigAutoField"
