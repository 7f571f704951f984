"""Facts by which the law applies: who answered what, which regimes follow, and what a change does."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from compliance import queries
from compliance.actors import require
from compliance.clock import now
from compliance.forms.facts import QUESTIONS, WORDS_FOR, FactsForm
from compliance.permissions import Permission
from compliance.regimes.facts import FactsError
from compliance.regimes.outcome import Applies
from compliance.regimes.reach import Reach, reach_all
from compliance.regimes.vocabulary import ENTITIES, OF_ORGANISATION, OF_SYSTEM
from compliance.services import fact
from compliance.services.fact import Source, Standing
from compliance.views import shown
from compliance.views.form_page import Crumb, sent
from compliance.views.http import actor, fetch, page, wants_part
from compliance.views.tables import Badge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from uuid import UUID

    from django.db.models import QuerySet
    from django.forms import BoundField
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.regimes.questions import Question

    Text = str | Promise

APPLIES: dict[Applies, Badge] = {
    Applies.APPLIES: Badge(_("applies"), "warn"),
    Applies.FACTS_NEEDED: Badge(_("facts needed"), "info"),
    Applies.NOT_IN_FORCE: Badge(_("not in force"), "stale"),
    Applies.CONTESTED: Badge(_("contested"), "info"),
    Applies.DOES_NOT_APPLY: Badge(_("does not apply"), "neutral"),
}
ORDER = list(APPLIES)
FETCH: dict[str, Callable[[Actor], QuerySet[Any]]] = {
    "entity": queries.entities_for,
    "system": queries.systems_for,
    "model": queries.models_for,
}
COLUMN_WORDS: dict[str, Promise] = {
    "eu_role": _("role"),
    "risk_class": _("risk class"),
    "member_states": _("Member States"),
    "zone": _("time zone"),
}
SOURCE_WORDS: dict[Source, Promise] = {
    Source.ENTITY: _("from the legal entity's record"),
    Source.SYSTEM: _("from the system's record"),
    Source.MODEL: _("from the model's record"),
}


class Backing(NamedTuple):
    """How a fact is known: in words, by whom, when, on what grounds."""

    text: str
    who: str
    at: datetime | None
    reason: str


class Row(NamedTuple):
    """One question with how it stands and how that is known."""

    question: Question
    answer: Text
    known: Backing | None
    field: BoundField | None


class Group(NamedTuple):
    """Questions that belong together."""

    title: Text
    note: Text
    rows: list[Row]


class Moved(NamedTuple):
    """One regime whose verdict or reasons would change."""

    reach: Reach
    before: Badge
    after: Badge


class Consequence(NamedTuple):
    """What would change for one system."""

    name: str
    moved: list[Moved]
    n_same: int


def backing(standing: Standing, thing: Any, *, is_at_home: bool = False) -> Backing:
    """Where a fact comes from, as the margin says it; on the thing's own page in fewer words."""
    said = standing.statement
    by = said.by.name if said and said.by else ""
    at, reason = (said.at, said.reason) if said else (None, "")
    return Backing(_words(standing, thing, is_at_home=is_at_home), by, at, reason)


def _words(standing: Standing, thing: Any, *, is_at_home: bool) -> str:
    if standing.value is None:
        return _now("stated as unknown")
    if standing.source is Source.RECORD:
        said = {"column": COLUMN_WORDS[standing.column], "value": _column(thing, standing.column)}
        return _now("from the system's record: %(column)s %(value)s") % said
    if is_at_home and standing.source == thing.kind:
        return _now("stated")
    return str(SOURCE_WORDS[standing.source])


def _column(system: Any, column: str) -> str:
    shown_as = getattr(system, f"get_{column}_display", None)
    value = shown_as() if shown_as else getattr(system, column)
    return ", ".join(value) if isinstance(value, list) else str(value)


@require_safe
def facts(request: HttpRequest, uuid: UUID, kind: str) -> HttpResponse:
    """Every question, its answer and whose it is; and which regimes follow."""
    who = actor(request)
    found = fetch(FETCH[kind](who), uuid=uuid)
    may_write = who.may(Permission.INVENTORY_WRITE, found.subject)
    change = {
        "label": _("Answer or change"),
        "url": shown.url(f"compliance:edit_{kind}_facts", found.uuid),
        "icon": "pencil",
    }
    context = {
        "thing": found,
        "reference": _reference(found),
        "groups": _groups(found),
        "reaches": _reaches(found) if kind == "system" else [],
        "systems": _by_system(found, who) if kind == "entity" else [],
        "action": change if may_write else None,
        "crumbs": [*_crumbs(found), Crumb(_("Facts"))],
        "nav_current": "compliance:inventory",
    }
    return page(request, "compliance/facts.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, uuid: UUID, kind: str) -> HttpResponse:
    """Answer; look at what would follow; save exactly what was looked at."""
    who = actor(request)
    found = fetch(FETCH[kind](who), uuid=uuid)
    require(who, Permission.INVENTORY_WRITE, found.subject)
    saving = "save" in request.POST
    form = FactsForm(sent(request), thing=found, otherwise=_otherwise(found), is_saving=saving)
    if form.is_valid() and saving and _was_seen(request, found, form):
        try:
            n = _save(found, form, who)
        except FactsError as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request, ngettext("%(n)d answer saved.", "%(n)d answers saved.", n) % {"n": n}
            )
            return redirect(f"compliance:{kind}_facts", uuid=found.uuid)
    context = {
        "thing": found,
        "reference": _reference(found),
        "form": form,
        "groups": _groups(found, form),
        "back": shown.url(f"compliance:{kind}_facts", found.uuid),
        "crumbs": [*_crumbs(found), Crumb(_("Answer or change"))],
        "nav_current": "compliance:inventory",
        **(_preview(found, form, who) if form.is_bound else {}),
    }
    # A part that is refused would leave what was shown before on the page.
    status = 422 if form.errors and not wants_part(request) else 200
    return page(request, "compliance/facts_edit.html", context, "outcomes", status=status)


def _was_seen(request: HttpRequest, found: Any, form: FactsForm) -> bool:
    """Whether the person looked at these answers on top of what stands now, and something moves."""
    answers, withdrawn = form.changed()
    is_moving = bool(answers or withdrawn)
    return is_moving and request.POST.get("seen") == fact.fingerprint(found, answers, withdrawn)


def _save(found: Any, form: FactsForm, who: Actor) -> int:
    answers, withdrawn = form.changed()
    reason = form.cleaned_data["reason"]
    return len(fact.answer(found, answers, withdrawn=withdrawn, reason=reason, by=who))


def _preview(found: Any, form: FactsForm, who: Actor) -> dict[str, Any]:
    """What these answers would change, before anything is saved."""
    if wrong := [name for name in form.errors if name != "reason"]:
        labels = "; ".join(str(form.fields[name].label) for name in wrong if name in form.fields)
        return {"cannot": _now("This answer cannot be read: %(labels)s") % {"labels": labels}}
    answers, withdrawn = form.changed()
    try:
        consequences = _consequences(found, fact.imagined(found, answers, withdrawn), who)
    except FactsError as error:
        return {"cannot": str(error)}
    return {
        "n_changed": len(answers) + len(withdrawn),
        "consequences": consequences,
        "seen": fact.fingerprint(found, answers, withdrawn),
    }


def _consequences(found: Any, imagined: Any, who: Actor) -> list[Consequence]:
    if found.kind == "entity":
        pairs = [(each, _under(each, imagined)) for each in _systems_of(found, who)]
    else:
        pairs = [(found, imagined)] if found.kind == "system" else []
    return [_consequence(before, after) for before, after in pairs]


def _under(system: Any, entity: Any) -> Any:
    moved = copy.copy(system)
    moved.entity = entity
    return moved


def _consequence(before: Any, after: Any) -> Consequence:
    stood = {each.key: each for each in _evaluated(before)}
    moved = [
        Moved(each, APPLIES[stood[each.key].applies], APPLIES[each.applies])
        for each in _sorted(_evaluated(after))
        if each != stood[each.key]
    ]
    return Consequence(before.name, moved, len(stood) - len(moved))


def _evaluated(system: Any) -> tuple[Reach, ...]:
    return reach_all(fact.facts_of(system), now())


def _sorted(reaches: Iterable[Reach]) -> list[Reach]:
    return sorted(reaches, key=lambda each: ORDER.index(each.applies))


def _reaches(system: Any) -> list[tuple[Reach, Badge]]:
    """Every regime and whether it reaches the system, those that do first."""
    return [(each, APPLIES[each.applies]) for each in _sorted(_evaluated(system))]


def summary(system: Any) -> dict[str, Any]:
    """How many regimes reach a system, and how many questions are answered."""
    counted = Counter(each.applies for each in _evaluated(system))
    standing = fact.standing(system)
    asked = fact.asked_of(system)
    return {
        "counts": [(APPLIES[each], counted[each]) for each in ORDER if counted[each]],
        "n_asked": len(asked),
        "n_known": sum(name in standing and standing[name].value is not None for name in asked),
    }


def _by_system(entity: Any, who: Actor) -> list[tuple[Any, dict[str, Any]]]:
    return [(each, summary(each)) for each in _systems_of(entity, who)]


def _systems_of(entity: Any, who: Actor) -> QuerySet[Any]:
    return queries.systems_for(who).filter(entity=entity).order_by("reference")


def _groups(thing: Any, form: FactsForm | None = None) -> list[Group]:
    standing = fact.standing(thing)
    rows = {
        name: Row(
            QUESTIONS[name],
            _said(name, standing[name].value, thing) if name in standing else _("not answered"),
            backing(standing[name], thing, is_at_home=True) if name in standing else None,
            form[f"q_{name}"] if form else None,
        )
        for name in fact.asked_of(thing)
    }
    return [
        Group(title, note, [row for name, row in rows.items() if name in names])
        for title, note, names in _parts(thing)
    ]


def _parts(thing: Any) -> list[tuple[Text, Text, set[str] | frozenset[str]]]:
    """Which questions stand together, under which words."""
    asked = set(fact.asked_of(thing))
    others = asked - OF_SYSTEM - OF_ORGANISATION
    if thing.kind == "model":
        return [(_("The model"), "", asked)]
    if thing.kind == "entity":
        return [
            (_("The organisation"), "", OF_ORGANISATION),
            (_("For counting, and for reports"), "", others),
        ]
    note = _now("Answered once for %(entity)s; an answer here counts for this system alone.")
    return [
        (_("In the register"), _("Other answers follow from these."), others),
        (_("The system"), "", OF_SYSTEM),
        (_("The organisation"), note % {"entity": thing.entity.name}, OF_ORGANISATION),
    ]


def _said(name: str, value: Any, thing: Any) -> Text:
    """An answer in words."""
    if value is None:
        return WORDS_FOR["unknown"]
    if isinstance(value, bool):
        return WORDS_FOR["yes" if value else "no"]
    if name in fact.COLUMNS:
        return _column(thing, name)
    return shown.said(ENTITIES[value]) if value in ENTITIES else str(value)


def _otherwise(thing: Any) -> dict[str, str]:
    """What holds for a system where nothing is stated about it, as the first choice of an input."""
    if thing.kind != "system":
        return {}
    below = fact.standing(fact.imagined(thing, {}, withdrawn=tuple(thing.facts)))
    return {
        name: _now("as recorded: %(answer)s") % {"answer": _said(name, each.value, thing)}
        for name, each in below.items()
        if name not in fact.COLUMNS
    }


def _reference(thing: Any) -> Text:
    if thing.kind == "system":
        return str(thing.reference)
    return _("Legal entity") if thing.kind == "entity" else _("Model")


def _crumbs(thing: Any) -> list[Crumb]:
    way = [Crumb(_("Inventory"), shown.url("compliance:inventory"))]
    if thing.kind == "model":
        of = thing.system
        way.append(Crumb(of.name, shown.url("compliance:system", of.uuid)))
    return [*way, Crumb(thing.name, shown.url(f"compliance:{thing.kind}", thing.uuid))]
