"""A person's calendar address: made, revoked, and what it shows at the moment of the call."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from compliance import phrase, queries
from compliance.actors import Actor
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import ClockInstance, FeedToken, User
from compliance.permissions import NotAllowed, Permission
from compliance.queries_clocks import COUNTING
from compliance.services import account, deadline, duty, icalendar, subject, wording
from compliance.services.icalendar import Entry

MOST = 500
"""How many dates of one sort a feed holds; the soonest are kept."""
ALARMS = (timedelta(days=1), timedelta(hours=4))
USED_EVERY = timedelta(hours=1)
READING = (Permission.REPORT_READ, Permission.DUTY_READ, Permission.AUTHORITY_READ)


@transaction.atomic
def make(label: str, *, by: Actor) -> tuple[FeedToken, str]:
    """An address for oneself, and its secret, which is shown this once; its SHA-256 is kept.

    Raises:
        NotAllowed: not a person, or one who may read none of what a feed shows.
    """
    if by.user_id is None or not any(by.may(each) for each in READING):
        raise NotAllowed(_("A calendar address is for a person who may read what is due."))
    text = secrets.token_urlsafe(32)
    made = FeedToken.objects.create(
        subject=subject.make("feed", label or _("Calendar address")),
        person_id=by.user_id,
        label=label,
        sha256=_digest(text),
    )
    record("feed.make", made, by=by, words={"label": label})
    return made, text


@transaction.atomic
def revoke(token: FeedToken, *, by: Actor) -> None:
    """The address stops working at once.

    Raises:
        NotAllowed: it is somebody else's.
    """
    if token.person_id != by.user_id:
        raise NotAllowed(_("Everybody revokes their own calendar addresses."))
    if FeedToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now()):
        record("feed.revoke", token, by=by, words={"label": token.label})


def find(text: str) -> FeedToken | None:
    """The address with this secret; None when nobody's, revoked, or of an account that was closed."""
    rows = FeedToken.objects.filter(sha256=_digest(text), revoked_at=None)
    found = rows.select_related("person").first()
    if found is None or not found.person.is_active:
        return None
    at = now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=at - USED_EVERY)
    FeedToken.objects.filter(stale, pk=found.pk).update(last_used_at=at)
    return found


def render(token: FeedToken) -> bytes:
    """The calendar of what its person may see now."""
    return icalendar.render(_("Strata: deadlines"), entries(token.person), at=now())


def entries(person: User) -> list[Entry]:
    """What is due that this person may see now, by date."""
    who = account.actor_for(person)
    found = [*_clocks(who), *_occurrences(who), *_requests(who)]
    return sorted(found, key=lambda each: each.at)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _clocks(who: Actor) -> Iterator[Entry]:
    if not who.may(Permission.REPORT_READ):
        return
    rows = queries.clocks_for(who).filter(state__in=COUNTING, target_due__isnull=False)
    for clock in rows.order_by("replaced_by", "target_due", "id")[:MOST]:
        if clock.target_due is not None:
            yield _clock(clock, clock.target_due)


def _clock(clock: ClockInstance, due: datetime) -> Entry:
    title = f"{clock.subject.label}: {_said(deadline.stage_title(clock))}"
    lines = [
        f"{_said(clock.regime_title)}, {_said(deadline.cite(clock))}",
        _("At the recipient: %(at)s") % {"at": wording.moment(due, clock.zone)},
        _("Version: %(version)s") % {"version": f"{clock.regime}@{clock.regime_version}"},
    ]
    # One date stays one entry through every recomputation.
    parts = (clock.about_uuid, clock.regime, clock.stage, clock.sequence, clock.authority)
    uid = f"clock-{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}@strata"
    return Entry(uid, title, due, "\n".join(lines), _address(clock.path), alarms=ALARMS)


def _occurrences(who: Actor) -> Iterator[Entry]:
    if not who.may(Permission.DUTY_READ):
        return
    rows = queries.occurrences_for(who).filter(state__in=["open", "overdue"], duty__state="active")
    for each in rows.order_by("due_at")[:MOST]:
        about = each.duty
        told = "\n".join(part for part in (_said(about.cite), about.zone) if part)
        uid = f"duty-{each.uuid}@strata"
        yield Entry(uid, duty.title_of(about), each.due_at, told, _address(about.path))


def _requests(who: Actor) -> Iterator[Entry]:
    if not who.may(Permission.AUTHORITY_READ):
        return
    rows = queries.authority_requests_for(who).filter(state__in=["open", "overdue"])
    for each in rows.exclude(due_at=None).order_by("due_at")[:MOST]:
        title = _("Answer %(authority)s: %(title)s") % {
            "authority": each.authority,
            "title": each.title,
        }
        due = each.due_at
        if due is not None:
            uid = f"request-{each.uuid}@strata"
            yield Entry(uid, title, due, each.reference, _address(each.path), alarms=ALARMS)


def _said(words: object) -> str:
    return phrase.said(wording.phrase(words), translation)


def _address(path: str) -> str:
    return f"{settings.SITE_URL}{path}"
