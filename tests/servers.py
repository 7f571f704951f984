"""The servers that the suite brings up itself: PostgreSQL, Redis; and where Chromium is.

Each has a data folder of its own that goes with it, a free port on loopback, and no file outside
that folder. Nothing that was running before is asked, used or stopped.

    with PostgreSQL() as database_url, Redis() as broker_url:
        ...
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

PATIENCE = 30.0  # seconds for a server to answer
TRIES = 3  # a free port may be taken between asking and using
NOBODY_NEEDS_ROOT = "postgres"  # PostgreSQL refuses to run as root


class ServerMissing(RuntimeError):
    """A program is not installed, or a server did not come up; the message says which."""


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, *places: str) -> Path:
    """The newest program of this name, in the given places or on PATH.

    Raises:
        ServerMissing: it is nowhere.
    """
    found = sorted(
        (path for place in places for path in Path("/").glob(f"{place.lstrip('/')}/{name}")),
        key=lambda path: [int(part) for part in path.parts if part.isdigit()],
    )
    if found:
        return found[-1]
    on_path = shutil.which(name)
    if on_path is None:
        raise ServerMissing(
            f"{name} is not installed; requirements/debian-test.txt names the package."
        )
    return Path(on_path)


def chromium() -> Path:
    """Debian's Chromium, or the browser that CHROMIUM names."""
    if named := os.environ.get("CHROMIUM"):
        return Path(named)
    return program("chromium")


class Server:
    """A child process with a folder of its own; a context manager that gives its address."""

    name = "server"
    stop_signal = signal.SIGTERM
    user: str | None = None

    def __init__(self) -> None:
        """Nothing runs yet."""
        self.folder = Path()
        self.port = 0
        self.child: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def url(self) -> str:
        """Its address."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it is up."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Before the first start."""

    def __enter__(self) -> str:
        """Make the folder, start, wait."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"strata-{self.name}-", dir="/tmp"))
        if self.user:
            shutil.chown(self.folder, self.user, self.user)
        try:
            self.prepare()
            for _ in range(TRIES):
                if self._started():
                    return self.url()
            raise ServerMissing(f"{self.name} did not come up:\n{self._log()}")
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it by its id and remove its folder."""
        self.close()

    def _started(self) -> bool:
        self.port = free_port()
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **self.identity(),
            )
        return _until(self.answers, lambda: self.child is not None and self.child.poll() is None)

    def identity(self) -> dict[str, str]:
        """As whom to run."""
        return {"user": self.user, "group": self.user} if self.user else {}

    def close(self) -> None:
        """Stop and tidy up; harmless when nothing runs."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(self.stop_signal)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(10)
        self.child = None
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else "(no log)"


class PostgreSQL(Server):
    """A cluster that forgets: no fsync, no Unix socket, a password of its own."""

    name = "postgresql"
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended

    def __init__(self) -> None:
        """As the system's own user for it when we are root."""
        super().__init__()
        self.user = NOBODY_NEEDS_ROOT if os.getuid() == 0 else None
        self.password = secrets.token_urlsafe(16)

    @property
    def data(self) -> Path:
        """The cluster's files."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Make the cluster."""
        password = self.folder / "password"
        password.write_text(self.password)
        if self.user:
            shutil.chown(password, self.user, self.user)
        made = subprocess.run(
            [
                str(self._program("initdb")),
                "-D",
                str(self.data),
                "-U",
                "strata",
                "-A",
                "scram-sha-256",
                f"--pwfile={password}",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            capture_output=True,
            cwd=self.folder,
            check=False,
            **self.identity(),
        )
        if made.returncode:
            raise ServerMissing(f"initdb failed:\n{made.stderr.decode(errors='replace')}")

    def command(self) -> list[str]:
        """One port on loopback."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "60",
            "shared_buffers": "64MB",
        }
        switches = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [
            str(self._program("postgres")),
            "-D",
            str(self.data),
            "-p",
            str(self.port),
            *switches,
        ]

    def url(self) -> str:
        """For DATABASE_URL."""
        return f"postgres://strata:{self.password}@127.0.0.1:{self.port}/postgres"

    def answers(self) -> bool:
        """Whether it takes connections."""
        ready = [str(self._program("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False, capture_output=True).returncode == 0

    @staticmethod
    def _program(name: str) -> Path:
        return program(name, "/usr/lib/postgresql/*/bin")


class Redis(Server):
    """A broker that keeps nothing."""

    name = "redis"

    def command(self) -> list[str]:
        """One port on loopback, nothing written."""
        switches = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--dir": str(self.folder),
            "--save": "",
            "--appendonly": "no",
        }
        return [str(program("redis-server")), *(part for pair in switches.items() for part in pair)]

    def url(self) -> str:
        """For CELERY_BROKER_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        """Whether it says PONG."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(b"PING\r\n")
                return line.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


def _until(ready: Callable[[], bool], alive: Callable[[], bool]) -> bool:
    """Wait for readiness as long as it lives and patience lasts."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and alive():
        if ready():
            return True
        time.sleep(0.05)
    return False
