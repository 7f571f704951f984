"""The two key files: made on purpose, once, and never replaced.

The key-encryption keys open every sealed word; the log key signs every head. Where the
installation is embedded they are made on first use; elsewhere `manage.py make_keys` makes them,
and what starts without them says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name for it
from django.db import connection, models

from compliance.audit import checkpoint
from compliance.audit.models import Checkpoint, SubjectKey
from compliance.sealing import Keyring


class KeysMissing(Exception):
    """A key file is not where the settings say; the message says what to do."""


class KeysInUse(Exception):
    """Making this key would replace one that is, or was, in use."""


def files() -> dict[Path, type[models.Model]]:
    """Each key file, with the table whose rows cannot be used without it."""
    return {
        Path(settings.STRATA_KEK_FILE): SubjectKey,
        Path(settings.STRATA_LOG_KEY_FILE): Checkpoint,
    }


def require(*needed: Path) -> None:
    """Refuse to go on without these keys (or any of them), unless they are made on first use.

    Raises:
        KeysMissing: a file is absent in an installation that is not embedded.
    """
    absent = [path for path in needed or files() if not path.exists()]
    if absent and not settings.STRATA_CREATE_KEYS:
        raise KeysMissing(
            f"No key at {' and '.join(map(str, absent))}. For a new installation run "
            "manage.py make_keys; otherwise restore it from its backup."
        )


def check_present(**_: Any) -> list[CheckMessage]:
    """A warning and no error: migrations may be run where the keys are not."""
    try:
        require()
    except KeysMissing as error:
        return [Warning(str(error), id="audit.W002")]
    return []


def make() -> list[Path]:
    """Make the key files that are absent, each readable by its owner alone.

    Returns:
        What was made.

    Raises:
        KeysInUse: both are there, or the database holds what the absent one sealed or signed.
    """
    absent = [path for path in files() if not path.exists()]
    if not absent:
        there = " and ".join(str(path) for path in files())
        raise KeysInUse(f"{there} are there already; keys are never replaced.")
    for path in absent:
        _refuse_second(path, files()[path])
    for path in absent:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(path)
    return absent


def _refuse_second(path: Path, table: type[models.Model]) -> None:
    """A database that knows an older key needs that one: a new one would open and prove nothing."""
    name = table._meta.db_table  # noqa: SLF001 - Django's public name
    if name not in connection.introspection.table_names():
        return
    if table._default_manager.exists():  # noqa: SLF001
        raise KeysInUse(
            f"{path} is gone, but {name} holds rows made with it; restore the file from its backup."
        )


def _make(path: Path) -> None:
    if path == Path(settings.STRATA_KEK_FILE):
        Keyring.from_file(path, create=True)
    else:
        checkpoint.save_key(checkpoint.generate_key(settings.STRATA_LOG_ORIGIN), path)
