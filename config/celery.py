"""The Celery app. It finds `tasks.py` alone; scan workers name `assessments.worker` themselves."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery import Celery, bootsteps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

log = logging.getLogger(__name__)
BEAT_SECONDS = 10.0

app = Celery("strata")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Held while a beat is written, and by whoever forks: a pool's child must never be born in the
# middle of a database call of another thread, whose locks nobody would release in the child.
_beating = threading.Lock()
os.register_at_fork(
    before=_beating.acquire,
    after_in_parent=_beating.release,
    after_in_child=_beating.release,
)


class Alive(bootsteps.StartStopStep):
    """Looks for the keys before any work is taken, then says every few seconds that it lives.

    A thread of its own, because Celery's timer stands still while a solo pool works, and a scan
    takes minutes.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        """Nothing runs yet."""
        super().__init__(parent, **options)
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        """Begin to beat.

        Raises:
            KeysMissing: a key is absent and is not made on first use.
        """
        from compliance.audit import keys

        keys.require()
        queues = ", ".join(sorted(parent.app.amqp.queues.consume_from))
        self.thread = threading.Thread(
            target=self._go_on, args=(f"worker: {queues}",), name="alive", daemon=True
        )
        self.thread.start()

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Beat no more."""
        self.stopping.set()

    terminate = stop

    def _go_on(self, what: str) -> None:
        while not self.stopping.is_set():
            with _beating:
                _beat(what)
            self.stopping.wait(BEAT_SECONDS)


def _beat(what: str) -> None:
    """One beat on a connection that is closed again: nothing is open when a child is forked."""
    from django.db import Error, connection

    from compliance.services import sweep

    try:
        sweep.beat(what)
    except Error as error:
        # A locked or restarting database: the next beat comes soon.
        log.warning("worker: %s; the beat was not written", error)
    finally:
        connection.close()


app.steps["worker"].add(Alive)
