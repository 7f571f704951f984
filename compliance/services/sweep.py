"""The keeper's rounds: ring for every waiting row, take back lapsed leases, stop poison.

Rows are the work; bells get lost. Each round costs one indexed query a kind of work.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from compliance import lease
from compliance.actors import system
from compliance.audit.advance import advance
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import LeasedWork, Leg, Schedule, WorkerBeat
from compliance.queue import enqueue

log = logging.getLogger(__name__)
KEEPER = system("keeper")
AGAIN = timedelta(seconds=15)
MOST_TAKEN = 200
FORGOTTEN = timedelta(days=1)
LONGEST_WHAT = 40


def kinds_of_work() -> list[type[LeasedWork]]:
    """Every model of leased work on every storey, found by what it is."""
    return [model for model in apps.get_models() if issubclass(model, LeasedWork)]


def _rows(model: type[LeasedWork], state: str) -> QuerySet[LeasedWork]:
    # Every concrete kind of work has a state; the abstract one leaves its declaration to them.
    return model._default_manager.filter(Q(("state", state)))  # noqa: SLF001


def ring_waiting() -> int:
    """Ring again for rows that wait; rows at the end of their tries are given up aloud."""
    rung = 0
    for model in kinds_of_work():
        for leg in model.legs():
            rung += _ring_leg(model, leg)
    return rung


def _ring_leg(model: type[LeasedWork], leg: Leg) -> int:
    due = Q(next_try_at=None) | Q(next_try_at__lte=now())
    rung = 0
    for row in _rows(model, leg.waiting).filter(due).order_by("pk")[: model.MOST_BELLS]:
        if row.attempts >= model.MOST_ATTEMPTS and _may(row, "give_up"):
            _move(row, "give_up", _("gave up after %(n)s attempts") % {"n": row.attempts})
            continue
        enqueue(leg.task, row.pk, queue=model.QUEUE)
        rung += 1
    return rung


def take_back_lapsed() -> int:
    """Rows whose worker stopped beating go back to waiting, under a new fence when claimed."""
    taken = 0
    for model in kinds_of_work():
        held = Q(state__in=[leg.running for leg in model.legs()])
        lapsed = model._default_manager.filter(held, lease_until__lt=now())  # noqa: SLF001
        for row in lapsed[:MOST_TAKEN]:
            verb = "give_up" if row.attempts >= model.MOST_ATTEMPTS else "requeue"
            _move(row, verb, _("the lease of %(owner)s ran out") % {"owner": row.lease_owner})
            taken += 1
    return taken


def _may(row: LeasedWork, verb: str) -> bool:
    return (row.state, verb) in row.MACHINE.moves  # type: ignore[attr-defined]  # every work row has a state


def _move(row: LeasedWork, verb: str, note: str) -> None:
    try:
        advance(row, row.MACHINE, verb, by=KEEPER, note=note, fence=row.fence, changes=lease.free())
    except TransitionRefused as refused:
        log.info("sweep: %s", refused)


def seed_schedule() -> None:
    """Bring the table of recurring tasks to what the settings say."""
    wanted = {name: (queue, every) for name, queue, every in settings.STRATA_SCHEDULE}
    Schedule.objects.exclude(name__in=wanted).delete()
    for name, (queue, every) in wanted.items():
        Schedule.objects.update_or_create(
            name=name,
            defaults={"queue": queue, "every_seconds": every},
            create_defaults={"queue": queue, "every_seconds": every, "next_due": now()},
        )


def ring_schedule() -> int:
    """Ring what is due. Of several keepers one wins each row; a late one does not catch up twice."""
    rung = 0
    for row in Schedule.objects.filter(next_due__lte=now()):
        following = now() + timedelta(seconds=row.every_seconds)
        won = Schedule.objects.filter(pk=row.pk, next_due=row.next_due).update(
            next_due=following, last_rung=now()
        )
        if won:
            enqueue(row.name, queue=row.queue)
            rung += 1
    return rung


def beat(what: str) -> None:
    """Say that this process lives."""
    said = {"what": what[:LONGEST_WHAT], "at": now()}
    WorkerBeat.objects.update_or_create(name=lease.me(), defaults=said)


def forget_silent() -> int:
    """Drop processes that said nothing for a day; how many."""
    n, _by_table = WorkerBeat.objects.filter(at__lt=now() - FORGOTTEN).delete()
    return n
