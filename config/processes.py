"""The house as processes: web, keeper, default worker, scan worker, and the demo's neighbours.

Each process writes to its own file under var/logs; one that dies is started again and said
aloud. Nothing here is needed where a service manager does the same.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

PATIENCE = 60.0  # seconds for a process to answer
GENTLY = 10.0  # seconds between SIGTERM and SIGKILL


class DidNotStart(RuntimeError):
    """A process ended, or did not answer in time; the message names its log."""


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """One child: what to run, and how to tell that it is up."""

    name: str
    command: list[str]
    log: Path
    env: Mapping[str, str]
    cwd: Path
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _file: IO[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, adding to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self._file is not None:
            self._file.close()
        self._file = self.log.open("ab")
        self.child = subprocess.Popen(
            self.command,
            cwd=self.cwd,
            env=dict(self.env),
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.child is not None and self.child.poll() is None

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until it answers, or say which log tells why it does not."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if not self.is_alive:
                code = self.child.returncode if self.child else None
                raise DidNotStart(f"{self.name} ended with code {code}; see {self.log}.")
            if ready():
                return
            time.sleep(0.1)
        raise DidNotStart(f"{self.name}: {what} within {PATIENCE:.0f} s; see {self.log}.")

    def stop(self) -> None:
        """Ask it and its children to end; insist after a while."""
        if self.child is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self.child.poll() is None:
                _signal_group(self.child.pid, sign)
                try:
                    self.child.wait(GENTLY)
                except subprocess.TimeoutExpired:
                    continue
        # What the child itself left behind, such as a pool's processes.
        _signal_group(self.child.pid, signal.SIGKILL)
        if self._file is not None:
            self._file.close()
        self.child = None


def _signal_group(pid: int, sign: signal.Signals) -> None:
    try:
        os.killpg(pid, sign)
    except ProcessLookupError:
        return


def answers(url: str) -> bool:
    """Whether an HTTP server answers there, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own loopback address
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, urllib.error.URLError):
        return False


class House:
    """Starts processes in order and stops them in reverse; a context manager."""

    def __init__(
        self, *, base: Path, var: Path, port: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Nothing runs yet.

        Args:
            base: the repository's root.
            var: where logs go.
            port: the web server's.
            env: variables on top of this process's own.
        """
        self.base, self.var, self.port = base, var, port
        self.env = {
            **os.environ,
            "STRATA_VAR": str(var),
            "PORT": str(port),
            "SITE_URL": os.environ.get("SITE_URL", f"http://127.0.0.1:{port}"),
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_OFFLINE": "1",
            **(env or {}),
        }
        self.processes: list[Process] = []

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything, last started first."""
        for process in reversed(self.processes):
            process.stop()

    def run(self, name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Process:
        """Start `python …` as a child of the house."""
        process = Process(
            name,
            [sys.executable, *arguments],
            self.var / "logs" / f"{name}.log",
            {**self.env, **(env or {})},
            self.base,
        )
        process.start()
        self.processes.append(process)
        return process

    def web(self) -> Process:
        """The web server, up when it answers."""
        process = self.run(
            "web",
            "-m",
            "gunicorn",
            "config.wsgi:application",
            "--bind",
            f"127.0.0.1:{self.port}",
            "--workers",
            "2",
            "--threads",
            "4",
            "--timeout",
            "60",
            "--access-logfile",
            "-",
        )
        process.wait_until(lambda: answers(f"http://127.0.0.1:{self.port}/healthz"), "no answer")
        return process

    def keeper(self) -> Process:
        """Sweep, schedule and sequencer."""
        return self.run("keeper", "manage.py", "keeper")

    def worker(self, *, name: str = "worker") -> Process:
        """Everything that needs no torch."""
        return self.run(
            name,
            "-m",
            "celery",
            "-A",
            "config",
            "worker",
            "-Q",
            "default,events,documents",
            "-P",
            "prefork",
            "-c",
            "2",
            "-n",
            f"{name}@%h",
            "--without-gossip",
            "--without-mingle",
            "-l",
            "WARNING",
        )

    def scan_worker(self, *, name: str = "scans") -> Process:
        """A process that pays for torch; any number of them share the shards of a scan."""
        return self.run(
            name,
            "-m",
            "celery",
            "-A",
            "config",
            "worker",
            "-I",
            "assessments.worker",
            "-Q",
            "scans",
            "-P",
            "solo",
            "-n",
            f"{name}@%h",
            "--without-gossip",
            "--without-mingle",
            "-l",
            "WARNING",
        )

    def all(self) -> Self:
        """Web, keeper and both workers."""
        self.web()
        self.keeper()
        self.worker()
        self.scan_worker()
        return self

    def restart_dead(self) -> list[str]:
        """Start again what ended by itself; the names of those."""
        dead = [process for process in self.processes if not process.is_alive]
        for process in dead:
            process.start()
        return [process.name for process in dead]
