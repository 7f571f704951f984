"""Write the pages of docs/ that come from tables in the code, or check that they are current."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

from config.reference import PAGES


class Command(BaseCommand):
    """No database needed."""

    help = "Write docs/{states,actions,permissions,regimes}.md, or check them with --check."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django declares it so
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """--check and --out."""
        parser.add_argument(
            "--check", action="store_true", help="write nothing; fail when a page is old"
        )
        parser.add_argument("--out", type=Path, default=settings.BASE_DIR / "docs")

    def handle(self, *_: Any, check: bool, out: Path, **__: Any) -> None:
        """Write, or name what is out of date."""
        with translation.override("en"):
            pages = {out / name: draw() for name, draw in PAGES.items()}
        old = [path for path, text in pages.items() if _read(path) != text]
        if check and old:
            names = ", ".join(path.name for path in old)
            raise CommandError(f"Not what the tables say any more: {names}. Run `make docs`.")
        for path in old:
            path.write_text(pages[path], encoding="utf-8")
            self.stdout.write(f"Wrote {path.name}.")
        if not old:
            self.stdout.write("docs/ says what the tables say.")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
