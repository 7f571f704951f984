import logging
from uuid import UUID

import pytest

from compliance.filing.base import FilingChannel, FilingError, FilingPackage
from compliance.filing.null import NullFiling

PACKAGE = FilingPackage(UUID(int=7), "ai-office\nforged", b"%PDF-", b"{}", simulation=True)


def test_the_null_channel_files_nothing_and_says_so(caplog):
    channel: FilingChannel = NullFiling()
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(FilingError, match="was not filed") as caught,
    ):
        channel.submit(PACKAGE, "k1")
    assert caught.value.permanent
    assert caplog.messages == ["NOT FILED, no channel is configured for ai-office forged"]


def test_the_null_channel_knows_of_nothing():
    with pytest.raises(FilingError, match="no channel is configured"):
        NullFiling().find(PACKAGE, "k1")
