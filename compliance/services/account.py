"""People, their roles, and the tokens machines use."""

from __future__ import annotations

import hashlib
import logging
import secrets
import zlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import cast
from uuid import UUID
from zoneinfo import available_timezones

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from compliance.actors import Actor, ActorKind, require, system
from compliance.audit.log import Recorded, record
from compliance.clock import now
from compliance.models import ApiToken, Deployment, Grant, RoleHeld, User
from compliance.permissions import TOKEN_SCOPES, NotAllowed, Permission, Role, permissions_of
from compliance.services import identity, subject

log = logging.getLogger(__name__)
DOOR = system("door")
THEMES = ("auto", "light", "dark")
ONE_MINUTE = 60
TOKEN_MARK = "strata_"  # noqa: S105 - what every token begins with, so that scanners find leaks


@transaction.atomic
def make(
    email: str,
    name: str,
    roles: Iterable[Role],
    *,
    password: str | None = None,
    zone: str = "Europe/Berlin",
    by: Actor,
) -> User:
    """A person with roles. Without a password they sign in by single sign-on or a reset link."""
    require(by, Permission.ACCOUNT_MANAGE)
    person = User.objects.create_user(email, name, password, zone=zone)
    person.subject = subject.make("person", name)
    person.save(update_fields=["subject"])
    held = [Role(role) for role in roles]
    RoleHeld.objects.bulk_create([RoleHeld(person=person, role=role.value) for role in held])
    record(
        "account.make",
        _recorded(person),
        by=by,
        words={"name": name, "email": person.email},
        roles=[role.value for role in held],
    )
    return person


@transaction.atomic
def refused(person: User, *, path: str, why: str, by: Actor) -> None:
    """Somebody asked for what they may not do: it changed nothing, and it is written down."""
    if person.subject is not None:
        record("account.refuse", _recorded(person), by=by, note=why, path=path[:200])


@transaction.atomic
def set_roles(person: User, roles: Iterable[Role], *, by: Actor) -> None:
    """Replace somebody's roles; never one's own, by whichever account."""
    require(by, Permission.ACCOUNT_MANAGE)
    if by.user_id == person.pk:
        raise NotAllowed(
            _("Nobody changes their own roles; ask another person who manages accounts.")
        )
    if shared := by.shares_with(person.pk):
        raise NotAllowed(
            _(
                "Nobody changes their own roles, by another account either: both share %(shared)s. Ask another person who manages accounts."
            )
            % {"shared": shared}
        )
    before = sorted(person.roles.values_list("role", flat=True))
    after = sorted(Role(role).value for role in roles)
    person.roles.all().delete()
    RoleHeld.objects.bulk_create([RoleHeld(person=person, role=role) for role in after])
    record(
        "account.role", _recorded(person), by=by, words={"name": person.name}, was=before, now=after
    )


@transaction.atomic
def prefer(person: User, *, zone: str | None = None, theme: str | None = None, by: Actor) -> None:
    """Set how pages look to a person: their zone, their theme. Everybody sets their own.

    Raises:
        NotAllowed: it is somebody else's account.
        ValueError: no such zone or theme.
    """
    if by.user_id != person.pk:
        raise NotAllowed(_("Everybody sets their own zone and theme."))
    if zone is not None and zone not in available_timezones():
        raise ValueError(
            _("“%(zone)s” is not an IANA zone; expected one such as Europe/Berlin.")
            % {"zone": zone[:60]}
        )
    if theme is not None and theme not in THEMES:
        raise ValueError(
            _("“%(theme)s” is not a theme; expected one of %(themes)s.")
            % {"theme": theme[:20], "themes": ", ".join(THEMES)}
        )
    wanted = {"zone": zone, "theme": theme}
    changed = {k: v for k, v in wanted.items() if v is not None and v != getattr(person, k)}
    if not changed:
        return
    for name, value in changed.items():
        setattr(person, name, value)
    person.save(update_fields=list(changed))
    record("account.prefer", _recorded(person), by=by, now=changed)


@transaction.atomic
def signed_in(person: User) -> None:
    """The record knows who came in."""
    record("session.sign_in", _recorded(person), by=actor_for(person))


@transaction.atomic
def signed_out(person: User) -> None:
    """And who went."""
    record("session.sign_out", _recorded(person), by=actor_for(person))


@transaction.atomic
def sign_in_failed(address: str) -> None:
    """A known address and a wrong secret.

    An unknown address leaves no trace in the record: there is nobody it could be said of, and a
    stranger must not be able to fill the log.
    """
    person = User.objects.filter(email=address.strip().lower()).first()
    if person is None:
        log.warning("a sign-in failed: no account has the address that was given")
        return
    record("session.sign_in_failed", _recorded(person), by=DOOR)


@transaction.atomic
def refused_token(*, path: str, why: str, by: Actor) -> None:
    """A program asked for what its token may not do: written down, once a minute for each token.

    Not for each address, or a token that varies it could fill the log.
    """
    token = ApiToken.objects.select_related("subject").filter(pk=by.token_id or 0).first()
    if token is None or cache.get(key := f"refused:{token.uuid}"):
        return
    record("token.refuse", token, by=by, note=why, path=path[:200])
    # After the commit: an entry that was rolled back must not silence the next one.
    transaction.on_commit(partial(cache.set, key, 1, ONE_MINUTE))


def _recorded(person: User) -> Recorded:
    """A person as the log speaks of them: with the subject whose key seals their name."""
    if person.subject is None:
        raise ValueError(f"person {person.uuid} has no subject; make people by account.make.")
    return cast("Recorded", person)


def actor_for(person: User, *, via: str = "ui") -> Actor:
    """The person as permissions and the log see them, with roles and grants as of now."""
    grants: dict[UUID, set[str]] = defaultdict(set)
    for uuid, permission in Grant.objects.filter(person=person).values_list(
        "subject__uuid", "permission"
    ):
        grants[uuid].add(permission)
    roles = list(person.roles.values_list("role", flat=True)) if person.is_active else []
    return Actor(
        kind=ActorKind.PERSON,
        id=person.uuid,
        label=person.name,
        permissions=permissions_of(roles),
        via=via,
        user_id=person.pk,
        zone=person.zone,
        grants=MappingProxyType({uuid: frozenset(held) for uuid, held in grants.items()}),
        shared=partial(identity.shared, person.pk),
    )


@transaction.atomic
def make_token(
    label: str,
    scopes: Iterable[Permission],
    *,
    deployment: Deployment | None = None,
    lives: timedelta = timedelta(days=90),
    by: Actor,
) -> tuple[ApiToken, str]:
    """A token and its text, which is shown this once. Only the SHA-256 of it is kept.

    Raises:
        ValueError: a scope that no machine may hold, or ingest without a deployment.
    """
    require(by, Permission.TOKEN_MANAGE)
    wanted = {Permission(scope) for scope in scopes}
    if beyond := wanted - TOKEN_SCOPES:
        names = ", ".join(sorted(beyond))
        raise ValueError(
            _("A token cannot hold %(names)s: these need a person.") % {"names": names}
        )
    if Permission.EVENT_INGEST in wanted and deployment is None:
        raise ValueError(_("A token that sends telemetry must be bound to one deployment."))
    body = secrets.token_urlsafe(32)
    text = f"{TOKEN_MARK}{body}_{zlib.crc32(body.encode()):08x}"
    token = ApiToken.objects.create(
        subject=subject.make("token", label),
        label=label,
        prefix=text[:12],
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        scopes=sorted(scope.value for scope in wanted),
        deployment=deployment,
        made_by_id=by.user_id,
        expires_at=now() + lives,
    )
    record("token.make", token, by=by, words={"label": label}, scopes=token.scopes)
    return token, text


@transaction.atomic
def revoke_token(token: ApiToken, *, by: Actor) -> None:
    """The token stops working at once."""
    require(by, Permission.TOKEN_MANAGE)
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now()):
        record("token.revoke", token, by=by, words={"label": token.label})


def token_by_text(text: str, *, at: datetime | None = None) -> ApiToken | None:
    """The token whose text this is, if it still works."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    moment = at or now()
    alive = Q(expires_at=None) | Q(expires_at__gt=moment)
    found = (
        ApiToken.objects.select_related("deployment__subject")
        .filter(alive, sha256=digest, revoked_at=None)
        .first()
    )
    if found is not None:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=moment - timedelta(minutes=1))
        ApiToken.objects.filter(stale, pk=found.pk).update(last_used_at=moment)
    return found


def actor_for_token(token: ApiToken) -> Actor:
    """The machine as permissions and the log see it."""
    return Actor(
        kind=ActorKind.TOKEN,
        id=token.uuid,
        label=token.label,
        permissions=frozenset(Permission(scope) for scope in token.scopes),
        via="api",
        token_id=token.pk,
    )
