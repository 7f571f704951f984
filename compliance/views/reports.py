"""Reports: drafted, approved by a second person, filed, acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.forms.reports import AnswersForm, FileForm
from compliance.permissions import Permission
from compliance.regimes import load
from compliance.regimes.terms import MARKED, SENSITIVITIES, ReportKind
from compliance.services import approval, report_translation, submission
from compliance.services import report as reports
from compliance.states import APPROVAL, REPORT
from compliance.views import shown
from compliance.views.duties import all_shown
from compliance.views.filings import filing_shown
from compliance.views.form_page import Crumb, sent
from compliance.views.http import actor, fetch, page
from compliance.views.report_shown import Numbered, answers, changes, lines_missing
from compliance.views.tables import Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.models import Report

REPORTS = Table(
    caption=_("Reports"),
    name="reports",
    columns=(
        Column(
            "title",
            _("Report"),
            kind=Kind.REFERENCE,
            url=lambda r: shown.url("compliance:report", r.uuid),
            sort="title",
        ),
        Column(
            "regime",
            _("Regime"),
            value=lambda r: shown.said(reports.regime_title(r)),
            sort="regime",
        ),
        Column("stage", _("Stage"), value=lambda r: shown.said(reports.stage_title(r))),
        Column(
            "state",
            _("State"),
            value=lambda r: shown.badge(REPORT, r.state),
            kind=Kind.BADGE,
            sort="state",
        ),
        Column("drafted_by", _("Drafted by"), value="drafted_by.name"),
        Column("started_at", _("Begun"), kind=Kind.TIME, sort="started_at"),
    ),
    filters=(
        Filter(
            "state",
            _("State"),
            choices=[(key, state.label) for key, state in REPORT.states.items()],
        ),
        Filter(
            "regime",
            _("Regime"),
            choices=lambda: [(each.key, _(each.title)) for each in load.current()],
        ),
    ),
    search=("title", "regime", "recipient"),
    order=("-started_at",),
    empty=Empty(
        _("No report yet."),
        _("Reports begin when a person classifies an incident and a clock starts."),
    ),
)
SENT = ("filed", "acknowledged")
LANGUAGES = {
    "en": _("English"),
    "de": _("German"),
    "fr": _("French"),
}
TABS: dict[str, Promise] = {
    "overview": _("Overview"),
    "revisions": _("Revisions"),
    "translations": _("Translations"),
    "approvals": _("Approvals"),
    "timeline": _("Timeline"),
}


@require_safe
def report_list(request: HttpRequest) -> HttpResponse:
    """All reports the reader may see."""
    who = actor(request)
    require(who, Permission.REPORT_READ)
    context = {
        "table": REPORTS.page(queries.reports_for(who), request),
        "crumbs": [Crumb(_("Duties"), shown.url("compliance:duties")), Crumb(_("Reports"))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/reports.html", context)


@require_safe
def report(request: HttpRequest, uuid: UUID, tab: str = "overview") -> HttpResponse:
    """One report: how it stands, what it says, what is missing, who must act."""
    who = actor(request)
    if tab not in TABS:
        raise Http404
    found = _report(who, uuid)
    why_not = reports.why_not_approver(found, who) if found.state == "review" else ""
    context = {
        "report": found,
        "state": shown.badge(REPORT, found.state),
        "clocks": _clocks(found, who),
        "facts": _facts(found),
        "verbs": _verbs(found, who, why_not),
        "why_not_approver": why_not,
        "tab": tab,
        "tabs": _tabs(found, tab),
        "crumbs": [*_crumbs(), Crumb(found.title)],
        "nav_current": "compliance:duties",
        **FILL[tab](found, who),
    }
    return page(request, "compliance/report.html", context, "filing")


def _verbs(found: Report, who: Actor, why_not: str) -> list[str]:
    """What the reader may do now: who is no second person does not approve, who asked does not answer."""
    verbs = [each for each in REPORT.verbs(found, who) if each != "approve" or not why_not]
    asked = reports.waiting(found) if "return" in verbs and why_not else None
    if asked is not None and approval.why_not_asker(asked, who):
        verbs.remove("return")
    return verbs


def _report(who: Actor, uuid: UUID) -> Report:
    rows = queries.reports_for(who).select_related("revised_by", "pdf", "twin", "supersedes")
    return fetch(rows, uuid=uuid)


def _crumbs() -> list[Crumb]:
    return [
        Crumb(_("Duties"), shown.url("compliance:duties")),
        Crumb(_("Reports"), shown.url("compliance:reports")),
    ]


def _clocks(found: Report, who: Actor) -> list[dict[str, Any]]:
    clocks = queries.clocks_for(who).filter(
        about_uuid=found.about_uuid,
        regime=found.regime,
        stage=found.stage,
        authority__in={found.authority, ""},
    )
    return [row.card for row in all_shown(clocks, who)]


def _tabs(found: Report, current: str) -> list[dict[str, Any]]:
    return [
        {
            "label": label,
            "url": shown.url("compliance:report", found.uuid)
            if key == "overview"
            else shown.url("compliance:report_tab", found.uuid, key),
            "is_current": key == current,
            "count": found.revisions.filter(translation_of=None).count()
            if key == "revisions"
            else None,
        }
        for key, label in TABS.items()
    ]


def _facts(found: Report) -> list[shown.Fact]:
    revision = reports.newest(found)
    pinned = f"{shown.said(reports.regime_title(found))}, {found.regime_version}"
    facts = [
        shown.Fact(
            _("Incident"),
            found.subject.label,
            "text",
            shown.page_of(found.about_kind, found.about_uuid),
        ),
        shown.Fact(
            _("Regime"),
            pinned,
            "text",
            shown.url("compliance:regime_version", found.regime, found.regime_version),
        ),
        shown.Fact(_("Recipient"), reports.recipient(found) or _("inside the organisation")),
        shown.Fact(_("Kind of report"), shown.said(reports.KINDS[found.what])),
        shown.Fact(_("Language"), found.get_language_display()),
        *([shown.Fact(_("Care"), care)] if (care := _care(found)) else []),
        *([shown.Fact(_("Number in this stage"), found.sequence)] if found.sequence > 1 else []),
        shown.Fact(_("Drafted by"), found.drafted_by.name),
        shown.Fact(_("Revision"), revision.number),
        shown.Fact(_("Its digest"), revision.sha256, "digest"),
        shown.Fact(_("Approved digest"), found.approved_sha256, "digest"),
        shown.Fact(_("Begun"), found.started_at, "time"),
    ]
    if found.supersedes:
        facts.append(
            shown.Fact(
                _("Withdraws") if found.what == found.What.WITHDRAWAL else _("Replaces"),
                found.supersedes.title,
                "text",
                found.supersedes.path,
            )
        )
    return facts


def _care(found: Report) -> str:
    """What the filed answers are marked as, each word once."""
    filed = [each for each in reports.fields_of(found) if not each.is_kept_back]
    marks = {each.sensitivity for each in filed}
    return ", ".join(shown.said(SENSITIVITIES[each]) for each in MARKED if each in marks)


def _overview(found: Report, who: Actor) -> dict[str, Any]:
    filings = [filing_shown(each, who) for each in found.filings.order_by("-pk")]
    is_moving = found.state == "filing" and any(
        each["filing"].state in {"queued", "sending"} for each in filings
    )
    is_stamped_soon = any(row["is_coming"] for each in filings for row in each["stamps"])
    is_printing = found.state == "approved" and found.pdf is None
    return {
        "answers": answers(found),
        "limit": reports.limit(found),
        "missing": lines_missing(found),
        "notice_is_due": reports.notice_is_due(found),
        "admission": reports.regime_of(found).admission,
        "takes_incomplete": reports.takes_incomplete(found),
        "languages": _unread(found),
        "filings": filings,
        "is_changing": is_moving or is_printing or is_stamped_soon,
        "is_printing": is_printing,
        "paper": _paper(found, who),
        "file_form": FileForm(None, ways=submission.ways(found)),
        "asked": reports.waiting(found),
        "may_withdraw": reports.regime_of(found).offers(ReportKind.WITHDRAWAL),
        "may_follow": found.state in SENT and who.may(Permission.REPORT_DRAFT, found.subject),
    }


def _unread(found: Report) -> str:
    """The languages that the authority takes, where the report's is none of them."""
    taken = reports.languages_taken(found)
    if not taken or found.language in taken:
        return ""
    return ", ".join(str(LANGUAGES.get(each, each)) for each in taken)


def _paper(found: Report, who: Actor) -> Any:
    papers = queries.documents_for(who).filter(what="incident_report", about_uuid=found.uuid)
    return papers.order_by("-pk").first()


def _revisions(found: Report, who: Actor) -> dict[str, Any]:
    del who
    labels = {each.id: str(each.label) for each in reports.fields_of(found)}
    texts = found.revisions.filter(translation_of=None)
    revisions = list(texts.select_related("by").order_by("number"))
    before: dict[str, Any] = {}
    rows = []
    for revision in revisions:
        fields = reports.told(found, revision.fields)
        rows.append(Numbered(revision, changes(before, fields, labels)))
        before = fields
    return {"revisions": rows[::-1], **_against_earlier(found, before, labels)}


def _against_earlier(found: Report, said: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """What this stage says otherwise than what the same authority was told before."""
    earlier = reports.earlier_filed(found)
    if earlier is None:
        return {}
    then = reports.told(earlier, reports.newest(earlier).fields)
    labels = {each.id: str(each.label) for each in reports.fields_of(earlier)} | labels
    return {"earlier": earlier, "against": changes(then, said, labels)}


def _translations(found: Report, who: Actor) -> dict[str, Any]:
    """Each translation of the revision that stands: whose it is, who approved it, what it says."""
    labels = {each.id: each.label for each in reports.fields_of(found)}
    rows = [
        {
            "made": each,
            "language": found.Language(each.language).label,
            "is_approved": report_translation.is_approved(found, each),
            "approved_by": report_translation.approvers(found, each),
            "may_approve": found.state in report_translation.OPEN
            and who.may(Permission.REPORT_APPROVE, found.subject)
            and each.translator_id != who.user_id
            and not who.shares_with(each.translator_id),
            "texts": [(labels.get(name, name), text) for name, text in each.fields.items()],
        }
        for each in report_translation.standing(found)
    ]
    may_begin = found.state in report_translation.OPEN and who.may(
        Permission.REPORT_DRAFT, found.subject
    )
    offered = [pair for pair in found.Language.choices if pair[0] != found.language]
    return {"translations": rows, "offered": offered if may_begin else []}


def _approvals(found: Report, who: Actor) -> dict[str, Any]:
    rows = queries.approvals_for(who).filter(thing_uuid=found.uuid).order_by("-pk")
    return {"approvals": [(each, shown.badge(APPROVAL, each.state)) for each in rows]}


def _timeline(found: Report, who: Actor) -> dict[str, Any]:
    return {"entries": shown.entries(queries.history(found, who))}


FILL: dict[str, Callable[[Report, Actor], dict[str, Any]]] = {
    "overview": _overview,
    "revisions": _revisions,
    "translations": _translations,
    "approvals": _approvals,
    "timeline": _timeline,
}


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Answer, or state as unknown or not applicable, field by field."""
    who = actor(request)
    found = _report(who, uuid)
    require(who, Permission.REPORT_DRAFT, found.subject)
    standing = reports.answers(found)
    form = AnswersForm(
        sent(request),
        asked=[asked for asked, _said in standing],
        answers={asked.id: said for asked, said in standing},
        zone=reports.zone_of(found),
        limbs=reports.regime_of(found).limbs,
    )
    if form.is_valid():
        revision = reports.revise(found, form.said(), by=who)
        messages.success(request, _now("Saved as revision %d.") % revision.number)
        return redirect("compliance:report", uuid=found.uuid)
    context = {
        "report": found,
        "form": form,
        "limit": reports.limit(found),
        "crumbs": [*_crumbs(), Crumb(found.title, found.path), Crumb(_("Edit"))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/report_edit.html", context, status=422 if form.errors else 200)


@require_POST
def submit(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask a second person."""
    who = actor(request)
    reports.submit(_report(who, uuid), by=who)
    return redirect("compliance:report", uuid=uuid)


@require_POST
def approve(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second pair of eyes says yes; a worker prints the paper."""
    who = actor(request)
    reports.approve(_report(who, uuid), by=who)
    messages.success(request, _now("Approved. The paper is being made; then it can be filed."))
    return redirect("compliance:report", uuid=uuid)


def _reason(request: HttpRequest) -> str:
    return str(request.POST.get("reason", "")).strip()[:2000]


@require_POST
def send_back(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The second person wants changes."""
    who = actor(request)
    reports.send_back(_report(who, uuid), by=who, note=_reason(request))
    return redirect("compliance:report", uuid=uuid)


@require_POST
def reopen(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Change an approved report before it is filed."""
    who = actor(request)
    reports.reopen(_report(who, uuid), by=who, note=_reason(request))
    return redirect("compliance:report", uuid=uuid)


@require_POST
def close(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Found not reportable."""
    who = actor(request)
    reports.close(_report(who, uuid), by=who, note=_reason(request))
    return redirect("compliance:report", uuid=uuid)


@require_POST
def supersede(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Correct a filed report by a new one."""
    who = actor(request)
    made = reports.supersede(_report(who, uuid), by=who, note=_reason(request))
    return redirect("compliance:report", uuid=made.uuid)


@require_POST
def file(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Send exactly what was approved."""
    who = actor(request)
    found = _report(who, uuid)
    form = FileForm(request.POST, ways=submission.ways(found))
    if form.is_valid():
        config = submission.frozen(form.chosen)
        submission.file(found, way=form.chosen.kind, way_config=config, by=who)
        messages.success(request, _now("On its way. The receipt appears here."))
    else:
        messages.error(request, _now("Choose one of the ways this report may be filed."))
    return redirect("compliance:report", uuid=uuid)
