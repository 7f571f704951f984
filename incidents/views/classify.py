"""The classification wizard: plain questions, and what would follow, shown before anything is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from compliance.actors import require
from compliance.permissions import Permission
from compliance.regimes import load
from compliance.regimes.facts import FactsError
from compliance.regimes.outcome import Applies, RegimeOutcome
from compliance.services import fact
from compliance.views.facts import APPLIES, ORDER, Backing, backing
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Badge
from incidents import queries
from incidents.forms import ClassifyForm, local_now
from incidents.services import incident as incidents
from incidents.views import shown

if TYPE_CHECKING:
    from incidents.models import Incident


@require_http_methods(["GET", "POST"])
def classify(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask, show what follows, and save only when the person says so."""
    found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
    require(actor(request), Permission.INCIDENT_CLASSIFY, found.subject)
    form = _form(request, found)
    if request.method == "POST" and form.is_valid() and "save" in request.POST:
        try:
            _save(found, form, request)
        except FactsError as error:
            form.add_error(None, str(error))
        else:
            return redirect("incidents:incident", uuid=found.uuid)
    return page(
        request,
        "incidents/classify.html",
        {
            "incident": found,
            "form": form,
            "suggestions": _suggestions(found, form),
            "outcomes": outcomes(found, form) if form.is_bound else [],
            "zone": timezone.get_current_timezone_name(),
            "crumbs": _crumbs(found),
            "nav_current": "incidents:respond",
        },
        status=422 if form.errors else 200,
    )


def _form(request: HttpRequest, found: Incident) -> ClassifyForm:
    known = {name: each.value for name, each in fact.standing(found.deployment.system).items()}
    start = {"serious": "yes", "at_aware_at": local_now()}
    return ClassifyForm(request.POST or None, known=known, initial=start)


def _suggestions(found: Incident, form: ClassifyForm) -> list[tuple[Any, Backing]]:
    """The questions that the register answers, each with where its answer comes from."""
    system = found.deployment.system
    settled = fact.standing(system)
    return [(form[name], backing(settled[name[3:]], system)) for name in form.suggested]


def _save(found: Incident, form: ClassifyForm, request: HttpRequest) -> None:
    incidents.classify(
        found,
        facts=form.facts(),
        limbs=form.limbs(),
        serious=form.is_serious(),
        reasons=form.cleaned_data["reasons"],
        details=form.details(),
        by=actor(request),
    )


@require_POST
def preview(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Which regimes would apply, why or why not, and what each would require by when."""
    found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
    form = _form(request, found)
    form.is_valid()
    context = {"incident": found, "form": form, "outcomes": outcomes(found, form)}
    return page(request, "incidents/classify.html", context, "outcomes")


def outcomes(found: Incident, form: ClassifyForm) -> list[dict[str, Any]]:
    """Each regime's answer to what is filled in so far, those that apply first."""
    try:
        said = incidents.preview(
            found, facts=form.facts(), limbs=form.limbs(), serious=form.is_serious()
        )
    except FactsError as error:
        return [
            {
                "title": str(error),
                "badge": Badge(_("cannot be read"), "bad"),
                "because": [],
                "stages": [],
            }
        ]
    return [_outcome(each) for each in sorted(said, key=lambda each: ORDER.index(each.applies))]


def _outcome(outcome: RegimeOutcome) -> dict[str, Any]:
    dated = [
        stage for stage in outcome.stages if stage.target_due or stage.state != "not_applicable"
    ]
    names = {each.id: each.name for each in load.get(outcome.regime).recipients}
    if outcome.applies is Applies.DOES_NOT_APPLY:
        dated = []
    return {
        "title": shown.said(outcome.title),
        "badge": APPLIES[outcome.applies],
        "because": outcome.because,
        "stages": [(stage, names.get(stage.recipient or "", "")) for stage in dated],
        "counsel": outcome.requires_counsel,
    }


def _crumbs(found: Incident) -> list[dict[str, Any]]:
    return [
        {"label": _("Respond"), "url": shown.url("incidents:respond")},
        {"label": found.reference, "url": shown.url("incidents:incident", found.uuid)},
    ]
