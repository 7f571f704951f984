"""Ring before a legal deadline passes: at half, a day, four hours and when it is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance import queries as ground
from compliance.actors import system
from compliance.clock import now
from compliance.models import ClockInstance
from compliance.phrase import said
from compliance.services import deadline
from incidents.services import paging

RINGER = system("ringer")
WORDS = {
    "half": gettext_lazy("half of the time is gone"),
    "a_day": gettext_lazy("less than a day is left"),
    "four_hours": gettext_lazy("less than four hours are left"),
    "overdue": gettext_lazy("it is overdue"),
}


def marks_passed(clock: ClockInstance, at: datetime) -> list[str]:
    """Which marks a clock has passed, in order. A mark longer than the clock itself is left out."""
    due, started = clock.target_due, clock.started_at
    if due is None:
        return []
    whole = due - started if started else None
    marks = {
        "half": started + (due - started) / 2 if started else None,
        "a_day": due - timedelta(days=1),
        "four_hours": due - timedelta(hours=4),
        "overdue": due,
    }
    fits = {
        "a_day": whole is None or whole > timedelta(days=1),
        "four_hours": whole is None or whole > timedelta(hours=4),
    }
    return [name for name, when in marks.items() if when and when <= at and fits.get(name, True)]


def ring() -> int:
    """Warn once for each mark of each clock that counts; how many warnings went out."""
    at = now()
    return sum(_ring(clock, at) for clock in ground.deadlines_due())


def _ring(clock: ClockInstance, at: datetime) -> int:
    """Only the latest mark is said aloud: whoever was away needs to know where it stands now."""
    fresh = [mark for mark in marks_passed(clock, at) if mark not in clock.warned]
    if not fresh:
        return 0
    _warn(clock, fresh)
    return 1


@transaction.atomic
def _warn(clock: ClockInstance, fresh: list[str]) -> None:
    unsaid = [mark for mark in fresh if deadline.warn(clock, mark, by=RINGER)]
    if unsaid:
        mark = unsaid[-1]
        sentence = _("%(regime)s, %(stage)s: %(mark)s (%(cite)s)") % {
            "regime": said(clock.regime_title, translation),
            "stage": said(deadline.stage_title(clock), translation),
            "mark": WORDS[mark],
            "cite": said(deadline.cite(clock), translation),
        }
        paging.warn(clock, mark, sentence=sentence, by=RINGER)
