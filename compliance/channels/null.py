"""The channel of an installation that has none: it says so, loudly, and claims nothing."""

import logging

from compliance import clock
from compliance.channels.base import Delivery, DeliveryState, Message
from compliance.hostile import one_line

logger = logging.getLogger(__name__)


class NullPager:
    """Shows messages in the log and wakes nobody."""

    def send(self, message: Message) -> Delivery:
        """Write the message to the log; nobody is told."""
        shown = f"{one_line(message.to)}: {one_line(message.subject)}"
        logger.warning(
            "NOT SENT, nobody was told: %s. No pager is configured; set up an e-mail, webhook or "
            "chat channel before relying on this installation.",
            shown,
        )
        return Delivery(
            DeliveryState.SHOWN_ONLY, clock.now(), note="no pager is configured; nobody was told"
        )
