"""The authority of an installation that has none: nothing is stamped, and it says so."""

from typing import NoReturn

from compliance.phrase import Phrase
from compliance.timestamps.base import TimeStampError


class NullAuthority:
    """Stamps nothing, so that nobody believes there is outside proof of a time."""

    def stamp(self, content: bytes) -> NoReturn:
        """Refuse: nobody outside was shown anything."""
        del content
        raise TimeStampError(
            Phrase("No time-stamping authority is configured; nothing was stamped."),
            permanent=True,
        )
