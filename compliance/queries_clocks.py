"""The board of clocks: all incidents, all regimes, a page at a time, in a fixed number of queries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, OuterRef, QuerySet, Subquery

from compliance import queries
from compliance.actors import Actor
from compliance.models import ClockInstance, Report, User

COUNTING = ("running", "overdue", "overdue_immediate")
SHOWN: dict[str, tuple[str, ...]] = {
    "counting": COUNTING,
    "facts": ("facts_needed",),
    "pending": ("pending_anchor",),
    "future": ("not_in_force",),
    "met": ("met",),
}
"""The groups of the board, by the states they hold."""
WITHIN: dict[str, timedelta] = {
    "overdue": timedelta(0),
    "4h": timedelta(hours=4),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
"""How much time may be left at most."""
DONE = ("superseded", "withdrawn")


class Asked(NamedTuple):
    """What of the board a reader asks for; empty parts narrow nothing."""

    show: str = "counting"
    whose: str = ""
    """"mine": owner or deputy; "nobody": no owner."""
    within: str = ""


def board(actor: Actor, asked: Asked, at: datetime) -> QuerySet[ClockInstance]:
    """Clocks of one group, with their reports; soonest first.

    The order is that of the index `clock_board`, so that a page costs its own rows alone.
    """
    rows = queries.clocks_for(actor).filter(state__in=SHOWN[asked.show])
    if asked.whose == "mine":
        mine = rows.filter(owner_id=actor.user_id or 0)
        rows = mine | rows.filter(deputy_id=actor.user_id or 0)
    elif asked.whose == "nobody":
        rows = rows.filter(owner=None)
    if asked.within:
        rows = rows.filter(target_due__lte=at + WITHIN[asked.within])
    return with_reports(rows, actor).select_related("subject", "owner", "deputy")


def with_reports(rows: QuerySet[ClockInstance], actor: Actor) -> QuerySet[ClockInstance]:
    """Each clock with its newest standing report that the actor may read.

    Adds `report_uuid` and `report_state`, which are None without a report.
    """
    mine = Report.objects.filter(
        subject__in=queries.visible_reports(actor),
        about_uuid=OuterRef("about_uuid"),
        regime=OuterRef("regime"),
        stage=OuterRef("stage"),
        sequence=OuterRef("sequence"),
        authority=OuterRef("authority"),
    ).exclude(state__in=DONE)
    newest = mine.order_by("-pk")
    return rows.annotate(
        report_uuid=Subquery(newest.values("uuid")[:1]),
        report_state=Subquery(newest.values("state")[:1]),
    )


def group_counts(actor: Actor) -> dict[str, int]:
    """How many clocks each group of the board holds, in one query."""
    rows = queries.clocks_for(actor).select_related(None).order_by()
    by_state = {row["state"]: row["n"] for row in rows.values("state").annotate(n=Count("pk"))}
    return {key: sum(by_state.get(state, 0) for state in states) for key, states in SHOWN.items()}


def in_charge() -> QuerySet[User]:
    """People who could be put in charge of something."""
    return User.objects.filter(is_active=True).order_by("name")
