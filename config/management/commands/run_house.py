"""Run the whole house on this machine: web, keeper, workers. Ctrl-C ends it."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from config.demo import neighbours
from config.env import env_int
from config.processes import House


class Command(BaseCommand):
    """Embedded default: SQLite, filesystem broker, no server needed."""

    help = "Start web, keeper, default worker and scan worker, and keep them running."

    def add_arguments(self, parser: CommandParser) -> None:
        """--port."""
        parser.add_argument("--port", type=int, default=env_int("PORT", 8000))

    def handle(self, *_: Any, port: int, **__: Any) -> None:
        """Until told to stop."""
        stop = threading.Event()
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: stop.set())
        with House(base=settings.BASE_DIR, var=settings.VAR, port=port) as house:
            neighbours.start_known(house)
            house.all()
            self.stdout.write(
                f"Strata is at http://127.0.0.1:{port}/ ; logs in {settings.VAR}/logs."
            )
            while not stop.wait(2):
                for name in house.restart_dead():
                    self.stderr.write(f"{name} had ended and was started again; see its log.")
        self.stdout.write("Stopped.")
