"""A mail server on loopback that keeps every message as a file and sends nothing on."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from aiosmtpd.controller import UnthreadedController

from compliance.ids import uuid7


class Keep:
    """Writes each message into a folder."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep, then accept."""
        (self.folder / f"{uuid7()}.eml").write_bytes(envelope.content)
        return "250 kept"


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m config.demo.mail_sink", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    chosen = parser.parse_args()
    loop = asyncio.new_event_loop()
    controller = UnthreadedController(
        Keep(chosen.folder), hostname="127.0.0.1", port=chosen.port, loop=loop
    )
    controller.begin()  # type: ignore[no-untyped-call]
    loop.run_forever()


if __name__ == "__main__":
    main()
