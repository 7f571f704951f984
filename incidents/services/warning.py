"""Ring before a legal deadline passes: at half, a day, four hours and when it is over.

A clock comes up when its next mark has come, and once when it begins to count: then its report is
begun, if nobody has. A round costs the clocks that came up, however many others there are.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance.actors import system
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance, Report, User
from compliance.permissions import NotAllowed, Permission
from compliance.phrase import said
from compliance.regimes.load import UnknownRegime
from compliance.services import deadline, marks, reminder, report, timekeeping
from compliance.services.clock_row import COUNTING
from incidents.models import Incident
from incidents.services import knowledge, paging

RINGER = system("ringer")
MOST_AT_ONCE = 500
WORDS = {
    "half": gettext_lazy("half of the time is gone"),
    "a_day": gettext_lazy("less than a day is left"),
    "four_hours": gettext_lazy("less than four hours are left"),
    "overdue": gettext_lazy("it is overdue"),
}
log = logging.getLogger(__name__)


def ring(at: datetime | None = None) -> int:
    """Look at every clock with a mark that has come; how many warnings went out.

    Whoever was away is caught up with: of the marks that passed meanwhile each is noted once, and the
    latest is said aloud.
    """
    moment = at or timekeeping.moment()
    return sum(_tried(clock, moment) for clock in deadline.to_look_at(moment)[:MOST_AT_ONCE])


def _tried(clock: ClockInstance, at: datetime) -> bool:
    """One clock that cannot be rung for keeps no other from ringing."""
    try:
        return _look(clock, at)
    except Exception:
        log.exception("%s: looking at it failed", clock.ref)
        return False


def _look(clock: ClockInstance, at: datetime) -> bool:
    incident = Incident.objects.filter(uuid=clock.about_uuid).first()
    with transaction.atomic():
        is_rung = _ring(clock, incident, at)
        deadline.looked(clock, at)
    if incident is not None:
        _begin(clock, incident)
    return is_rung


def _ring(clock: ClockInstance, incident: Incident | None, at: datetime) -> bool:
    """Only the latest mark is said aloud: whoever was away needs to know where it stands now."""
    fresh = [mark for mark in marks.passed(clock, at) if mark not in clock.warned]
    unsaid = [mark for mark in fresh if deadline.warn(clock, mark, by=RINGER)]
    if not unsaid or clock.state not in COUNTING:
        return False
    mark = unsaid[-1]
    sentence = _("%(regime)s, %(stage)s: %(mark)s (%(cite)s)") % {
        "regime": said(clock.regime_title, translation),
        "stage": said(deadline.stage_title(clock), translation),
        "mark": WORDS[mark],
        "cite": said(deadline.cite(clock), translation),
    }
    if incident is not None:
        paging.warn(incident, clock, mark, sentence=sentence, by=RINGER)
    else:
        people = reminder.in_charge(clock, Permission.REPORT_FILE)
        reminder.tell(people, clock, title=sentence, body=sentence, by=RINGER)
    return True


def _begin(clock: ClockInstance, incident: Incident) -> None:
    """Draft the reports that began to count while nobody was asked: by a date, by another's act."""
    if clock.state not in COUNTING:
        return
    try:
        drafter = _drafter(clock, incident)
        report.start_due(incident, knowledge.of(incident), by=RINGER, drafter=drafter)
    except (NotAllowed, TransitionRefused, UnknownRegime) as refused:
        log.warning("%s: its report is not begun: %s", clock.ref, refused)


def _drafter(clock: ClockInstance, incident: Incident) -> User | None:
    """Whose a report is that begins by itself: who is in charge, drafted the last one, or classified."""
    candidates: list[User | None] = [clock.owner, clock.deputy]
    last = Report.objects.filter(about_uuid=incident.uuid, regime=clock.regime).order_by("-pk")
    candidates += [each.drafted_by for each in last.select_related("drafted_by")[:1]]
    found = incident.classifications.select_related("by").order_by("-number")
    candidates += [each.by for each in found[:1]]
    return next((each for each in candidates if each is not None and each.is_active), None)
