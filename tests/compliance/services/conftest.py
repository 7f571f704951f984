"""What the tests of the ground floor's services share."""

import pytest

from compliance.services import blob
from tests import factories


@pytest.fixture
def version(db):
    return factories.make_version()


@pytest.fixture
def files(tmp_path, settings):
    """A store of its own for the bytes of one test."""
    settings.STRATA_FILES = tmp_path / "files"
    blob.store.cache_clear()
    yield tmp_path / "files"
    blob.store.cache_clear()
