"""Unattended filing: who authorised what until when, and incomplete reports offered for release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from compliance import queries, queries_duties
from compliance.actors import require
from compliance.clock import now
from compliance.forms.calendar import ReleaseForm
from compliance.permissions import Permission
from compliance.regimes import load
from compliance.services import release as releases
from compliance.services import release_watch, report
from compliance.states import RELEASE, REPORT
from compliance.views import shown
from compliance.views.calendar import crumb
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from compliance.actors import Actor
    from compliance.models import ReleaseAuthorisation

REPORT_KINDS = queries_duties.REPORT_KINDS


def regime_title(key: str) -> str:
    """The regime in words; its key where it is no longer on file."""
    try:
        return shown.said(load.get(key).title)
    except load.UnknownRegime:
        return key


def release_badge(row: ReleaseAuthorisation) -> Badge:
    """How it stands; what has run out says so even before the round that ends it."""
    if row.state in {"asked", "given"} and row.expires_at <= now():
        return shown.badge(RELEASE, "expired")
    return shown.badge(RELEASE, row.state)


RELEASES = Table(
    caption=_("Authorisations to file unattended"),
    name="releases",
    columns=(
        Column("regime", _("Regime"), value=lambda r: regime_title(r.regime), url=lambda r: shown.url("compliance:release", r.uuid), sort="regime"),
        Column("state", _("State"), value=release_badge, kind=Kind.BADGE, sort="state"),
        Column("expires_at", _("Ends"), kind=Kind.TIME, sort="expires_at"),
        Column("asked_by", _("Asked by"), value="asked_by.name", sort="asked_by__name"),
        Column("asked_at", _("Asked"), kind=Kind.TIME, sort="asked_at"),
        Column("sha256", _("Digest"), kind=Kind.DIGEST, shown=False),
    ),
    filters=(
        Filter("state", _("State"), choices=[(key, state.label) for key, state in RELEASE.states.items()]),
    ),
    search=("regime", "reasons", "asked_by__name"),
    order=("-asked_at",),
    empty=Empty(
        _("Nothing may go out without a person."),
        _("That is the rule. An exception is written, for one regime, for a time, and given by a second person."),
    ),
)  # fmt: skip


def _crumbs() -> list[Crumb]:
    return [crumb(), Crumb(_("Unattended filing"), shown.url("compliance:releases"))]


@require_safe
def release_list(request: HttpRequest) -> HttpResponse:
    """What is offered for release now, then every authorisation."""
    who = actor(request)
    require(who, Permission.REPORT_READ)
    offered = [
        {
            "report": each,
            "state": shown.badge(REPORT, each.state),
            "limit": report.limit(each),
            "open": len(report.missing(each)),
            "may_accept": each.state == "drafting"
            and who.may(Permission.REPORT_DRAFT, each.subject),
        }
        for each in queries_duties.offered(who)[:50]
    ]
    context = {
        "offered": offered,
        "table": RELEASES.page(queries_duties.releases(who), request),
        "action": {
            "label": _("Ask for an authorisation"),
            "url": shown.url("compliance:new_release"),
            "icon": "plus",
        }
        if who.may(Permission.RELEASE_ASK)
        else None,
        "crumbs": [crumb(), Crumb(_("Unattended filing"))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/releases.html", context)


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """Under which regime."""
    require(actor(request), Permission.RELEASE_ASK)
    context = {
        "regimes": load.current(),
        "crumbs": [*_crumbs(), Crumb(_("Ask for an authorisation"))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/release_new.html", context)


@form_methods
def new(request: HttpRequest, regime: str) -> HttpResponse:
    """Write down what may go out, until when, and why."""
    who = actor(request)
    require(who, Permission.RELEASE_ASK)
    pack = next((each for each in load.current() if each.key == regime), None)
    if pack is None:
        raise Http404
    form = ReleaseForm(
        sent(request),
        stages=[(str(stage.id), shown.said(stage.title)) for stage in pack.stages],
        reports=REPORT_KINDS,
        authorities=releases.authorities_of(pack),
    )
    if form.is_valid():
        said = form.cleaned_data
        scope = releases.Scope(
            tuple(said["stages"]), tuple(said["reports"]), tuple(said["authorities"])
        )
        try:
            made = releases.ask(
                pack.key, scope=scope, reasons=said["reasons"], expires_at=form.expires_at, by=who
            )
        except ValueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _now("A second person must give it now."))
            return redirect("compliance:release", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=shown.said(pack.title),
        verb=_("Ask a second person"),
        back=shown.url("compliance:new_release"),
        lead=_(
            "Reports that fit every part may go out one hour before their deadline without a"
            " person, if nobody approved them by then. It can be revoked at any time."
        ),
        crumbs=[
            *_crumbs(),
            Crumb(_("Ask for an authorisation"), shown.url("compliance:new_release")),
        ],
    )


def _release(who: Actor, uuid: UUID) -> ReleaseAuthorisation:
    return fetch(queries_duties.releases(who), uuid=uuid)


@require_safe
def release(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One authorisation: what it covers, who asked, who gave it, and what went out under it."""
    who = actor(request)
    found = _release(who, uuid)
    is_over = found.expires_at <= now()
    verbs = RELEASE.verbs(found, who)
    context = {
        "release": found,
        "title": regime_title(found.regime),
        "badge": release_badge(found),
        "covers": _covers(found),
        "may_give": "give" in verbs and not is_over,
        "may_refuse": "refuse" in verbs
        and found.asked_by_id != who.user_id
        and not who.shares_with(found.asked_by_id),
        "verbs": verbs,
        "is_mine": found.asked_by_id == who.user_id,
        "given_by": list(found.approval.approvals.select_related("person"))
        if found.approval
        else [],
        "filings": queries.filings_for(who).filter(authorisation=found).order_by("-pk")[:100],
        "facts": [
            shown.Fact(_("Regime"), regime_title(found.regime), "text", shown.url("compliance:regime", found.regime)),
            shown.Fact(_("Asked by"), found.asked_by.name),
            shown.Fact(_("Asked"), found.asked_at, "time"),
            shown.Fact(_("Ends"), found.expires_at, "time"),
            shown.Fact(_("Digest"), found.sha256, "digest"),
        ],
        "entries": shown.entries(queries.history(found, who)),
        "crumbs": [*_crumbs(), Crumb(regime_title(found.regime))],
        "nav_current": "compliance:duties",
    }  # fmt: skip
    return page(request, "compliance/release.html", context)


def _covers(found: ReleaseAuthorisation) -> list[tuple[Any, str]]:
    """The parts of the scope in words."""
    try:
        pack = load.get(found.regime)
    except load.UnknownRegime:
        stages, authorities = {}, {}
    else:
        stages = {str(each.id): shown.said(each.title) for each in pack.stages}
        authorities = dict(releases.authorities_of(pack))
    kinds = {key: str(label) for key, label in REPORT_KINDS}
    return [
        (_("Stages"), releases.names(found.scope.get("stages", []), stages)),
        (_("Kinds of report"), releases.names(found.scope.get("reports", []), kinds)),
        (_("Authorities"), releases.names(found.scope.get("authorities", []), authorities)),
    ]


def _reason(request: HttpRequest) -> str:
    return str(request.POST.get("reason", "")).strip()[:2000]


def _back(uuid: UUID) -> HttpResponse:
    return redirect("compliance:release", uuid=uuid)


@require_POST
def give(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second person's yes."""
    who = actor(request)
    releases.give(_release(who, uuid), by=who)
    messages.success(request, _now("Given. It can be revoked at any time."))
    return _back(uuid)


@require_POST
def refuse(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second person's no."""
    who = actor(request)
    releases.refuse(_release(who, uuid), note=_reason(request), by=who)
    return _back(uuid)


@require_POST
def take_back(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Withdraw the question."""
    who = actor(request)
    releases.take_back(_release(who, uuid), by=who)
    return _back(uuid)


@require_POST
def revoke(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """From now on nothing goes out under it."""
    who = actor(request)
    releases.revoke(_release(who, uuid), note=_reason(request), by=who)
    messages.success(request, _now("Revoked. Nothing goes out under it from now on."))
    return _back(uuid)


@require_POST
def accept(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Take the offer: submit the incomplete report to a second person."""
    who = actor(request)
    drafted = fetch(queries.reports_for(who), uuid=uuid)
    release_watch.accept(drafted, by=who)
    messages.success(
        request, _now("Submitted: what was open is stated as not known. A second person approves.")
    )
    return redirect("compliance:report", uuid=drafted.uuid)
