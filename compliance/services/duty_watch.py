"""The calendar's own rounds: what became due, who is to be told, and what else on record has a date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from compliance.actors import Actor
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.models import Blob, DutyOccurrence, Evidence, StandingDuty, Subject, User
from compliance.permissions import Permission
from compliance.queries import series_of
from compliance.regimes.counting import add_months
from compliance.services import duty, reminder, wording
from compliance.states import DUTY, OCCURRENCE

CALENDAR = duty.CALENDAR
MONTHS_KEPT = {
    Blob.Retention.DOCUMENTATION: 120,
    Blob.Retention.INCIDENT: 60,
    Blob.Retention.LOGS: 6,
}
"""How long a file of each class is kept at least; a working copy has no end to watch."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """Something on record that ends on a date: a waiver, a piece of evidence."""

    key: str
    about_kind: str
    about_uuid: UUID
    place: Subject
    due: datetime
    title: str
    owner: User | None = None


def sweep(at: datetime | None = None) -> int:
    """Dates that passed become overdue, and whoever is in charge is told. Costs the due ones alone.

    Returns:
        How many duties had a mark to come.
    """
    moment = at or now()
    due = StandingDuty.objects.filter(state="active", next_mark_at__lte=moment)
    rows = list(due.select_related("subject", "owner", "deputy").order_by("next_mark_at"))
    for each in rows:
        _look(each, moment)
    return len(rows)


@transaction.atomic
def _look(found: StandingDuty, at: datetime) -> None:
    occurrence = (
        DutyOccurrence.objects.select_for_update()
        .filter(duty=found, state__in=duty.TO_DO)
        .order_by("due_at")
        .first()
    )
    if occurrence is None:
        StandingDuty.objects.filter(pk=found.pk).update(next_mark_at=None)
        return
    if occurrence.state == "open" and occurrence.due_at <= at:
        advance(occurrence, OCCURRENCE, "lapse", by=CALENDAR, due_at=stamp(occurrence.due_at))
    marks = reminder.BY_THE_CALENDAR
    fresh = reminder.fresh(marks, occurrence.due_at, at, occurrence.warned)
    if fresh:
        _warn(found, occurrence, fresh)
    following = reminder.next_at(marks, occurrence.due_at, at)
    StandingDuty.objects.filter(pk=found.pk).update(next_mark_at=following)


def _warn(found: StandingDuty, occurrence: DutyOccurrence, fresh: Iterable[reminder.Mark]) -> None:
    """Only the latest mark is said aloud: whoever was away needs to know where it stands now."""
    marks = list(fresh)
    occurrence.warned = [*occurrence.warned, *(mark.name for mark in marks)]
    occurrence.save(update_fields=["warned"])
    told = reminder.tell(
        reminder.in_charge(found, Permission.DUTY_MANAGE),
        found,
        title=_("%(title)s: %(mark)s") % {"title": duty.title_of(found), "mark": marks[-1].words},
        body=_("%(title)s (%(place)s) is due on %(due)s (%(zone)s). %(cite)s")
        % {
            "title": duty.title_of(found),
            "place": found.subject.label,
            "due": wording.moment(occurrence.due_at, found.zone),
            "zone": found.zone,
            "cite": found.cite,
        },
        severity="high" if marks[-1].name == "overdue" else "",
        by=CALENDAR,
    )
    record(
        "occurrence.warn",
        occurrence,
        by=CALENDAR,
        mark=marks[-1].name,
        due_at=stamp(occurrence.due_at),
        told=told,
    )


@transaction.atomic
def follow(expiry: Expiry, *, by: Actor = CALENDAR) -> StandingDuty:
    """Keep a date in the calendar that stands on record elsewhere; called again, it moves along."""
    standing = StandingDuty.objects.filter(
        key=expiry.key, about_uuid=expiry.about_uuid, state__in=duty.STANDING_FOR
    ).first()
    rule = {"how": "at", "due": expiry.due.isoformat()}
    if standing is not None and standing.rule == rule:
        return standing
    if standing is not None and not _is_overdue(standing):
        standing.rule = rule
        standing.save(update_fields=["rule"])
        duty.open_next(standing, by=by)
        return standing
    if standing is not None:
        _over(standing, _("The date on record moved."), by)
    made = StandingDuty.objects.create(
        subject=expiry.place,
        key=expiry.key,
        title=expiry.title[:300],
        about_kind=expiry.about_kind,
        about_uuid=expiry.about_uuid,
        owner=standing.owner if standing else expiry.owner,
        deputy=standing.deputy if standing else None,
        rule=rule,
        made_at=now(),
    )
    record(
        "duty.set",
        made,
        by=by,
        after="active",
        words={"title": made.title},
        key=made.key,
        about=f"{expiry.about_kind}:{expiry.about_uuid}",
        due_at=stamp(expiry.due),
    )
    duty.open_next(made, by=by)
    return made


def _is_overdue(standing: StandingDuty) -> bool:
    return standing.occurrences.filter(state="overdue").exists()


@transaction.atomic
def follow_only(key: str, expiries: Iterable[Expiry], *, by: Actor = CALENDAR) -> int:
    """Follow these, and end whatever else was followed under the key; how many stand now."""
    found = {each.about_uuid: each for each in expiries}
    gone = StandingDuty.objects.filter(key=key, state__in=duty.STANDING_FOR)
    for each in gone.exclude(about_uuid__in=list(found)):
        _over(each, _("What had the date is replaced, or over."), by)
    # Of what a person found settled, the date is not asked for again.
    settled = set(
        StandingDuty.objects.filter(key=key, about_uuid__in=list(found), state="ended")
        .filter(occurrences__state__in=["done", "waived"])
        .values_list("about_uuid", "occurrences__due_at")
    )
    for expiry in found.values():
        if (expiry.about_uuid, expiry.due) not in settled:
            follow(expiry, by=by)
    return len(found)


def _over(each: StandingDuty, why: str, by: Actor) -> None:
    advance(each, DUTY, "end", by=by, note=why, changes={"next_mark_at": None})


def watch_evidence() -> int:
    """The expiry of the evidence that speaks for registered versions."""
    rows = Evidence.objects.filter(valid_until__isnull=False, version__state="registered")
    newest: dict[Any, Evidence] = {}
    versions = rows.values_list("version_id", flat=True).distinct()
    speaking = Evidence.objects.filter(version__in=versions).order_by("pk")
    for each in speaking.select_related("version__subject", "version__model", "attested_by"):
        newest[(each.version_id, *series_of(each))] = each
    return follow_only(
        "house:evidence",
        [
            Expiry(
                key="house:evidence",
                about_kind=each.kind,
                about_uuid=each.uuid,
                place=each.version.subject,
                due=each.valid_until,
                title=str(duty.TITLES["house:evidence"]),
                owner=each.attested_by,
            )
            for each in newest.values()
            if each.valid_until is not None
        ],
    )


def watch_retention() -> int:
    """When the files of one place have been kept for long enough, by class, from the latest of them.

    A file under hold is kept whatever its class says: its place has no end until it is released.
    """
    groups = (
        Blob.objects.filter(retention__in=list(MONTHS_KEPT))
        .values("subject_id", "retention")
        .annotate(last=Max("at"), held=Sum("n_holds"))
    )
    by_key: dict[str, list[Expiry]] = {f"{duty.RETENTION_KEY}{name}": [] for name in MONTHS_KEPT}
    rows = [row for row in groups if not row["held"]]
    places = Subject.objects.in_bulk([row["subject_id"] for row in rows])
    for row in rows:
        key, place = f"{duty.RETENTION_KEY}{row['retention']}", places[row["subject_id"]]
        by_key[key].append(
            Expiry(
                key=key,
                about_kind=place.kind,
                about_uuid=place.uuid,
                place=place,
                due=kept_until(row["retention"], row["last"]),
                title=str(duty.TITLES[key]),
            )
        )
    return sum(follow_only(key, expiries) for key, expiries in by_key.items())


def kept_until(retention: str, at: datetime) -> datetime:
    """The end of the time for which a file of this class, stored at an instant, is kept."""
    day = add_months(at.date(), MONTHS_KEPT[Blob.Retention(retention)])
    return datetime.combine(day, at.timetz(), tzinfo=at.tzinfo or timezone.get_default_timezone())


def watch() -> int:
    """Everything on this storey that has a date of its own."""
    return watch_evidence() + watch_retention()
