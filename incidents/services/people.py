"""What only a person may do."""

from __future__ import annotations

from django.utils.translation import gettext as _

from compliance.actors import Actor
from compliance.permissions import NotAllowed


def person(by: Actor, rule: str) -> int:
    """The key of the person who acts.

    Raises:
        NotAllowed: a token or the system acts; `rule` says what only a person can do.
    """
    if not by.is_person or by.user_id is None:
        raise NotAllowed(_("%(who)s is not a person; %(rule)s.") % {"who": by.label, "rule": rule})
    return by.user_id
