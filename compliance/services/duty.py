"""Standing duties: set up by a person from a pack or by the house, done with proof, waived with reasons.

Each active duty has at most one date that is to be met. When it is met, the next one is counted;
a duty that comes once is over then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance import phrase
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.hostile import one_line
from compliance.machines import TransitionRefused
from compliance.models import (
    AISystem,
    Blob,
    DutyOccurrence,
    LegalEntity,
    StandingDuty,
    Subject,
    User,
)
from compliance.permissions import NotAllowed, Permission
from compliance.regimes import load
from compliance.regimes.authorities import get as authority
from compliance.regimes.standing import read_anchors
from compliance.services import blob, duty_date, reminder, subject
from compliance.states import DUTY, OCCURRENCE

CALENDAR = system("calendar")
LONGEST_NOTE = 4_000
STANDING_FOR = ("active", "paused")
TO_DO = ("open", "overdue")
RETENTION_KEY = "house:retention:"
TITLES: dict[str, Promise] = {
    "house:evidence": gettext_lazy("Evidence expires"),
    "house:waiver": gettext_lazy("Waiver expires"),
    f"{RETENTION_KEY}documentation": gettext_lazy("Documentation may be deleted"),
    f"{RETENTION_KEY}incident": gettext_lazy("Incident file may be deleted"),
    f"{RETENTION_KEY}logs": gettext_lazy("Logs may be deleted"),
}
"""What the house follows by itself, by key."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Who answers for a duty, and what it is about; without a system or entity, the organisation."""

    owner: User
    deputy: User | None = None
    system: AISystem | None = None
    entity: LegalEntity | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """A file that shows that something was done."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


def title_of(duty: StandingDuty) -> str:
    """What the duty is called, in the reader's language; what a person typed stands as it is."""
    if duty.key in TITLES:
        return str(TITLES[duty.key])
    found = duty_date.pinned(duty.key, duty.pack_version)
    return phrase.said(found[1].title, translation) if found else duty.title


@transaction.atomic
def set_up(
    pack_key: str, duty_id: str, *, anchors: Mapping[str, str], charge: Charge, by: Actor
) -> StandingDuty:
    """Take a duty of a pack into the calendar. The pack's version and digest are pinned.

    Args:
        pack_key: of a standing pack that counts now.
        duty_id: of the duty in it.
        anchors: milestones by name, as instants with an offset; an empty one is left out.
        charge: who answers for it.
        by: the person who sets it up.

    Raises:
        UnknownRegime: no such pack.
        KeyError: no such duty in it.
        FactsError: a milestone is unknown or names no zone.
        TransitionRefused: it stands already.
    """
    pack = load.get(pack_key)
    asked = pack.calendar_duty(duty_id)
    given = {name: value for name, value in anchors.items() if value}
    read_anchors(given)
    return _set(
        f"{pack.key}:{asked.id}",
        title=str(asked.title),
        cite=str(asked.cite),
        rule={"how": "pack", "anchors": given},
        zone=pack.zone,
        pack=(pack.version, pack.digest),
        charge=charge,
        by=by,
    )


@transaction.atomic
def set_own(
    title: str, *, rule: Mapping[str, Any], cite: str = "", zone: str, charge: Charge, by: Actor
) -> StandingDuty:
    """A duty that the house sets itself: once, or every so often.

    Raises:
        TransitionRefused: one of this name stands already.
        ValueError: no title, or a rule of another kind.
    """
    name = one_line(title, 300)
    if not name or rule.get("how") not in {"once", "every"}:
        raise ValueError(_("A duty of the house needs a name, and a day on which it first falls."))
    date.fromisoformat(rule["first"])
    key = f"house:own:{subject_key(name)}"
    cited = one_line(cite, 200)
    return _set(key, title=name, cite=cited, rule=dict(rule), zone=zone, charge=charge, by=by)


@transaction.atomic
def set_registration(authority_id: str, *, before: date, charge: Charge, by: Actor) -> StandingDuty:
    """Registration at an authority's portal, early enough before a day on which it must stand.

    The period is the authority's own, as its file has it; of several calendars the strictest counts.

    Raises:
        UnknownAuthority: nobody knows it.
        ValueError: no lead time is on file for it.
        TransitionRefused: it stands already.
    """
    found = authority(authority_id)
    lead = found.channel.registration_lead
    if lead is None:
        raise ValueError(
            _("No time for registration is on file for %(name)s.")
            % {"name": phrase.said(found.name, translation)}
        )
    door = found.channel.name or found.name
    title = _("Registered with %(name)s") % {"name": phrase.said(door, translation)}
    calendars = [found.calendar] if found.calendar else []
    # The Union's list is from memory: the stricter of it and the Belgian one is worked to.
    calendars += ["BE"] if found.calendar == "EU-COMMISSION" else []
    rule = {
        "how": "lead",
        "first": before.isoformat(),
        "amount": lead.amount,
        "unit": str(lead.unit),
        "calendars": calendars,
    }
    key, zone = f"house:registration:{found.id}", found.zone or "UTC"
    return _set(key, title=title, cite="", rule=rule, zone=zone, charge=charge, by=by)


def subject_key(name: str) -> str:
    """A name as the last part of a key: letters and digits, 60 at most."""
    plain = "".join(sign if sign.isalnum() else "-" for sign in name.lower())
    return plain.strip("-")[:60]


def _set(
    key: str,
    *,
    title: str,
    cite: str,
    rule: dict[str, Any],
    zone: str,
    charge: Charge,
    by: Actor,
    pack: tuple[str, str] = ("", ""),
) -> StandingDuty:
    about = charge.system or charge.entity
    require(by, Permission.DUTY_MANAGE, about.subject if about else None)
    if by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; a person sets a duty up.") % {"who": by.label})
    _check_deputy(charge.owner, charge.deputy)
    standing = StandingDuty.objects.filter(key=key, system=charge.system, entity=charge.entity)
    if standing.filter(state__in=STANDING_FOR).exists():
        raise TransitionRefused(
            _("“%(title)s” stands in the calendar already; change that one.") % {"title": title}
        )
    made = StandingDuty.objects.create(
        subject=about.subject if about else subject.make("duty", title),
        key=key,
        pack_version=pack[0],
        pack_sha256=pack[1],
        title=title[:300],
        cite=cite[:200],
        entity=charge.entity,
        system=charge.system,
        owner=charge.owner,
        deputy=charge.deputy,
        rule=rule,
        zone=zone,
        made_by_id=by.user_id,
        made_at=now(),
    )
    _recorded_set(made, by)
    open_next(made, by=by)
    return made


def _recorded_set(made: StandingDuty, by: Actor) -> None:
    record(
        "duty.set",
        made,
        by=by,
        after="active",
        words={"title": made.title},
        key=made.key,
        pack=f"{made.key.partition(':')[0]}@{made.pack_version}" if made.pack_version else None,
        pack_sha256=made.pack_sha256 or None,
        how=made.rule.get("how"),
        owner=str(made.owner.uuid) if made.owner else None,
    )


def _check_deputy(owner: User | None, deputy: User | None) -> None:
    if deputy is not None and (owner is None or owner.pk == deputy.pk):
        raise ValueError(_("A deputy stands for an owner, and is somebody else."))


def done_before(duty: StandingDuty) -> list[datetime]:
    """When it was done, and the last moments of those dates on which it was not needed."""
    rows = duty.occurrences.filter(state__in=["done", "waived"]).order_by("due_at")
    # A date is stored as the midnight that ends its last day: the next day must not be counted from.
    return [row.done_at or row.due_at - timedelta(microseconds=1) for row in rows]


def coming(duty: StandingDuty, n: int) -> list[duty_date.Next]:
    """The next dates as the rule counts them now."""
    return duty_date.next_dates(
        duty.rule,
        key=duty.key,
        version=duty.pack_version,
        zone=duty.zone,
        done=done_before(duty),
        n=n,
    )


@transaction.atomic
def open_next(duty: StandingDuty, *, by: Actor) -> DutyOccurrence | None:
    """Count the next date and put it into the calendar; what is to be done already only moves.

    A duty without a further date is over, unless a milestone is still to come.

    Raises:
        TransitionRefused: what is overdue would move into the future.
    """
    taken = set(
        duty.occurrences.filter(state__in=["done", "waived"]).values_list("due_at", flat=True)
    )
    following = [each.due for each in coming(duty, len(taken) + 1) if each.due not in taken]
    standing = duty.occurrences.filter(state__in=TO_DO).order_by("due_at").first()
    if not following:
        _dated(duty, standing.due_at if standing else None)
        if taken and standing is None:
            # Nobody decides this: whoever did the work may lack the permission to end duties.
            settled = _("It was due once, and that is settled.")
            advance(duty, DUTY, "end", by=CALENDAR, note=settled)
        return standing
    due = following[0]
    if standing is None:
        standing = DutyOccurrence.objects.create(duty=duty, due_at=due)
        record("occurrence.open", standing, by=by, after="open", due_at=stamp(due))
    elif standing.due_at != due:
        if standing.state == "overdue" and due > now():
            raise TransitionRefused(
                _(
                    "Its date has passed: enter it as done or as not needed, or end it and set it up anew."
                )
            )
        before, standing.due_at = standing.due_at, due
        DutyOccurrence.objects.filter(pk=standing.pk).update(due_at=due, warned=[])
        record("duty.change", duty, by=by, was_due=stamp(before), due_at=stamp(due))
    _dated(duty, due)
    return standing


def _dated(duty: StandingDuty, due: datetime | None) -> None:
    """When it is due, and when the sweep looks at it next."""
    duty.next_due = due
    marks = reminder.BY_THE_CALENDAR
    duty.next_mark_at = None if due is None else due - marks[0].before
    duty.save(update_fields=["next_due", "next_mark_at"])


@transaction.atomic
def set_anchors(duty: StandingDuty, anchors: Mapping[str, str], *, by: Actor) -> None:
    """Record when a milestone came; the dates are counted anew.

    Raises:
        FactsError: a milestone is unknown or names no zone.
        TransitionRefused: no pack stands behind the duty, or it is over.
    """
    require(by, Permission.DUTY_MANAGE, duty.subject)
    if duty.rule.get("how") != "pack" or duty.state == "ended":
        raise TransitionRefused(_("Milestones date duties of a pack that stand."))
    given = {name: value for name, value in anchors.items() if value}
    read_anchors(given)
    duty.rule = {**duty.rule, "anchors": given}
    duty.save(update_fields=["rule"])
    record("duty.change", duty, by=by, anchors=given)
    open_next(duty, by=by)


@transaction.atomic
def assign(duty: StandingDuty, *, owner: User, deputy: User | None = None, by: Actor) -> None:
    """Put somebody in charge.

    Raises:
        ValueError: the deputy is the owner.
    """
    require(by, Permission.DUTY_MANAGE, duty.subject)
    _check_deputy(owner, deputy)
    duty.owner, duty.deputy = owner, deputy
    duty.save(update_fields=["owner", "deputy"])
    record(
        "duty.assign",
        duty,
        by=by,
        owner=str(owner.uuid),
        deputy=str(deputy.uuid) if deputy else None,
    )


@transaction.atomic
def pause(duty: StandingDuty, *, note: str, by: Actor) -> None:
    """It is not asked for at present. Its date stays, and nobody is warned."""
    advance(duty, DUTY, "pause", by=by, note=note, changes={"next_mark_at": None})


@transaction.atomic
def resume(duty: StandingDuty, *, by: Actor) -> None:
    """It is asked for again."""
    advance(duty, DUTY, "resume", by=by)
    open_next(duty, by=by)


@transaction.atomic
def end(duty: StandingDuty, *, note: str, by: Actor) -> None:
    """It binds no more. What was done stays on record."""
    advance(duty, DUTY, "end", by=by, note=note, changes={"next_mark_at": None})


@transaction.atomic
def complete(
    occurrence: DutyOccurrence,
    *,
    done_at: datetime,
    note: str = "",
    proof: Proof | None = None,
    by: Actor,
) -> None:
    """A person says that it is done, with the file that shows it or a word of what was done.

    Raises:
        ValueError: neither file nor word, or a time that is still to come.
        TransitionRefused: it is done or waived already.
    """
    duty = occurrence.duty
    require(by, Permission.DUTY_WORK, duty.subject)
    said = note.strip()[:LONGEST_NOTE]
    if proof is None and not said:
        raise ValueError(_("Attach the proof, or say what was done and where that can be seen."))
    if done_at > now():
        raise ValueError(_("The time lies in the future; enter when it was done."))
    kept = _kept(duty.subject, proof, by) if proof else None
    changes = {"done_at": done_at, "done_by_id": by.user_id, "note": said, "proof": kept}
    advance(
        occurrence,
        OCCURRENCE,
        "complete",
        by=by,
        note=said,
        changes=changes,
        due_at=stamp(occurrence.due_at),
        done_at=stamp(done_at),
        proof_sha256=kept.sha256 if kept else None,
    )
    _went_on(duty, by)


def _kept(place: Subject, proof: Proof, by: Actor) -> Blob:
    return blob.keep(
        place,
        one_line(proof.name, 200),
        proof.media_type,
        proof.data,
        retention=Blob.Retention.DOCUMENTATION.value,
        by=by,
    )


@transaction.atomic
def waive(occurrence: DutyOccurrence, *, note: str, by: Actor) -> None:
    """Found not to be needed this time, and why.

    Raises:
        ValueError: no reason.
        TransitionRefused: it is done or waived already.
    """
    if not note.strip():
        raise ValueError(_("Say why it is not needed this time."))
    said = note.strip()[:LONGEST_NOTE]
    changes = {"note": said, "done_by_id": by.user_id}
    advance(
        occurrence,
        OCCURRENCE,
        "waive",
        by=by,
        note=said,
        changes=changes,
        due_at=stamp(occurrence.due_at),
    )
    _went_on(occurrence.duty, by)


def _went_on(duty: StandingDuty, by: Actor) -> None:
    """The next round, unless the duty was paused or ended meanwhile."""
    duty.refresh_from_db()
    if duty.state == "active":
        open_next(duty, by=by)
    elif duty.state == "paused":
        _dated(duty, None)
