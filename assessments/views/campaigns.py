"""Red-team campaigns: what insiders open and what invited outsiders see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from assessments import queries
from assessments.forms.campaigns import CampaignForm, CloseForm, FindingForm, InviteForm
from assessments.policies import load
from assessments.services import campaign
from assessments.services.campaign import CampaignError
from assessments.services.picture import concern_label
from assessments.states import CAMPAIGN
from compliance import queries as ground
from compliance.actors import Actor, require
from compliance.permissions import Permission
from compliance.views.http import actor, fetch, page
from compliance.views.shown import Fact, badge, entries, page_of
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table

CAMPAIGNS = Table(
    caption=gettext_lazy("Red-team campaigns"),
    name="campaigns",
    columns=(
        Column(
            "name",
            gettext_lazy("Campaign"),
            kind=Kind.REFERENCE,
            sort="name",
            url=lambda row: reverse("assessments:campaign", args=[row.uuid]),
        ),
        Column("version", gettext_lazy("Model version"), value=lambda row: str(row.version)),
        Column(
            "state",
            gettext_lazy("State"),
            value=lambda row: badge(CAMPAIGN, row.state),
            kind=Kind.BADGE,
        ),
        Column("n_attempts", gettext_lazy("Attempts"), kind=Kind.NUMBER, sort="n_attempts"),
        Column("opened_at", gettext_lazy("Opened"), kind=Kind.TIME, sort="opened_at"),
    ),
    filters=(
        Filter(
            "state",
            gettext_lazy("State"),
            [(key, one.label) for key, one in CAMPAIGN.states.items()],
        ),
    ),
    search=("name", "version__model__name", "version__name"),
    order=("-id",),
    empty=Empty(
        gettext_lazy("No campaign that you may see."),
        gettext_lazy(
            "A campaign is a bounded attempt to break one version. Closing it attests evidence."
        ),
    ),
)
SEVERITY_TONES = {"low": "neutral", "medium": "info", "high": "warn", "critical": "bad"}


@require_safe
def campaigns(request: HttpRequest) -> HttpResponse:
    """Campaigns, by role or by invitation."""
    table = CAMPAIGNS.page(queries.campaigns_for(actor(request)), request)
    may_open = actor(request).may(Permission.CAMPAIGN_WORK)
    return page(request, "assessments/campaigns.html", {"table": table, "may_open": may_open})


@require_http_methods(["GET", "POST"])
def campaign_new(request: HttpRequest) -> HttpResponse:
    """Open one."""
    who = actor(request)
    require(who, Permission.CAMPAIGN_WORK)
    form = CampaignForm(
        who, request.POST or None, initial={"version": request.GET.get("version", "")}
    )
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        made = campaign.start(asked["version"], asked["name"], scope=asked["scope"], by=who)
        return redirect("assessments:campaign", uuid=made.uuid)
    return page(request, "assessments/campaign_new.html", {"form": form})


@require_safe
def campaign_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One campaign."""
    found = fetch(queries.campaigns_for(actor(request)), uuid=uuid)
    return page(request, "assessments/campaign.html", campaign_context(found, actor(request)))


@require_POST
def campaign_invite(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Let somebody in."""

    def work(found: Any, said: dict[str, Any], who: Actor) -> None:
        campaign.invite_by_email(found, said["email"], by=who)

    return act(request, uuid, InviteForm, "invite", work)


@require_POST
def campaign_finding(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Write one finding."""

    def work(found: Any, said: dict[str, Any], who: Actor) -> None:
        campaign.add_finding(found, said.pop("title"), **said, by=who)

    return act(request, uuid, FindingForm, "finding", work)


@require_POST
def campaign_close(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """End it and attest."""

    def work(found: Any, said: dict[str, Any], who: Actor) -> None:
        campaign.close(found, **said, by=who)

    return act(request, uuid, CloseForm, "close", work)


def act(
    request: HttpRequest,
    uuid: UUID,
    kind: type[forms.Form],
    name: str,
    work: Callable[[Any, dict[str, Any], Actor], None],
) -> HttpResponse:
    """Read a form, call one verb, come back; with errors the page shows the form again."""
    who = actor(request)
    found = fetch(queries.campaigns_for(who), uuid=uuid)
    form = kind(request.POST)
    if form.is_valid():
        try:
            work(found, form.cleaned_data, who)
            return redirect("assessments:campaign", uuid=uuid)
        except CampaignError as error:
            form.add_error(None, str(error))
    context = {**campaign_context(found, who), f"{name}_form": form}
    return page(request, "assessments/campaign.html", context, status=422)


def campaign_context(found: Any, who: Actor) -> dict[str, Any]:
    """Everything the page of one campaign shows."""
    is_open = found.state == "open"
    may_work = is_open and who.may(Permission.CAMPAIGN_WORK, found.subject)
    criteria = load.scan_criteria()
    sees_version = ground.versions_for(who).filter(pk=found.version_id).exists()
    return {
        "campaign": found,
        "state": badge(CAMPAIGN, found.state),
        "findings": [
            (
                f,
                Badge(str(campaign.SEVERITY_WORDS[f.severity]), SEVERITY_TONES[f.severity]),
                concern_label(f.concern),
            )
            for f in found.findings.select_related("by").order_by("-id")
        ],
        "finding_form": FindingForm() if may_work else None,
        "invite_form": InviteForm() if is_open and who.may(Permission.CAMPAIGN_WORK) else None,
        "close_form": CloseForm() if "close" in CAMPAIGN.verbs(found, who) else None,
        "criteria": criteria,
        "evidence": ground.evidence_for(who).filter(source=found.ref),
        "facts": [
            Fact(
                _("Version"),
                str(found.version),
                "link",
                page_of("version", found.version.uuid) if sees_version else "",
            ),
            Fact(_("Weights"), found.version.weights_sha256, "digest"),
            Fact(_("Opened by"), found.opened_by.name),
            Fact(_("Opened"), found.opened_at, "time"),
            Fact(_("Closed"), found.closed_at, "time"),
            Fact(_("Attempts"), str(found.n_attempts) if not is_open else ""),
        ],
        "history": entries(ground.timeline(found, who)),
        "crumbs": [
            {"label": _("Campaigns"), "url": reverse("assessments:campaigns")},
            {"label": found.name, "url": ""},
        ],
    }
