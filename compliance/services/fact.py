"""What is settled about an organisation, its systems and models before anything happens.

Regimes apply by these facts, and reports print them. Each is a person's statement, or follows from
the system's record. What nobody answered is not known; nothing is guessed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import AIModel, AISystem, LegalEntity, Statement
from compliance.permissions import Permission
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.questions import PREDICATE_QUESTIONS
from compliance.regimes.vocabulary import OF_ORGANISATION, OF_SYSTEM, PREDICATES, Number
from compliance.services import digest

Thing = LegalEntity | AISystem | AIModel

COLUMNS: Final = ("eu_role", "risk_class", "member_states")
"""What a system's own columns hold; they can be changed, but not withdrawn or unknown."""
BY_RULES: Final = ("entity", "calendar", "recipient_zone")
WORDS: Final = ("contact", "dpo")
"""Names of people: the log seals them."""
COMPUTE: Final = str(Number.TRAINING_FLOP)
REVENUE: Final = str(Number.ANNUAL_REVENUE_USD)
"""Figures from which answers follow that nobody stated."""
LONGEST: Final = 300
NOTHING: Final[tuple[Any, ...]] = ([], AISystem.RiskClass.UNKNOWN)
"""What a column says when nobody answered."""
A_NUMBER: Final = re.compile(r"[0-9]{1,30}(\.[0-9]{1,10})?([eE]\+?[0-9]{1,2})?\Z")
A_STATE: Final = re.compile(r"[A-Z]{2}\Z")
ORDER: Final = tuple(question.id for question in PREDICATE_QUESTIONS)


class Source(StrEnum):
    """Where a fact stands."""

    RECORD = "record"
    """A column of the system: role, risk class, Member States, zone."""
    ENTITY = "entity"
    SYSTEM = "system"
    MODEL = "model"


class Standing(NamedTuple):
    """One fact as it stands for a thing."""

    value: Any
    """None when somebody stated that it is not known."""
    source: Source
    column: str
    """The column it follows from, where it does."""
    statement: Statement | None
    """Who said it and when, where that was written down."""


def asked_of(thing: Thing) -> tuple[str, ...]:
    """The names of the questions that this kind of thing is asked, in their order."""
    match thing:
        case LegalEntity():
            return (*_in_order(OF_ORGANISATION), REVENUE, "entity", "calendar", *WORDS)
        case AISystem():
            own = (*COLUMNS, *_in_order(OF_SYSTEM), "is_internal", "recipient_zone", "calendar")
            return (*own, *_in_order(OF_ORGANISATION))
        case AIModel():
            return (COMPUTE,)


def _in_order(names: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in ORDER if name in names)


def own(thing: Thing) -> dict[str, Any]:
    """What stands on the thing itself, of what it is asked."""
    columns = {name: getattr(thing, name) for name in COLUMNS if hasattr(thing, name)}
    return columns | {
        name: thing.facts[name]
        for name in asked_of(thing)
        if name not in columns and name in thing.facts
    }


def statements(thing: Thing) -> dict[str, Statement]:
    """The newest statement of each name about it that was not withdrawn."""
    rows = Statement.objects.filter(about_uuid=thing.uuid).select_related("by").order_by("id")
    return {
        row.name: row for row in {row.name: row for row in rows}.values() if not row.is_withdrawn
    }


def standing(thing: Thing) -> dict[str, Standing]:
    """What is settled: by a system's record, for its legal entity, and about the thing itself."""
    said = statements(thing)
    found = _below(thing, said) if isinstance(thing, AISystem) else {}
    heard = {*asked_of(thing), *PREDICATES, *BY_RULES}
    found |= {
        name: Standing(value, Source(thing.kind), "", said.get(name))
        for name, value in thing.facts.items()
        if name in heard
    }
    return found


def _below(system: AISystem, said: Mapping[str, Statement]) -> dict[str, Standing]:
    """What holds for a system as long as nobody states something else about it."""
    columns = {name: (value, name) for name, value in own(system).items() if name in COLUMNS}
    settled = {name: pair for name, pair in columns.items() if pair[0] not in NOTHING}
    found = {
        name: Standing(value, Source.RECORD, column, said.get(column))
        for name, (value, column) in (settled | _from_record(system)).items()
    }
    of_entity = statements(system.entity)
    return found | {
        name: Standing(value, Source.ENTITY, "", of_entity.get(name))
        for name, value in _values(system.entity.facts).items()
    }


def known(system: AISystem) -> dict[str, Any]:
    """The same as plain values, for the engine, with the figures. Stated as unknown is none."""
    stated = {**_values(system.entity.facts), **_values(system.facts)}
    columns = {name: value for name, (value, _column) in _from_record(system).items()}
    return columns | stated | _figures(system)


def _figures(system: AISystem) -> dict[str, float]:
    """The largest training compute among the system's models, and its entity's revenue, if known."""
    revenue = _number(system.entity.facts.get(REVENUE))
    trained = [_number(model.facts.get(COMPUTE)) for model in system.models.all()]
    computes = [figure for figure in trained if figure is not None]
    found = {COMPUTE: max(computes, default=None), REVENUE: revenue}
    return {name: figure for name, figure in found.items() if figure is not None}


def _number(stated: Any) -> float | None:
    return float(stated) if A_NUMBER.match(str(stated)) else None


def _values(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name in {*PREDICATES, *BY_RULES}}


def _from_record(system: AISystem) -> dict[str, tuple[Any, str]]:
    """What follows from the system's columns: value and column, by name. No column, no answer."""
    settled: dict[str, tuple[Any, str]] = {
        "provider": (system.eu_role == AISystem.Role.PROVIDER, "eu_role"),
        "deployer": (system.eu_role == AISystem.Role.DEPLOYER, "eu_role"),
        "recipient_zone": (system.zone, "zone"),
    }
    if system.risk_class != AISystem.RiskClass.UNKNOWN:
        classes = AISystem.RiskClass
        settled["annex_iii"] = (system.risk_class == classes.HIGH_ANNEX_III, "risk_class")
        settled["annex_i"] = (system.risk_class == classes.HIGH_ANNEX_I, "risk_class")
    if system.member_states:
        settled["eu_market"] = (True, "member_states")
    return settled


def facts_of(system: AISystem) -> Facts:
    """What the engine may know of a system before anything happened."""
    return Facts.from_json(known(system))


def imagined(thing: Thing, answers: Mapping[str, Any], withdrawn: Collection[str] = ()) -> Any:
    """A copy of the thing as it would stand with these answers. Nothing is written."""
    changed = copy.copy(thing)
    changed.facts = {
        **{name: value for name, value in thing.facts.items() if name not in withdrawn},
        **{name: value for name, value in answers.items() if name not in COLUMNS},
    }
    for name in COLUMNS:
        if name in answers:
            setattr(changed, name, answers[name])
    return changed


def fingerprint(thing: Thing, answers: Mapping[str, Any], withdrawn: Collection[str] = ()) -> str:
    """What was shown before it is saved: these answers on top of exactly what stands now."""
    return digest.of_json(
        {
            "thing": str(thing.uuid),
            "stands": own(thing),
            "answers": dict(answers),
            "withdrawn": sorted(withdrawn),
        }
    )


@transaction.atomic
def answer(
    thing: Thing,
    answers: Mapping[str, Any],
    *,
    withdrawn: Collection[str] = (),
    reason: str,
    by: Actor,
) -> list[Statement]:
    """State facts. Incidents that were classified keep theirs; new ones are offered these.

    Args:
        thing: an entity, a system or a model.
        answers: by name; none states that it is not known.
        withdrawn: names that are to count as unanswered again.
        reason: on what grounds, in the person's words.
        by: the person.

    Raises:
        FactsError: a question that this kind of thing is not asked, or an answer of another kind.
        NotAllowed: without the permission.
    """
    require(by, Permission.INVENTORY_WRITE, thing.subject)
    for name, value in answers.items():
        _check(thing, name, value)
    for name in withdrawn:
        if name in COLUMNS or name not in asked_of(thing):
            raise FactsError(_("%(name)s cannot be withdrawn.") % {"name": name})
    columns = [name for name in COLUMNS if name in answers]
    # What stands now, not what stood when the page was opened: others may have answered since.
    type(thing)._default_manager.select_for_update().get(pk=thing.pk)  # noqa: SLF001 - Django's public name
    thing.refresh_from_db(fields=["facts", *columns])
    changed = imagined(thing, answers, withdrawn)
    for name in ("facts", *columns):
        setattr(thing, name, getattr(changed, name))
    thing.save(update_fields=["facts", *columns])
    made = _written(thing, answers, withdrawn=withdrawn, reason=reason, by=by)
    said = {name: _plain(name, value) for name, value in answers.items()}
    record(
        f"{thing.kind}.answer",
        thing,
        by=by,
        note=reason,
        words={name: str(answers[name]) for name in WORDS if answers.get(name)},
        answers=said | dict.fromkeys(withdrawn, "withdrawn"),
    )
    return made


def begin(thing: Thing, *, by: Actor) -> None:
    """Write down who settled what the thing is registered with; its own entry records it."""
    stated = {name: value for name, value in own(thing).items() if value not in NOTHING}
    _written(thing, stated, withdrawn=(), reason="", by=by)


def _written(
    thing: Thing, answers: Mapping[str, Any], *, withdrawn: Collection[str], reason: str, by: Actor
) -> list[Statement]:
    rows = [(name, value, False) for name, value in answers.items()]
    rows += [(name, None, True) for name in withdrawn]
    return Statement.objects.bulk_create(
        Statement(
            subject=thing.subject,
            about_kind=thing.kind,
            about_uuid=thing.uuid,
            name=name,
            value=value,
            is_withdrawn=is_withdrawn,
            reason=reason,
            by_id=by.user_id,
            at=now(),
        )
        for name, value, is_withdrawn in rows
    )


def _plain(name: str, value: Any) -> Any:
    """An answer as the log says it in the clear; names of people stay sealed."""
    if value is None:
        return "unknown"
    if name in WORDS:
        return "stated"
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _check(thing: Thing, name: str, value: Any) -> None:
    """Refuse what nobody asked, and answers that do not fit the question."""
    if name not in asked_of(thing):
        raise FactsError(_("%(name)s is not asked of this.") % {"name": name})
    if not _fits(name, value):
        raise FactsError(_("%(name)s: this is no answer to the question.") % {"name": name})
    if name in {*PREDICATES, *BY_RULES}:
        Facts.from_json({name: value})


def _fits(name: str, value: Any) -> bool:
    if value is None:
        return name not in COLUMNS
    fits = FITTING.get(name)
    return fits is None or fits(value)


def _are_states(value: Any) -> bool:
    return isinstance(value, list) and all(A_STATE.match(str(each)) for each in value)


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


FITTING: Final[Mapping[str, Callable[[Any], bool]]] = {
    "eu_role": lambda value: value in AISystem.Role,
    "risk_class": lambda value: value in AISystem.RiskClass,
    "member_states": _are_states,
    "is_internal": lambda value: isinstance(value, bool),
    COMPUTE: lambda value: bool(A_NUMBER.match(str(value))),
    REVENUE: lambda value: bool(A_NUMBER.match(str(value))),
    "contact": _is_line,
    "dpo": _is_line,
}
"""What an answer must look like; predicates and what rules count by, the engine reads itself."""
