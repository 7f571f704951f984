"""What the tests of the log share."""

import pytest

from tests.compliance.audit.sample import SampleLog


@pytest.fixture
def log() -> SampleLog:
    """A small log, the same each time."""
    return SampleLog()
