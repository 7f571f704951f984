"""One model version: how it stands, on what evidence, and what happened to it; its manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.forms.inventory import ManifestForm, NoteForm, VersionForm
from compliance.permissions import Permission
from compliance.services import approval, registry, strip
from compliance.states import APPROVAL, VERSION
from compliance.views import shown
from compliance.views.evidence import EVIDENCE, Finding, findings
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods, model_crumbs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.models import BehaviourManifest, ModelVersion

MANIFEST_PURPOSE = "manifest"
TABS: dict[str, Promise] = {
    "overview": _("Overview"),
    "evidence": _("Evidence"),
    "timeline": _("Timeline"),
    "approvals": _("Approvals"),
    "history": _("History"),
}


class Layer(NamedTuple):
    """One layer on the overview: its segment of the strip and the evidence that led to it."""

    segment: strip.Segment
    findings: list[Finding]


@form_methods
def new_version(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Register the files of a folder as a version."""
    who = actor(request)
    found = fetch(queries.models_for(who), uuid=uuid)
    require(who, Permission.INVENTORY_WRITE, found.subject)
    earlier = queries.versions_for(who).filter(model=found).order_by("-id")
    form = VersionForm(sent(request), model=found, versions=earlier)
    if form.is_valid():
        try:
            made = registry.register_version(found, **form.cleaned_data, by=who)
        except registry.RegistryError as error:
            form.add_error("folder", str(error))
        else:
            return _registered(request, made, form.cleaned_data["name"])
    return form_page(
        request,
        form,
        title=_("Register a version"),
        verb=_("Read and register"),
        back=shown.url("compliance:model", found.uuid),
        lead=_(
            "The files are read once and the version is what they hash to: the same files are the same version."
        ),
        crumbs=model_crumbs(found),
    )


def _registered(request: HttpRequest, made: ModelVersion, name: str) -> HttpResponse:
    """To the version; to a version that is closed to the reader leads no way and no name."""
    if not queries.versions_for(actor(request)).filter(pk=made.pk).exists():
        messages.warning(request, _now("These files are registered already; nothing was added."))
        return redirect("compliance:inventory")
    if made.name == name:
        messages.success(request, _now("Registered %s.") % made)
    else:
        said = _now("These files are registered already, as %s; nothing was added.")
        messages.warning(request, said % made)
    return redirect("compliance:version", uuid=made.uuid)


@require_safe
def version(request: HttpRequest, uuid: UUID, tab: str = "overview") -> HttpResponse:
    """The page of a version, by tab."""
    who = actor(request)
    found = fetch(queries.versions_for(who), uuid=uuid)
    if tab not in TABS:
        raise Http404
    fill = {
        "overview": _overview,
        "evidence": _evidence,
        "timeline": _timeline,
        "approvals": _approvals,
        "history": _history,
    }[tab]
    context = {
        "version": found,
        "tab": tab,
        "crumbs": [*model_crumbs(found.model), Crumb(found.name)],
        "badge": shown.badge(VERSION, found.state),
        "strip": strip.of(found),
        "tabs": [_tab(found, key, tab) for key in TABS],
        "facts": _facts(found, who),
        "action": _action(found, who),
        "may_retire": found.state == "registered"
        and who.may(Permission.INVENTORY_WRITE, found.subject),
        **fill(request, found, who),
    }
    return page(request, "compliance/version.html", context)


def _tab(found: ModelVersion, key: str, current: str) -> dict[str, Any]:
    url = (
        shown.url("compliance:version", found.uuid)
        if key == "overview"
        else shown.url("compliance:version_tab", found.uuid, key)
    )
    return {"label": TABS[key], "url": url, "is_current": key == current}


def _action(found: ModelVersion, who: Actor) -> dict[str, Any] | None:
    """The one next step: without a manifest nothing that it does can be judged."""
    if found.state != "registered":
        return None
    if not found.manifests.exists() and who.may(Permission.INVENTORY_WRITE, found.subject):
        return {
            "label": _("Declare its behaviour"),
            "url": shown.url("compliance:new_manifest", found.uuid),
            "icon": "plus",
        }
    if who.may(Permission.EVIDENCE_ATTACH, found.subject):
        return {
            "label": _("Attest evidence"),
            "url": shown.url("compliance:attest", found.uuid),
            "icon": "plus",
        }
    return None


def _facts(found: ModelVersion, who: Actor) -> list[shown.Fact]:
    previous = found.previous
    return [
        shown.Fact(
            _("Model"), found.model.name, url=shown.url("compliance:model", found.model.uuid)
        ),
        shown.Fact(
            _("System"),
            found.model.system.name,
            url=shown.url("compliance:system", found.model.system.uuid),
        ),
        shown.Fact(_("Weights, SHA-256"), found.weights_sha256, "digest"),
        shown.Fact(_("Registered"), found.registered_at, "time"),
        shown.Fact(_("Registered by"), queries.person_name(found.registered_by_id)),
        *(
            [
                shown.Fact(
                    _("Follows"), str(previous), url=shown.url("compliance:version", previous.uuid)
                )
            ]
            if previous
            else []
        ),
        *(
            [shown.Fact(_("Folder, for workers"), found.location)]
            if who.may(Permission.INVENTORY_WRITE)
            else []
        ),
    ]


def _overview(_request: HttpRequest, found: ModelVersion, who: Actor) -> dict[str, Any]:
    newest = (
        findings(queries.standing_evidence(found))
        if who.may(Permission.EVIDENCE_READ, found.subject)
        else []
    )
    numbers = {key: number for number, key, _label in strip.LAYERS}
    layers = [
        Layer(segment, [one for one in newest if one.evidence.layer == numbers[segment.key]])
        for segment in strip.of(found).segments
    ]
    return {
        "layers": layers,
        "manifest": found.manifests.order_by("-number").first(),
        "serving": queries.deployments_for(who).filter(serves=found).order_by("key"),
        "files": found.files.order_by("path"),
        "may_declare": found.state == "registered"
        and who.may(Permission.INVENTORY_WRITE, found.subject),
    }


def _evidence(request: HttpRequest, found: ModelVersion, who: Actor) -> dict[str, Any]:
    rows = queries.evidence_for(who).filter(version=found).prefetch_related("version__manifests")
    return {"table": EVIDENCE.page(rows, request)}


def _timeline(_request: HttpRequest, found: ModelVersion, who: Actor) -> dict[str, Any]:
    return {"entries": shown.entries(queries.timeline(found, who))}


def _approvals(_request: HttpRequest, found: ModelVersion, who: Actor) -> dict[str, Any]:
    asked = queries.approvals_for(who).filter(subject=found.subject).order_by("-id")
    return {"requests": [(one, shown.badge(APPROVAL, one.state)) for one in asked]}


def _history(_request: HttpRequest, found: ModelVersion, who: Actor) -> dict[str, Any]:
    visible = queries.versions_for(who)
    return {
        "entries": shown.entries(queries.history(found, who)),
        "manifests": found.manifests.order_by("-number"),
        "later": visible.filter(previous=found).order_by("id"),
        "earlier": _ancestors(found, {one.pk for one in visible}),
    }


def _ancestors(found: ModelVersion, visible: set[int]) -> Iterable[ModelVersion]:
    """What it follows, nearest first, as far as the reader may see; never round in a circle."""
    line: list[ModelVersion] = []
    step = found.previous
    while step is not None and step.pk in visible and step not in line:
        line.append(step)
        step = step.previous
    return line


@require_POST
def retire(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """It may serve no more."""
    who = actor(request)
    found = fetch(queries.versions_for(who), uuid=uuid)
    form = NoteForm(request.POST)
    if form.is_valid():
        registry.retire_version(found, by=who, note=form.cleaned_data["reason"])
        messages.success(request, _now("%s is retired.") % found)
    else:
        messages.error(request, _now("Say why; nothing was changed."))
    return redirect("compliance:version", uuid=found.uuid)


@form_methods
def new_manifest(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Declare what a version is meant to use; a change is a new number."""
    who = actor(request)
    found = fetch(queries.versions_for(who), uuid=uuid)
    require(who, Permission.INVENTORY_WRITE, found.subject)
    last = found.manifests.order_by("-number").first()
    form = ManifestForm(sent(request), initial=_as_entered(last))
    if form.is_valid():
        made = registry.declare_manifest(found, **form.cleaned_data, by=who)
        messages.success(request, _now("Declared manifest %d.") % made.number)
        return redirect("compliance:manifest", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Declare its behaviour"),
        verb=_("Declare"),
        back=shown.url("compliance:version", found.uuid),
        lead=_(
            "What it is meant to use is the yardstick for what it is seen to do. Evidence that rests on an older manifest goes stale."
        ),
        crumbs=[
            *model_crumbs(found.model),
            Crumb(found.name, shown.url("compliance:version", found.uuid)),
        ],
    )


def _as_entered(last: BehaviourManifest | None) -> dict[str, str]:
    """The last manifest as somebody would have typed it."""
    if last is None:
        return {}
    lists = ("tools", "external_tools", "untrusted_tools", "data_scopes", "prompt_sha256s")
    typed = {name: "\n".join(getattr(last, name)) for name in lists}
    return {**typed, "rates": "\n".join(f"{tool} {n}" for tool, n in sorted(last.rates.items()))}


@require_safe
def manifest(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One manifest, and whether a second person has read it."""
    who = actor(request)
    found = fetch(queries.manifests_for(who).select_related("version__model__system"), uuid=uuid)
    newest = found.version.manifests.order_by("-number").first()
    asked = queries.approvals_for(who).filter(thing_uuid=found.uuid).order_by("-id")
    is_newest = found == newest
    may_ask = is_newest and who.is_person and who.may(Permission.INVENTORY_WRITE, found.subject)
    is_approved = approval.holds(found, MANIFEST_PURPOSE, found.sha256)
    context = {
        "manifest": found,
        "version": found.version,
        "crumbs": [*_version_crumbs(found.version), Crumb(_now("Manifest %d") % found.number)],
        "newest": None if is_newest else newest,
        "requests": [(one, shown.badge(APPROVAL, one.state)) for one in asked],
        "is_approved": is_approved,
        "may_ask": may_ask and not is_approved and not any(one.state == "asked" for one in asked),
        "facts": [
            shown.Fact(
                _("Version"),
                str(found.version),
                url=shown.url("compliance:version", found.version.uuid),
            ),
            shown.Fact(_("Digest"), found.sha256, "digest"),
            shown.Fact(_("Declared"), found.declared_at, "time"),
            shown.Fact(_("Declared by"), queries.person_name(found.declared_by_id)),
        ],
        "entries": shown.entries(queries.history(found, who)),
    }
    return page(request, "compliance/manifest.html", context)


def _version_crumbs(found: ModelVersion) -> list[Crumb]:
    return [
        *model_crumbs(found.model),
        Crumb(found.name, shown.url("compliance:version", found.uuid)),
    ]


@require_POST
def ask_second(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask a second person to approve exactly this manifest."""
    who = actor(request)
    found = fetch(queries.manifests_for(who), uuid=uuid)
    require(who, Permission.INVENTORY_WRITE, found.subject)
    approval.ask(
        found,
        purpose=MANIFEST_PURPOSE,
        permission=Permission.INVENTORY_WRITE,
        title=_now("Behaviour manifest %(n)d of %(version)s")
        % {"n": found.number, "version": found.version},
        sha256=found.sha256,
        by=who,
    )
    messages.success(request, _now("Asked. A second person must approve it."))
    return redirect("compliance:manifest", uuid=found.uuid)
