"""Prove: the record, its signed head, and exports that need nobody's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.audit import sequencer
from compliance.audit.actions import ACTIONS
from compliance.permissions import NotAllowed, Permission
from compliance.services import audit_export
from compliance.states import EXPORT
from compliance.views import shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, fetch, page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest

    from compliance.actors import Actor
    from compliance.audit.log import Line
    from compliance.models import AuditExport

SHORT, LONG = 12, 200
FAMILIES = sorted({action.partition(".")[0] for action in ACTIONS})


@require_safe
def prove(request: HttpRequest) -> HttpResponse:
    """What can be shown to somebody who does not trust us: documents, record, exports."""
    who = actor(request)
    if not (who.may(Permission.DOCUMENT_READ) or who.may(Permission.AUDIT_READ)):
        raise NotAllowed(_now("This needs the permission to read documents or the record."))
    context = {
        "head": sequencer.newest() if may_read(who) else None,
        "key": sequencer.verification_key(),
        "entries": [shown.line_entry(line) for line in queries.record_lines(who, limit=SHORT)],
        "documents": queries.documents_for(who).order_by("-pk")[:6],
        "exports": exports(who)[:6],
        "may_read": may_read(who),
        "may_export": who.may(Permission.AUDIT_EXPORT),
        "nav_current": "compliance:prove",
    }
    return page(request, "compliance/prove.html", context)


def may_read(who: Actor) -> bool:
    """Whether the record is open to this reader."""
    return who.may(Permission.AUDIT_READ)


def exports(who: Actor) -> list[dict[str, Any]]:
    """Exports with their state's word."""
    return [
        {"export": each, "state": shown.badge(EXPORT, each.state)}
        for each in queries.exports_for(who).order_by("-pk")
    ]


@require_safe
def record(request: HttpRequest) -> HttpResponse:
    """The newest lines of the record, of one family of acts when asked."""
    who = actor(request)
    require(who, Permission.AUDIT_READ)
    family = request.GET.get("family", "")
    lines = queries.record_lines(who, limit=LONG)
    if family in FAMILIES:
        lines = [line for line in lines if line.action.partition(".")[0] == family]
    rows = [_row(line) for line in lines]
    context = {
        "rows": rows,
        "families": [(each, shown.kind_name(each)) for each in FAMILIES],
        "family": family,
        "limit": LONG,
        "head": sequencer.newest(),
        "crumbs": [Crumb(_("Prove"), shown.url("compliance:prove")), Crumb(_("The record"))],
        "nav_current": "compliance:prove",
    }
    return page(request, "compliance/record.html", context, "lines")


def _row(line: Line) -> dict[str, Any]:
    kind = line.object_kind
    return {
        "line": line,
        "entry": shown.line_entry(line),
        "kind": shown.kind_name(kind),
        "before": shown.state_word(kind, line.before) if line.before else "",
        "after": shown.state_word(kind, line.after) if line.after else "",
    }


@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """The newest signed head as a file: keep it somewhere else."""
    require(actor(request), Permission.AUDIT_READ)
    head = sequencer.newest()
    answer = HttpResponse(head.note if head else "", content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="checkpoint-{head.size if head else 0}"'
    return answer


@require_POST
def new_export(request: HttpRequest) -> HttpResponse:
    """Ask for an export; a worker packs it."""
    made = audit_export.request(by=actor(request))
    messages.success(request, _now("The export is being packed."))
    return redirect("compliance:export", uuid=made.uuid)


@require_safe
def export(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One export: its progress, its file, and how to check it at home."""
    who = actor(request)
    found = fetch(queries.exports_for(who), uuid=uuid)
    state = shown.badge(EXPORT, found.state)
    context = {
        "export": found,
        "state": state,
        "progress": _progress(found),
        "key": sequencer.verification_key(),
        "can_retry": "retry" in EXPORT.verbs(found, who),
        "facts": _facts(found),
        "crumbs": [Crumb(_("Prove"), shown.url("compliance:prove")), Crumb(_("Export"))],
        "nav_current": "compliance:prove",
    }
    return page(request, "compliance/export.html", context, "packing")


def _progress(found: AuditExport) -> dict[str, Any]:
    state = shown.badge(EXPORT, found.state)
    is_over = found.state in {"ready", "failed"}
    return {
        "id": "export-progress",
        "what": _now("Packing the record"),
        "total": 1 if is_over else 0,
        "done": 1 if is_over else 0,
        "is_over": is_over,
        "outcome": state.label,
        "tone": state.tone,
        "left_text": _now("queued; a worker takes it")
        if found.state == "queued"
        else _now("being packed"),
    }


def _facts(found: AuditExport) -> list[shown.Fact]:
    facts = [
        shown.Fact(_("Asked for"), found.asked_at, "time"),
        shown.Fact(_("Asked for by"), found.asked_by.name if found.asked_by else ""),
        shown.Fact(_("Entries"), f"{found.n_entries:,}" if found.n_entries is not None else ""),
    ]
    if found.blob:
        facts.append(shown.Fact(_("File"), found.blob.sha256, "digest"))
    return facts


@require_POST
def retry_export(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Pack a failed export again."""
    who = actor(request)
    audit_export.retry(fetch(queries.exports_for(who), uuid=uuid), by=who)
    return redirect("compliance:export", uuid=uuid)
