"""Take a request in: one committed row, and only then is the sender told 200."""

from __future__ import annotations

import hashlib

from django.db import transaction
from django.db.models import F

from compliance.clock import now
from compliance.models import Deployment
from compliance.queue import enqueue
from incidents.models import InboxRow, Intake

MOST_WAITING = 20_000
MOST_OF_ONE = 5_000


class InboxFull(Exception):
    """More waits to be judged than this installation keeps; the sender must try again later.

    `is_sender`: it is this deployment's own share that is full, not the whole house.
    """

    def __init__(self, message: str, *, is_sender: bool) -> None:
        """Say how much waits, and whose it is."""
        super().__init__(message)
        self.is_sender = is_sender


def request_key(deployment: Deployment, body: bytes) -> str:
    """What makes two requests the same: the deployment and every byte of the body."""
    return hashlib.sha256(deployment.uuid.bytes + body).hexdigest()


def accept(
    deployment: Deployment, body: bytes, *, content_type: str, content_encoding: str = ""
) -> bool:
    """Keep one request body and ring for it; False when the same body waits already.

    Raises:
        InboxFull: judging does not keep up; nothing was kept.
    """
    _require_room(deployment)
    with transaction.atomic():
        row, is_new = InboxRow.objects.get_or_create(
            request_key=request_key(deployment, body),
            defaults={
                "deployment": deployment,
                "content_type": content_type[:60],
                "content_encoding": content_encoding[:20],
                "body": body,
                "received_at": now(),
            },
        )
        _count(deployment, is_new=is_new)
        if is_new:
            enqueue(InboxRow.TASK, row.pk, queue=InboxRow.QUEUE)
    return is_new


def _require_room(deployment: Deployment) -> None:
    """Counted no further than matters, so that a full inbox costs no more than an empty one."""
    waiting = InboxRow.objects.filter(state=InboxRow.WAITING).order_by()
    if waiting.filter(deployment=deployment)[:MOST_OF_ONE].count() >= MOST_OF_ONE:
        text = f"{MOST_OF_ONE} requests of this deployment wait to be judged; send more slowly."
        raise InboxFull(text, is_sender=True)
    if waiting[:MOST_WAITING].count() >= MOST_WAITING:
        text = f"{MOST_WAITING} requests wait to be judged; send this one again later."
        raise InboxFull(text, is_sender=False)


def _count(deployment: Deployment, *, is_new: bool) -> None:
    column = "n_accepted" if is_new else "n_repeated"
    Intake.objects.get_or_create(deployment=deployment)
    Intake.objects.filter(deployment=deployment).update(**{column: F(column) + 1})
