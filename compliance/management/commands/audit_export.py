"""Write an export of the record to a file, without a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.actors import Actor, system
from compliance.audit import sequencer
from compliance.audit.export import ExportRefused
from compliance.machines import TransitionRefused
from compliance.models import User
from compliance.permissions import NotAllowed
from compliance.services import account, audit_export


class Command(BaseCommand):
    """Whoever has this shell has the keys; --as narrows the export to what one person may see."""

    help = "Export the record with its own verifier: python3 -I -S verify.py FILE.zip --vkey KEY"

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, for whom, and what it should continue."""
        parser.add_argument("--out", type=Path, required=True, help="the zip file to write")
        parser.add_argument("--vkey-out", type=Path, help="also write the verification key here")
        parser.add_argument("--as", dest="email", help="disclose only what this person may see")
        parser.add_argument("--previous", type=Path, help="an earlier checkpoint to continue")

    def handle(self, *_: Any, out: Path, **options: Any) -> None:
        """Write, then say how to verify."""
        previous = options["previous"].read_text(encoding="utf-8") if options["previous"] else None
        try:
            written = audit_export.write(out, by=_reader(options["email"]), previous=previous)
        except (TransitionRefused, ExportRefused, NotAllowed, OSError) as error:
            raise CommandError(str(error)) from error
        key = sequencer.verification_key()
        if options["vkey_out"]:
            options["vkey_out"].write_text(f"{key}\n", encoding="utf-8")
        for problem in written.problems:
            self.stderr.write(f"problem: {problem}")
        self.stdout.write(
            f"{written.n_entries:,} entries, {written.size_bytes:,} bytes, sha256 {written.sha256}\n"
            f"To verify: unzip -p {out} verify.py > verify.py"
            f" && python3 -I -S verify.py {out} --vkey '{key}'"
        )


def _reader(email: str | None) -> Actor:
    if email is None:
        return system("audit_export")
    person = User.objects.filter(email=email.lower()).first()
    if person is None:
        raise CommandError(f"{email} has no account here.")
    return account.actor_for(person, via="cli")
