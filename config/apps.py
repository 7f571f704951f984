"""The roof as an app: it owns the demo and nothing else."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Wiring."""

    name = "config"
