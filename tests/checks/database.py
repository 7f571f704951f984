"""A PostgreSQL that can be killed and comes back with what it had committed."""

from __future__ import annotations

import signal
import subprocess

from tests.servers import PostgreSQL, ServerMissing, _until


class Restartable(PostgreSQL):
    """Commits reach the operating system before they are answered, so a killed server keeps them."""

    def command(self) -> list[str]:
        """As ever, but with commits that wait for their write."""
        return [
            "synchronous_commit=on" if part == "synchronous_commit=off" else part
            for part in super().command()
        ]

    def restart(self) -> None:
        """Kill it without a word (SIGQUIT ends every session at once) and start it again."""
        if self.child is None:
            raise ServerMissing("nothing runs that could be restarted")
        self.child.send_signal(signal.SIGQUIT)
        self.child.wait(30)
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **self.identity(),
            )
        if not _until(self.answers, lambda: self.child is not None and self.child.poll() is None):
            raise ServerMissing(f"it did not come back:\n{self._log()}")
