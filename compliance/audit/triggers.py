"""The database's own refusal to change or delete the log, on SQLite and on PostgreSQL.

SQLite: BEFORE UPDATE and BEFORE DELETE triggers abort; a BEFORE INSERT trigger refuses an
existing key, because INSERT OR REPLACE deletes without firing DELETE triggers unless
`recursive_triggers` is on (the settings turn it on; this stands behind it).
PostgreSQL: one function raises for UPDATE, DELETE and TRUNCATE.

Table rebuilds in migrations drop triggers, so they are installed again after every migrate and
looked for at start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import OperationalError, ProgrammingError

WRITE_ONCE = ("audit_entry", "audit_leaf", "audit_checkpoint")
UNIQUE_KEYS = {
    "audit_entry": ("id", "uuid"),
    "audit_leaf": ("id", "idx"),
    "audit_checkpoint": ("id", "size"),
}

_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log is append-only: % on % refused', TG_OP, TG_TABLE_NAME;
END $$
"""


def _sqlite(table: str) -> list[str]:
    statements = []
    for verb in ("UPDATE", "DELETE"):
        name = f"{table}_no_{verb.lower()}"
        refuse = f"SELECT RAISE(ABORT, 'the log is append-only: {verb} on {table} refused')"
        statements += [
            f"DROP TRIGGER IF EXISTS {name}",
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN {refuse}; END",
        ]
    return [*statements, f"DROP TRIGGER IF EXISTS {table}_no_replace", _sqlite_no_replace(table)]


def _sqlite_no_replace(table: str) -> str:
    # Table and column names are this module's own constants; a trigger takes no parameters.
    seen = " OR ".join(f"{key} = NEW.{key}" for key in UNIQUE_KEYS[table])
    refuse = f"SELECT RAISE(ABORT, 'the log is append-only: REPLACE on {table} refused')"
    exists = f"EXISTS (SELECT 1 FROM {table} WHERE {seen})"  # noqa: S608
    return f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {exists} BEGIN {refuse}; END"


def _postgres(table: str) -> list[str]:
    call = "EXECUTE FUNCTION audit_refuse()"
    return [
        _POSTGRES_FUNCTION,
        f"DROP TRIGGER IF EXISTS {table}_no_change ON {table}",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {call}",
        f"DROP TRIGGER IF EXISTS {table}_no_truncate ON {table}",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {call}",
    ]


def expected(connection: BaseDatabaseWrapper) -> set[str]:
    """Names of the triggers that must stand."""
    endings = (
        ("no_update", "no_delete", "no_replace")
        if connection.vendor == "sqlite"
        else ("no_change", "no_truncate")
    )
    return {f"{table}_{ending}" for table in WRITE_ONCE for ending in endings}


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place, replacing older ones."""
    make = _sqlite if connection.vendor == "sqlite" else _postgres
    with connection.cursor() as cursor:
        for table in WRITE_ONCE:
            for statement in make(table):
                cursor.execute(statement)


def standing(connection: BaseDatabaseWrapper) -> set[str]:
    """Names of the triggers that the database has."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.vendor == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {row[0] for row in cursor.fetchall()}


def install_after_migrate(using: str, **_: Any) -> None:
    """Reinstall, if the tables are there (a backwards migration may have taken them)."""
    connection = connections[using]
    if set(WRITE_ONCE) <= set(connection.introspection.table_names()):
        install(connection)


def check_installed(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """System check: refuse to start over a log that the database does not protect."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        try:
            tables = set(connection.introspection.table_names())
            missing = expected(connection) - standing(connection)
        except (OperationalError, ProgrammingError):
            continue
        if set(WRITE_ONCE) <= tables and missing:
            messages.append(
                Error(
                    f"The log's triggers are missing: {', '.join(sorted(missing))}.",
                    hint="Run `manage.py migrate`, which installs them, and find out who dropped them.",
                    id="audit.E001",
                )
            )
    return messages
