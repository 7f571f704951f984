"""The one function that moves a state: may they, is it allowed, did I win the race, write it down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor
from compliance.audit.log import record
from compliance.machines import Machine, TransitionRefused, require_move


@transaction.atomic
def advance(
    thing: Any,
    machine: Machine,
    verb: str,
    *,
    by: Actor,
    note: str = "",
    changes: Mapping[str, Any] | None = None,
    words: Mapping[str, str] | None = None,
    fence: int | None = None,
    **facts: Any,
) -> None:
    """Move `thing` by `verb` and record it, in one transaction.

    Args:
        thing: a model instance with `state`, `subject`, `uuid` and `kind`.
        machine: the table that allows it.
        verb: what is done; the entry's action is "<machine>.<verb>".
        by: who does it.
        note: the reason, sealed into the entry.
        changes: columns written together with the state.
        words: other sealed text.
        fence: for leased work, the fencing number under which the result was made.
        facts: what the leaf says in the clear.

    Raises:
        TransitionRefused: the table has no such move, or somebody else moved it first.
        NotAllowed: the actor may not.
    """
    model: type[models.Model] = type(thing)
    before = thing.state
    move = machine.move(before, verb)
    require_move(by, move, thing)
    columns = {"state": move.to, **(changes or {})}
    rows = model._default_manager.filter(pk=thing.pk, state=before)  # noqa: SLF001 - Django's public name
    if fence is not None:
        rows = rows.filter(fence=fence)
    if rows.update(**columns) != 1:
        raise TransitionRefused(
            _("%(machine)s %(uuid)s: somebody else moved it first. Reload and look again.")
            % {"machine": machine.name, "uuid": thing.uuid}
        )
    for name, value in columns.items():
        setattr(thing, name, value)
    record(
        f"{machine.name}.{verb}",
        thing,
        by=by,
        before=machine.logged(before),
        after=move.to,
        note=note,
        words=words,
        **facts,
    )
