"""Requests of authorities: recorded as they came in, answered question by question, with proof.

A request has a place of its own. A restricted one is open to its recorder, to whoever is in charge,
and to those they let in.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.hostile import clean, one_line
from compliance.machines import TransitionRefused
from compliance.models import AuthorityQuestion, AuthorityRequest, Blob, Grant, Subject, User
from compliance.permissions import NotAllowed, Permission
from compliance.regimes import load, standing
from compliance.regimes.vocabulary import Milestone
from compliance.services import blob, digest, reminder, subject, wording
from compliance.services.duty import Proof
from compliance.states import AUTHORITY_REQUEST

if TYPE_CHECKING:
    from django.utils.functional import Promise

    from compliance.regimes.schema import Regime

CALENDAR = system("calendar")
LONGEST = 10_000
WAITING = ("open", "overdue")
OPENED_TO_THEM = (Permission.AUTHORITY_READ, Permission.AUTHORITY_WORK)


@functools.cache
def packs() -> dict[str, Regime]:
    """Which standing pack times a request, by the duty that it sets going."""
    return {
        duty.id: pack for pack in load.standing() for duty in pack.calendar_duties if duty.inbound
    }


@functools.cache
def bases() -> dict[str, Promise]:
    """Legal bases of which a pack knows the time to answer, by the pack's duty."""
    return {name: gettext_lazy(pack.calendar_duty(name).inbound) for name, pack in packs().items()}


class Suggested(NamedTuple):
    """The date that the law comes to, with the reasons."""

    due: datetime
    trace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """What came in, in the authority's words."""

    title: str
    authority: str
    received_at: datetime
    reference: str = ""
    legal_basis: str = ""
    period: str = ""
    due_at: datetime | None = None
    zone: str = "UTC"
    file: Proof | None = None
    about: Subject | None = None


def suggest(
    basis: str, *, received_at: datetime, period_ends_at: datetime | None = None
) -> Suggested | None:
    """When an answer on one of the known legal bases is due; none where the law names no time.

    Args:
        basis: a key of `bases()`.
        received_at: when the request came in.
        period_ends_at: the end of the period that the authority itself set, if it did.
    """
    if basis not in packs():
        return None
    pack = packs()[basis]
    anchors = {
        Milestone.AUTHORITY_REQUEST_RECEIVED: received_at,
        Milestone.CORRECTIVE_ORDER_RECEIVED: received_at,
    }
    if period_ends_at is not None:
        anchors[Milestone.AUTHORITY_PERIOD_ENDS] = period_ends_at
    found = standing.next_dues(pack, pack.calendar_duty(basis), anchors)
    return Suggested(found[0].due, tuple(found[0].trace)) if found else None


@transaction.atomic
def take_in(
    letter: Letter,
    *,
    questions: tuple[str, ...] = (),
    owner: User | None = None,
    deputy: User | None = None,
    restricted: bool = False,
    by: Actor,
) -> AuthorityRequest:
    """Record a request with its letter, its questions and who answers for it.

    Raises:
        ValueError: it was received in the future, or the deputy is the owner.
    """
    require(by, Permission.AUTHORITY_WORK)
    if by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; a person records it.") % {"who": by.label})
    if letter.received_at > now():
        raise ValueError(_("It cannot have been received in the future."))
    _check_deputy(owner, deputy)
    title = one_line(letter.title, 300)
    place = subject.make("authority_request", title, restricted=restricted)
    made = AuthorityRequest.objects.create(
        subject=place,
        about=letter.about,
        title=title,
        authority=one_line(letter.authority, 200),
        reference=one_line(letter.reference, 120),
        legal_basis=one_line(letter.legal_basis, 200),
        received_at=letter.received_at,
        due_at=letter.due_at,
        period=one_line(letter.period, 300),
        zone=letter.zone,
        owner=owner,
        deputy=deputy,
        recorded_by_id=by.user_id,
        recorded_at=now(),
        next_mark_at=_first_mark(letter.due_at),
    )
    made.letter = _kept(place, letter.file, by) if letter.file else None
    made.save(update_fields=["letter"])
    record(
        "authority_request.record",
        made,
        by=by,
        after="open",
        words={"title": title, "authority": made.authority, "reference": made.reference},
        received_at=stamp(letter.received_at),
        due_at=stamp(letter.due_at) if letter.due_at else None,
        zone=letter.zone,
        letter_sha256=made.letter.sha256 if made.letter else None,
        restricted=restricted,
    )
    if restricted:
        recorder = User.objects.get(pk=by.user_id)
        for person in {recorder, owner, deputy} - {None}:
            _open_to(made, person, by)  # type: ignore[arg-type]  # None was taken out
    for text in questions:
        _ask(made, text, by)
    return made


def _first_mark(due: datetime | None) -> datetime | None:
    return None if due is None else due - reminder.BY_THE_HOUR[0].before


def _check_deputy(owner: User | None, deputy: User | None) -> None:
    if deputy is not None and (owner is None or owner.pk == deputy.pk):
        raise ValueError(_("A deputy stands for an owner, and is somebody else."))


def _kept(place: Subject, file: Proof, by: Actor) -> Blob:
    return blob.keep(
        place,
        one_line(file.name, 200),
        file.media_type,
        file.data,
        retention=Blob.Retention.DOCUMENTATION.value,
        by=by,
    )


def _open_to(request: AuthorityRequest, person: User, by: Actor) -> None:
    """Grants on this one place: whoever works on a restricted request may let others in."""
    for permission in OPENED_TO_THEM:
        given, new = Grant.objects.get_or_create(
            subject=request.subject, person=person, permission=permission.value
        )
        if new:
            record(
                "grant.give",
                given.subject,
                by=by,
                words={"person": person.name},
                person=str(person.uuid),
                permission=permission.value,
            )


@transaction.atomic
def let_in(request: AuthorityRequest, person: User, *, by: Actor) -> None:
    """Open a restricted request to one more person.

    Raises:
        TransitionRefused: it is open to all who read such requests.
    """
    require(by, Permission.AUTHORITY_WORK, request.subject)
    if not request.subject.restricted:
        raise TransitionRefused(_("This request is not restricted; roles decide who reads it."))
    _open_to(request, person, by)


@transaction.atomic
def assign(
    request: AuthorityRequest, *, owner: User, deputy: User | None = None, by: Actor
) -> None:
    """Put somebody in charge; a restricted request is opened to them.

    Raises:
        ValueError: the deputy is the owner.
    """
    require(by, Permission.AUTHORITY_WORK, request.subject)
    _check_deputy(owner, deputy)
    request.owner, request.deputy = owner, deputy
    request.save(update_fields=["owner", "deputy"])
    record(
        "authority_request.assign",
        request,
        by=by,
        owner=str(owner.uuid),
        deputy=str(deputy.uuid) if deputy else None,
    )
    if request.subject.restricted:
        for person in (owner, deputy):
            if person is not None:
                _open_to(request, person, by)


@transaction.atomic
def prolong(request: AuthorityRequest, *, due_at: datetime, note: str, by: Actor) -> None:
    """Enter another date by which the answer is due: the authority granted it, or it was set late.

    Raises:
        ValueError: no reason, or a date that has passed.
        TransitionRefused: it is answered or closed.
    """
    require(by, Permission.AUTHORITY_WORK, request.subject)
    if not note.strip():
        raise ValueError(_("Say where the new date comes from."))
    if due_at <= now():
        raise ValueError(_("The new date has passed already."))
    before = stamp(request.due_at) if request.due_at else None
    changes: dict[str, Any] = {
        "due_at": due_at,
        "warned": [],
        "next_mark_at": _first_mark(due_at),
    }
    if request.state == "open":
        for name, value in changes.items():
            setattr(request, name, value)
        request.save(update_fields=list(changes))
        record(
            "authority_request.prolong",
            request,
            by=by,
            before="open",
            after="open",
            note=note,
            was_due=before,
            due_at=stamp(due_at),
        )
        return
    advance(
        request,
        AUTHORITY_REQUEST,
        "prolong",
        by=by,
        note=note,
        changes=changes,
        was_due=before,
        due_at=stamp(due_at),
    )


@transaction.atomic
def ask(request: AuthorityRequest, text: str, *, by: Actor) -> AuthorityQuestion:
    """Write down one more question.

    Raises:
        ValueError: nothing was asked.
        TransitionRefused: it is answered or closed.
    """
    require(by, Permission.AUTHORITY_WORK, request.subject)
    _require_waiting(request)
    return _ask(request, text, by)


def _ask(request: AuthorityRequest, text: str, by: Actor) -> AuthorityQuestion:
    asked = clean(text, LONGEST).strip()
    if not asked:
        raise ValueError(_("Write the question down as the authority put it."))
    last = request.questions.order_by("-number").first()
    made = AuthorityQuestion.objects.create(
        request=request, number=last.number + 1 if last else 1, text=asked
    )
    record(
        "authority_question.ask",
        made,
        by=by,
        request=request.ref,
        number=made.number,
        text_sha256=digest.of_json({"text": asked}),
    )
    return made


def _require_waiting(request: AuthorityRequest) -> None:
    if request.state not in WAITING:
        raise TransitionRefused(
            _("The request is %(state)s; reopen it first.")
            % {"state": AUTHORITY_REQUEST.states[request.state].label}
        )


@transaction.atomic
def answer_question(question: AuthorityQuestion, text: str, *, by: Actor) -> None:
    """Write an answer, or a better one; the log keeps the digest of each.

    Raises:
        ValueError: it says nothing.
        TransitionRefused: the request is answered or closed.
    """
    require(by, Permission.AUTHORITY_WORK, question.subject)
    _require_waiting(question.request)
    said = clean(text, LONGEST).strip()
    if not said:
        raise ValueError(_("Write the answer, or that there is none and why."))
    question.answer, question.answered_by_id, question.answered_at = said, by.user_id, now()
    question.save(update_fields=["answer", "answered_by", "answered_at"])
    record(
        "authority_question.answer",
        question,
        by=by,
        request=question.request.ref,
        number=question.number,
        answer_sha256=digest.of_json({"answer": said}),
    )


@transaction.atomic
def answer(
    request: AuthorityRequest, *, reply: Proof, answered_at: datetime, note: str = "", by: Actor
) -> None:
    """The reply went out; its proof is kept and the date is met.

    Raises:
        ValueError: it went out in the future, or before the request came in.
        TransitionRefused: questions are open, or it is answered already.
    """
    require(by, Permission.AUTHORITY_WORK, request.subject)
    if not request.received_at <= answered_at <= now():
        raise ValueError(_("The reply went out after the request came in, and not in the future."))
    unanswered = request.questions.filter(answered_at=None).order_by("number")
    if numbers := ", ".join(str(each.number) for each in unanswered):
        raise TransitionRefused(
            _("Not answered yet: question %(numbers)s. Answer each, or say why there is no answer.")
            % {"numbers": numbers}
        )
    kept = _kept(request.subject, reply, by)
    changes = {"reply": kept, "answered_at": answered_at, "next_mark_at": None}
    in_time = request.due_at is None or answered_at < request.due_at
    advance(
        request,
        AUTHORITY_REQUEST,
        "answer",
        by=by,
        note=note,
        changes=changes,
        reply_sha256=kept.sha256,
        answered_at=stamp(answered_at),
        in_time=in_time,
    )


@transaction.atomic
def reopen(request: AuthorityRequest, *, due_at: datetime | None, note: str, by: Actor) -> None:
    """The authority asks further: the request is open again, with its own date."""
    changes: Mapping[str, Any] = {
        "due_at": due_at,
        "answered_at": None,
        "warned": [],
        "next_mark_at": _first_mark(due_at),
    }
    advance(
        request,
        AUTHORITY_REQUEST,
        "reopen",
        by=by,
        note=note,
        changes=changes,
        due_at=stamp(due_at) if due_at else None,
    )


@transaction.atomic
def close(request: AuthorityRequest, *, note: str, by: Actor) -> None:
    """Nothing is left to do. The record stays."""
    advance(request, AUTHORITY_REQUEST, "close", by=by, note=note, changes={"next_mark_at": None})


def sweep(at: datetime | None = None) -> int:
    """Dates that passed become overdue, and whoever is in charge is told. Costs the due ones alone."""
    moment = at or now()
    rows = AuthorityRequest.objects.filter(state__in=WAITING, next_mark_at__lte=moment)
    found = list(rows.order_by("next_mark_at").values_list("pk", flat=True))
    for pk in found:
        _look(pk, moment)
    return len(found)


@transaction.atomic
def _look(pk: int, at: datetime) -> None:
    request = AuthorityRequest.objects.select_for_update(of=("self",)).get(pk=pk)
    if request.due_at is None or request.state not in WAITING:
        return
    if request.state == "open" and request.due_at <= at:
        advance(request, AUTHORITY_REQUEST, "lapse", by=CALENDAR, due_at=stamp(request.due_at))
    marks = reminder.BY_THE_HOUR
    fresh = reminder.fresh(marks, request.due_at, at, request.warned)
    request.warned = [*request.warned, *(mark.name for mark in fresh)]
    request.next_mark_at = reminder.next_at(marks, request.due_at, at)
    request.save(update_fields=["warned", "next_mark_at"])
    if fresh:
        _warn(request, fresh[-1], request.due_at)


def _warn(request: AuthorityRequest, mark: reminder.Mark, due: datetime) -> None:
    told = reminder.tell(
        reminder.in_charge(request, Permission.AUTHORITY_WORK),
        request,
        title=_("Request of an authority: %(mark)s") % {"mark": mark.words},
        # The letter stays in its place: a restricted request is named by its address alone.
        body=_("The answer is due on %(due)s (%(zone)s). Open it to read what is asked.")
        % {"due": wording.moment(due, request.zone), "zone": request.zone},
        severity="high",
        by=CALENDAR,
    )
    record(
        "authority_request.warn",
        request,
        by=CALENDAR,
        mark=mark.name,
        due_at=stamp(due),
        told=told,
    )
