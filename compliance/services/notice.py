"""The outbox: say something to somebody outside, once, and know what became of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from compliance import lease
from compliance.actors import Actor, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.channels.base import ChannelError, DeliveryState, Message
from compliance.channels.load import load
from compliance.clock import now
from compliance.egress import Egress, Policy
from compliance.models import Notice, Subject
from compliance.queue import enqueue
from compliance.states import NOTICE

POSTMAN = system("postman")


def egress() -> Egress:
    """The one way out, as the settings allow it."""
    hosts = frozenset(settings.STRATA_EGRESS)
    loopback = any(host.startswith(("127.", "localhost", "[::1]")) for host in hosts)
    return Egress(Policy(hosts=hosts, loopback=loopback))


@transaction.atomic
def queue(
    subject: Subject,
    *,
    channel: str,
    to: str,
    title: str,
    body: str,
    url: str = "",
    severity: str = "",
    about: Any = None,
    by: Actor,
) -> Notice:
    """Put one message into the outbox; a worker sends it after commit."""
    notice = Notice.objects.create(
        subject=subject,
        channel=channel,
        to=to,
        title=title[:300],
        body=body,
        url=url,
        severity=severity,
        about_kind=about.kind if about else "",
        about_uuid=about.uuid if about else None,
        made_at=now(),
    )
    record(
        "notice.queue",
        notice,
        by=by,
        after="queued",
        words={"to": to, "title": title},
        channel=channel,
    )
    enqueue(Notice.TASK, notice.pk, queue=Notice.QUEUE)
    return notice


def send(pk: int) -> None:
    """Claim one waiting notice, send it outside any transaction, write down the outcome."""
    notice = lease.claim(Notice, pk, waiting="queued", running="sending")
    if notice is None:
        return
    message = Message(
        key=notice.uuid,
        to=notice.to,
        subject=notice.title,
        body=notice.body,
        url=notice.url,
        severity=notice.severity,
    )
    try:
        delivery = load(notice.channel, {}, egress=egress()).send(message)
    except ChannelError as error:
        _failed(notice, error)
        return
    sent = delivery.state is DeliveryState.SENT
    advance(
        notice,
        NOTICE,
        "deliver" if sent else "show",
        by=POSTMAN,
        fence=notice.fence,
        changes={**lease.free(), "delivered_at": now(), "problem": ""},
    )


def _failed(notice: Notice, error: ChannelError) -> None:
    over = error.permanent or notice.attempts >= Notice.MOST_ATTEMPTS
    changes = {**lease.free(), "problem": str(error)[:500]}
    if not over:
        changes["next_try_at"] = lease.retry_at(notice.attempts)
    advance(
        notice,
        NOTICE,
        "fail" if over else "retry",
        by=POSTMAN,
        fence=notice.fence,
        changes=changes,
        note=str(error),
    )
