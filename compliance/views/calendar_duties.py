"""One standing duty: set up, dated, put in charge, done with proof or waived with reasons."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries, queries_duties
from compliance.actors import require
from compliance.clock import now
from compliance.forms.calendar import (
    AnchorsForm,
    Charged,
    DoneForm,
    OwnDutyForm,
    PackDutyForm,
    RegistrationForm,
    proof_of,
)
from compliance.machines import TransitionRefused
from compliance.permissions import Permission
from compliance.regimes import authorities, load
from compliance.regimes.facts import FactsError
from compliance.regimes.vocabulary import MILESTONES
from compliance.services import duty as duties
from compliance.services import duty_date
from compliance.states import DUTY, OCCURRENCE
from compliance.views import shown
from compliance.views.calendar import calendar_crumbs, duty_badge, offers
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django import forms
    from django.http import HttpRequest, HttpResponse

    from compliance.actors import Actor
    from compliance.models import DutyOccurrence, StandingDuty
    from compliance.regimes.schema import CalendarDuty, Regime

REFUSALS = (ValueError, FactsError, TransitionRefused)


@require_safe
def new(request: HttpRequest) -> HttpResponse:
    """Where a duty comes from: a pack, the house, an authority's portal."""
    who = actor(request)
    require(who, Permission.DUTY_MANAGE)
    context = {
        "packs": offers(who),
        "crumbs": [*calendar_crumbs(), Crumb(_("Add a duty"))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/duty_new.html", context)


def _places(who: Actor) -> dict[str, Any]:
    return {"people": queries_duties.people(), "systems": queries.systems_for(who)}


@form_methods
def new_from_pack(request: HttpRequest, pack: str, duty_id: str) -> HttpResponse:
    """Take one duty of a pack into the calendar."""
    who = actor(request)
    require(who, Permission.DUTY_MANAGE)
    found, asked = _asked(pack, duty_id)
    form = PackDutyForm(sent(request), initial=_me(who), **_places(who))
    form.add_milestones(_milestones(asked), found.zone)
    lead = f"{shown.said(asked.text)} ({shown.said(asked.cite)})"
    return _made(
        request,
        form,
        lambda: duties.set_up(
            found.key, asked.id, anchors=form.anchors, charge=form.charge, by=who
        ),
        title=shown.said(asked.title),
        lead=lead,
    )


def _asked(pack: str, duty_id: str) -> tuple[Regime, CalendarDuty]:
    """A pack that counts now, and the duty in it."""
    found = next((each for each in load.standing() if each.key == pack), None)
    if found is None or duty_id not in {each.id for each in found.calendar_duties}:
        raise Http404
    return found, found.calendar_duty(duty_id)


def _milestones(asked: CalendarDuty) -> list[tuple[str, str]]:
    """The milestones that date it, each once, in words."""
    names = dict.fromkeys(rule.anchor for rule in asked.rules if rule.anchor is not None)
    return [(str(name), shown.said(MILESTONES[name])) for name in names]


def _me(who: Actor) -> dict[str, Any]:
    """Whoever sets it up is offered as the one in charge."""
    return {"owner": who.id, "zone": who.zone}


@form_methods
def new_own(request: HttpRequest) -> HttpResponse:
    """A duty of the house."""
    who = actor(request)
    require(who, Permission.DUTY_MANAGE)
    form = OwnDutyForm(sent(request), initial=_me(who), **_places(who))
    return _made(
        request,
        form,
        lambda: duties.set_own(
            form.cleaned_data["title"],
            rule=form.rule,
            cite=form.cleaned_data["cite"],
            zone=form.cleaned_data["zone"],
            charge=form.charge,
            by=who,
        ),
        title=_("A duty of the house"),
    )


@form_methods
def new_registration(request: HttpRequest) -> HttpResponse:
    """Registration at a portal, early enough."""
    who = actor(request)
    require(who, Permission.DUTY_MANAGE)
    portals = [
        (each.id, f"{shown.said(each.channel.name or each.name)} ({shown.said(each.name)})")
        for each in authorities.authorities()
        if each.channel.registration_lead is not None
    ]
    form = RegistrationForm(sent(request), portals=portals, initial=_me(who), **_places(who))
    return _made(
        request,
        form,
        lambda: duties.set_registration(
            form.cleaned_data["authority"],
            before=form.cleaned_data["before"],
            charge=form.charge,
            by=who,
        ),
        title=_("Registration with an authority"),
        lead=_(
            "It must stand before the first report, and it takes its time: by the authority's own"
            " period, in clear days."
        ),
    )


def _made(
    request: HttpRequest,
    form: forms.Form,
    make: Callable[[], StandingDuty],
    *,
    title: Any,
    lead: Any = "",
) -> HttpResponse:
    """Set it up and show it, or show the form again with what is wrong."""
    if form.is_valid():
        try:
            made = make()
        except REFUSALS as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _now("It stands in the calendar."))
            return redirect("compliance:duty", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=title,
        verb=_("Add to the calendar"),
        back=shown.url("compliance:new_duty"),
        lead=lead,
        crumbs=[*calendar_crumbs(), Crumb(_("Add a duty"), shown.url("compliance:new_duty"))],
    )


def _duty(who: Actor, uuid: UUID) -> StandingDuty:
    return fetch(
        queries.duties_for(who).select_related("deputy", "system", "entity", "made_by"), uuid=uuid
    )


@require_safe
def duty(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One duty: the next date first, then what is asked, then what was done."""
    who = actor(request)
    found = _duty(who, uuid)
    pinned = duty_date.pinned(found.key, found.pack_version)
    rows = list(found.occurrences.select_related("proof", "done_by").order_by("-due_at"))
    standing = next((row for row in rows if row.state in duties.TO_DO), None)
    following = duties.coming(found, 4) if found.state != "ended" else []
    may_manage = who.may(Permission.DUTY_MANAGE, found.subject)
    context = {
        "duty": found,
        "title": duties.title_of(found),
        "badge": duty_badge(found),
        "standing": standing,
        "clocks": [_card(found, standing)] if standing and found.state == "active" else [],
        "verbs": OCCURRENCE.verbs(standing, who) if standing else [],
        "duty_verbs": DUTY.verbs(found, who),
        "asked": pinned[1] if pinned else None,
        "waits_for": _waits_for(found) if pinned and standing is None else [],
        "trace": [shown.said(line) for line in following[0].trace] if following else [],
        "later": [each.due for each in following[1:]],
        "history": [
            (row, shown.badge(OCCURRENCE, row.state)) for row in rows if row is not standing
        ],
        "may_manage": may_manage and found.state != "ended",
        "charge_form": Charged(
            initial={
                "owner": found.owner.uuid if found.owner else None,
                "deputy": found.deputy.uuid if found.deputy else None,
            },
            people=queries_duties.people(),
        ),
        "has_milestones": bool(pinned and _milestones(pinned[1])),
        "facts": _facts(found),
        "entries": shown.entries(queries.history(found, who)),
        "crumbs": [*calendar_crumbs(), Crumb(duties.title_of(found))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/duty.html", context)


def _card(found: StandingDuty, standing: DutyOccurrence) -> dict[str, Any]:
    return shown.due_card(
        _now("Next date"),
        standing.due_at,
        zone=found.zone,
        since=found.made_at,
        law=shown.said(found.cite),
    )


def _waits_for(found: StandingDuty) -> list[str]:
    """The milestones that would date it, in words."""
    pinned = duty_date.pinned(found.key, found.pack_version)
    return [words for _name, words in _milestones(pinned[1])] if pinned else []


def _facts(found: StandingDuty) -> list[shown.Fact]:
    pack = found.key.partition(":")[0]
    about = (
        shown.page_of(found.about_kind, found.about_uuid)
        if found.about_uuid and found.about_kind in shown.LINKED
        else ""
    )
    facts = [
        shown.Fact(_("In charge"), found.owner.name if found.owner else _now("nobody yet")),
        shown.Fact(_("Deputy"), found.deputy.name if found.deputy else ""),
        shown.Fact(_("Zone"), found.zone),
    ]
    if found.system:
        facts.append(shown.Fact(_("About"), found.system.name, "text", found.system.path))
    elif found.about_uuid:
        facts.append(shown.Fact(_("About"), found.subject.label, "text", about))
    if found.pack_version:
        facts += [
            shown.Fact(
                _("Pinned version"),
                f"{pack}@{found.pack_version}",
                "text",
                shown.url("compliance:regime", pack),
            ),
            shown.Fact(_("Digest of the rule"), found.pack_sha256, "digest"),
        ]
    return [*facts, shown.Fact(_("Set up"), found.made_at, "time")]


@require_POST
def assign(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Put somebody in charge."""
    who = actor(request)
    found = _duty(who, uuid)
    form = Charged(request.POST, people=queries_duties.people())
    if form.is_valid():
        said = form.cleaned_data
        duties.assign(found, owner=said["owner"], deputy=said["deputy"], by=who)
        messages.success(request, _now("%(name)s is in charge.") % {"name": said["owner"].name})
    else:
        messages.error(request, _now("Choose a person, and another one as deputy."))
    return redirect("compliance:duty", uuid=uuid)


@form_methods
def anchors(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Enter when the milestones came; the dates are counted anew."""
    who = actor(request)
    found = _duty(who, uuid)
    require(who, Permission.DUTY_MANAGE, found.subject)
    pinned = duty_date.pinned(found.key, found.pack_version)
    if pinned is None:
        raise Http404
    standing = found.rule.get("anchors", {})
    form = AnchorsForm(sent(request), initial=_walls(standing, found.zone))
    form.add_milestones(_milestones(pinned[1]), found.zone)
    if form.is_valid():
        try:
            duties.set_anchors(found, form.anchors, by=who)
        except REFUSALS as error:
            form.add_error(None, str(error))
        else:
            return redirect("compliance:duty", uuid=uuid)
    return form_page(
        request,
        form,
        title=_("Milestones"),
        verb=_("Count anew"),
        back=found.path,
        lead=duties.title_of(found),
        crumbs=[*calendar_crumbs(), Crumb(duties.title_of(found), found.path)],
    )


def _walls(given: dict[str, str], zone: str) -> dict[str, str]:
    """What stands, as the wall clock of the pack's zone."""
    return {
        name: datetime.fromisoformat(value).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M")
        for name, value in given.items()
    }


def _reason(request: HttpRequest) -> str:
    return str(request.POST.get("reason", "")).strip()[:2000]


@require_POST
def pause(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Not asked for at present."""
    who = actor(request)
    duties.pause(_duty(who, uuid), note=_reason(request), by=who)
    return redirect("compliance:duty", uuid=uuid)


@require_POST
def resume(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Asked for again."""
    who = actor(request)
    duties.resume(_duty(who, uuid), by=who)
    return redirect("compliance:duty", uuid=uuid)


@require_POST
def end(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """It binds no more."""
    who = actor(request)
    duties.end(_duty(who, uuid), note=_reason(request), by=who)
    return redirect("compliance:duty", uuid=uuid)


def _occurrence(who: Actor, uuid: UUID) -> DutyOccurrence:
    return fetch(queries.occurrences_for(who).select_related("duty__subject"), uuid=uuid)


@require_safe
def occurrence(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A date is read on its duty's page."""
    return redirect("compliance:duty", uuid=_occurrence(actor(request), uuid).duty.uuid)


@form_methods
def complete(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Enter it as done, with the proof."""
    who = actor(request)
    found = _occurrence(who, uuid)
    require(who, Permission.DUTY_WORK, found.duty.subject)
    start = timezone.localtime(now()).strftime("%Y-%m-%dT%H:%M")
    form = DoneForm(sent(request), request.FILES or None, initial={"done_at": start})
    if form.is_valid():
        said = form.cleaned_data
        proof = proof_of(said["proof"])
        try:
            duties.complete(found, done_at=said["done_at"], note=said["note"], proof=proof, by=who)
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _now("Entered as done."))
            return redirect("compliance:duty", uuid=found.duty.uuid)
    title = duties.title_of(found.duty)
    return form_page(
        request,
        form,
        title=_("Enter as done"),
        verb=_("Enter as done"),
        back=found.duty.path,
        lead=_proves(found.duty) or title,
        crumbs=[*calendar_crumbs(), Crumb(title, found.duty.path)],
    )


def _proves(found: StandingDuty) -> str:
    """What the pack takes as proof."""
    pinned = duty_date.pinned(found.key, found.pack_version)
    if pinned is None:
        return ""
    words = {"title": duties.title_of(found), "proof": shown.said(pinned[1].proof)}
    return _now("%(title)s. Proof: %(proof)s.") % words


@require_POST
def waive(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Found not to be needed this time."""
    who = actor(request)
    found = _occurrence(who, uuid)
    try:
        duties.waive(found, note=_reason(request), by=who)
    except ValueError as error:
        messages.error(request, str(error))
    return redirect("compliance:duty", uuid=found.duty.uuid)
