"""What waits for me: requests that a second person must answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.clock import now
from compliance.forms.inventory import NoteForm
from compliance.machines import TransitionRefused
from compliance.permissions import Permission
from compliance.services import approval
from compliance.states import APPROVAL
from compliance.views import shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from compliance.actors import Actor
    from compliance.models import ApprovalRequest

# A yes to these is all that happens. Everything else (a waiver, a rollback, a report) does more
# when it is approved, so it is approved on its own page by its own verb.
ANSWERED_HERE = frozenset({"manifest"})

REQUESTS = Table(
    caption=_("Approval requests"),
    name="approvals",
    columns=(
        Column("title", _("What is to be approved"), sort="title",
               url=lambda row: shown.url("compliance:approval", row.uuid)),
        Column("state", _("State"), value=lambda row: shown.badge(APPROVAL, row.state), kind=Kind.BADGE, sort="state"),
        Column("asked_by", _("Asked by"), value="asked_by.name", sort="asked_by__name"),
        Column("asked_at", _("Asked"), kind=Kind.TIME, sort="asked_at"),
        Column("n_given", _("Given"), value=lambda row: f"{len(row.approvals.all())} / {row.needed}"),
        Column("sha256", _("Digest"), kind=Kind.DIGEST, shown=False),
    ),
    filters=(Filter("state", _("State"), choices=[(key, state.label) for key, state in APPROVAL.states.items()]),),
    search=("title", "asked_by__name"),
    order=("-asked_at", "-pk"),
    empty=Empty(
        _("Nobody has asked for approval yet."),
        _("Waivers, rollbacks, reports and manifests ask for a second person; the first is never the second."),
    ),
)  # fmt: skip


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """What I could answer now, and below every request that I may see."""
    who = actor(request)
    waiting = queries.approvals_waiting(who)
    context = {
        "waiting": waiting,
        "n_waiting": len(waiting),
        "table": REQUESTS.page(queries.approvals_for(who), request),
    }
    return page(request, "compliance/approvals.html", context)


@require_safe
def approval_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One request: what exactly is approved, who asked, who said yes, and what I may do."""
    who = actor(request)
    found = fetch(queries.approvals_for(who), uuid=uuid)
    why_not = _why_not(found, who)
    is_answered_here = found.thing_kind in ANSWERED_HERE
    context = {
        "approval": found,
        "crumbs": [Crumb(_("Waits for me"), shown.url("compliance:approvals")), Crumb(found.title)],
        "badge": shown.badge(APPROVAL, found.state),
        "given": found.approvals.all(),
        "n_missing": max(0, found.needed - len(found.approvals.all())),
        "thing_url": shown.page_of(found.thing_kind, found.thing_uuid),
        "why_not": why_not,
        "may_answer": not why_not and is_answered_here,
        "action": _action(found, is_answered_here=is_answered_here, may=not why_not),
        "facts": _facts(found),
        "entries": shown.entries(queries.history(found, who)),
    }
    return page(request, "compliance/approval.html", context)


def _action(found: ApprovalRequest, *, is_answered_here: bool, may: bool) -> dict[str, Any]:
    if may and is_answered_here:
        return {"label": _("Approve"), "dialog": "give", "icon": "check"}
    url = shown.page_of(found.thing_kind, found.thing_uuid)
    return {"label": _("Open what is to be approved"), "url": url, "icon": "arrow-right"}


def _why_not(found: ApprovalRequest, who: Actor) -> str:
    """Why this reader cannot answer, or nothing when they can."""
    if found.state != "asked":
        return _now("It has been answered.")
    if found.expires_at is not None and found.expires_at <= now():
        return _now("The request has expired; it must be asked again.")
    if why_not := approval.why_not_second(found, who):
        return why_not
    if not who.may(Permission(found.permission), found.subject):
        return _now("It needs the permission “%s”.") % found.permission
    return ""


def _facts(found: ApprovalRequest) -> list[shown.Fact]:
    return [
        shown.Fact(
            _("About"),
            shown.kind_name(found.thing_kind),
            url=shown.page_of(found.thing_kind, found.thing_uuid),
        ),
        shown.Fact(_("Content, SHA-256"), found.sha256, "digest"),
        shown.Fact(_("Asked by"), found.asked_by.name),
        shown.Fact(_("Asked"), found.asked_at, "time"),
        shown.Fact(_("Needs"), found.permission),
        shown.Fact(_("People needed"), found.needed),
        shown.Fact(
            _("Expires"), found.expires_at or _now("no end"), "time" if found.expires_at else "text"
        ),
    ]


@require_POST
def give(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """My yes, to exactly what is there now."""
    who = actor(request)
    found = _answered_here(request, uuid)
    approval.give(found, sha256_now=_digest_now(found, who), by=who)
    messages.success(request, _now("Approved: %s.") % found.title)
    return redirect("compliance:approval", uuid=found.uuid)


@require_POST
def refuse(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """My no, with its reason."""
    who = actor(request)
    found = _answered_here(request, uuid)
    form = NoteForm(request.POST)
    if form.is_valid():
        approval.refuse(found, by=who, note=form.cleaned_data["reason"])
        messages.success(request, _now("Refused: %s.") % found.title)
    else:
        messages.error(request, _now("Say why; nothing was changed."))
    return redirect("compliance:approval", uuid=found.uuid)


def _answered_here(request: HttpRequest, uuid: UUID) -> ApprovalRequest:
    found = fetch(queries.approvals_for(actor(request)), uuid=uuid)
    if found.thing_kind not in ANSWERED_HERE:
        raise TransitionRefused(
            _now("This is approved on the page of what it is about, by its own verb.")
        )
    return found


def _digest_now(found: ApprovalRequest, who: Actor) -> str:
    """What the thing hashes to now; a manifest that is no longer the newest one has moved on."""
    manifest = (
        queries.manifests_for(who).filter(uuid=found.thing_uuid).select_related("version").first()
    )
    if manifest is None:
        raise Http404
    newest = manifest.version.manifests.order_by("-number").first()
    return newest.sha256 if newest is not None else ""
