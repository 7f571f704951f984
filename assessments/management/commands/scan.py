"""Ask for a scan from a pipeline, wait for it, and say with the exit what came of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from assessments import queries
from assessments.management import asking
from assessments.models import PromptSuite, Sae, Scan, WatchList
from assessments.services import progress
from assessments.services import scan as scans
from compliance.models import ModelVersion
from compliance.permissions import NotAllowed

FAILED, CONCERNS = 1, 3


class Command(BaseCommand):
    """Exits with 0 when the scan is done, 1 when it failed, 3 when it found concerns.

    Concerns are found when what the scan attested is `not_met`. Done says no more than that: read the
    lines, or ask the gate, for what is inconclusive.
    """

    help = (
        "Scan a model version. Exit: 0 done (without --wait: asked for), 1 failed, cancelled or not"
        " over in time, 3 done and concerns found."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Here --version is a model's; that of Django is told by `manage.py version`."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """What is to be measured with what."""
        parser.add_argument("--version", required=True, help="the model version: uuid or SHA-256")
        parser.add_argument("--watchlist", required=True, help="uuid, NAME, or NAME@NUMBER")
        parser.add_argument("--suite", required=True, help="uuid, NAME, or NAME@NUMBER")
        parser.add_argument("--sae", default="", help="uuid, SHA-256 or name; the watch-list's own")
        parser.add_argument("--seed", type=int, default=0)
        asking.add_who(parser)
        asking.add_wait(parser)

    def handle(self, *_: Any, **asked: Any) -> None:
        """Ask, and if told to, wait."""
        versions = ModelVersion.objects.filter(state="registered")
        text = asked["version"]
        version = asking.one(versions, text, what="version", weights_sha256=text.lower())
        watchlist = asking.numbered(WatchList.objects.all(), asked["watchlist"], what="watch-list")
        suite = asking.numbered(PromptSuite.objects.all(), asked["suite"], what="suite")
        sae = watchlist.sae
        if text := asked["sae"]:
            sae = asking.one(Sae.objects.all(), text, what="sae", sha256=text.lower(), name=text)
        try:
            made = scans.request(
                version,
                sae=sae,
                watchlist=watchlist,
                suite=suite,
                seed=asked["seed"],
                by=asking.who(asked["by"]),
            )
        except (scans.ScanError, NotAllowed) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{made.uuid} asked for: {version} with {watchlist} on {suite}")
        self.stdout.write(f"{settings.SITE_URL}{made.path}")
        if asked["wait"] is not None:
            self._wait(made, asked["wait"])

    def _wait(self, made: Scan, seconds: float) -> None:
        def tell() -> tuple[str, bool]:
            made.refresh_from_db()
            return line(made), progress.is_over(made)

        if not asking.wait(self.stdout.write, tell, seconds=seconds):
            message = (
                f"Not over within {seconds:.0f} s; the scan goes on. Is a scan worker running?"
            )
            raise CommandError(message, returncode=FAILED)
        if made.state != "done":
            raise CommandError(f"{made.state}: {made.problem}".rstrip(": "), returncode=FAILED)
        self._tell(made)

    def _tell(self, made: Scan) -> None:
        self.stdout.write(f"result sha256 {made.result_sha256}")
        attested = queries.evidence_of(made)
        for each in attested:
            self.stdout.write(f"{each.what}: {each.status}. {each.summary}")
        if concerns := [each.what for each in attested if each.status == "not_met"]:
            raise CommandError(f"Concerns found: {', '.join(concerns)}.", returncode=CONCERNS)


def line(made: Scan) -> str:
    """How far it is, in one line."""
    found = progress.of(made, queries.shards_of(made))
    parts = [made.state if progress.is_over(made) else found.stage or "waiting for a scan worker"]
    if found.n_total:
        parts.append(f"{found.n_done} of {found.n_total} prompts")
    if found.tokens_per_second:
        parts.append(f"{found.tokens_per_second:.0f} tokens a second")
    if found.seconds_left is not None:
        parts.append(f"about {found.seconds_left:.0f} s left")
    return ", ".join(parts)
