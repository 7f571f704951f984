"""Ring the bell: a task by its name, after commit. The row in the database is the work."""

from __future__ import annotations

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def enqueue(name: str, *ids: int, queue: str = "default") -> None:
    """Send a doorbell for work that a committed row describes.

    A broker that is away costs nothing but time: the keeper's sweep rings again for every row
    still waiting. So a failed publish is logged and swallowed, never shown to the person.
    """

    def ring() -> None:
        signature = current_app.signature(name, args=ids, immutable=True)
        try:
            signature.apply_async(queue=queue)
        except (OperationalError, OSError) as error:
            log.warning("bell for %s%s not rung, the sweep will: %s", name, ids, error)

    transaction.on_commit(ring, robust=True)
