"""Reports: drafted, approved by a second person, filed, acknowledged."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from compliance import queries
from compliance.actors import require
from compliance.filing.base import FilingError
from compliance.forms.reports import AnswersForm, FileForm, ReceiptForm
from compliance.permissions import Permission
from compliance.regimes import load
from compliance.services import report as reports
from compliance.services import submission, wording
from compliance.states import APPROVAL, FILING, REPORT
from compliance.views import shown
from compliance.views.duties import all_shown
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.models import Filing, Report, Revision

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
            "regime", _("Regime"), choices=[(each.key, _(each.title)) for each in load.current()]
        ),
    ),
    search=("title", "regime", "recipient"),
    order=("-started_at",),
    empty=Empty(
        _("No report yet."),
        _("Reports begin when a person classifies an incident and a clock starts."),
    ),
)
OUTCOMES: dict[str, Promise] = {
    "started": _("begun"),
    "receipt": _("receipt"),
    "rejected": _("rejected"),
    "by hand": _("by hand"),
    "unknown": _("unknown"),
    "failed": _("failed"),
}
WAYS: dict[str, Promise] = {
    "http": _("Sent to the recipient's interface"),
    "manual": _("Handed over by a person"),
    "null": _("Kept here; sent nowhere"),
}
TABS: dict[str, Promise] = {
    "overview": _("Overview"),
    "revisions": _("Revisions"),
    "approvals": _("Approvals"),
    "timeline": _("Timeline"),
}


class Answered(NamedTuple):
    """One field of the report as the page shows it."""

    label: str
    cite: str
    answer: dict[str, str]
    words: str
    moments: list[wording.Moment]
    source_url: str
    at: datetime | None


class Changed(NamedTuple):
    """One field that a revision changed, line by line."""

    label: str
    lines: list[tuple[str, str]]


class Numbered(NamedTuple):
    """One revision and what it changed."""

    revision: Revision
    changes: list[Changed]


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
    context = {
        "report": found,
        "state": shown.badge(REPORT, found.state),
        "clocks": _clocks(found, who),
        "facts": _facts(found),
        "verbs": REPORT.verbs(found, who),
        "tab": tab,
        "tabs": _tabs(found, tab),
        "crumbs": [*_crumbs(), Crumb(found.title)],
        "nav_current": "compliance:duties",
        **FILL[tab](found, who),
    }
    return page(request, "compliance/report.html", context, "filing")


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
        about_uuid=found.about_uuid, regime=found.regime, stage=found.stage
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
            "count": found.revisions.count() if key == "revisions" else None,
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
        shown.Fact(_("Regime"), pinned, "text", shown.url("compliance:regime", found.regime)),
        shown.Fact(_("Recipient"), found.recipient or _("inside the organisation")),
        shown.Fact(_("Drafted by"), found.drafted_by.name),
        shown.Fact(_("Revision"), revision.number),
        shown.Fact(_("Its digest"), revision.sha256, "digest"),
        shown.Fact(_("Approved digest"), found.approved_sha256, "digest"),
        shown.Fact(_("Begun"), found.started_at, "time"),
    ]
    if found.supersedes:
        facts.append(
            shown.Fact(_("Replaces"), found.supersedes.title, "text", found.supersedes.path)
        )
    return facts


def _overview(found: Report, who: Actor) -> dict[str, Any]:
    filings = [_filing(each, who) for each in found.filings.order_by("-pk")]
    is_moving = found.state == "filing" and any(
        each["filing"].state in {"queued", "sending"} for each in filings
    )
    is_printing = found.state == "approved" and found.pdf is None
    return {
        "answers": answers(found),
        "limit": reports.limit(found),
        "missing": reports.missing(found),
        "filings": filings,
        "is_changing": is_moving or is_printing,
        "is_printing": is_printing,
        "paper": _paper(found, who),
        "file_form": FileForm(None, ways=submission.ways(found)),
        "asked": reports.waiting(found),
        "is_mine": who.user_id in {found.drafted_by_id, found.revised_by_id},
    }


def _paper(found: Report, who: Actor) -> Any:
    papers = queries.documents_for(who).filter(what="incident_report", about_uuid=found.uuid)
    return papers.order_by("-pk").first()


def answers(found: Report) -> list[Answered]:
    """What the regime asks, in its order, with what is answered and how it is known."""
    zone = reports.zone_of(found)
    return [
        Answered(
            asked.label,
            asked.cite,
            said,
            said.get("words", said["value"]),
            wording.moments(said["value"], zone) if "words" in said else [],
            _source_url(said),
            _said_at(said),
        )
        for asked, said in reports.answers(found)
    ]


def _said_at(answer: dict[str, str]) -> datetime | None:
    return parse_datetime(answer.get("at", ""))


def _source_url(answer: dict[str, str]) -> str:
    kind, colon, uuid = answer.get("source", "").partition(":")
    return shown.page_of(kind, uuid) if colon and answer.get("mark") == "measured" else ""


def _filing(each: Filing, who: Actor) -> dict[str, Any]:
    return {
        "filing": each,
        "way": WAYS.get(each.way, each.way),
        "state": shown.badge(FILING, each.state),
        "tries": [
            (attempt, OUTCOMES.get(attempt.outcome, attempt.outcome))
            for attempt in each.tries.order_by("number")
        ],
        "verbs": FILING.verbs(each, who),
    }


def _revisions(found: Report, who: Actor) -> dict[str, Any]:
    del who
    labels = {each.id: str(each.label) for each in reports.fields_of(found)}
    revisions = list(found.revisions.select_related("by").order_by("number"))
    before: dict[str, Any] = {}
    rows = []
    for revision in revisions:
        fields = reports.told(found, revision.fields)
        rows.append(Numbered(revision, changes(before, fields, labels)))
        before = fields
    return {"revisions": rows[::-1]}


def changes(before: dict[str, Any], after: dict[str, Any], labels: dict[str, str]) -> list[Changed]:
    """Which answers differ, as lines kept, taken away and added."""
    return [
        Changed(labels.get(name, name), list(_diff(_words(before.get(name, {})), _words(answer))))
        for name, answer in after.items()
        if _words(before.get(name, {})) != _words(answer)
    ]


def _words(answer: dict[str, str]) -> str:
    if answer.get("status") in {"unknown", "not_applicable"}:
        words = _now("not known") if answer["status"] == "unknown" else _now("does not apply")
        return f"{words}: {answer.get('why', '')}"
    return answer.get("words", answer.get("value", ""))


def _diff(before: str, after: str) -> Iterable[tuple[str, str]]:
    signs = {" ": "kept", "-": "taken", "+": "added"}
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line[0] in signs:
            yield signs[line[0]], line[2:]


def _approvals(found: Report, who: Actor) -> dict[str, Any]:
    rows = queries.approvals_for(who).filter(thing_uuid=found.uuid).order_by("-pk")
    return {"approvals": [(each, shown.badge(APPROVAL, each.state)) for each in rows]}


def _timeline(found: Report, who: Actor) -> dict[str, Any]:
    return {"entries": shown.entries(queries.history(found, who))}


FILL: dict[str, Callable[[Report, Actor], dict[str, Any]]] = {
    "overview": _overview,
    "revisions": _revisions,
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
        submission.file(found, way=form.chosen.kind, way_config=dict(form.chosen.config), by=who)
        messages.success(request, _now("On its way. The receipt appears here."))
    else:
        messages.error(request, _now("Choose one of the ways this report may be filed."))
    return redirect("compliance:report", uuid=uuid)


def _filing_of(who: Actor, uuid: UUID) -> Filing:
    return fetch(queries.filings_for(who), uuid=uuid)


@require_safe
def filing(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A filing is read on its report's page."""
    return redirect("compliance:report", uuid=_filing_of(actor(request), uuid).report.uuid)


@require_POST
def resend(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Ask again with the same key."""
    who = actor(request)
    found = _filing_of(who, uuid)
    submission.resend(found, by=who)
    return redirect("compliance:report", uuid=found.report.uuid)


@require_http_methods(["GET", "HEAD", "POST"])
def receipt(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Enter the recipient's proof of what was filed by hand."""
    who = actor(request)
    found = _filing_of(who, uuid)
    require(who, Permission.REPORT_FILE, found.subject)
    form = ReceiptForm(sent(request), request.FILES or None)
    if form.is_valid():
        try:
            _enter(found, form, who)
        except FilingError as error:
            form.add_error(None, str(error))
        else:
            return redirect("compliance:report", uuid=found.report.uuid)
    return form_page(
        request,
        form,
        title=_("Enter the receipt"),
        verb=_("Enter the receipt"),
        back=found.report.path,
        lead=found.report.title,
        crumbs=[*_crumbs(), Crumb(found.report.title, found.report.path)],
    )


def _enter(found: Filing, form: ReceiptForm, who: Actor) -> None:
    said = form.cleaned_data
    submission.enter(
        found,
        reference=said["reference"],
        received_at=said["received_at"],
        proof=said["proof"].read(),
        by=who,
    )
