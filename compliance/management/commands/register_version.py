"""Register a model version from files too large to be read while a browser waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from compliance import queries
from compliance.models import AIModel
from compliance.permissions import NotAllowed
from compliance.services import account, registry


class Command(BaseCommand):
    """Reads every file once, shows how far it is, and prints the digest."""

    help = "Register the files of a folder as a version of a model."

    def add_arguments(self, parser: CommandParser) -> None:
        """Model, name, folder, and who registers."""
        parser.add_argument("model", type=UUID, help="the model's uuid, from its page")
        parser.add_argument("name", help="the version, such as 1.4.0")
        parser.add_argument("folder", type=Path)
        parser.add_argument("--by", required=True, metavar="ADDRESS", help="whose act this is")
        parser.add_argument("--origin", default="", help="how the files came to be")

    def handle(
        self, *_: Any, model: UUID, name: str, folder: Path, by: str, origin: str, **__: Any
    ) -> None:
        """Look up, read, register."""
        person = queries.person_by_email(by)
        line = AIModel.objects.filter(uuid=model).first()
        if person is None or line is None:
            raise CommandError(
                f"There is no {'account ' + by if person is None else f'model {model}'}."
            )
        size = registry.size_of(folder) if folder.is_dir() else 0
        try:
            with tqdm(total=size, unit="B", unit_scale=True, desc=name) as bar:
                version = registry.register_version(
                    line,
                    name,
                    folder.resolve(),
                    origin=origin,
                    report=bar.update,
                    by=account.actor_for(person, via="cli"),
                )
        except (registry.RegistryError, NotAllowed) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{version}: sha256 {version.weights_sha256}")
