"""A pytest plugin (`-p tests.only_database`): keep the tests that touch the database.

What never asks for it cannot tell one database from another, and has been run already.
"""

from __future__ import annotations

import pytest

FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out every test without a database mark or fixture."""
    kept = [item for item in items if _touches(item)]
    left = [item for item in items if not _touches(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _touches(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & FIXTURES)
