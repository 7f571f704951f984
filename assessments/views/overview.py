"""Assess: how versions stand, what is being measured, what the gate concluded; and the method."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from assessments import queries
from assessments.policies import load
from assessments.views.shown import outcome_badge, progress_card
from compliance import queries as ground
from compliance.permissions import Permission
from compliance.services import strip
from compliance.views.http import actor, page

SHORT = 12


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Versions with their strips, running scans, the newest decisions."""
    who = actor(request)
    versions = list(ground.versions_for(who).filter(state="registered").order_by("-id")[:SHORT])
    strips = strip.of_many(versions)
    running = queries.open_scans_for(who)[:SHORT]
    context = {
        "versions": [(version, strips[version.pk]) for version in versions],
        "running": [progress_card(scan, list(scan.shards.all())) for scan in running],
        "decisions": [(d, outcome_badge(d)) for d in queries.newest_decisions(who)],
        "campaigns": queries.campaigns_for(who).filter(state="open").order_by("-id")[:SHORT],
        "environments": load.environments(),
        "may_scan": who.may(Permission.SCAN_REQUEST),
    }
    return page(request, "assessments/overview.html", context)


@require_safe
def methodology(request: HttpRequest) -> HttpResponse:
    """Definitions, formulas and limits, with the criteria and policies in force."""
    context = {"criteria": load.scan_criteria(), "policies": load.policies()}
    return page(request, "assessments/methodology.html", context)
