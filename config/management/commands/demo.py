"""The main job, end to end, on this machine: from a scan to a filed report and its proof."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from compliance.models import User
from config.demo import gating, neighbours, proving, registering, responding, scanning
from config.demo.stage import DemoFailed, Stage, say
from config.env import env_int
from config.processes import DidNotStart, House


class Command(BaseCommand):
    """Real model, real autoencoder, real processes; people's decisions and harms are a scenario."""

    help = "Run the main job end to end over fresh demo data."

    def add_arguments(self, parser: CommandParser) -> None:
        """--fresh and --port."""
        parser.add_argument(
            "--fresh", action="store_true", help="delete the data of an earlier demo first"
        )
        parser.add_argument("--port", type=int, default=env_int("PORT", 8000))

    def handle(self, *_: Any, fresh: bool, port: int, **__: Any) -> None:
        """Every step in order; a failure names the step and where to look."""
        var = Path(settings.VAR)
        if fresh:
            _clear(var)
        call_command("migrate", verbosity=0, interactive=False)
        _make_room(var)
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        # Asked to end, the demo stops its processes too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        began = time.monotonic()
        with House(base=settings.BASE_DIR, var=var, port=port) as house:
            stage = Stage(var=var, house=house)
            try:
                self._play(stage)
            except (DemoFailed, DidNotStart) as error:
                raise CommandError(f"The demo stopped: {error}") from error
            self._summary(stage, time.monotonic() - began)

    def _play(self, stage: Stage) -> None:
        with stage.step(1, "Register an organisation, a system, a model and its versions"):
            registering.people(stage)
            registering.inventory(stage)
            registering.manifests(stage)
            registering.neighbours_up(stage)
            registering.production(stage)
            registering.rota(stage)
            registering.logins(stage)
        with stage.step(2, "Scan every version with a sparse autoencoder, in a worker"):
            scanning.instruments(stage)
            scanning.scan_all(stage)
        with stage.step(3, "Test whether the model hides under evaluation"):
            scanning.suppression(stage)
        with stage.step(4, "Decide at the release gate"):
            gating.first_look(stage)
            responding.calm_hour(stage)
            gating.supply(stage)
            gating.release_to_canary(stage)
        with stage.step(5, "The planted version turns up on the canary; a real agent runs"):
            responding.turns_up(stage)
        with stage.step(6, "A person classifies; only then do clocks start"):
            responding.classify(stage)
        with stage.step(7, "Evidence hold, then rollback by two people, checked from two vantages"):
            responding.contain(stage)
        with stage.step(8, "The report: drafted, approved, rendered, filed, receipt"):
            responding.file_report(stage)
        with stage.step(9, "The review learns; replay says whether it would have helped"):
            responding.learn(stage)
        with stage.step(10, "Documents, with gaps shown as gaps"):
            proving.documents(stage)
        with stage.step(11, "Take the record home and check it offline"):
            proving.export(stage)
        with stage.step(12, "Leave a second incident waiting for you"):
            responding.second_incident(stage)

    def _summary(self, stage: Stage, seconds: float) -> None:
        second, drafted = stage.made["second"], stage.made["second_report"]
        say(f"\nDone in {seconds / 60:.1f} minutes. Everything above can be found in the browser.")
        say(
            "Scenario: people, their decisions, the harm, prompts and tool results. Real: the model, its"
        )
        say(
            "tokens, the autoencoder, scans, statistics, alerts, clocks, papers, signatures and the record.\n"
        )
        say(f"  make run                        then open http://127.0.0.1:{stage.house.port}/")
        for name, does in (("ada", "approves the report"), ("rae", "then files it to the sandbox")):
            say(f"  {name}@demo.example  {stage.passwords[name]:<18} {does}")
        say(f"\n  waiting: {second.reference} {second.title}")
        say(f"           {stage.address(drafted)}\n")


def _make_room(var: Path) -> None:
    """Begin afresh over an earlier demo; never over records of anybody else."""
    if not User.objects.exists():
        return
    if User.objects.exclude(email__endswith=registering.AT).exists():
        raise CommandError(
            f"There are records in {var} that no demo made. Give the demo a folder of its own"
            " (STRATA_VAR=var-demo make demo), or say `manage.py demo --fresh` to delete them."
        )
    _clear(var)
    call_command("migrate", verbosity=0, interactive=False)


def _clear(var: Path) -> None:
    """Delete the earlier demo's records, files and keys; the converted models stay."""
    connection.close()
    for name in ("strata.sqlite3", "strata.sqlite3-wal", "strata.sqlite3-shm"):
        (var / name).unlink(missing_ok=True)
    for name in ("files", "keys", "demo", "logs"):
        shutil.rmtree(var / name, ignore_errors=True)
    for name in ("messages", "control"):
        shutil.rmtree(var / "bells" / name, ignore_errors=True)
        (var / "bells" / name).mkdir(parents=True, exist_ok=True)
    Path(settings.STRATA_KEYS).mkdir(parents=True, exist_ok=True, mode=0o700)
    neighbours.folder(var).mkdir(parents=True, exist_ok=True)
