"""The cast and the stage: who acts in every test, on a database that knows the log's triggers."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from compliance.actors import Actor, system
from compliance.models import User
from compliance.permissions import Role
from compliance.services import account
from tests.environment import VAR

PASSWORD = "correct horse battery staple"

CAST: dict[str, tuple[str, list[Role]]] = {
    "ada": ("Ada", [Role.GOVERNANCE_LEAD]),
    "bo": ("Bo", [Role.SAFETY_ENGINEER, Role.RESPONDER]),
    "cy": ("Cy", [Role.AUDITOR]),
    "rae": ("Rae", [Role.FILING_OFFICER]),
    "dee": ("Dee", []),
}


def _person(key: str) -> User:
    name, roles = CAST[key]
    return account.make(f"{key}@example.org", name, roles, password=PASSWORD, by=system("tests"))


@pytest.fixture(autouse=True)
def _quick_passwords(settings: object) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture
def ada(db: None) -> User:
    """The safety lead: governance."""
    return _person("ada")


@pytest.fixture
def bo(db: None) -> User:
    """The engineer: scans, rules, nights on call."""
    return _person("bo")


@pytest.fixture
def cy(db: None) -> User:
    """The auditor."""
    return _person("cy")


@pytest.fixture
def rae(db: None) -> User:
    """The regulator contact: classifies, drafts, files."""
    return _person("rae")


@pytest.fixture
def dee(db: None) -> User:
    """The outsider: an account and no role."""
    return _person("dee")


@pytest.fixture
def as_actor() -> Callable[[User], Actor]:
    """A person as the services see them."""
    return account.actor_for


@pytest.fixture
def client_as() -> Callable[[User], Client]:
    """A browser session of a person."""

    def make(person: User) -> Client:
        client = Client()
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return make


@pytest.fixture
def root() -> Actor:
    """The installation itself."""
    return system("tests")


@pytest.fixture
def var() -> Path:
    """This run's own folder for files and keys."""
    return VAR


@pytest.fixture
def committing(django_db_setup: None, django_db_blocker: Any, tmp_path: Path) -> Iterator[None]:
    """A database of its own in which a test may commit, cloned from the migrated one.

    The log refuses deletion, so nothing is ever flushed: the clone is thrown away.
    """
    with django_db_blocker.unblock():
        clone = _clone_sqlite if connection.vendor == "sqlite" else _clone_postgres
        with clone(tmp_path):
            yield


class _clone_sqlite:  # noqa: N801 - used as a context manager
    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "clone.sqlite3")

    def __enter__(self) -> None:
        connection.ensure_connection()
        self.name, self.kept = connection.settings_dict["NAME"], connection.connection
        with closing(sqlite3.connect(self.path)) as target:
            self.kept.backup(target)
        connection.connection, connection.settings_dict["NAME"] = None, self.path

    def __exit__(self, *_: object) -> None:
        connection.close()
        connection.settings_dict["NAME"], connection.connection = self.name, self.kept


class _clone_postgres:  # noqa: N801 - used as a context manager
    def __init__(self, _folder: Path) -> None:
        self.name = str(connection.settings_dict["NAME"])
        self.clone = f"{self.name}_clone"

    def __enter__(self) -> None:
        connection.close()
        self._admin(f'CREATE DATABASE "{self.clone}" TEMPLATE "{self.name}"')
        connection.settings_dict["NAME"] = self.clone

    def __exit__(self, *_: object) -> None:
        connection.close()
        connection.settings_dict["NAME"] = self.name
        self._admin(f'DROP DATABASE "{self.clone}" WITH (FORCE)')

    def _admin(self, statement: str) -> None:
        with connection._nodb_cursor() as cursor:
            cursor.execute(statement)


def pytest_unconfigure() -> None:
    """The suite leaves no folder behind."""
    shutil.rmtree(VAR, ignore_errors=True)
