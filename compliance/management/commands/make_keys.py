"""Make the keys of a new installation."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compliance.audit import keys


class Command(BaseCommand):
    """Makes what is absent, replaces nothing. Name the log (STRATA_LOG_ORIGIN) before."""

    help = "Make the key-encryption key and the log's signing key where they are absent."
    # The check would warn of what is made here.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django declares it so

    def handle(self, *_: Any, **__: Any) -> None:
        """One line for each key made."""
        try:
            made = keys.make()
        except keys.KeysInUse as error:
            raise CommandError(str(error)) from error
        for path in made:
            self.stdout.write(f"Made {path}. Back it up apart from the database.")
