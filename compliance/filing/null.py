"""The filing channel of a recipient that has none: it files nothing and says so."""

import logging
from dataclasses import dataclass
from typing import NoReturn

from compliance.filing.base import FilingError, FilingPackage
from compliance.hostile import one_line

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NullFiling:
    """Refuses every package, so that nobody believes a report was filed."""

    is_idempotent: bool = True

    def submit(self, package: FilingPackage, key: str) -> NoReturn:
        """Refuse, aloud."""
        del key
        logger.warning("NOT FILED, no channel is configured for %s", one_line(package.recipient))
        _refuse(package)

    def find(self, package: FilingPackage, key: str) -> NoReturn:
        """There is nobody to ask."""
        del key
        _refuse(package)


def _refuse(package: FilingPackage) -> NoReturn:
    raise FilingError(
        f"no channel is configured for {one_line(package.recipient)}, so {package.filing} was not "
        "filed; configure one, or file it by hand and upload the proof",
        permanent=True,
    )
