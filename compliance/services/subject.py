"""Places in the access map, and who may enter them."""

from __future__ import annotations

from django.db import transaction

from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.models import Grant, Subject, User
from compliance.permissions import Permission


def make(kind: str, label: str, *, restricted: bool = False) -> Subject:
    """A subject for a new root object; the object's own entry says that it came to be."""
    return Subject.objects.create(kind=kind, label=label[:200], restricted=restricted)


@transaction.atomic
def grant(subject: Subject, person: User, permission: Permission, *, by: Actor) -> Grant:
    """Give one person one permission on one subject. Nobody grants to themselves."""
    require(by, Permission.ACCOUNT_MANAGE if not _invites(permission) else Permission.CAMPAIGN_WORK)
    given, new = Grant.objects.get_or_create(
        subject=subject, person=person, permission=permission.value
    )
    if new:
        record(
            "grant.give",
            subject,
            by=by,
            words={"person": person.name},
            person=str(person.uuid),
            permission=permission.value,
        )
    return given


def _invites(permission: Permission) -> bool:
    return permission in {Permission.CAMPAIGN_READ, Permission.CAMPAIGN_WORK}
