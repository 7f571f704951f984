"""One deployment: what it is said to serve, by whose word, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.forms.inventory import DeploymentForm, NoteForm, ServingForm
from compliance.permissions import Permission
from compliance.services import registry, strip
from compliance.states import DEPLOYMENT
from compliance.views import shown
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods, system_crumbs
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from compliance.models import Deployment, ModelVersion, ServingRecord

    Text = str | _StrPromise

VOICES: dict[str, Text] = {
    "declared": _("declared by a person"),
    "telemetry": _("said by its telemetry"),
    "target": _("answered by the target"),
}


class Voice(NamedTuple):
    """What one vantage says is serving."""

    label: Text
    record: ServingRecord | None
    badge: Badge


SERVINGS = Table(
    caption=_("Serving history"),
    name="servings",
    key="pk",
    columns=(
        Column("at", _("When"), kind=Kind.TIME, sort="at"),
        Column("said_by", _("By whose word"), value=lambda row: VOICES.get(row.said_by, row.said_by), sort="said_by"),
        Column("version", _("Version"), value=lambda row: str(row.version) if row.version else _("not registered here"),
               url=lambda row: shown.url("compliance:version", row.version.uuid) if row.version else ""),
        Column("weights_sha256", _("Weights"), kind=Kind.DIGEST),
    ),
    filters=(Filter("said_by", _("By whose word"), choices=list(VOICES.items())),),
    order=("-at", "-pk"),
    empty=Empty(
        _("Nobody has said yet what serves here."),
        _("Declare it, send telemetry that names the weights, or configure a target that can be asked."),
    ),
)  # fmt: skip


@form_methods
def new_deployment(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Register where versions of a system serve."""
    who = actor(request)
    found = fetch(queries.systems_for(who), uuid=uuid)
    require(who, Permission.DEPLOYMENT_MANAGE, found.subject)
    form = DeploymentForm(sent(request), initial={"zone": found.zone})
    if form.is_valid():
        entered = form.cleaned_data
        made = registry.register_deployment(
            found,
            entered["key"],
            entered["environment"],
            zone=entered["zone"],
            target_kind=entered["target_kind"],
            target_config=form.target_config(),
            by=who,
        )
        messages.success(request, _now("Registered %s.") % made.key)
        return redirect("compliance:deployment", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Register a deployment"),
        verb=_("Register deployment"),
        back=shown.url("compliance:system", found.uuid),
        crumbs=system_crumbs(found),
    )


@require_safe
def deployment(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The page of a deployment."""
    who = actor(request)
    found = fetch(queries.deployments_for(who), uuid=uuid)
    may_manage = found.state == "active" and who.may(Permission.DEPLOYMENT_MANAGE, found.subject)
    said = voices(found)
    context = {
        "deployment": found,
        "crumbs": [*system_crumbs(found.system), Crumb(found.key)],
        "badge": shown.badge(DEPLOYMENT, found.state),
        "strip": strip.of(found.serves) if found.serves else None,
        "voices": said,
        "disagree": len({one.record.weights_sha256 for one in said if one.record}) > 1,
        "table": SERVINGS.page(found.servings.select_related("version__model"), request),
        "tokens": queries.tokens_for(who).filter(deployment=found),
        "observed_url": shown.url("incidents:deployment", found.uuid)
        if who.may(Permission.EVENT_READ)
        else "",
        "action": _declare_action(found) if may_manage else None,
        "may_manage": may_manage,
        "facts": _facts(found),
        "entries": shown.entries(queries.timeline(found, who)),
    }
    return page(request, "compliance/deployment.html", context)


def voices(found: Deployment) -> list[Voice]:
    """The newest word of each vantage beside what is declared."""
    said = queries.said_to_serve(found)
    declared = found.serves.weights_sha256 if found.serves else ""
    return [
        Voice(label, said.get(key), _agreement(said.get(key), declared))
        for key, label in VOICES.items()
    ]


def _agreement(record: ServingRecord | None, declared: str) -> Badge:
    if record is None:
        return Badge(_("silent"), "blind")
    if not declared:
        return Badge(_("nothing declared to compare with"), "warn")
    if record.weights_sha256 == declared:
        return Badge(_("as declared"), "ok")
    return Badge(_("differs from what is declared"), "bad")


def _declare_action(found: Deployment) -> dict[str, Any]:
    return {
        "label": _("Declare what it serves"),
        "url": shown.url("compliance:declare_serving", found.uuid),
        "icon": "pencil",
    }


def _facts(found: Deployment) -> list[shown.Fact]:
    served: ModelVersion | None = found.serves
    # The token of a target never leaves the server.
    address = found.target_config.get("url", "")
    return [
        shown.Fact(
            _("System"), found.system.name, url=shown.url("compliance:system", found.system.uuid)
        ),
        shown.Fact(_("Environment"), found.get_environment_display()),
        shown.Fact(
            _("Declared to serve"),
            str(served) if served else "",
            url=shown.url("compliance:version", served.uuid) if served else "",
        ),
        *([shown.Fact(_("Weights, SHA-256"), served.weights_sha256, "digest")] if served else []),
        shown.Fact(_("Zone"), found.zone),
        shown.Fact(_("Target"), address or _now("none: rollbacks are carried out by hand")),
    ]


@form_methods
def declare_serving(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Say what serves from now on; whether it may is the gate's business."""
    who = actor(request)
    found = fetch(queries.deployments_for(who), uuid=uuid)
    require(who, Permission.DEPLOYMENT_MANAGE, found.subject)
    form = ServingForm(sent(request), deployment=found, versions=queries.versions_for(who))
    if form.is_valid():
        chosen = form.cleaned_data["version"]
        registry.declare_serving(found, chosen, by=who)
        messages.success(
            request,
            _now("%(key)s is declared to serve %(version)s.")
            % {"key": found.key, "version": chosen},
        )
        return redirect("compliance:deployment", uuid=found.uuid)
    return form_page(
        request,
        form,
        title=_("Declare what it serves"),
        verb=_("Declare"),
        back=shown.url("compliance:deployment", found.uuid),
        lead=_(
            "This changes nothing on the machine. A version without a covering authorisation raises an alert by itself."
        ),
        crumbs=[
            *system_crumbs(found.system),
            Crumb(found.key, shown.url("compliance:deployment", found.uuid)),
        ],
    )


@require_POST
def end(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """It serves no more."""
    who = actor(request)
    found = fetch(queries.deployments_for(who), uuid=uuid)
    form = NoteForm(request.POST)
    if form.is_valid():
        registry.end_deployment(found, by=who, note=form.cleaned_data["reason"])
        messages.success(request, _now("%s is ended.") % found.key)
    else:
        messages.error(request, _now("Say why; nothing was changed."))
    return redirect("compliance:deployment", uuid=found.uuid)
