"""Ask for, give and refuse approval. An approval binds to a digest and dies when it changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Approval, ApprovalRequest
from compliance.permissions import NotAllowed, Permission
from compliance.states import APPROVAL


@transaction.atomic
def ask(
    thing: Any,
    *,
    purpose: str,
    permission: Permission,
    title: str,
    sha256: str,
    needed: int = 1,
    by: Actor,
    expires_at: datetime | None = None,
) -> ApprovalRequest:
    """Ask others to approve exactly this content; an older open request for it becomes void."""
    if by.user_id is None:
        raise NotAllowed(
            _("%(who)s is not a person; only a person can ask for approval.") % {"who": by.label}
        )
    void(thing, purpose, by=by)
    asked = ApprovalRequest.objects.create(
        subject=thing.subject,
        thing_kind=thing.kind,
        thing_uuid=thing.uuid,
        purpose=purpose,
        permission=permission.value,
        title=title[:300],
        sha256=sha256,
        needed=needed,
        asked_by_id=by.user_id,
        asked_at=now(),
        expires_at=expires_at,
    )
    record(
        "approval.ask",
        asked,
        by=by,
        after="asked",
        words={"title": title},
        purpose=purpose,
        about=thing.ref,
        sha256=sha256,
        needed=needed,
    )
    return asked


@transaction.atomic
def give(request: ApprovalRequest, *, sha256_now: str, by: Actor) -> ApprovalRequest:
    """One person's yes. The request is given when enough people said it.

    Raises:
        NotAllowed: without the permission, not a person, or the asker or an earlier approver by
            whichever account.
        TransitionRefused: no longer open, expired, said already, or the content changed since.
    """
    person = _require_second_person(request, by)
    current = ApprovalRequest.objects.select_for_update().get(pk=request.pk)
    if current.state != "asked":
        raise TransitionRefused(
            _("This request is %(state)s already; nothing is left to approve.")
            % {"state": APPROVAL.states[current.state].label}
        )
    if current.expires_at is not None and current.expires_at <= now():
        raise TransitionRefused(_("This request has expired; ask for approval again."))
    if current.sha256 != sha256_now:
        raise TransitionRefused(
            _("The content changed after approval was asked for; it must be submitted again.")
        )
    if why_not := _why_not_another(current, by):
        if current.approvals.filter(person_id=person).exists():
            raise TransitionRefused(why_not)  # a second click, not an attempt
        raise NotAllowed(why_not)
    try:
        with transaction.atomic():
            Approval.objects.create(
                request=current,
                person_id=person,
                asked_by_id=current.asked_by_id,
                sha256=sha256_now,
                at=now(),
            )
    except IntegrityError as error:
        raise TransitionRefused(
            _("%(who)s has approved this already; another person is needed.") % {"who": by.label}
        ) from error
    n_given = current.approvals.count()
    if n_given >= current.needed:
        _move(current, "give", by=by, n_given=n_given)
    else:
        record(
            "approval.give",
            current,
            by=by,
            sha256=sha256_now,
            n_given=n_given,
            needed=current.needed,
        )
    request.state = current.state
    return current


@transaction.atomic
def refuse(request: ApprovalRequest, *, by: Actor, note: str) -> None:
    """A no, with its reason."""
    _require_second_person(request, by)
    _move(request, "refuse", by=by, note=note)


@transaction.atomic
def void(thing: Any, purpose: str, *, by: Actor) -> None:
    """Whatever was asked or given for older content holds no more."""
    standing = ApprovalRequest.objects.filter(
        thing_uuid=thing.uuid, purpose=purpose, state__in=["asked", "given"]
    )
    for request in standing:
        _move(request, "void", by=by)


def holds(thing: Any, purpose: str, sha256_now: str) -> bool:
    """Whether enough people approved exactly what is there now."""
    return ApprovalRequest.objects.filter(
        thing_uuid=thing.uuid, purpose=purpose, state="given", sha256=sha256_now
    ).exists()


def why_not_second(request: ApprovalRequest, by: Actor) -> str:
    """Why this reader is not another person than who asked and who said yes; empty where they are.

    The pages and `give` ask the same.
    """
    return why_not_asker(request, by) or _why_not_another(request, by)


def why_not_asker(request: ApprovalRequest, by: Actor) -> str:
    """Why this reader, being who asked by whichever account, may neither give nor refuse."""
    if by.user_id == request.asked_by_id:
        return _("%(who)s asked for this approval; a second person must give it.") % {
            "who": by.label
        }
    if shared := by.shares_with(request.asked_by_id):
        return _(
            "The account that asked for this approval is %(who)s's too: both share %(shared)s. A second person must give it."
        ) % {"who": by.label, "shared": shared}
    return ""


def _why_not_another(request: ApprovalRequest, by: Actor) -> str:
    """Why this is no further person: they said yes already, by whichever account."""
    given = [each.person_id for each in request.approvals.all()]
    if by.user_id in given:
        return _("%(who)s has approved this already; another person is needed.") % {"who": by.label}
    for other in given:
        if shared := by.shares_with(other):
            return _(
                "%(who)s has approved this by another account: both share %(shared)s. Another person is needed."
            ) % {"who": by.label, "shared": shared}
    return ""


def _require_second_person(request: ApprovalRequest, by: Actor) -> int:
    """The key of the person who may answer, or NotAllowed."""
    require(by, Permission(request.permission), request.subject)
    if not by.is_person or by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; approval needs a person.") % {"who": by.label})
    if why_not := why_not_asker(request, by):
        raise NotAllowed(why_not)
    return by.user_id


def _move(request: ApprovalRequest, verb: str, *, by: Actor, note: str = "", **facts: Any) -> None:
    # The permission was checked above for the person; the request's own move is the room's.
    advance(request, APPROVAL, verb, by=by, note=note, sha256=request.sha256, **facts)
