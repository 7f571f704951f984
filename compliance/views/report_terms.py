"""What a report is and in which languages: its kind, further reports after it, translations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from compliance import queries
from compliance.actors import require
from compliance.forms.report_terms import DeclareForm, FollowForm, TranslateForm
from compliance.machines import TransitionRefused
from compliance.permissions import Permission
from compliance.regimes.terms import ReportKind
from compliance.services import report as reports
from compliance.services import report_translation
from compliance.views import shown
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from compliance.actors import Actor
    from compliance.models import Report


def _report(who: Actor, uuid: UUID) -> Report:
    found: Report = fetch(queries.reports_for(who).select_related("supersedes"), uuid=uuid)
    require(who, Permission.REPORT_DRAFT, found.subject)
    return found


def _crumbs(found: Report, here: str = "") -> list[Crumb]:
    crumbs = [
        Crumb(_("Duties"), shown.url("compliance:duties")),
        Crumb(_("Reports"), shown.url("compliance:reports")),
        Crumb(found.title, found.path),
    ]
    return [*crumbs, Crumb(here)] if here else crumbs


@require_http_methods(["GET", "HEAD", "POST"])
def declare(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The kind of report, and the language of its labels and fixed text."""
    who = actor(request)
    found = _report(who, uuid)
    form = DeclareForm(sent(request), report=found)
    if form.is_valid():
        said = form.cleaned_data
        reports.declare(found, what=said["what"], language=said["language"], by=who)
        return redirect("compliance:report", uuid=uuid)
    return form_page(
        request,
        form,
        title=_("Kind and language"),
        verb=_("Save revision"),
        back=found.path,
        lead=_(
            "Both are part of the digest: a change makes a new revision, and voids an approval."
        ),
        crumbs=_crumbs(found),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def follow(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A further report after one that was filed, or its withdrawal."""
    who = actor(request)
    found = _report(who, uuid)
    form = FollowForm(sent(request), report=found)
    if form.is_valid():
        said = form.cleaned_data
        made = reports.follow(found, said["what"], note=said["reason"], by=who)
        return redirect("compliance:report", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Begin a further report"),
        verb=_("Begin the report"),
        back=found.path,
        lead=" ".join(
            (
                _now("It goes to the same authority. What was filed stays as it was filed."),
                reports.not_offered(found, ReportKind.WITHDRAWAL),
            )
        ).strip(),
        crumbs=_crumbs(found),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def translate(request: HttpRequest, uuid: UUID, language: str) -> HttpResponse:
    """The free text in another language, beside what it renders."""
    who = actor(request)
    found = _report(who, uuid)
    if language not in found.Language or language == found.language:
        raise Http404
    form = TranslateForm(
        sent(request),
        asked=reports.fields_of(found),
        originals=report_translation.to_translate(found),
        earlier=report_translation.earlier(found, language),
    )
    if form.is_valid():
        try:
            report_translation.translate(
                found,
                language,
                form.said(),
                is_authoritative=form.cleaned_data["is_authoritative"],
                by=who,
            )
        except TransitionRefused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _now("Kept. A second person must approve the translation."))
            return redirect("compliance:report_tab", uuid=uuid, tab="translations")
    context = {
        "report": found,
        "form": form,
        "language": found.Language(language).label,
        "code": language,
        "crumbs": _crumbs(found, _now("Translate")),
        "nav_current": "compliance:duties",
    }
    status = 422 if form.errors else 200
    return page(request, "compliance/report_translate.html", context, status=status)


@require_POST
def approve_translation(request: HttpRequest, uuid: UUID, language: str) -> HttpResponse:
    """The second pair of eyes says yes to a translation."""
    who = actor(request)
    found = fetch(queries.reports_for(who), uuid=uuid)
    report_translation.approve(found, language, by=who)
    messages.success(request, _now("The translation is approved."))
    return redirect("compliance:report_tab", uuid=uuid, tab="translations")
