"""Wake somebody: a ladder copied when the incident opens, climbed until a person answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.channels.base import ChannelError, Delivery, DeliveryState, Message
from compliance.channels.load import load
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance, Evidence, ModelVersion, Subject, User
from compliance.permissions import Permission, Role
from compliance.queue import enqueue
from compliance.services import evidence, notice, subject
from incidents.models import EscalationStep, Incident, Page, Shift
from incidents.states import PAGE

PAGER = system("pager")
LADDER = "incident"
MOST_LAPS = 3
ROTA_REACH = timedelta(days=30)
DEFAULT_WAIT_SECONDS = 300
UNANSWERED = frozenset({"delivered", "shown_only", "failed"})
STILL_RINGING = frozenset({"queued", "delivered", "shown_only"})
REACHING = frozenset({"queued", "sending", "delivered", "acknowledged"})


@dataclass(frozen=True)
class Rung:
    """One step of a ladder: how long to wait for an answer, and through which channels to call."""

    rung: int
    wait_seconds: int
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Gap:
    """A time in which nobody stands on a rung."""

    rung: int
    starts_at: datetime
    ends_at: datetime


DEFAULT_LADDER = (Rung(1, DEFAULT_WAIT_SECONDS, ("email", "null")), Rung(2, 600, ("email", "null")))


def ladder() -> list[Rung]:
    """The ladder as it stands now; a sober one until somebody sets it up."""
    steps = EscalationStep.objects.order_by("rung")
    return [Rung(step.rung, step.wait_seconds, tuple(step.channels)) for step in steps] or list(
        DEFAULT_LADDER
    )


def snapshot() -> list[dict[str, Any]]:
    """The ladder for an incident to keep: later changes do not reach it."""
    return [asdict(rung) | {"channels": list(rung.channels)} for rung in ladder()]


def _kept(incident: Incident) -> list[Rung]:
    return [
        Rung(step["rung"], step["wait_seconds"], tuple(step["channels"]))
        for step in incident.escalation
    ]


@transaction.atomic
def set_step(rung: int, *, wait_seconds: int, channels: Iterable[str], by: Actor) -> EscalationStep:
    """Set up one rung of the ladder that new incidents will copy."""
    require(by, Permission.ROTA_MANAGE)
    step, _made = EscalationStep.objects.update_or_create(
        rung=rung, defaults={"wait_seconds": wait_seconds, "channels": list(channels)}
    )
    record(
        "rota.change",
        _RotaPlace(),
        by=by,
        rung=rung,
        wait_seconds=wait_seconds,
        channels=list(step.channels),
    )
    return step


class _RotaPlace:
    """The rota as a thing in the log: one subject for the whole installation."""

    kind = "rota"

    def __init__(self) -> None:
        place = Shift.objects.order_by("pk").first()
        self.subject = place.subject if place else rota_subject()
        self.uuid = self.subject.uuid


def rota_subject() -> Subject:
    """The one subject that all shifts share, made when the first is."""
    standing: Subject | None = Subject.objects.filter(kind="rota").first()
    return standing or subject.make("rota", _("Rota"))


@transaction.atomic
def add_shift(
    person: User, *, starts_at: datetime, ends_at: datetime, rung: int = 1, by: Actor
) -> Shift:
    """Put a person on call from an instant to an instant.

    Raises:
        ValueError: the shift ends before it begins.
    """
    require(by, Permission.ROTA_MANAGE)
    if ends_at <= starts_at:
        raise ValueError(_("A shift must end after it begins; check both times and their zone."))
    shift = Shift.objects.create(
        subject=rota_subject(), person=person, rung=rung, starts_at=starts_at, ends_at=ends_at
    )
    record(
        "rota.change",
        shift,
        by=by,
        words={"person": person.name},
        rung=rung,
        starts_at=starts_at.isoformat(),
        ends_at=ends_at.isoformat(),
    )
    return shift


@transaction.atomic
def remove_shift(shift: Shift, *, by: Actor) -> None:
    """Take somebody off a shift; the log keeps that it was there."""
    require(by, Permission.ROTA_MANAGE)
    record("rota.change", shift, by=by, words={"person": shift.person.name}, removed=True)
    shift.delete()


def on_call(rung: int, at: datetime) -> list[User]:
    """Who stands on a rung at an instant."""
    shifts = Shift.objects.filter(rung=rung, starts_at__lte=at, ends_at__gt=at)
    return list(User.objects.filter(pk__in=shifts.values("person"), is_active=True).order_by("pk"))


def gaps(*, start: datetime, end: datetime, rung: int = 1) -> list[Gap]:
    """The times between two instants in which nobody stands on a rung."""
    found, reached = [], start
    shifts = Shift.objects.filter(rung=rung, ends_at__gt=start, starts_at__lt=end)
    for shift in shifts.order_by("starts_at"):
        if shift.starts_at > reached:
            found.append(Gap(rung, reached, shift.starts_at))
        reached = max(reached, shift.ends_at)
    if reached < end:
        found.append(Gap(rung, reached, end))
    return found


def attest_rota(version: ModelVersion, *, by: Actor) -> Evidence:
    """Measure the next 30 days of the first rung and attest them for a version."""
    start = now()
    open_gaps = gaps(start=start, end=start + ROTA_REACH)
    hours = sum((gap.ends_at - gap.starts_at).total_seconds() for gap in open_gaps) / 3600
    covered = not open_gaps
    return evidence.attest(
        version,
        "rota",
        layer=3,
        status="met" if covered else "not_met",
        summary=(
            _("Somebody is on call on the first rung at every minute of the next 30 days.")
            if covered
            else _("Nobody is on call for %(hours)s hours of the next 30 days.")
            % {"hours": f"{hours:.0f}"}
        ),
        payload={
            "from": start.isoformat(),
            "to": (start + ROTA_REACH).isoformat(),
            "gaps": [[gap.starts_at.isoformat(), gap.ends_at.isoformat()] for gap in open_gaps],
        },
        source="rota",
        valid_until=start + ROTA_REACH,
        by=by,
    )


@transaction.atomic
def start(incident: Incident, *, by: Actor) -> list[Page]:
    """Call the first rung; a reopened incident climbs its ladder anew."""
    laps = incident.pages.filter(cause=LADDER).aggregate(last=Max("lap"))["last"] or 0
    episodes = -(-laps // MOST_LAPS)
    return _climb(incident, rung=0, lap=episodes * MOST_LAPS + 1, by=by)


def _climb(incident: Incident, *, rung: int, lap: int, by: Actor) -> list[Page]:
    """Call the rung after this one; after the last, begin again, at most `MOST_LAPS` times."""
    steps = _kept(incident)
    following = next((step for step in steps if step.rung > rung), None)
    if following is None and steps and lap % MOST_LAPS:
        lap, following = lap + 1, steps[0]
    if following is None:
        return []
    why = f"{incident.reference}: {incident.title}"
    return _call(incident, following, cause=LADDER, lap=lap, why=why, by=by)


def _call(
    incident: Incident,
    step: Rung,
    *,
    cause: str,
    lap: int,
    why: str,
    by: Actor,
    also: Iterable[User] = (),
) -> list[Page]:
    made = []
    for person in dict.fromkeys((*_whom(step.rung), *also)):
        for channel in step.channels:
            page, is_new = Page.objects.get_or_create(
                incident=incident,
                cause=cause,
                lap=lap,
                rung=step.rung,
                person=person,
                channel=channel,
                defaults={
                    "why": why[:300],
                    "made_at": now(),
                    "escalate_at": _escalate_at(step, cause),
                },
            )
            if is_new:
                _queued(page, by)
                made.append(page)
    return made


def _escalate_at(step: Rung, cause: str) -> datetime | None:
    """Only the ladder climbs: a warning of a deadline is said once."""
    return now() + timedelta(seconds=step.wait_seconds) if cause == LADDER else None


def _queued(page: Page, by: Actor) -> None:
    record(
        "page.queue",
        page,
        by=by,
        after="queued",
        words={"person": page.person.name, "why": page.why},
        rung=page.rung,
        lap=page.lap,
        channel=page.channel,
    )
    enqueue(Page.TASK, page.pk, queue=Page.QUEUE)


def _whom(rung: int) -> list[User]:
    """Who stands on the rung; where nobody does, everybody who could respond is called."""
    return on_call(rung, now()) or _everybody_who_responds()


def _everybody_who_responds() -> list[User]:
    people = User.objects.filter(is_active=True)
    for role in (Role.RESPONDER, Role.SAFETY_ENGINEER, Role.GOVERNANCE_LEAD):
        if found := list(people.filter(roles__role=role.value).order_by("pk")):
            return found
    return []


def nobody_reached(incident: Incident) -> bool:
    """Whether every call so far failed or was only shown: the page must say so in red."""
    return bool(unreached([incident]))


def unreached(incidents: Iterable[Incident]) -> set[int]:
    """Which of these (by primary key) nobody was reached about, in one query."""
    asked = {each.pk for each in incidents}
    calls = Page.objects.filter(incident__in=asked, cause=LADDER, state__in=REACHING)
    return asked - set(calls.values_list("incident", flat=True))


def send(pk: int) -> None:
    """Claim one page, call outside any transaction, write down what became of it."""
    page = lease.claim(Page, pk, waiting="queued", running="sending")
    if page is None:
        return
    page = _still_on_call(page)
    config = getattr(settings, "STRATA_CHANNELS", {}).get(page.channel, {})
    try:
        channel = load(page.channel, config, egress=notice.egress())
        delivery = channel.send(_message(page))
    except ChannelError as error:
        _failed(page, error)
    else:
        _delivered(page, delivery)


def _still_on_call(page: Page) -> Page:
    """The rota may have handed over between making the page and sending it."""
    standing = on_call(page.rung, now())
    if page.cause != LADDER or not standing or page.person in standing:
        return page
    taken = set(
        Page.objects.filter(
            incident=page.incident,
            cause=page.cause,
            lap=page.lap,
            rung=page.rung,
            channel=page.channel,
        ).values_list("person", flat=True)
    )
    successor = next((person for person in standing if person.pk not in taken), None)
    if successor is not None:
        Page.objects.filter(pk=page.pk, fence=page.fence).update(person=successor)
        page.person = successor
    return page


def _message(page: Page) -> Message:
    incident = page.incident
    lines = [
        page.why,
        _("Severity %(severity)s, deployment %(deployment)s.")
        % {"severity": incident.get_severity_display(), "deployment": incident.deployment.key},
        _("Open the incident and acknowledge it, so that nobody else is woken."),
    ]
    return Message(
        key=page.uuid,
        to=page.person.email,
        subject=f"[{incident.get_severity_display()}] {page.why}",
        body="\n".join(lines),
        url=f"{settings.SITE_URL}{incident.path}",
        severity=incident.severity,
    )


def _delivered(page: Page, delivery: Delivery) -> None:
    verb = "deliver" if delivery.state is DeliveryState.SENT else "show"
    advance(
        page,
        PAGE,
        verb,
        by=PAGER,
        fence=page.fence,
        changes={**lease.free(), "delivered_at": delivery.at, "problem": delivery.note[:500]},
        words={"person": page.person.name},
        channel=page.channel,
    )


def _failed(page: Page, error: ChannelError) -> None:
    """Permanent: the next rung now. Otherwise once more, a little later."""
    over = error.permanent or page.attempts >= Page.MOST_ATTEMPTS
    changes: dict[str, Any] = {**lease.free(), "problem": str(error)[:500]}
    if over and page.cause == LADDER:
        changes["escalate_at"] = now()
    if not over:
        changes["next_try_at"] = lease.retry_at(page.attempts)
    advance(
        page,
        PAGE,
        "fail" if over else "retry",
        by=PAGER,
        fence=page.fence,
        changes=changes,
        note=str(error),
        channel=page.channel,
    )


@transaction.atomic
def answered(incident: Incident, *, by: Actor) -> None:
    """Somebody took it: nobody else is woken."""
    for page in incident.pages.filter(state__in=STILL_RINGING):
        try:
            advance(page, PAGE, "acknowledge", by=by, changes={"escalate_at": None})
        except TransitionRefused:
            # It is being sent at this moment; an acknowledged incident is not escalated anyway.
            continue


def escalate_due() -> int:
    """Climb one rung for every open incident whose page went unanswered long enough."""
    due = Page.objects.filter(
        state__in=UNANSWERED, cause=LADDER, escalate_at__lte=now(), incident__state="open"
    )
    return sum(_escalate(page) for page in due.select_related("incident__subject").order_by("pk"))


@transaction.atomic
def _escalate(page: Page) -> int:
    try:
        advance(page, PAGE, "escalate", by=PAGER, changes={"escalate_at": None}, rung=page.rung)
    except TransitionRefused:
        return 0
    return len(_climb(page.incident, rung=page.rung, lap=page.lap, by=PAGER))


@transaction.atomic
def call(
    incident: Incident, *, cause: str, why: str, also: Iterable[User] = (), by: Actor
) -> list[Page]:
    """Call the first rung once for a cause of its own; it does not climb the ladder.

    Whoever is named in `also` is called with it, through the same channels.
    """
    steps = _kept(incident) or ladder()
    return _call(incident, steps[0], cause=cause[:80], lap=1, why=why, by=by, also=also)


def warn(
    incident: Incident, clock: ClockInstance, mark: str, *, sentence: str, by: Actor
) -> list[Page]:
    """Call because a deadline comes near, once for each mark: the rota, and who is in charge."""
    people = [each for each in (clock.owner, clock.deputy) if each is not None and each.is_active]
    return call(incident, cause=f"{clock.ref}:{mark}", why=sentence, also=people, by=by)
