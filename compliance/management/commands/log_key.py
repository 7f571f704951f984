"""Print the key that verifies this log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compliance.audit import keys, sequencer


class Command(BaseCommand):
    """Give it to auditors by a way that does not pass through this installation."""

    help = "Print the log's verification key (C2SP vkey)."

    def handle(self, *_: Any, **__: Any) -> None:
        """One line."""
        try:
            self.stdout.write(sequencer.verification_key())
        except keys.KeysMissing as error:
            raise CommandError(str(error)) from error
