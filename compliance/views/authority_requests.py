"""Requests of authorities: what came in, what is asked, what was answered and by when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries, queries_duties
from compliance.actors import require
from compliance.clock import now
from compliance.forms.calendar import (
    Charged,
    LetterForm,
    PersonChoice,
    ProlongForm,
    ReopenForm,
    ReplyForm,
    TextForm,
    end_of,
    proof_of,
)
from compliance.machines import TransitionRefused
from compliance.permissions import Permission
from compliance.services import authority_request as asked
from compliance.states import AUTHORITY_REQUEST
from compliance.views import shown
from compliance.views.calendar import crumb
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods
from compliance.views.tables import Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django import forms
    from django.http import HttpRequest, HttpResponse

    from compliance.actors import Actor
    from compliance.models import AuthorityRequest

_INSTANT = timedelta(microseconds=1)
REFUSALS = (ValueError, TransitionRefused)
REQUESTS = Table(
    caption=_("Requests of authorities"),
    name="authority-requests",
    columns=(
        Column("title", _("Request"), url=lambda r: shown.url("compliance:authority_request", r.uuid), sort="title"),
        Column("authority", _("Authority"), sort="authority"),
        Column("due_at", _("To be answered"), kind=Kind.TIME, sort="due_at"),
        Column("state", _("State"), value=lambda r: shown.badge(AUTHORITY_REQUEST, r.state), kind=Kind.BADGE, sort="state"),
        Column("owner", _("In charge"), value=lambda r: r.owner.name if r.owner else _now("nobody yet"), sort="owner__name"),
        Column("legal_basis", _("Legal basis"), sort="legal_basis"),
        Column("reference", _("Its reference"), shown=False),
        Column("received_at", _("Received"), kind=Kind.TIME, sort="received_at", shown=False),
    ),
    filters=(
        Filter("state", _("State"), choices=[(key, state.label) for key, state in AUTHORITY_REQUEST.states.items()]),
    ),
    search=("title", "authority", "reference", "legal_basis"),
    order=("due_at", "-pk"),
    empty=Empty(
        _("No authority has asked for anything."),
        _("Record a letter when it comes in: its period counts down here, and its questions are answered one by one."),
    ),
)  # fmt: skip


def _crumbs() -> list[Crumb]:
    return [
        crumb(),
        Crumb(_("Requests of authorities"), shown.url("compliance:authority_requests")),
    ]


@require_safe
def request_list(request: HttpRequest) -> HttpResponse:
    """Every request that the reader may see."""
    who = actor(request)
    may_see_some = who.may(Permission.AUTHORITY_READ) or any(
        Permission.AUTHORITY_READ in held for held in who.grants.values()
    )
    if not may_see_some:
        require(who, Permission.AUTHORITY_READ)
    action = {
        "label": _("Record a request"),
        "url": shown.url("compliance:new_authority_request"),
        "icon": "plus",
    }
    context = {
        "table": REQUESTS.page(queries.authority_requests_for(who), request),
        "action": action if who.may(Permission.AUTHORITY_WORK) else None,
        "crumbs": [crumb(), Crumb(_("Requests of authorities"))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/authority_requests.html", context)


@form_methods
def new(request: HttpRequest) -> HttpResponse:
    """Record a letter."""
    who = actor(request)
    require(who, Permission.AUTHORITY_WORK)
    form = LetterForm(
        sent(request),
        request.FILES or None,
        people=queries_duties.people(),
        systems=queries.systems_for(who),
        initial={"zone": who.zone, "owner": who.id},
    )
    if form.is_valid():
        try:
            made = _take_in(form, who)
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _now("Recorded."))
            return redirect("compliance:authority_request", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Record a request"),
        verb=_("Record the request"),
        back=shown.url("compliance:authority_requests"),
        crumbs=_crumbs(),
    )


def _take_in(form: LetterForm, who: Actor) -> AuthorityRequest:
    said = form.cleaned_data
    last = form.due_at - _INSTANT if form.due_at else None
    law = asked.suggest(said["basis"], received_at=form.received, period_ends_at=last)
    # The authority may set less time than the law allows, and never more.
    dates = [each for each in (form.due_at, law.due if law else None) if each is not None]
    basis = str(asked.bases()[said["basis"]]) if said["basis"] else said["other_basis"]
    letter = asked.Letter(
        title=said["title"],
        authority=said["authority"],
        reference=said["reference"],
        legal_basis=basis,
        received_at=form.received,
        period=said["period"],
        due_at=min(dates, default=None),
        zone=said["zone"],
        file=proof_of(said["letter"]),
        about=said["about"].subject if said["about"] else None,
    )
    return asked.take_in(
        letter,
        questions=tuple(said["questions"]),
        owner=said["owner"],
        deputy=said["deputy"],
        restricted=said["restricted"],
        by=who,
    )


def _request(who: Actor, uuid: UUID) -> AuthorityRequest:
    rows = queries.authority_requests_for(who)
    return fetch(
        rows.select_related("deputy", "letter", "reply", "recorded_by", "about"), uuid=uuid
    )


@require_safe
def authority_request(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One request: by when, what is asked, what stands as the answer, and what can be done."""
    who = actor(request)
    found = _request(who, uuid)
    questions = list(found.questions.select_related("answered_by").order_by("number"))
    may_work = who.may(Permission.AUTHORITY_WORK, found.subject)
    is_waiting = found.state in asked.WAITING
    context = {
        "found": found,
        "badge": shown.badge(AUTHORITY_REQUEST, found.state),
        "clocks": [_card(found)] if is_waiting and found.due_at else [],
        "questions": questions,
        "n_open": sum(each.answered_at is None for each in questions),
        "next_question": next((each for each in questions if each.answered_at is None), None)
        if is_waiting
        else None,
        "verbs": AUTHORITY_REQUEST.verbs(found, who),
        "may_work": may_work,
        "is_waiting": is_waiting,
        "charge_form": Charged(
            initial={
                "owner": found.owner.uuid if found.owner else None,
                "deputy": found.deputy.uuid if found.deputy else None,
            },
            people=queries_duties.people(),
        ),
        "people_form": PersonChoice(people=queries_duties.people())
        if found.subject.restricted
        else None,
        "holders": queries_duties.holders_of(found) if found.subject.restricted else [],
        "facts": _facts(found),
        "entries": shown.entries(queries.timeline(found, who)),
        "crumbs": [*_crumbs(), Crumb(found.title)],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/authority_request.html", context)


def _card(found: AuthorityRequest) -> dict[str, Any]:
    assert found.due_at is not None  # noqa: S101 - asked before
    return shown.due_card(
        _now("To be answered"),
        found.due_at,
        zone=found.zone,
        since=found.received_at,
        law=found.legal_basis,
    )


def _facts(found: AuthorityRequest) -> list[shown.Fact]:
    facts = [
        shown.Fact(_("Authority"), found.authority),
        shown.Fact(_("Its reference"), found.reference),
        shown.Fact(_("Legal basis"), found.legal_basis),
        shown.Fact(_("Received"), found.received_at, "time"),
        shown.Fact(_("Period, as it was set"), found.period),
        shown.Fact(_("Zone"), found.zone),
        shown.Fact(_("In charge"), found.owner.name if found.owner else _now("nobody yet")),
        shown.Fact(_("Deputy"), found.deputy.name if found.deputy else ""),
        shown.Fact(_("Recorded by"), found.recorded_by.name),
    ]
    if found.due_at:
        there = shown.in_zone(found.due_at, found.zone)
        facts.insert(5, shown.Fact(_("Due, at the authority"), there))
    if found.about:
        facts.append(shown.Fact(_("Asks about"), found.about.label))
    if found.answered_at:
        facts.append(shown.Fact(_("Answered"), found.answered_at, "time"))
    return facts


def _back(uuid: UUID) -> HttpResponse:
    return redirect("compliance:authority_request", uuid=uuid)


def _done(
    request: HttpRequest,
    form: forms.Form,
    act: Callable[[dict[str, Any]], object],
    found: AuthorityRequest,
    *,
    title: Any,
    lead: str = "",
) -> HttpResponse:
    """Do it and go back to the request, or show the form again with what is wrong."""
    if form.is_valid():
        try:
            act(form.cleaned_data)
        except REFUSALS as error:
            form.add_error(None, str(error))
        else:
            return _back(found.uuid)
    return form_page(
        request,
        form,
        title=title,
        verb=title,
        back=found.path,
        lead=lead or found.title,
        crumbs=[*_crumbs(), Crumb(found.title, found.path)],
    )


def _worked(request: HttpRequest, uuid: UUID) -> tuple[Actor, AuthorityRequest]:
    who = actor(request)
    found = _request(who, uuid)
    require(who, Permission.AUTHORITY_WORK, found.subject)
    return who, found


@require_POST
def assign(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Put somebody in charge."""
    who, found = _worked(request, uuid)
    form = Charged(request.POST, people=queries_duties.people())
    if form.is_valid():
        said = form.cleaned_data
        asked.assign(found, owner=said["owner"], deputy=said["deputy"], by=who)
        messages.success(request, _now("%(name)s is in charge.") % {"name": said["owner"].name})
    else:
        messages.error(request, _now("Choose a person, and another one as deputy."))
    return _back(uuid)


@require_POST
def let_in(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Open a restricted request to one more person."""
    who, found = _worked(request, uuid)
    form = PersonChoice(request.POST, people=queries_duties.people())
    if form.is_valid():
        asked.let_in(found, form.cleaned_data["person"], by=who)
        messages.success(
            request, _now("%(name)s may read it now.") % {"name": form.cleaned_data["person"].name}
        )
    else:
        messages.error(request, _now("Choose a person."))
    return _back(uuid)


@form_methods
def prolong(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Enter another date."""
    who, found = _worked(request, uuid)

    def act(said: dict[str, Any]) -> None:
        due = end_of(said["due"], found.zone)
        assert due is not None  # noqa: S101 - a required field
        asked.prolong(found, due_at=due, note=said["note"], by=who)

    form = ProlongForm(sent(request))
    return _done(request, form, act, found, title=_("Enter another date"))


@form_methods
def reopen(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The authority asks further."""
    who, found = _worked(request, uuid)

    def act(said: dict[str, Any]) -> None:
        due = end_of(said["due"], found.zone)
        asked.reopen(found, due_at=due, note=said["note"], by=who)

    form = ReopenForm(sent(request))
    return _done(request, form, act, found, title=_("Reopen for further questions"))


@form_methods
def ask(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Write down one more question."""
    who, found = _worked(request, uuid)
    return _done(
        request,
        TextForm(sent(request)),
        lambda said: asked.ask(found, said["text"], by=who),
        found,
        title=_("Add a question"),
    )


@form_methods
def answer_question(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Answer one question."""
    who = actor(request)
    question = fetch(queries_duties.questions_for(who), uuid=uuid)
    found = question.request
    require(who, Permission.AUTHORITY_WORK, found.subject)
    return _done(
        request,
        TextForm(sent(request), initial={"text": question.answer}),
        lambda said: asked.answer_question(question, said["text"], by=who),
        found,
        title=_("Answer the question"),
        lead=question.text,
    )


@require_safe
def question(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A question is read on its request's page."""
    found = fetch(queries_duties.questions_for(actor(request)), uuid=uuid)
    return _back(found.request.uuid)


@form_methods
def reply(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Enter the reply that went out."""
    who, found = _worked(request, uuid)

    def act(said: dict[str, Any]) -> None:
        kept = proof_of(said["reply"])
        assert kept is not None  # noqa: S101 - a required field
        asked.answer(found, reply=kept, answered_at=said["answered_at"], note=said["note"], by=who)

    start = timezone.localtime(now()).strftime("%Y-%m-%dT%H:%M")
    form = ReplyForm(sent(request), request.FILES or None, initial={"answered_at": start})
    return _done(request, form, act, found, title=_("Enter the reply"))


@require_POST
def close(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Nothing is left to do."""
    who, found = _worked(request, uuid)
    note = str(request.POST.get("reason", "")).strip()[:2000]
    asked.close(found, note=note, by=who)
    return _back(uuid)
