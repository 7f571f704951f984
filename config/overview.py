"""Today: the one page that reads all three storeys; and the addresses that lead everywhere."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments import urls as assessments_urls
from compliance import queries
from compliance import urls as compliance_urls
from compliance.permissions import Permission
from compliance.services import strip
from compliance.views.http import actor, page, wants_part
from compliance.views.shown import clock_card, line_entry
from incidents import queries as incident_queries
from incidents import urls as incidents_urls

OBJECT_PAGES: dict[str, str] = {
    **compliance_urls.OBJECT_PAGES,
    **assessments_urls.OBJECT_PAGES,
    **incidents_urls.OBJECT_PAGES,
}
SHORT = 8
GOING = frozenset({"session.sign_in", "session.sign_out"})  # who comes and goes changes nothing
FOUND = 6


def today(request: HttpRequest) -> HttpResponse:
    """What waits for me, what is due, what changed; below, posture by system."""
    who = actor(request)
    due = list(
        queries.clocks_for(who)
        .filter(state__in=["running", "overdue", "overdue_immediate"])
        .order_by("target_due")[:SHORT]
    )
    opened = incident_queries.incidents_for(who).exclude(state="closed").order_by("-opened_at")
    context = {
        "waiting": queries.approvals_waiting(who)[:SHORT],
        "clocks": [clock_card(clock) for clock in due],
        "incidents": opened[:SHORT],
        "alerts": incident_queries.alerts_for(who)
        .filter(state="open")
        .order_by("-last_at")[:SHORT],
        "changes": [line_entry(line) for line in _changes(who)],
        "posture": _posture(who),
        "nothing": not who.permissions and not who.grants,
    }
    return page(request, "config/today.html", context)


def _changes(who: Any) -> list[Any]:
    if who.may(Permission.AUDIT_READ):
        lines = queries.record_lines(who, limit=SHORT * 8)
        return [line for line in lines if line.action not in GOING][:SHORT]
    subjects = [s.subject for s in queries.versions_for(who).order_by("-id")[:SHORT]]
    subjects += [i.subject for i in incident_queries.incidents_for(who).order_by("-id")[:SHORT]]
    return sorted(queries.timeline_of(subjects, who), key=lambda line: line.at, reverse=True)[
        :SHORT
    ]


def _posture(who: Any) -> list[dict[str, Any]]:
    """Each deployment that serves something, with the strip of what it serves."""
    serving = [d for d in queries.deployments_for(who).filter(state="active") if d.serves]
    strips = strip.of_many({d.serves_id: d.serves for d in serving if d.serves}.values())
    return [{"deployment": d, "strip": strips[d.serves_id]} for d in serving if d.serves_id]


def search(request: HttpRequest) -> HttpResponse:
    """⌘K: systems, versions, deployments, incidents and reports by name, reference or digest."""
    query = request.GET.get("q", "").strip()[:100]
    groups = _found(actor(request), query) if len(query) > 1 else []
    template = "components/search_results.html" if wants_part(request) else "config/search.html"
    context = {"query": query, "groups": groups, "nav_current": "search"}
    return render(request, template, context)


def _found(who: Any, query: str) -> list[dict[str, Any]]:
    by_uuid = Q(pk=None)
    with suppress(ValueError):
        by_uuid = Q(uuid=UUID(query))
    sources = [
        (
            _("Systems"),
            queries.systems_for(who),
            Q(name__icontains=query) | Q(reference__icontains=query),
        ),
        (
            _("Model versions"),
            queries.versions_for(who),
            Q(model__name__icontains=query)
            | Q(name__icontains=query)
            | Q(weights_sha256__startswith=query.lower()),
        ),
        (_("Deployments"), queries.deployments_for(who), Q(key__icontains=query)),
        (
            _("Incidents"),
            incident_queries.incidents_for(who),
            Q(title__icontains=query) | Q(reference__icontains=query),
        ),
        (
            _("Reports"),
            queries.reports_for(who),
            Q(title__icontains=query) | Q(regime__icontains=query),
        ),
        (
            _("Documents"),
            queries.documents_for(who),
            Q(title__icontains=query) | Q(sha256__startswith=query),
        ),
    ]
    groups = []
    for label, rows, words in sources:
        found = [
            {
                "title": getattr(row, "title", "") or str(row),
                "reference": _reference(row),
                "url": row.path,
            }
            for row in rows.filter(words | by_uuid)[:FOUND]
        ]
        if found:
            groups.append({"label": label, "results": found})
    return groups


def _reference(row: Any) -> str:
    return getattr(row, "reference", "")


def resolve(request: HttpRequest, kind: str, uuid: UUID) -> HttpResponse:  # noqa: ARG001 - a view's signature
    """Where an object lives. Whether the reader may see it is that page's business."""
    name = OBJECT_PAGES.get(kind)
    if name is None:
        raise Http404
    return redirect(reverse(name, kwargs={"uuid": uuid}))


def healthz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Up, and the database answers. Reveals nothing else."""
    connection.ensure_connection()
    return JsonResponse({"ok": True})
