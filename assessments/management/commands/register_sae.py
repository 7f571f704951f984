"""Register an autoencoder from a pipeline, and wait until a worker has opened it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from assessments.management import asking
from assessments.models import Sae
from assessments.scanner.examined import LAYOUTS
from assessments.services import sae as saes
from compliance.models import ModelVersion
from compliance.permissions import NotAllowed


class Command(BaseCommand):
    """Exits with 0 when it was registered, or with --wait is ready; with 1 when it was refused."""

    help = "Register an autoencoder: a scan worker opens it and says what it is."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where, what it is called, and whose act it is."""
        parser.add_argument("path", type=Path, help="its folder or file")
        parser.add_argument("--name", required=True, help="what people call it")
        parser.add_argument("--layout", default="", choices=["", *LAYOUTS], metavar="LAYOUT",
                            help=f"of the files; known: {', '.join(LAYOUTS)}")  # fmt: skip
        parser.add_argument("--made-for", default="", metavar="VERSION",
                            help="the model version it was trained on: uuid or SHA-256")  # fmt: skip
        asking.add_who(parser)
        asking.add_wait(parser)

    def handle(self, *_: Any, path: Path, **asked: Any) -> None:
        """Register, and if asked to, wait."""
        version = None
        if text := asked["made_for"]:
            versions = ModelVersion.objects.filter(state="registered")
            version = asking.one(versions, text, what="version", weights_sha256=text.lower())
        if not path.exists():
            raise CommandError(f"There is nothing at {path}.")
        try:
            made = saes.register(
                asked["name"],
                path.absolute(),
                layout=asked["layout"],
                made_for=version,
                by=asking.who(asked["by"]),
            )
        except (saes.SaeError, NotAllowed) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{made.uuid} registered as {made.name}; a scan worker will open it.")
        if asked["wait"] is not None:
            self._wait(made, asked["wait"])

    def _wait(self, made: Sae, seconds: float) -> None:
        def tell() -> tuple[str, bool]:
            made.refresh_from_db()
            return f"{made.name}: {made.state}", saes.is_over(made)

        if not asking.wait(self.stdout.write, tell, seconds=seconds):
            raise CommandError(f"Not over within {seconds:.0f} s; is a scan worker running?")
        if made.same_as is not None:
            self.stdout.write(f"{made.same_as.uuid} has the same files: {made.problem}")
            return
        if made.state == "refused":
            raise CommandError(f"Refused: {made.problem or 'no reason was given'}")
        self.stdout.write(
            f"{made.layout}, {made.architecture}: {made.d_sae} latents at {made.hook_name}"
        )
        self.stdout.write(f"sha256 {made.sha256}")
        for doubt in made.doubts:
            self.stdout.write(f"doubt: {doubt}")
        if why := saes.hindrance(made):
            self.stdout.write(why)
