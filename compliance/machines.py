"""State machines as tables: from a state, by a verb, to a state, by whom.

No Django here but its words. The table is the documentation, the source of the buttons on a page and of the
badge's word and tone; `compliance.audit.advance` is the only thing that walks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from django.utils.translation import gettext as _

from compliance.permissions import NotAllowed, Permission

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from compliance.actors import Actor, Scoped

    Words: TypeAlias = str | _StrPromise


class TransitionRefused(Exception):
    """The verb does not lead anywhere from this state, or somebody else moved first."""


class Tone(StrEnum):
    """How a state looks; colour never stands alone, the word is always printed."""

    NEUTRAL = "neutral"
    INFO = "info"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    STALE = "stale"


@dataclass(frozen=True)
class State:
    """One state's word and tone. A final state leads nowhere.

    `claimed_from` names the state out of which a worker's lease takes a row into this one. A claim
    is not written to the log, so what the log says next begins where the claim did.
    """

    label: Words
    tone: Tone = Tone.NEUTRAL
    claimed_from: str = ""


@dataclass(frozen=True)
class Move:
    """Where a verb leads and who may say it.

    Without a permission the service that moves has its own rule and has asked it already.
    `not_the` names foreign keys to people: whoever stands there may not make this move, and
    the move then needs a person (four eyes are never a machine's).
    """

    to: str
    permission: Permission | None
    label: Words = ""
    not_the: tuple[str, ...] = ()
    person_only: bool = False


class Moved(Protocol):
    """What a machine needs of the thing it moves."""

    state: str

    @property
    def subject(self) -> Scoped:
        """The place in the access map that the thing belongs to."""
        ...


NAMED: dict[str, Machine] = {}
"""Every machine by its name, which is the kind of thing that it moves."""


class Machine:
    """A named table of states and moves. The first state is the initial one."""

    def __init__(
        self, name: str, states: dict[str, State], moves: dict[tuple[str, str], Move]
    ) -> None:
        unknown = {s for s, _ in moves} | {m.to for m in moves.values()}
        unknown |= {state.claimed_from for state in states.values()} - {""}
        unknown -= set(states)
        if unknown:
            raise ValueError(f"machine {name}: states not declared: {sorted(unknown)}")
        self.name = name
        self.states = states
        self.moves = moves
        self.initial = next(iter(states))
        NAMED.setdefault(name, self)

    def move(self, state: str, verb: str) -> Move:
        """The row of the table, or TransitionRefused saying what would be possible."""
        found = self.moves.get((state, verb))
        if found is None:
            possible = sorted(v for s, v in self.moves if s == state) or [_("nothing")]
            raise TransitionRefused(
                _("%(machine)s: cannot %(verb)s while %(state)s; possible now: %(possible)s.")
                % {
                    "machine": self.name,
                    "verb": verb,
                    "state": state,
                    "possible": ", ".join(possible),
                }
            )
        return found

    def logged(self, state: str) -> str:
        """The state as the log knows it: a row under a lease stands where it was claimed."""
        return self.states[state].claimed_from or state

    def verbs(self, thing: Moved, actor: Actor) -> list[str]:
        """The verbs that this actor may say now, in the table's order."""
        return [
            verb
            for (state, verb), move in self.moves.items()
            if state == thing.state and refusal(actor, move, thing) is None
        ]

    def ends(self) -> set[str]:
        """States that lead nowhere."""
        return set(self.states) - {state for state, _ in self.moves}


def refusal(actor: Actor, move: Move, thing: Moved) -> str | None:
    """Why this actor may not make this move, or None when the actor may."""
    if move.permission is not None and not actor.may(move.permission, thing.subject):
        return _("%(who)s lacks the permission “%(permission)s”.") % {
            "who": actor.label,
            "permission": move.permission,
        }
    if (move.not_the or move.person_only) and not actor.is_person:
        return _("%(who)s is not a person; this needs a person's decision.") % {"who": actor.label}
    for field in move.not_the:
        if actor.user_id is not None and getattr(thing, f"{field}_id") == actor.user_id:
            return _("%(who)s is recorded as “%(field)s”; a second person must do this.") % {
                "who": actor.label,
                "field": field,
            }
        if shared := actor.shares_with(getattr(thing, f"{field}_id")):
            return _(
                "%(who)s is recorded as “%(field)s” by another account: both share %(shared)s. A second person must do this."
            ) % {"who": actor.label, "field": field, "shared": shared}
    return None


def require_move(actor: Actor, move: Move, thing: Moved) -> None:
    """Pass, or raise NotAllowed with the reason."""
    why = refusal(actor, move, thing)
    if why is not None:
        raise NotAllowed(why)
