"""Waivers: asking for one, and the two people who grant or reject it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from assessments import queries
from assessments.forms.waivers import ReasonForm, WaiverForm
from assessments.policies import load
from assessments.services import waiver
from assessments.services.waiver import WaiverError
from assessments.states import WAIVER
from compliance import queries as ground
from compliance.actors import require
from compliance.permissions import Permission
from compliance.services import approval
from compliance.views.http import actor, fetch, page
from compliance.views.shown import Fact, badge, entries, page_of

if TYPE_CHECKING:
    from assessments.models import GateDecision, Waiver
    from compliance.actors import Actor


@require_http_methods(["GET", "POST"])
def waiver_ask(request: HttpRequest, uuid: UUID, criterion: str) -> HttpResponse:
    """Ask two others to let one criterion pass."""
    who = actor(request)
    decision = fetch(queries.decisions_for(who), uuid=uuid)
    require(who, Permission.WAIVER_REQUEST, decision.version.subject)
    form = WaiverForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = waiver.ask(decision, criterion, **form.cleaned_data, by=who)
            return redirect("assessments:waiver", uuid=made.uuid)
        except WaiverError as error:
            form.add_error(None, str(error))
    return page(request, "assessments/waiver_ask.html", ask_context(decision, criterion, form))


@require_safe
def waiver_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One waiver: what it excuses, why, until when, and who said yes."""
    found = fetch(queries.waivers_for(actor(request)), uuid=uuid)
    return page(request, "assessments/waiver.html", waiver_context(found, actor(request)))


@require_POST
def waiver_approve(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One person's yes."""
    found = fetch(queries.waivers_for(actor(request)), uuid=uuid)
    waiver.approve(found, by=actor(request))
    messages.success(request, _("Your approval stands in the record."))
    return redirect("assessments:waiver", uuid=uuid)


@require_POST
def waiver_reject(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One person's no, with its reason."""
    found = fetch(queries.waivers_for(actor(request)), uuid=uuid)
    form = ReasonForm(request.POST)
    if form.is_valid():
        waiver.reject(found, by=actor(request), note=form.cleaned_data["reason"])
    else:
        messages.error(request, _("Say why; the asker will read it."))
    return redirect("assessments:waiver", uuid=uuid)


def ask_context(decision: GateDecision, criterion: str, form: WaiverForm) -> dict[str, Any]:
    """The criterion, what was found, and the form."""
    policy = load.policy_for(decision.environment)
    gate_url = reverse("assessments:gate", args=[decision.version.uuid, decision.environment])
    return {
        "decision": decision,
        "reason": next((r for r in decision.reasons if r["criterion"] == criterion), None),
        "policy": policy,
        "form": form,
        "gate_url": gate_url,
        "action": reverse("assessments:waiver_ask", args=[decision.uuid, criterion]),
        "crumbs": [
            {"label": _("Gate: %(version)s") % {"version": decision.version}, "url": gate_url},
            {"label": _("Ask for a waiver"), "url": ""},
        ],
    }


def waiver_context(found: Waiver, who: Actor) -> dict[str, Any]:
    """Everything the page of one waiver shows."""
    request = found.approval
    given = list(request.approvals.select_related("person").order_by("id")) if request else []
    why_not = approval.why_not_second(request, who) if request and found.state == "asked" else ""
    may_grant = "grant" in WAIVER.verbs(found, who) and not why_not
    reason: dict[str, Any] = next(
        (r for r in found.decision.reasons if r["criterion"] == found.criterion), {}
    )
    return {
        "waiver": found,
        "state": badge(WAIVER, found.state),
        "reason": reason,
        "given": given,
        "needed": request.needed if request else 0,
        "may_grant": may_grant,
        "why_not": why_not,
        "still_fits": found.state != "asked" or waiver.sha256_now(found) == found.sha256,
        "gate_url": reverse("assessments:gate", args=[found.version.uuid, found.environment]),
        "facts": [
            Fact(_("Version"), str(found.version), "link", page_of("version", found.version.uuid)),
            Fact(_("Environment"), _(found.environment)),
            Fact(_("Decision"), _("open"), "link", found.decision.path),
            Fact(_("Asked by"), found.asked_by.name),
            Fact(_("Asked"), found.asked_at, "time"),
            Fact(_("Ends"), found.expires_at, "time"),
            Fact(_("Content digest"), found.sha256, "digest"),
        ],
        "history": entries(ground.history(found, who)),
        "crumbs": [
            {
                "label": _("Gate: %(version)s") % {"version": found.version},
                "url": reverse("assessments:gate", args=[found.version.uuid, found.environment]),
            },
            {"label": _("Waiver"), "url": ""},
        ],
    }
