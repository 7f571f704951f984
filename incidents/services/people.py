"""What only a person may do."""

from __future__ import annotations

from compliance.actors import Actor
from compliance.permissions import NotAllowed


def person(by: Actor, what: str) -> int:
    """The key of the person who acts.

    Raises:
        NotAllowed: a token or the system acts; `what` says what it may not do.
    """
    if not by.is_person or by.user_id is None:
        raise NotAllowed(f"{by.label} is not a person; only a person can {what}.")
    return by.user_id
