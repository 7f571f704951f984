"""When is it due? One regime, one set of facts, every stage; no database needed."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from typing_extensions import override

from compliance import clock
from compliance.regimes import load
from compliance.regimes.engine import evaluate, version_for
from compliance.regimes.facts import Facts, FactsError, instant
from compliance.regimes.load import UnknownRegime
from compliance.regimes.outcome import RegimeOutcome, StageOutcome, zulu
from compliance.regimes.table import RegimeError

_LARGEST_BYTES = 1_000_000
_WRONG_INPUT = 2


class Command(BaseCommand):
    """Print the deadlines of one regime for one set of facts."""

    help = "Deadlines of one regime for one set of facts, with the rule behind each."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django declares it so
    requires_migrations_checks = False

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """What may be asked."""
        parser.add_argument("--regime", required=True, metavar="KEY[@VERSION]")
        parser.add_argument("--facts", required=True, metavar="FILE|-")
        parser.add_argument("--at", metavar="INSTANT", help="ISO 8601 with offset; now if absent")
        parser.add_argument("--json", action="store_true", dest="as_json")

    @override
    def handle(self, *args: object, **options: Any) -> None:
        """Answer, or say what was wrong and leave with a code other than zero."""
        del args
        try:
            outcome = _outcome(options["regime"], options["facts"], options["at"])
        except (FactsError, UnknownRegime, RegimeError) as error:
            raise CommandError(str(error), returncode=_WRONG_INPUT) from None
        if options["as_json"]:
            self.stdout.write(json.dumps(outcome.as_json(), indent=2, ensure_ascii=True))
            return
        for line in _lines(outcome):
            self.stdout.write(line)


def _outcome(name: str, source: str, at: str | None) -> RegimeOutcome:
    """Evaluate as asked; a regime asked for by name has its open scope questions assumed.

    A key alone means the version in force at the instant that starts the clock; every version,
    proposals among them, is reached as "key@version".
    """
    facts = Facts.from_json(_read(source))
    moment = clock.now() if at is None else instant("at", at)
    regime = load.get(name) if "@" in name else version_for(name, facts, moment)
    return evaluate(regime, facts, moment, assume_scope=True)


def _read(source: str) -> str:
    """The facts from a file, or from standard input for "-"."""
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        if len(content) > _LARGEST_BYTES:
            raise FactsError(f"--facts: expected at most {_LARGEST_BYTES} bytes")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise FactsError(f"--facts: expected a readable JSON file in UTF-8: {error}") from None


def _lines(outcome: RegimeOutcome) -> list[str]:
    """The outcome for a person at a terminal."""
    lines = [f"{outcome.regime}  {outcome.title}", f"  {outcome.applies}"]
    lines += [f"    {reason.sentence} ({reason.cite})" for reason in outcome.because]
    for stage in outcome.stages:
        lines += _stage_lines(stage)
    for note in outcome.requires_counsel:
        lines.append(_("Confirm with counsel: %(note)s") % {"note": note})
    return lines


def _stage_lines(stage: StageOutcome) -> list[str]:
    """One stage: state, dates, rule."""
    dates = {
        _("target due"): stage.target_due,
        _("strict"): stage.strict,
        _("nominal"): stage.nominal,
        _("latest arguable, confirm with counsel"): stage.legal_latest,
        _("earliest if confirmed"): stage.earliest_if_confirmed,
    }
    shown = [f"    {label}: {zulu(moment)}" for label, moment in dates.items() if moment]
    return ["", f"  {stage.id}: {stage.state}  [{stage.cite}]", *shown] + [
        f"    - {line}" for line in stage.trace
    ]
