"""Whether two accounts are one human being's: four eyes need two people, not two accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.utils.translation import gettext as _

from compliance.models import User

MAILBOX, SUBJECT = "mailbox", "subject"
CLAIMS: Final = ("userinfo", "id_token")
"""Where an OpenID Connect account keeps what was claimed of its person; others keep it on top."""

Identity = tuple[str, str]


def shared(one: int, other: int) -> str:
    """What two accounts share, in words; empty where nothing shows that they are one person's.

    Costs six queries, three for each of the two, so it is asked when somebody is about to be the
    second person.
    """
    both = _of(one) & _of(other)
    if any(kind == SUBJECT for kind, _value in both):
        return _("an identity at the single sign-on")
    return _("a mailbox") if both else ""


def _of(person: int) -> frozenset[Identity]:
    return frozenset((*_addresses(person), *_at_providers(person)))


def _addresses(person: int) -> Iterator[Identity]:
    """The address to sign in with, and every other one that was verified."""
    for address in User.objects.filter(pk=person).values_list("email", flat=True):
        yield MAILBOX, mailbox(address)
    verified = EmailAddress.objects.filter(user_id=person, verified=True)
    for address in verified.values_list("email", flat=True):
        yield MAILBOX, mailbox(address)


def _at_providers(person: int) -> Iterator[Identity]:
    """The subjects at identity providers, and the addresses that these call verified.

    An installation belongs to one organisation, whose provider may be reached by more than one
    protocol: the same subject by two of them is the same person.
    """
    linked = SocialAccount.objects.filter(user_id=person)
    for subject, claimed in linked.values_list("uid", "extra_data"):
        yield SUBJECT, str(subject).strip()
        for claims in (claimed, *(claimed.get(name) for name in CLAIMS)):
            if isinstance(claims, Mapping):
                yield from _claimed(claims)


def _claimed(claims: Mapping[str, Any]) -> Iterator[Identity]:
    address, verified = claims.get("email"), claims.get("email_verified")
    if isinstance(address, str) and str(verified).lower() == "true":  # some providers send a word
        yield MAILBOX, mailbox(address)


def mailbox(address: str) -> str:
    """Where post to an address arrives: without the part behind a plus, whatever the case.

    What begins with a plus, such as a telephone number, is a name of its own.
    """
    local, _at, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"
