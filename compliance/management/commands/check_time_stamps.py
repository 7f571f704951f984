"""Check every kept time-stamp again: token, stamped bytes and certificates, and nobody is asked."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compliance.clock import stamp as written
from compliance.filestore import FileStoreError
from compliance.models import TimeStamp
from compliance.services import time_stamp
from compliance.timestamps.base import TimeStampError


class Command(BaseCommand):
    """A line for each; it fails when one of them does not hold."""

    help = "Check the kept time-stamps again, offline, by STRATA_TSA_CERTIFICATES."

    def handle(self, *_: Any, **__: Any) -> None:
        """Say of each whether it holds, and why not."""
        try:
            trusted = time_stamp.trusted()
        except TimeStampError as error:
            raise CommandError(str(error)) from error
        stamps = TimeStamp.objects.filter(state="stamped").select_related("token", "stamped")
        broken = 0
        for each in stamps.order_by("pk"):
            try:
                found = time_stamp.verify(each, trusted)
            except (TimeStampError, FileStoreError) as error:
                broken += 1
                self.stderr.write(f"{each.uuid} {each.what}: {error}")
            else:
                self.stdout.write(
                    f"{each.uuid} {each.what}: holds, {written(found.at)}, {found.authority}"
                )
        if broken:
            raise CommandError(f"{broken} time-stamps do not hold.")
