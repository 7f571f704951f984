"""The target of a deployment that has none configured: it neither knows nor switches anything."""

import logging
from typing import NoReturn

from incidents.targets.base import TargetError

logger = logging.getLogger(__name__)


class NullTarget:
    """Refuses, so that nobody believes a version was rolled back."""

    def serving(self) -> NoReturn:
        """Nobody can be asked."""
        raise TargetError(
            "no target is configured for this deployment, so what it serves is not known here; "
            "configure one, or look at telemetry",
            permanent=True,
        )

    def switch(self, to: str, key: str) -> NoReturn:
        """Refuse, aloud."""
        logger.warning("NOT SWITCHED to %.12s, no target is configured (key %.40s)", to, key)
        raise TargetError(
            f"no target is configured for this deployment, so nothing was switched to {to[:12]}…; "
            "configure one, or switch by hand and check with telemetry",
            permanent=True,
        )
