"""Filings that people must hear of. Telling them once is done here; waking them is the pager's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compliance.actors import Actor, system
from compliance.audit import log
from compliance.audit.log import record
from compliance.clock import now
from compliance.filing import backoff
from compliance.models import Filing
from compliance.permissions import Permission
from compliance.services import parcel, reminder

WATCHMAN = system("filing watch")
RECEIPT_WITHIN = timedelta(hours=1)
"""So long after filing there should be a receipt."""
ASKED_WITHIN = timedelta(minutes=2)
"""So long an unknown outcome may take to be settled by asking."""
MARKS: dict[str, Promise] = {
    "person": _("a person must act"),
    "check": _("a second person must look at the receipt"),
    "unknown": _("it is not known whether it was filed"),
    "failing": _("it does not get through"),
    "rejected": _("the recipient rejected it"),
    "receipt": _("no receipt came within an hour"),
}
MOVING = ("queued", "sending", "awaiting", "unknown", "needs_human")


class Need(NamedTuple):
    """One filing, and why people must hear of it."""

    filing: Filing
    mark: str
    """A key of MARKS."""


def needing_people(at: datetime | None = None) -> list[Need]:
    """Every filing that people must hear of now, each with all its reasons.

    A rejected one stands here until its report is on its way again.
    """
    moment = at or now()
    moving = Q(state__in=MOVING)
    rejected = Q(state="rejected", report__state__in=("drafting", "review", "approved"))
    rows = Filing.objects.filter(moving | rejected).select_related("report__subject")
    return [Need(row, mark) for row in rows.order_by("pk") for mark in marks_of(row, moment)]


def marks_of(filing: Filing, at: datetime) -> list[str]:
    """The reasons that hold for one filing at an instant."""
    waited = at - filing.asked_at
    is_moving = filing.state in MOVING
    holds = {
        "person": filing.state == "needs_human" and filing.entered_by_id is None,
        "check": is_moving and filing.entered_by_id is not None and filing.checked_by_id is None,
        "unknown": filing.state == "unknown" and _stays_unknown(filing, at),
        "failing": filing.state in {"queued", "sending"} and _is_failing(filing, at),
        "rejected": filing.state == "rejected",
        "receipt": is_moving and waited >= RECEIPT_WITHIN,
    }
    return [mark for mark in MARKS if holds[mark]]


def _stays_unknown(filing: Filing, at: datetime) -> bool:
    """Asking did not settle it at the first time, or has not been possible for some minutes."""
    last = filing.tries.order_by("-number").first()
    began = last.started_at if last else filing.asked_at
    return filing.attempts > 1 or at - began >= ASKED_WITHIN


def _is_failing(filing: Filing, at: datetime) -> bool:
    clock = parcel.clock_of(filing.report)
    target, started = (clock.target_due, clock.started_at) if clock else (None, None)
    failures = filing.attempts - (filing.state == "sending")
    return backoff.needs_people(
        failures,
        trying=at - filing.asked_at,
        remaining=target - at if target else None,
        whole=target - started if target and started else None,
    )


def words(need: Need) -> str:
    """The reason as a sentence."""
    return _now("Filing of “%(title)s”: %(mark)s.") % {
        "title": need.filing.report.title,
        "mark": MARKS[need.mark],
    }


def warned(filing: Filing) -> set[str]:
    """The reasons that people heard of since the filing last asked for a person's decision."""
    said = log.entries(objects=[filing.uuid], actions=["filing.warn", "filing.resend"])
    found: set[str] = set()
    for line in said:
        if line.action == "filing.resend":
            found.clear()
        else:
            found.add(str(line.facts["mark"]))
    return found


@transaction.atomic
def warn(need: Need, *, by: Actor = WATCHMAN) -> bool:
    """Tell those who file, once for each reason; False when they were told before."""
    filing, mark = need
    Filing.objects.select_for_update().get(pk=filing.pk)
    if mark in warned(filing):
        return False
    record("filing.warn", filing, by=by, before=filing.state, after=filing.state, mark=mark)
    place = filing.subject if filing.subject.restricted else None
    reminder.tell(
        reminder.holders(Permission.REPORT_FILE, restricted=place),
        filing,
        title=words(need),
        body=filing.problem or words(need),
        severity="high",
        by=by,
    )
    return True
