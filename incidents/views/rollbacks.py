"""Rollbacks: asked here, approved by another person, watched from two vantages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from compliance import queries as ground
from compliance.actors import Actor
from compliance.services import strip
from compliance.views.http import actor, fetch, page
from incidents import queries
from incidents.forms import RollbackForm
from incidents.services import rollback as rollbacks
from incidents.views import shown
from incidents.views.shown import Fact

if TYPE_CHECKING:
    from incidents.models import Rollback

MOVING = frozenset({"approved", "executing", "executed"})


@require_POST
def ask(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask for a rollback of an incident's deployment."""
    found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
    targets = queries.rollback_targets(found, actor(request))
    form = RollbackForm(request.POST, targets=targets)
    reason = request.POST.get("reason", "").strip()
    if not form.is_valid() or not reason:
        messages.error(request, _now("Choose the version to go back to, and give a reason."))
        return redirect("incidents:incident", uuid=uuid)
    version = fetch(ground.versions_for(actor(request)), uuid=form.cleaned_data["to_version"])
    asked = rollbacks.request(found, version, reason=reason[:4000], by=actor(request))
    return redirect("incidents:rollback", uuid=asked.uuid)


@require_GET
def rollback(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """What was asked, who must say yes, and what both vantages see."""
    found = fetch(queries.rollbacks_for(actor(request)), uuid=uuid)
    return page(request, "incidents/rollback.html", _page(found, actor(request)), "panel")


def _page(found: Rollback, by: Actor) -> dict[str, Any]:
    verbs = set(found.MACHINE.verbs(found, by))
    wanted = found.to_version.weights_sha256
    return {
        "rollback": found,
        "state": shown.state_badge(found),
        "strip": strip.of(found.to_version),
        "can": {"approve": "approve" in verbs, "reject": "reject" in verbs},
        "is_mine": by.user_id == found.requested_by_id,
        "is_moving": found.state in MOVING,
        "vantages": [
            {
                "label": _("The target says"),
                "digest": found.target_says,
                "agrees": found.target_says == wanted,
            },
            {
                "label": _("Telemetry shows"),
                "digest": found.telemetry_says,
                "agrees": found.telemetry_says == wanted,
            },
        ],
        "checks": rollbacks.precheck(found.incident, found.to_version, thorough=False),
        "entries": shown.entries(ground.history(found, by)),
        "facts": _facts(found),
        "crumbs": [
            {"label": _("Respond"), "url": shown.url("incidents:respond")},
            {
                "label": found.incident.reference,
                "url": shown.url("incidents:incident", found.incident.uuid),
            },
        ],
        "nav_current": "incidents:respond",
    }


def _facts(found: Rollback) -> list[Fact]:
    to_version = found.to_version
    return [
        Fact(
            _("Deployment"),
            found.deployment.key,
            url=shown.url("incidents:deployment", found.deployment.uuid),
        ),
        Fact(_("From"), str(found.from_version) if found.from_version else ""),
        Fact(_("To"), str(to_version), url=shown.page_of("version", str(to_version.uuid))),
        Fact(_("Digest wanted"), to_version.weights_sha256, "digest"),
        Fact(_("Asked by"), found.requested_by.name),
        Fact(_("Asked at"), found.requested_at, "time"),
        Fact(_("Approved by"), found.approved_by.name if found.approved_by else ""),
        Fact(_("Executed"), found.executed_at, "time"),
        Fact(_("Verified"), found.verified_at, "time"),
        Fact(_("Approval binds to"), found.sha256, "digest"),
    ]


@require_POST
def approve(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second pair of eyes says yes."""
    found = fetch(queries.rollbacks_for(actor(request)), uuid=uuid)
    rollbacks.approve(found, by=actor(request))
    return redirect("incidents:rollback", uuid=uuid)


@require_POST
def reject(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second pair of eyes says no."""
    found = fetch(queries.rollbacks_for(actor(request)), uuid=uuid)
    reason = request.POST.get("reason", "").strip()
    if not reason:
        messages.error(request, _now("Give a reason; it goes into the record."))
    else:
        rollbacks.reject(found, reason=reason[:4000], by=actor(request))
    return redirect("incidents:rollback", uuid=uuid)
