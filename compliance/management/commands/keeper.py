"""The keeper: sweep, schedule and sequencer in one process of its own."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.db.utils import OperationalError

from compliance.audit import keys, sequencer
from compliance.services import sweep, timekeeping

log = logging.getLogger(__name__)
TICK = 0.2  # seconds between looks for unsequenced entries


class Command(BaseCommand):
    """Runs until it is told to stop; with --once it makes one round of each and ends."""

    help = "Ring for waiting work, keep the schedule, compare clocks, sequence and sign the log."

    def add_arguments(self, parser: CommandParser) -> None:
        """--once, for tests and cron."""
        parser.add_argument("--once", action="store_true", help="one round, then stop")

    def handle(self, *_: Any, once: bool, **__: Any) -> None:
        """Rounds until SIGTERM or SIGINT."""
        try:
            keys.require()
        except keys.KeysMissing as error:
            raise CommandError(str(error)) from error
        sweep.seed_schedule()
        self.watch = timekeeping.Watch()
        if once:
            self._round()
            while sequencer.sequence():
                pass
            return
        stop = threading.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: stop.set())
        next_round = 0.0
        while not stop.wait(TICK):
            try:
                sequencer.sequence()
                if time.monotonic() >= next_round:
                    self._round()
                    next_round = time.monotonic() + settings.STRATA_SWEEP_SECONDS
            except OperationalError as error:
                # A locked or restarting database: the rows wait, and so do we.
                log.warning("keeper: %s; trying again", error)
                close_old_connections()

    def _round(self) -> None:
        sweep.beat("keeper")
        self.watch.look()
        sweep.forget_silent()
        sweep.take_back_lapsed()
        sweep.ring_waiting()
        sweep.ring_schedule()
