"""What there is: legal entities, AI systems and their lines of models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from compliance import queries
from compliance.actors import require
from compliance.forms.inventory import EntityForm, ModelForm, SystemForm
from compliance.permissions import Permission
from compliance.services import fact, registry, strip
from compliance.states import DEPLOYMENT, VERSION
from compliance.views import facts, shown
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from compliance.actors import Actor
    from compliance.models import AIModel, AISystem

form_methods = require_http_methods(["GET", "HEAD", "POST"])


def inventory_crumb() -> Crumb:
    """The first step of every way below the inventory."""
    return Crumb(_("Inventory"), shown.url("compliance:inventory"))


def system_crumbs(system: AISystem) -> list[Crumb]:
    """The way to what belongs to a system."""
    return [inventory_crumb(), Crumb(system.name, shown.url("compliance:system", system.uuid))]


def model_crumbs(model: AIModel) -> list[Crumb]:
    """The way to what belongs to a model."""
    return [
        *system_crumbs(model.system),
        Crumb(model.name, shown.url("compliance:model", model.uuid)),
    ]


SYSTEMS = Table(
    caption=_("AI systems"),
    name="systems",
    columns=(
        Column("reference", _("Reference"), kind=Kind.REFERENCE, sort="reference",
               url=lambda row: shown.url("compliance:system", row.uuid)),
        Column("name", _("Name"), sort="name"),
        Column("entity", _("Legal entity"), value="entity.name", sort="entity__name"),
        Column("risk_class", _("Risk class"), value=lambda row: row.get_risk_class_display(), sort="risk_class"),
        Column("eu_role", _("Role"), value=lambda row: row.get_eu_role_display(), shown=False),
        Column("owner", _("Owner"), value=lambda row: row.owner.name if row.owner else ""),
    ),
    filters=(
        Filter("risk_class", _("Risk class"), choices=queries.RISK_CLASSES),
        Filter("eu_role", _("Role"), choices=queries.EU_ROLES),
    ),
    search=("reference", "name", "entity__name"),
    order=("reference",),
)  # fmt: skip

VERSIONS = Table(
    caption=_("Model versions"),
    name="versions",
    columns=(
        Column("name", _("Version"), kind=Kind.REFERENCE, value=str, sort="name",
               url=lambda row: shown.url("compliance:version", row.uuid)),
        Column("system", _("System"), value="model.system.name", sort="model__system__name", shown=False),
        Column("state", _("State"), value=lambda row: shown.badge(VERSION, row.state), kind=Kind.BADGE, sort="state"),
        Column("weights_sha256", _("Digest"), kind=Kind.DIGEST),
        Column("registered_at", _("Registered"), kind=Kind.TIME, sort="registered_at"),
    ),
    filters=(Filter("state", _("State"), choices=[(key, state.label) for key, state in VERSION.states.items()]),),
    search=("name", "model__name", "weights_sha256"),
    order=("-registered_at", "-pk"),
    prefix="v_",
    empty=Empty(_("No version yet."), _("A version is a set of files, known by what they hash to.")),
)  # fmt: skip

DEPLOYMENTS = Table(
    caption=_("Deployments"),
    name="deployments",
    columns=(
        Column("key", _("Key"), kind=Kind.REFERENCE, sort="key",
               url=lambda row: shown.url("compliance:deployment", row.uuid)),
        Column("environment", _("Environment"), value=lambda row: row.get_environment_display(), sort="environment"),
        Column("state", _("State"), value=lambda row: shown.badge(DEPLOYMENT, row.state), kind=Kind.BADGE, sort="state"),
        Column("serves", _("Serves"), value=lambda row: str(row.serves) if row.serves else ""),
        Column("system", _("System"), value="system.name", sort="system__name", shown=False),
    ),
    filters=(Filter("environment", _("Environment"), choices=queries.ENVIRONMENTS),),
    search=("key", "serves__model__name", "serves__name"),
    order=("key",),
    prefix="d_",
    empty=Empty(_("No deployment yet."), _("A deployment is a place where a version serves; its key is what telemetry calls it.")),
)  # fmt: skip


def with_strips(table: Table, strips: dict[int, Any]) -> Table:
    """The table with the layer strip of each row, by the row's primary key."""
    mark = Column("strip", _("Layers"), value=lambda row: strips.get(row.pk), kind=Kind.STRIP)
    return replace(table, columns=(*table.columns[:2], mark, *table.columns[2:]))


def with_next_step(table: Table, url: str, action: Any) -> Table:
    """The table whose empty state offers one next step."""
    return replace(table, empty=replace_empty(table.empty, url, action))


def replace_empty(empty: Empty, url: str, action: Any) -> Empty:
    """The same lesson with a step to take."""
    return Empty(empty.title, empty.hint, url, action)


@require_safe
def inventory(request: HttpRequest) -> HttpResponse:
    """Every AI system with the strip of the version that speaks for it."""
    who = actor(request)
    entities = list(queries.entities_for(who).order_by("name"))
    may_write = who.may(Permission.INVENTORY_WRITE)
    new_system = {
        "label": _("Register a system"),
        "url": shown.url("compliance:new_system"),
        "icon": "plus",
    }
    speaking = queries.standing_versions(who)
    strips = strip.of_many({v.pk: v for v in speaking.values()}.values())
    by_system = {pk: strips[version.pk] for pk, version in speaking.items()}
    table = with_strips(replace(SYSTEMS, empty=_first_step(who)), by_system)
    context = {
        "table": table.page(queries.systems_for(who), request),
        "entities": entities,
        "may_write": may_write,
        "action": new_system if may_write and entities else None,
    }
    return page(request, "compliance/inventory.html", context)


def _first_step(who: Actor) -> Empty:
    """What an empty inventory teaches this reader."""
    if not who.may(Permission.INVENTORY_READ):
        return Empty(
            _("There is nothing here that is open to you."),
            _(
                "Your roles lack the permission “inventory:read”. Ask a person who manages accounts."
            ),
        )
    hint = _(
        "A system is what is placed on the market, with an intended purpose; models, versions and deployments hang on it."
    )
    if not who.may(Permission.INVENTORY_WRITE):
        return Empty(_("No AI system is registered yet."), hint)
    if not queries.entities_for(who).exists():
        return Empty(
            _("No AI system is registered yet."),
            hint,
            shown.url("compliance:new_entity"),
            _("Register the legal entity first"),
        )
    return Empty(
        _("No AI system is registered yet."),
        hint,
        shown.url("compliance:new_system"),
        _("Register a system"),
    )


@form_methods
def new_entity(request: HttpRequest) -> HttpResponse:
    """Register a legal entity."""
    who = actor(request)
    require(who, Permission.INVENTORY_WRITE)
    form = EntityForm(sent(request))
    if form.is_valid():
        made = registry.register_entity(
            form.cleaned_data["name"], form.cleaned_data["country"], by=who
        )
        messages.success(request, _now("Registered %s.") % made.name)
        return redirect("compliance:new_system")
    return form_page(
        request,
        form,
        title=_("Register a legal entity"),
        verb=_("Register entity"),
        back=shown.url("compliance:inventory"),
        lead=_("One legal person of the organisation; systems are registered under it."),
    )


@require_safe
def entity(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One legal entity and the systems it answers for."""
    who = actor(request)
    found = fetch(queries.entities_for(who), uuid=uuid)
    context = {
        "entity": found,
        "crumbs": [inventory_crumb(), Crumb(found.name)],
        "table": SYSTEMS.page(queries.systems_for(who).filter(entity=found), request),
        "facts": [
            shown.Fact(_("Country"), found.country),
            *_other_facts(found),
        ],
        "entries": shown.entries(queries.history(found, who)),
    }
    return page(request, "compliance/entity.html", context)


@form_methods
def new_system(request: HttpRequest) -> HttpResponse:
    """Register an AI system."""
    who = actor(request)
    require(who, Permission.INVENTORY_WRITE)
    form = SystemForm(sent(request), entities=queries.entities_for(who).order_by("name"))
    if form.is_valid():
        made = registry.register_system(**form.cleaned_data, by=who)
        messages.success(request, _now("Registered %s.") % made.reference)
        return redirect("compliance:system", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Register an AI system"),
        verb=_("Register system"),
        back=shown.url("compliance:inventory"),
        lead=_("What is placed on the market or put into service, with its intended purpose."),
    )


@require_safe
def system(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One AI system: what it is for, its models and versions, where they serve."""
    who = actor(request)
    found = fetch(queries.systems_for(who), uuid=uuid)
    versions = queries.versions_for(who).filter(model__system=found)
    speaking = queries.standing_versions(who).get(found.pk)
    may_write = who.may(Permission.INVENTORY_WRITE, found.subject)
    deployments = DEPLOYMENTS
    if who.may(Permission.DEPLOYMENT_MANAGE, found.subject):
        new_deployment = shown.url("compliance:new_deployment", found.uuid)
        deployments = with_next_step(DEPLOYMENTS, new_deployment, _("Register a deployment"))
    context = {
        "system": found,
        "crumbs": [inventory_crumb(), Crumb(found.name)],
        "strip": strip.of(speaking) if speaking else None,
        "models": queries.models_for(who).filter(system=found).order_by("name"),
        "versions": with_strips(VERSIONS, strip.of_many(versions)).page(versions, request),
        "deployments": deployments.page(queries.deployments_for(who).filter(system=found), request),
        "facts": _system_facts(found),
        "law": facts.summary(found),
        "entries": shown.entries(queries.history(found, who)),
        "may_write": may_write,
        "may_deploy": who.may(Permission.DEPLOYMENT_MANAGE, found.subject),
        "action": _system_action(found) if may_write else None,
    }
    return page(request, "compliance/system.html", context)


def _system_action(found: AISystem) -> dict[str, Any]:
    return {
        "label": _("Add a model"),
        "url": shown.url("compliance:new_model", found.uuid),
        "icon": "plus",
    }


def _system_facts(found: AISystem) -> list[shown.Fact]:
    return [
        shown.Fact(
            _("Legal entity"),
            found.entity.name,
            url=shown.url("compliance:entity", found.entity.uuid),
        ),
        shown.Fact(_("Risk class"), found.get_risk_class_display()),
        shown.Fact(_("Role"), found.get_eu_role_display()),
        shown.Fact(_("Owner"), found.owner.name if found.owner else ""),
        shown.Fact(_("Zone"), found.zone),
        shown.Fact(_("Member states"), ", ".join(found.member_states)),
        *_other_facts(found),
    ]


def _other_facts(found: Any) -> list[shown.Fact]:
    """What is on record beside the questions of fact, which have a page of their own."""
    asked = fact.asked_of(found)
    others = sorted((name, value) for name, value in found.facts.items() if name not in asked)
    return [
        shown.Fact(name, str(value)) for name, value in others if not isinstance(value, dict | list)
    ]


@form_methods
def new_model(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Add a line of versions to a system."""
    who = actor(request)
    found = fetch(queries.systems_for(who), uuid=uuid)
    require(who, Permission.INVENTORY_WRITE, found.subject)
    form = ModelForm(sent(request), system=found)
    if form.is_valid():
        made = registry.register_model(found, **form.cleaned_data, by=who)
        messages.success(request, _now("Added %s.") % made.name)
        return redirect("compliance:model", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Add a model"),
        verb=_("Add model"),
        back=shown.url("compliance:system", found.uuid),
        crumbs=system_crumbs(found),
    )


@require_safe
def model(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One line of versions."""
    who = actor(request)
    found = fetch(queries.models_for(who), uuid=uuid)
    versions = queries.versions_for(who).filter(model=found)
    may_write = who.may(Permission.INVENTORY_WRITE, found.subject)
    new_version = shown.url("compliance:new_version", found.uuid)
    table = with_strips(VERSIONS, strip.of_many(versions))
    if may_write:
        table = with_next_step(table, new_version, _("Register a version"))
    action = {"label": _("Register a version"), "url": new_version, "icon": "plus"}
    context = {
        "model": found,
        "crumbs": [*system_crumbs(found.system), Crumb(found.name)],
        "versions": table.page(versions, request),
        "action": action if may_write else None,
        "facts": [
            shown.Fact(
                _("System"),
                found.system.name,
                url=shown.url("compliance:system", found.system.uuid),
            ),
            shown.Fact(_("Made from"), found.base),
            shown.Fact(_("Licence"), found.licence),
            *_other_facts(found),
        ],
        "entries": shown.entries(queries.history(found, who)),
    }
    return page(request, "compliance/model.html", context)
