"""Bring up what the checks need, run them one after the other, print a line each."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.checks.database import Restartable


def main() -> int:
    """Run; 0 when every check holds."""
    chosen = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="strata-checks-"))
    database = Restartable()
    try:
        with database as url:
            _set_up(folder, url)
            return _run(chosen, folder, database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m tests.checks", description=__doc__)
    found.add_argument("keys", nargs="*", metavar="KEY", help="F05, F10 …; all when left out")
    found.add_argument("--small", action="store_true", help="bounded, as the suite runs them")
    found.add_argument("--filings", type=int, default=1_000, help="how many go out at once")
    found.add_argument("--json", type=Path, help="write the figures here as well")
    return found


def _set_up(folder: Path, url: str) -> None:
    """Django on that database, with files, keys and bells in a folder that goes with the run."""
    (folder / "static").mkdir()
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings",
        DATABASE_URL=url,
        STRATA_VAR=str(folder),
        CELERY_BROKER_URL="memory://",
        EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
        LOG_LEVEL="CRITICAL",
        HF_HUB_OFFLINE="1",
    )
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.ALLOWED_HOSTS = ["*"]
    call_command("migrate", verbosity=0)
    from compliance import loopback

    logging.disable(logging.CRITICAL)
    # The sandbox's access log is nobody's business here.
    loopback._Handler.log_message = lambda *_: None


def _run(chosen: argparse.Namespace, folder: Path, database: Restartable) -> int:
    from tests.checks.catalogue import CHECKS
    from tests.checks.stage import Stage

    known = {check.key for check in CHECKS}
    if strangers := set(chosen.keys) - known:
        sys.stderr.write(f"unknown: {', '.join(sorted(strangers))}; known: {sorted(known)}\n")
        return 2
    stage = Stage(folder, database, is_small=chosen.small, n_filings=chosen.filings)
    lines, n_failed = [], 0
    for check in CHECKS:
        if chosen.keys and check.key not in chosen.keys:
            continue
        began = time.monotonic()
        try:
            found = check.run(stage)
            holds, figures = found.holds, dict(found.figures)
        except Exception as error:  # noqa: BLE001 - it has failed, and the others still run
            holds, figures = False, {"error": f"{type(error).__name__}: {error}"[:300]}
        seconds = time.monotonic() - began
        n_failed += not holds
        said = ", ".join(f"{name} {value}" for name, value in figures.items() if value != [])
        verdict = "PASS" if holds else "FAIL"
        print(f"{check.key:4} {verdict}  {check.title}: {said} ({seconds:.1f} s)", flush=True)
        lines.append({"key": check.key, "passed": holds, "seconds": round(seconds, 1), **figures})
    print(f"{len(lines) - n_failed} of {len(lines)} pass")
    if chosen.json:
        chosen.json.write_text(json.dumps(lines, indent=2, default=str) + "\n")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
