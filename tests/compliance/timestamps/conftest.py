import pytest

from compliance.filing.sandbox.time_stamper import TimeStamper


@pytest.fixture(scope="session")
def stamper(tmp_path_factory):
    return TimeStamper.at(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """An authority that nobody was told to believe."""
    return TimeStamper.at(tmp_path_factory.mktemp("stranger"))
