"""Who acts: a person, a token or the system, and what the record will call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol
from uuid import UUID, uuid5

from django.utils.translation import gettext as _

from compliance.permissions import ALL_BUT_SYSTEM, NotAllowed, Permission

SYSTEM_NAMESPACE = UUID("6f3d1c9e-52a1-7c1e-9b54-3f0a4f1d2c11")


class ActorKind(StrEnum):
    """What stands behind an act."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    SYSTEM = "system"


class Scoped(Protocol):
    """Anything with a place in the access map: a Subject."""

    uuid: UUID
    restricted: bool


def shares_nothing(_user_id: int) -> str:
    """Every other account is somebody else's."""
    return ""


@dataclass(frozen=True)
class Actor:
    """One person, token or system process, as permissions and the log see it.

    `id` is the pseudonym that enters the log; `label` never does.
    """

    kind: ActorKind
    id: UUID
    label: str
    permissions: frozenset[Permission]
    via: str = "ui"
    user_id: int | None = None
    token_id: int | None = None
    zone: str = "UTC"
    grants: Mapping[UUID, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    shared: Callable[[int], str] = field(default=shares_nothing, compare=False, repr=False)
    """What another account shares with this one, in words, by its key; asked only where it counts."""

    @property
    def is_person(self) -> bool:
        """Whether a human being decides here."""
        return self.kind is ActorKind.PERSON

    def may(self, permission: Permission, subject: Scoped | None = None) -> bool:
        """Whether the roles allow it, or a grant on this very subject does.

        A restricted subject is open to its grants alone, whatever the role.
        """
        if self.kind is ActorKind.SYSTEM:
            return True
        if subject is None:
            return permission in self.permissions
        granted = self.grants.get(subject.uuid, frozenset())
        if permission in granted:
            return True
        return permission in self.permissions and not subject.restricted

    def shares_with(self, user_id: int | None) -> str:
        """What shows that another account is this person's too, in words; empty where nothing does.

        Four eyes are two people's, however many accounts one of them has.
        """
        if self.user_id is None or user_id is None or self.user_id == user_id:
            return ""
        return self.shared(user_id)

    def __str__(self) -> str:
        return self.label


def system(name: str) -> Actor:
    """The installation itself, by the name of the process that acts."""
    return Actor(
        kind=ActorKind.SYSTEM,
        id=uuid5(SYSTEM_NAMESPACE, name),
        label=name,
        permissions=ALL_BUT_SYSTEM | {Permission.SYSTEM},
        via="worker",
    )


def require(actor: Actor, permission: Permission, subject: Scoped | None = None) -> None:
    """Pass, or raise NotAllowed naming who and what was missing."""
    if not actor.may(permission, subject):
        raise NotAllowed(
            _(
                "%(who)s may not do this: it needs the permission “%(permission)s”. Ask a person who holds it."
            )
            % {"who": actor.label, "permission": permission}
        )
