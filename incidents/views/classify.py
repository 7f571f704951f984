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
from compliance.regimes.outcome import Applies, RegimeOutcome, StageOutcome
from compliance.services import clock_row, fact, judging
from compliance.views.facts import APPLIES, ORDER, Backing, backing
from compliance.views.http import actor, fetch, page
from compliance.views.shown import LAW_WORDS, STATE_WORDS
from compliance.views.tables import Badge
from incidents import queries
from incidents.forms import local_now
from incidents.forms.classify import ClassifyForm, start_from
from incidents.services import finding, grounds
from incidents.services import incident as incidents
from incidents.views import shown

if TYPE_CHECKING:
    from compliance.phrase import Phrase
    from compliance.regimes.facts import Facts
    from compliance.regimes.schema import Regime
    from incidents.models import Classification, Incident


@require_http_methods(["GET", "POST"])
def classify(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask, show what follows, and save only when the person says so."""
    found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
    require(actor(request), Permission.INCIDENT_CLASSIFY, found.subject)
    last = found.classifications.order_by("-number").first()
    form = _form(request, found, last)
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
            "is_correction": last is not None,
            "suggestions": _suggestions(found, form),
            **_follows(found, form),
            "zone": timezone.get_current_timezone_name(),
            "crumbs": _crumbs(found),
            "nav_current": "incidents:respond",
        },
        status=422 if form.errors else 200,
    )


def _form(request: HttpRequest, found: Incident, last: Classification | None) -> ClassifyForm:
    known = {name: each.value for name, each in fact.standing(found.deployment.system).items()}
    start = {"at_aware_at": local_now(), **start_from(last)}
    is_correction = last is not None
    return ClassifyForm(
        request.POST or None, known=known, initial=start, is_correction=is_correction
    )


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
        by_matter=grounds.Grounds(**form.grounds()),
        details=form.details(),
        oecd=form.criteria(),
        states=form.concerned(),
        by=actor(request),
    )


@require_POST
def preview(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Which regimes would apply, why or why not, and what each would require by when."""
    found = fetch(queries.incidents_for(actor(request)), uuid=uuid)
    form = _form(request, found, None)
    form.is_valid()
    context = {"incident": found, "form": form, **_follows(found, form)}
    return page(request, "incidents/classify.html", context, "outcomes")


def _follows(found: Incident, form: ClassifyForm) -> dict[str, Any]:
    """What the answers so far would set going: regimes that bind or may, and those that do not.

    Before anything was answered, what waits for this very finding.
    """
    if form.is_bound and not hasattr(form, "cleaned_data"):
        form.is_valid()
    try:
        facts, judged = _judged(found, form)
    except FactsError as error:
        # Reasons typed for single laws stay on the page, whatever stands in the way.
        kept = [{"note": note} for note in form.notes() if note.value()]
        return {"cannot": str(error), "outcomes": [], "others": [], "kept": kept}
    ordered = sorted(judged, key=lambda each: ORDER.index(each.applies))
    shown_all = [{**_outcome(each, facts), "note": form.note(each.key)} for each in ordered]
    return {
        "cannot": "",
        "outcomes": [each for each in shown_all if each["applies"]],
        "others": [each for each in shown_all if not each["applies"]],
    }


def _judged(found: Incident, form: ClassifyForm) -> tuple[Facts, tuple[RegimeOutcome, ...]]:
    last = found.classifications.order_by("-number").first()
    if form.is_bound:
        given, limbs, serious = form.facts(), form.limbs(), form.is_serious()
    elif last is None:
        return finding.facts_for(found, given={}), incidents.awaited(found)
    else:
        stated = {*last.facts.get("stated", ()), "aware_at"}
        given = {name: last.facts.get(name) for name in stated}
        limbs, serious = last.limbs, last.serious
    facts = finding.facts_for(found, given=given, limbs=limbs, serious=serious)
    return facts, incidents.preview(found, facts=given, limbs=limbs, serious=serious)


def _outcome(outcome: RegimeOutcome, facts: Facts) -> dict[str, Any]:
    regime = load.get(outcome.regime)
    zone = judging.zone_of(regime, facts)
    names = {each.id: each.name for each in regime.recipients}
    stages = [each for each in outcome.stages if each.target_due or each.state != "not_applicable"]
    applies = outcome.applies is not Applies.DOES_NOT_APPLY
    return {
        "title": shown.said(outcome.title),
        "url": shown.url("compliance:regime_version", regime.key, regime.version),
        "reference": outcome.regime,
        "key": outcome.key,
        "applies": applies,
        "badge": _badge(outcome, regime),
        "because": outcome.because,
        "stages": [_stage(each, names, zone) for each in stages] if applies else [],
        "counts": any(each.state in clock_row.COUNTING for each in stages),
        "earliest": min(
            (each.earliest_if_confirmed for each in stages if each.earliest_if_confirmed),
            default=None,
        ),
        "counsel": outcome.requires_counsel if applies else (),
    }


def _badge(outcome: RegimeOutcome, regime: Regime) -> Badge:
    """What the answer is; where the law does not count yet, how it stands."""
    badge = APPLIES[outcome.applies]
    word = LAW_WORDS.get(regime.status)
    held = outcome.applies in {Applies.NOT_IN_FORCE, Applies.CONTESTED}
    return Badge(str(word), badge.tone) if held and word else badge


def _stage(stage: StageOutcome, names: dict[str, Phrase], zone: str) -> dict[str, Any]:
    """One stage as the preview says it: the target, the other readings, the recipient's wall."""
    target = stage.target_due or stage.earliest_if_confirmed
    return {
        "stage": stage,
        "word": STATE_WORDS.get(stage.state, ""),
        "counts": stage.state in clock_row.COUNTING,
        "recipient": names.get(stage.recipient or "", ""),
        "is_by_the_hour": stage.nominal is None,
        "strict": stage.strict if stage.strict != stage.target_due else None,
        "there": shown.in_zone(target, zone) if target else "",
    }


def _crumbs(found: Incident) -> list[dict[str, Any]]:
    return [
        {"label": _("Respond"), "url": shown.url("incidents:respond")},
        {"label": found.reference, "url": shown.url("incidents:incident", found.uuid)},
    ]
