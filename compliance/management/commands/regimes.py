"""Read the regime packs: `lint` checks them, `list` names them, `cases` prints what they come to."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from typing_extensions import override

from compliance.regimes import cases, lint, load
from compliance.regimes.table import RegimeError


class Command(BaseCommand):
    """Check or list the regime packs, or print their cases; no database needed."""

    help = (
        "Check the regime packs and run the worked cases inside them, list them, or print the"
        " numbered cases of the reference with what was expected and what was found."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django declares it so
    requires_migrations_checks = False

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """What may be asked."""
        parser.add_argument("action", choices=["lint", "list", "cases"])

    @override
    def handle(self, *args: object, **options: Any) -> None:
        """Answer, or say what was wrong and leave with a code other than zero."""
        del args
        actions = {"lint": self._lint, "list": self._list, "cases": self._cases}
        actions[options["action"]]()

    def _lint(self) -> None:
        complaints = lint.complaints()
        for complaint in complaints:
            self.stderr.write(complaint)
        if complaints:
            raise CommandError(
                _("%(count)d complaint(s) about the packs.") % {"count": len(complaints)}
            )
        packs = load.regimes()
        counted = {
            "packs": len(packs),
            "cases": sum(len(pack.tests) + len(pack.standing_tests) for pack in packs),
        }
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

    def _cases(self) -> None:
        rows = cases.rows()
        heads = cases.Row(_("case"), _("regime"), _("value"), _("expected"), _("found"))
        for row in (heads, *rows):
            verdict = "" if row is heads else (_("equal") if row.is_equal else _("DIFFERS"))
            self.stdout.write(
                f"{row.case:5}{row.about:30}{row.what:32}{row.expected:24}{row.found:24}{verdict}"
            )
        walked = cases.elapsed()
        counted = {
            "zones": walked.zones,
            "changes": walked.changes,
            "counted": walked.counted,
            "wrong": len(walked.wrong),
        }
        self.stdout.write(
            _(
                "F01: %(zones)d zones, %(changes)d changes of clocks from 2026 to 2028,"
                " %(counted)d counts of 72 hours, %(wrong)d other than 259200 s."
            )
            % counted
        )
        wrong = sum(not row.is_equal for row in rows)
        numbers = len({row.case for row in rows})
        self.stdout.write(
            _("%(cases)d cases, %(values)d values, %(wrong)d wrong.")
            % {"cases": numbers, "values": len(rows), "wrong": wrong}
        )
        if wrong or walked.wrong:
            raise CommandError(
                _("%(count)d value(s) differ.") % {"count": wrong + len(walked.wrong)}
            )
