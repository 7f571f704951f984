"""Judge every clock again, after a holiday calendar or the data of a regime was corrected."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.services import deadline, recomputing


class Command(BaseCommand):
    """Only what changed is written; what stood before stays readable."""

    help = "Judge every clock that stands again; write only what changed, with its reason."

    def add_arguments(self, parser: CommandParser) -> None:
        """The reason for the record, and how to share the work between processes."""
        parser.add_argument("--reason", required=True, help="why, for the record")
        parser.add_argument("--part", type=int, default=1, help="which part this process does")
        parser.add_argument("--parts", type=int, default=1, help="into how many parts it is cut")

    def handle(self, *_: Any, reason: str, part: int, parts: int, **__: Any) -> None:
        """Say how many clocks were judged, and how many incidents changed."""
        if not 1 <= part <= parts:
            raise CommandError(f"expected a part from 1 to {parts}, got {part}")
        done = recomputing.everything(
            reason=reason, by=deadline.TIMEKEEPER, part=part - 1, parts=parts
        )
        self.stdout.write(f"{done.judged} clocks judged, {done.changed} incidents changed")
