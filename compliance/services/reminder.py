"""Marks on the way to a date, and the messages that go out when one is passed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from compliance.actors import Actor
from compliance.hostile import one_line
from compliance.models import Subject, User
from compliance.permissions import ROLES, Permission, Role
from compliance.services import notice


@dataclass(frozen=True, slots=True)
class Mark:
    """One point before a date at which somebody is told."""

    name: str
    before: timedelta
    words: Promise


BY_THE_CALENDAR = (
    Mark("month", timedelta(days=30), _("less than 30 days are left")),
    Mark("week", timedelta(days=7), _("less than a week is left")),
    Mark("day", timedelta(days=1), _("less than a day is left")),
    Mark("overdue", timedelta(0), _("it is overdue")),
)
"""For what comes round in months and years."""
BY_THE_HOUR = (
    Mark("week", timedelta(days=7), _("less than a week is left")),
    Mark("day", timedelta(days=1), _("less than a day is left")),
    Mark("four_hours", timedelta(hours=4), _("less than four hours are left")),
    Mark("overdue", timedelta(0), _("it is overdue")),
)
"""For what an authority waits for."""


def passed(marks: Iterable[Mark], due: datetime, at: datetime) -> list[Mark]:
    """The marks that lie behind, in their order."""
    return [mark for mark in marks if due - mark.before <= at]


def next_at(marks: Iterable[Mark], due: datetime, at: datetime) -> datetime | None:
    """When the next mark comes; none when all lie behind."""
    ahead = [due - mark.before for mark in marks if due - mark.before > at]
    return min(ahead, default=None)


def fresh(marks: Iterable[Mark], due: datetime, at: datetime, warned: Iterable[str]) -> list[Mark]:
    """The marks that lie behind and were not said yet; the last of them is the one to say."""
    said = set(warned)
    return [mark for mark in passed(marks, due, at) if mark.name not in said]


def in_charge(thing: Any, permission: Permission) -> list[User]:
    """Owner and deputy; where nobody is in charge, everybody whose role carries the permission."""
    named = [person for person in (thing.owner, thing.deputy) if person is not None]
    return [person for person in named if person.is_active] or holders(
        permission, restricted=thing.subject if thing.subject.restricted else None
    )


def holders(permission: Permission, *, restricted: Subject | None = None) -> list[User]:
    """Active people who hold a permission by role, or by grant on what is restricted."""
    people = User.objects.filter(is_active=True)
    if restricted is not None:
        granted = {"grants__subject": restricted, "grants__permission": permission.value}
        return list(people.filter(**granted).distinct().order_by("pk"))
    roles = [role.value for role in Role if permission in ROLES[role]]
    return list(people.filter(roles__role__in=roles).distinct().order_by("pk"))


def tell(
    people: Iterable[User],
    thing: Any,
    *,
    title: str,
    body: str,
    severity: str = "",
    by: Actor,
) -> int:
    """One message to each person, with the address of the thing; how many were queued."""
    told = 0
    for person in people:
        notice.queue(
            thing.subject,
            channel="email",
            to=person.email,
            title=one_line(title, 300),
            body=body,
            url=f"{settings.SITE_URL}{thing.path}",
            severity=severity,
            about=thing,
            by=by,
        )
        told += 1
    return told
