"""The release gate: what is asked, what is there, what is missing, and who let what serve where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from assessments import queries
from assessments.forms.waivers import ReasonForm
from assessments.policies import load
from assessments.policies.schema import GatePolicy, PolicyError, Supply
from assessments.services import gate, release
from assessments.states import AUTHORISATION, WAIVER
from assessments.views import shown
from compliance import queries as ground
from compliance.actors import Actor
from compliance.permissions import Permission
from compliance.services import strip
from compliance.views.http import actor, fetch, page
from compliance.views.shown import Fact, badge, entries, page_of

if TYPE_CHECKING:
    from assessments.models import GateDecision, Waiver
    from compliance.models import ModelVersion

ANSWERS = {
    "go": gettext_lazy(
        "Every criterion is met on the evidence below. A person may authorise a release."
    ),
    "conditional": gettext_lazy(
        "Every criterion is met or waived by two people, until the first of them runs out. A person may"
        " authorise a release for that long."
    ),
    "no_go": gettext_lazy(
        "The version may not be released here. What is missing stands below, and where to supply it."
    ),
}
SHORT = 10


@require_safe
def gate_page(request: HttpRequest, uuid: UUID, environment: str) -> HttpResponse:
    """One version before the gate of one environment."""
    who = actor(request)
    version = fetch(queries.judged_versions_for(who), uuid=uuid)
    return page(
        request,
        "assessments/gate.html",
        gate_context(version, policy_of(environment), environment, who),
    )


@require_POST
def gate_ask(request: HttpRequest, uuid: UUID, environment: str) -> HttpResponse:
    """Judge it anew."""
    version = fetch(queries.judged_versions_for(actor(request)), uuid=uuid)
    policy_of(environment)
    gate.evaluate(version, environment, by=actor(request))
    return redirect("assessments:gate", uuid=uuid, environment=environment)


@require_POST
def authorise(request: HttpRequest, uuid: UUID, deployment: UUID) -> HttpResponse:
    """A person lets the version serve at one deployment."""
    who = actor(request)
    version = fetch(queries.judged_versions_for(who), uuid=uuid)
    place = fetch(ground.deployments_for(who), uuid=deployment)
    form = ReasonForm(request.POST)
    if form.is_valid():
        given = release.authorise(place, version, by=who, note=form.cleaned_data["reason"])
        messages.success(
            request,
            _("%(version)s may serve at %(place)s, on the evidence of decision %(decision)s.")
            % {"version": version, "place": place, "decision": shown.reference(given.decision)},
        )
    else:
        messages.error(request, _("Give a reason; the record keeps it."))
    return redirect("assessments:gate", uuid=uuid, environment=place.environment)


@require_POST
def authorisation_end(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """It may serve there no more."""
    who = actor(request)
    found = fetch(queries.authorisations_for(who), uuid=uuid)
    form = ReasonForm(request.POST)
    if form.is_valid():
        release.end(found, by=who, note=form.cleaned_data["reason"])
    else:
        messages.error(request, _("Give a reason; the record keeps it."))
    return redirect(
        "assessments:gate", uuid=found.version.uuid, environment=found.deployment.environment
    )


@require_safe
def authorisation_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """An authorisation lives on its gate's page."""
    found = fetch(queries.authorisations_for(actor(request)), uuid=uuid)
    return redirect(
        "assessments:gate", uuid=found.version.uuid, environment=found.deployment.environment
    )


@require_safe
def decision_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One decision as it was made, whatever came after."""
    who = actor(request)
    found = fetch(queries.decisions_for(who), uuid=uuid)
    newest = queries.newest_decision(found.version, found.environment)
    context = {
        "decision": found,
        "reference": shown.reference(found),
        "state": shown.outcome_badge(found),
        "answer": ANSWERS[found.outcome],
        "reasons": reason_rows(found, []),
        "is_newest": newest is not None and newest.pk == found.pk,
        "facts": decision_facts(found),
        "history": entries(ground.history(found, who)),
        "crumbs": [
            {
                "label": _("Gate: %(version)s, %(where)s")
                % {"version": found.version, "where": _(found.environment)},
                "url": reverse("assessments:gate", args=[found.version.uuid, found.environment]),
            },
            {"label": shown.reference(found), "url": ""},
        ],
    }
    return page(request, "assessments/decision.html", context)


def policy_of(environment: str) -> GatePolicy:
    """The policy, or 404 for an environment without one."""
    try:
        return load.policy_for(environment)
    except PolicyError as error:
        raise Http404(str(error)) from error


def gate_context(
    version: ModelVersion, policy: GatePolicy, environment: str, who: Actor
) -> dict[str, Any]:
    """Everything the gate's page shows."""
    decision = queries.newest_decision(version, environment)
    waivers = queries.open_waivers(version, environment)
    return {
        "version": version,
        "environment": environment,
        "policy": policy,
        "strip": strip.of(version),
        "decision": decision,
        "state": shown.outcome_badge(decision) if decision else None,
        "answer": ANSWERS[decision.outcome] if decision else "",
        "is_current": decision is not None and queries.rests_on_current(decision),
        "reasons": reason_rows(decision, waivers, who) if decision else [],
        "waivers": [waiver_row(waiver, policy) for waiver in waivers],
        "releases": release_rows(version, environment, who, decision),
        "authorisations": authorisation_rows(version, environment, who),
        "earlier": [
            (d, shown.outcome_badge(d))
            for d in queries.decisions_for(who)
            .filter(version=version, environment=environment)
            .order_by("-id")[:SHORT]
        ],
        "facts": decision_facts(decision) if decision else [],
        "may_ask": who.may(Permission.GATE_ASK, version.subject),
        "tabs": [
            {
                "label": _(name),
                "url": reverse("assessments:gate", args=[version.uuid, name]),
                "is_current": name == environment,
                "count": None,
            }
            for name in load.environments()
        ],
    }


def reason_rows(
    decision: GateDecision, waivers: list[Waiver], who: Actor | None = None
) -> list[dict[str, Any]]:
    """Each criterion: what was found, on which evidence, and what can be done about it."""
    asked = {waiver.criterion for waiver in waivers if waiver.state == "asked"}
    return [
        {
            **reason,
            "badge": shown.CRITERION_VERDICTS[reason["verdict"]],
            "evidence_url": page_of("evidence", reason["evidence"]) if reason["evidence"] else "",
            "waiver_url": page_of("waiver", reason["waiver"]) if reason["waiver"] else "",
            "supply": supply(reason, decision, who),
            "waive_url": waive_url(reason, decision, asked, who),
        }
        for reason in decision.reasons
    ]


def supply(
    reason: dict[str, Any], decision: GateDecision, who: Actor | None
) -> dict[str, str] | None:
    """Where the missing evidence comes from, for whoever may bring it."""
    if who is None or reason["verdict"] in {"met", "waived"}:
        return None
    version, subject = decision.version.uuid, decision.version.subject
    if reason["supply"] == Supply.SCAN and who.may(Permission.SCAN_REQUEST, subject):
        return {
            "label": _("Ask for a scan"),
            "url": f"{reverse('assessments:scan_request')}?version={version}",
        }
    if reason["supply"] == Supply.CAMPAIGN and who.may(Permission.CAMPAIGN_WORK, subject):
        return {
            "label": _("Open a campaign"),
            "url": f"{reverse('assessments:campaign_new')}?version={version}",
        }
    if reason["supply"] == Supply.ATTEST and who.may(Permission.EVIDENCE_ATTACH, subject):
        return {"label": _("Attest it on the version's page"), "url": page_of("version", version)}
    return None


def waive_url(
    reason: dict[str, Any], decision: GateDecision, asked: set[str], who: Actor | None
) -> str:
    """Where a waiver can be asked for; nothing when it cannot."""
    if who is None or not reason["waivable"] or reason["verdict"] in {"met", "waived"}:
        return ""
    if reason["criterion"] in asked or not who.may(
        Permission.WAIVER_REQUEST, decision.version.subject
    ):
        return ""
    return reverse("assessments:waiver_ask", args=[decision.uuid, reason["criterion"]])


def waiver_row(waiver: Waiver, policy: GatePolicy) -> dict[str, Any]:
    """One waiver that waits or holds."""
    titles = {one.key: one.title for one in policy.criteria}
    return {
        "waiver": waiver,
        "title": titles.get(waiver.criterion, waiver.criterion),
        "state": badge(WAIVER, waiver.state),
        "url": waiver.path,
    }


def release_rows(
    version: ModelVersion, environment: str, who: Actor, decision: GateDecision | None
) -> list[dict[str, Any]]:
    """The deployments where a person could let it serve now."""
    if (
        decision is None
        or decision.outcome == "no_go"
        or not who.may(Permission.GATE_DECIDE, version.subject)
    ):
        return []
    places = ground.deployments_for(who).filter(
        system_id=version.model.system_id, environment=environment, state="active"
    )
    return [
        {
            "deployment": place,
            "dialog": f"authorise-{place.uuid}",
            "action": reverse("assessments:authorise", args=[version.uuid, place.uuid]),
            "covered": queries.covering(version, place),
        }
        for place in places
    ]


def authorisation_rows(version: ModelVersion, environment: str, who: Actor) -> list[dict[str, Any]]:
    """Who let it serve here, and whether that still holds."""
    given = queries.authorisations_for(who).filter(
        version=version, deployment__environment=environment
    )
    return [
        {
            "authorisation": one,
            "state": badge(AUTHORISATION, one.state),
            "holds": queries.covering(version, one.deployment) == one,
            "dialog": f"end-{one.uuid}" if "end" in AUTHORISATION.verbs(one, who) else "",
            "action": reverse("assessments:authorisation_end", args=[one.uuid]),
        }
        for one in given.order_by("-id")[:SHORT]
    ]


def decision_facts(decision: GateDecision) -> list[Fact]:
    """What a decision rests on."""
    return [
        Fact(
            _("Version"), str(decision.version), "link", page_of("version", decision.version.uuid)
        ),
        Fact(_("Environment"), _(decision.environment)),
        Fact(_("Policy"), f"{decision.policy} {decision.policy_version}"),
        Fact(_("Policy digest"), decision.policy_sha256, "digest"),
        Fact(_("Evidence digest"), decision.evidence_sha256, "digest"),
        Fact(_("Evaluated"), decision.evaluated_at, "time"),
        Fact(_("Holds until"), decision.valid_until, "time"),
        Fact(_("Asked by"), decision.asked_by.name if decision.asked_by else _("the system")),
    ]
