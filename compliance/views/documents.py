"""Documents: asked for here, made by a worker, read as PDF or as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.documents.paper import KINDS
from compliance.permissions import Permission
from compliance.services import blob, dossier
from compliance.services import document as papers
from compliance.states import DOCUMENT
from compliance.views import shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from compliance.models import Blob, Document

DRAW_UP = {"assessment_report": dossier.assessment_report, "annex_iv": dossier.annex_iv}
DOCUMENTS = Table(
    caption=_("Documents"),
    name="documents",
    columns=(
        Column(
            "title",
            _("Title"),
            kind=Kind.REFERENCE,
            url=lambda d: shown.url("compliance:document", d.uuid),
            sort="title",
        ),
        Column("what", _("Kind"), value=lambda d: KINDS.get(d.what, d.what), sort="what"),
        Column("edition", _("Edition"), kind=Kind.NUMBER, sort="edition"),
        Column(
            "state",
            _("State"),
            value=lambda d: shown.badge(DOCUMENT, d.state),
            kind=Kind.BADGE,
            sort="state",
        ),
        Column("sha256", _("Digest"), kind=Kind.DIGEST, shown=False),
        Column("asked_at", _("Asked for"), kind=Kind.TIME, sort="asked_at"),
    ),
    filters=(
        Filter("what", _("Kind"), choices=list(KINDS.items())),
        Filter(
            "state",
            _("State"),
            choices=[(key, state.label) for key, state in DOCUMENT.states.items()],
        ),
    ),
    search=("title", "sha256"),
    order=("-asked_at",),
    empty=Empty(
        _("No document yet."),
        _(
            "A version's page draws up its assessment report and its technical documentation; an approved report is printed by itself."
        ),
    ),
)


@require_safe
def document_list(request: HttpRequest) -> HttpResponse:
    """All documents the reader may see."""
    who = actor(request)
    require(who, Permission.DOCUMENT_READ)
    context = {
        "table": DOCUMENTS.page(queries.documents_for(who), request),
        "crumbs": [Crumb(_("Prove"), shown.url("compliance:prove")), Crumb(_("Documents"))],
        "nav_current": "compliance:prove",
    }
    return page(request, "compliance/documents.html", context)


@require_POST
def new(request: HttpRequest, version: UUID, what: str) -> HttpResponse:
    """Freeze what is on record about a version now; a worker prints it."""
    if what not in DRAW_UP:
        raise Http404
    who = actor(request)
    about = fetch(queries.versions_for(who), uuid=version)
    made = DRAW_UP[what](about, by=who)
    messages.success(request, _now("%s is being made.") % made.title)
    return redirect("compliance:document", uuid=made.uuid)


@require_safe
def document(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One edition: its progress while it is made, then its two forms."""
    who = actor(request)
    found = fetch(queries.documents_for(who).select_related("asked_by"), uuid=uuid)
    context = {
        "document": found,
        "kind": KINDS.get(found.what, found.what),
        "state": shown.badge(DOCUMENT, found.state),
        "progress": progress_of(found),
        "can_retry": "retry" in DOCUMENT.verbs(found, who),
        "editions": queries.documents_for(who)
        .filter(what=found.what, about_uuid=found.about_uuid)
        .order_by("-edition"),
        "facts": _facts(found),
        "crumbs": [
            Crumb(_("Prove"), shown.url("compliance:prove")),
            Crumb(_("Documents"), shown.url("compliance:documents")),
            Crumb(found.title),
        ],
        "nav_current": "compliance:prove",
    }
    return page(request, "compliance/document.html", context, "paper")


def progress_of(found: Document) -> dict[str, Any]:
    """The making of a paper as the progress component shows it; it has no measure but its state."""
    state = shown.badge(DOCUMENT, found.state)
    is_over = found.state in {"ready", "failed"}
    return {
        "id": "making",
        "what": _now("Making the paper"),
        "total": 1 if is_over else 0,
        "done": 1 if is_over else 0,
        "is_over": is_over,
        "outcome": state.label,
        "tone": state.tone,
        "left_text": _now("queued; a worker takes it")
        if found.state == "queued"
        else _now("being laid out"),
    }


def _facts(found: Document) -> list[shown.Fact]:
    about = shown.page_of(found.about_kind, found.about_uuid)
    facts = [
        shown.Fact(_("About"), found.subject.label, "text", about),
        shown.Fact(_("Edition"), found.edition),
        shown.Fact(_("Content"), found.sha256, "digest"),
        shown.Fact(_("Asked for"), found.asked_at, "time"),
        shown.Fact(
            _("Asked for by"), found.asked_by.name if found.asked_by else _("the installation")
        ),
    ]
    if found.pdf:
        facts.append(shown.Fact(_("PDF"), found.pdf.sha256, "digest"))
    if found.twin:
        facts.append(shown.Fact(_("JSON"), found.twin.sha256, "digest"))
    return facts


@require_POST
def retry(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Render a failed document again."""
    who = actor(request)
    papers.retry(fetch(queries.documents_for(who), uuid=uuid), by=who)
    return redirect("compliance:document", uuid=uuid)


@require_safe
def download(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A stored file, to keep and never to run: an attachment of the type it was stored with."""
    return attachment(fetch(queries.blobs_for(actor(request)), uuid=uuid))


def attachment(kept: Blob) -> HttpResponse:
    """The bytes, checked against their digest, under headers that keep them inert."""
    answer = HttpResponse(blob.read(kept), content_type=kept.media_type)
    answer["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(kept.name, safe='')}"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "private, no-store"
    return answer
