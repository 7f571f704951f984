"""Read the regime packs: `lint` checks them, `list` names them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from typing_extensions import override

from compliance.regimes import lint, load
from compliance.regimes.reading import RegimeError


class Command(BaseCommand):
    """Check or list the regime packs; no database needed."""

    help = "Check the regime packs and run the worked cases inside them, or list them."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django declares it so
    requires_migrations_checks = False

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """What may be asked."""
        parser.add_argument("action", choices=["lint", "list"])

    @override
    def handle(self, *args: object, **options: Any) -> None:
        """Answer, or say what was wrong and leave with a code other than zero."""
        del args
        if options["action"] == "lint":
            self._lint()
        else:
            self._list()

    def _lint(self) -> None:
        complaints = lint.complaints()
        for complaint in complaints:
            self.stderr.write(complaint)
        if complaints:
            raise CommandError(
                _("%(count)d complaint(s) about the packs.") % {"count": len(complaints)}
            )
        packs = load.regimes()
        counted = {"packs": len(packs), "cases": sum(len(pack.tests) for pack in packs)}
        self.stdout.write(_("%(packs)d packs, %(cases)d worked cases: no complaint.") % counted)

    def _list(self) -> None:
        try:
            packs = load.regimes()
        except RegimeError as error:
            raise CommandError(str(error)) from None
        for pack in packs:
            self.stdout.write(
                f"{pack.reference:32} {pack.status:24} {pack.digest[:12]}  {pack.title}"
            )
