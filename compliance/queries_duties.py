"""What stands in the calendar: duties, their dates, requests of authorities, clocks, by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet
from django.utils.timezone import get_current_timezone

from compliance import queries
from compliance.actors import Actor
from compliance.models import (
    AuthorityQuestion,
    AuthorityRequest,
    ClockInstance,
    DutyOccurrence,
    ReleaseAuthorisation,
    Report,
    StandingDuty,
    User,
)

TO_DO = ("open", "overdue")
COUNTING = ("running", "overdue", "overdue_immediate")
MOST_A_MONTH = 500
REPORT_KINDS = Report.What.choices
"""What forms offer; the words stand with the table."""


def duties(actor: Actor) -> QuerySet[StandingDuty]:
    """Standing duties with who answers for them."""
    return queries.duties_for(actor).select_related("subject", "owner", "deputy", "system")


def between(
    actor: Actor, start: datetime, end: datetime
) -> tuple[list[DutyOccurrence], list[AuthorityRequest], list[ClockInstance]]:
    """What falls due after an instant and up to another, of every kind that the reader may see."""
    dates = queries.occurrences_for(actor).filter(
        state__in=TO_DO, duty__state="active", due_at__gt=start, due_at__lte=end
    )
    asked = queries.authority_requests_for(actor).filter(
        state__in=TO_DO, due_at__gt=start, due_at__lte=end
    )
    clocks = queries.clocks_for(actor).filter(
        state__in=COUNTING, target_due__gt=start, target_due__lte=end
    )
    return (
        list(dates.select_related("duty__subject").order_by("due_at")[:MOST_A_MONTH]),
        list(asked.order_by("due_at")[:MOST_A_MONTH]),
        list(clocks.order_by("target_due", "id")[:MOST_A_MONTH]),
    )


def overdue(actor: Actor) -> int:
    """How many dates of standing duties have passed."""
    return queries.occurrences_for(actor).filter(state="overdue", duty__state="active").count()


def questions_for(actor: Actor) -> QuerySet[AuthorityQuestion]:
    """Questions of the requests that the reader may see."""
    return AuthorityQuestion.objects.filter(
        request__in=queries.authority_requests_for(actor)
    ).select_related("request__subject", "answered_by")


def offered(actor: Actor) -> QuerySet[Report]:
    """Incomplete reports that are offered for release and that nobody approved yet."""
    return queries.reports_for(actor).filter(is_incomplete=True, state__in=["drafting", "review"])


def releases(actor: Actor) -> QuerySet[ReleaseAuthorisation]:
    """Authorisations to file unattended, with who asked and who revoked."""
    return queries.releases_for(actor).select_related("revoked_by")


def standing_keys(actor: Actor) -> set[str]:
    """The keys of the duties that stand in the calendar already."""
    rows = queries.duties_for(actor).exclude(state="ended")
    return set(rows.values_list("key", flat=True))


def people() -> QuerySet[User]:
    """Whom one could put in charge: everybody who can sign in."""
    return User.objects.filter(is_active=True).order_by("name")


def holders_of(request: AuthorityRequest) -> Iterable[User]:
    """To whom a restricted request is open."""
    return User.objects.filter(grants__subject=request.subject).distinct().order_by("name")


def month_bounds(year: int, month: int) -> tuple[datetime, datetime]:
    """The first instant of a month in the reader's zone, and the first of the next.

    Raises:
        ValueError: no such month.
    """
    zone = get_current_timezone()
    following = (year + month // 12, month % 12 + 1)
    return datetime(year, month, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)
