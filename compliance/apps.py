"""The compliance app."""

from django.apps import AppConfig
from typing_extensions import override


class ComplianceConfig(AppConfig):
    """See ARCHITECTURE.md for what lives here."""

    name = "compliance"
    default_auto_field = "django.db.models.BigAutoField"

    @override
    def ready(self) -> None:
        """Have the packs among what commands check; a web process runs no checks."""
        from compliance import checks  # noqa: F401 - it registers itself
