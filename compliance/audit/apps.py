"""The log as a small Django app of its own, below every model."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Brings the refusal triggers back after every migration and checks them at start."""

    name = "compliance.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the one framework signal there is no other way to hear, and the check."""
        from django.core.checks import Tags, register
        from django.db.models.signals import post_migrate  # noqa: TID251 - see above

        from compliance.audit import keys, triggers

        post_migrate.connect(triggers.install_after_migrate, sender=self)
        register(Tags.database)(triggers.check_installed)
        register(Tags.files)(keys.check_present)
