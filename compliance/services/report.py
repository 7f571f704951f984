"""Reports: drafted from the records, missing fields named, approved by a second person.

The ground floor does not know incidents. It is handed `IncidentFacts`: what is known, by the
source name that a regime's field asks for, each with its provenance.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.machines import TransitionRefused
from compliance.models import ApprovalRequest, Document, Report, Revision
from compliance.permissions import NotAllowed, Permission
from compliance.regimes.fields import LATE_REASONS, RequiredField
from compliance.services import approval, document, report_answers, report_translation
from compliance.services.report_answers import (
    LONGEST_ANSWER,
    MAY_STAND,
    FieldStatus,
    IncidentFacts,
    Known,
    Mark,
)
from compliance.services.report_content import (
    LANGUAGES,
    PURPOSE,
    content,
)
from compliance.services.report_reading import (
    KIND,
    KINDS,
    answers,
    current_sha256,
    earlier_filed,
    editors,
    fields_of,
    is_late,
    kinds_for,
    lacking,
    languages_taken,
    limit,
    missing,
    newest,
    notice_is_due,
    recipient,
    regime_of,
    regime_title,
    spoken,
    stage_title,
    standing_clock,
    takes_incomplete,
    told,
    zone_of,
)
from compliance.services.report_start import (
    FURTHER,
    follow,
    further,
    kind_of,
    met_by_receipt,
    not_offered,
    prefilled,
    revision,
    start,
    start_due,
    supersede,
)
from compliance.states import REPORT

__all__ = [
    "FURTHER",
    "KINDS",
    "LANGUAGES",
    "LONGEST_ANSWER",
    "MAY_STAND",
    "PURPOSE",
    "FieldStatus",
    "IncidentFacts",
    "Known",
    "Mark",
    "answers",
    "approve",
    "attach",
    "close",
    "content",
    "current_sha256",
    "declare",
    "earlier_filed",
    "editors",
    "fields_of",
    "follow",
    "further",
    "is_late",
    "kinds_for",
    "lacking",
    "languages_taken",
    "limit",
    "met_by_receipt",
    "missing",
    "newest",
    "not_offered",
    "notice_is_due",
    "recipient",
    "refill",
    "regime_of",
    "regime_title",
    "reopen",
    "revise",
    "send_back",
    "stage_title",
    "standing_clock",
    "start",
    "start_due",
    "submit",
    "supersede",
    "takes_incomplete",
    "told",
    "waiting",
    "why_not_approver",
    "zone_of",
]


def _require_drafting(report: Report, by: Actor) -> None:
    require(by, Permission.REPORT_DRAFT, report.subject)
    if report.state != "drafting":
        raise TransitionRefused(
            _("The report is not being drafted (%(state)s); reopen it before changing it.")
            % {"state": REPORT.states[report.state].label}
        )


@transaction.atomic
def refill(report: Report, facts: IncidentFacts, *, by: Actor) -> Revision:
    """Take in what the records know now. What a person wrote stays as it is.

    Raises:
        TransitionRefused: the report is not being drafted.
    """
    _require_drafting(report, by)
    standing = newest(report)
    fields = dict(standing.fields)
    for name, answer in prefilled(report, facts).items():
        before = fields.get(name, {"status": FieldStatus.MISSING, "mark": Mark.MISSING})
        untouched = before["status"] == FieldStatus.MISSING or before["mark"] == Mark.MEASURED
        if untouched and answer["status"] == FieldStatus.VALUE:
            fields[name] = answer
    return standing if fields == standing.fields else _revised(report, fields, by=by)


@transaction.atomic
def revise(report: Report, answers: Mapping[str, Mapping[str, str]], *, by: Actor) -> Revision:
    """Save answers as a new numbered revision. Approval that was given for older text is void.

    Args:
        report: while drafting.
        answers: field id to {"value"} or {"status": unknown|not_applicable, "why"}, and "plan" for
            what is unknown: how it will be found out, and by when.
        by: the person; from now on they may not approve.

    Raises:
        TransitionRefused: the report is not being drafted.
        ValueError: a field that the regime does not ask for, a value that is none of its type, or
            "unknown" without a reason or where the pack takes none.
    """
    _require_drafting(report, by)
    asked = {f.id: f for f in fields_of(report)}
    if unasked := set(answers) - set(asked):
        raise ValueError(
            _("%(names)s: this regime does not ask for that.")
            % {"names": ", ".join(sorted(unasked))}
        )
    standing = newest(report)
    merged = dict(standing.fields)
    shown = told(report, merged)
    for name, answer in answers.items():
        before = merged.get(name, {})
        merged[name] = _stated(report, asked[name], before, shown.get(name, {}), answer, by)
    if merged == standing.fields:
        return standing
    late = [each for name, each in merged.items() if _asks_why_late(asked, name)]
    reasons = late[0]["value"] if late else ""
    Report.objects.filter(pk=report.pk).update(revised_by_id=by.user_id, late_reasons=reasons)
    report.revised_by_id, report.late_reasons = by.user_id, reasons
    return _revised(report, merged, by=by)


def _stated(
    report: Report,
    asked: RequiredField,
    before: Mapping[str, str],
    shown: Mapping[str, str],
    answer: Mapping[str, str],
    by: Actor,
) -> dict[str, str]:
    """The answer as it is kept; what changed gets its words in the report's language."""
    regime = regime_of(report)
    said = report_answers.stated(asked, before, shown, answer, by, regime)
    if said == before:
        return said
    with spoken(report.language):
        return report_answers.worded(said, asked, regime, zone_of(report))


def _asks_why_late(asked: Mapping[str, object], name: str) -> bool:
    return getattr(asked.get(name), "source", "") == LATE_REASONS


def _revised(report: Report, fields: dict[str, dict[str, str]], *, by: Actor) -> Revision:
    """A new revision; what was approved or translated of the older text holds no more."""
    made = revision(report, fields, by=by)
    approval.void(report, PURPOSE, by=by)
    report_translation.void(report, by=by)
    return made


@transaction.atomic
def declare(report: Report, *, what: str, language: str, by: Actor) -> Revision:
    """Say what kind of report it is, and in which language its labels and fixed text stand.

    Both enter the digest, so that there is a new revision. What is typed stays as it was typed.

    Raises:
        TransitionRefused: the report is not being drafted.
        ValueError: a kind that this report cannot be, or a language that reports are not had in.
    """
    _require_drafting(report, by)
    if what not in dict(kinds_for(report)):
        raise ValueError(_("%(what)s: this report cannot be of that kind.") % {"what": what})
    if language not in Report.Language:
        raise ValueError(_("%(language)s: expected en, de or fr.") % {"language": language})
    standing = newest(report)
    if (report.what, report.language) == (what, language):
        return standing
    report.what, report.language, report.revised_by_id = what, language, by.user_id
    report.save(update_fields=["what", "language", "revised_by_id"])
    regime, zone = regime_of(report), zone_of(report)
    with spoken(language):
        by_id = {each.id: each for each in fields_of(report)}
        fields = {
            name: report_answers.reworded(answer, by_id.get(name), regime, zone)
            for name, answer in standing.fields.items()
        }
        for asked in by_id.values():
            answer = fields.setdefault(asked.id, report_answers.blank())
            if asked.source == KIND and answer["mark"] != Mark.ATTESTED:
                fields[asked.id] = report_answers.from_records(kind_of(report), asked, regime, zone)
    return _revised(report, fields, by=by)


@transaction.atomic
def submit(report: Report, *, by: Actor) -> ApprovalRequest:
    """Ask a second person. Fields still open are refused by name: state them as unknown, with why."""
    if names := lacking(report):
        raise TransitionRefused(
            _(
                "Not answered yet: %(names)s. Answer, or state as unknown or not applicable with"
                " the reason."
            )
            % {"names": names}
        )
    advance(report, REPORT, "submit", by=by, sha256=current_sha256(report))
    return approval.ask(
        report,
        purpose=PURPOSE,
        permission=Permission.REPORT_APPROVE,
        title=report.title,
        sha256=current_sha256(report),
        by=by,
    )


def waiting(report: Report) -> ApprovalRequest | None:
    """The open approval request, if there is one."""
    return ApprovalRequest.objects.filter(
        thing_uuid=report.uuid, purpose=PURPOSE, state="asked"
    ).first()


@transaction.atomic
def approve(report: Report, *, by: Actor) -> Document:
    """The second pair of eyes says yes to exactly this revision; a worker then renders the paper.

    Raises:
        NotAllowed: whoever drafted the report, made any of its revisions or submitted it, by
            whichever account.
        TransitionRefused: nobody asked, the time passed while it waited and the reasons for the
            delay are not given, or a translation is not approved.
    """
    asked = waiting(report)
    if asked is None:
        raise TransitionRefused(
            _("Nobody asked for approval of this report; it must be submitted first.")
        )
    if why_not := why_not_approver(report, by):
        raise NotAllowed(why_not)
    _require_complete(report)
    sha256 = current_sha256(report)
    advance(report, REPORT, "approve", by=by, changes={"approved_sha256": sha256}, sha256=sha256)
    approval.give(asked, sha256_now=sha256, by=by)
    return document.request(
        report.subject,
        what="incident_report",
        title=report.title,
        content=content(report),
        about=report,
        by=document.PRINTER,
        is_simulation=report.is_simulation,
    )


def why_not_approver(report: Report, by: Actor) -> str:
    """Why this reader cannot be the second person; empty where they can, as far as who they are goes.

    Whoever wrote any of it or asked cannot, by whichever account. The page and `approve` ask the same.
    """
    writers = editors(report)
    if by.user_id in writers:
        return _("%(who)s has written part of this report; another person must approve it.") % {
            "who": by.label
        }
    for other in sorted(writers):
        if shared := by.shares_with(other):
            return _(
                "%(who)s has written part of this report by another account: both share %(shared)s. Another person must approve it."
            ) % {"who": by.label, "shared": shared}
    asked = waiting(report)
    return approval.why_not_second(asked, by) if asked is not None else ""


def _require_complete(report: Report) -> None:
    """Nothing became missing while it waited, and no translation waits still."""
    if names := lacking(report):
        raise TransitionRefused(
            _(
                "The time ran out while this report waited. It must now also say: %(names)s."
                " Return it for changes."
            )
            % {"names": names}
        )
    if open_ones := report_translation.waiting(report):
        names = ", ".join(str(Report.Language(each.language).label) for each in open_ones)
        raise TransitionRefused(
            _("A translation is not approved yet: %(names)s. Approve it first.") % {"names": names}
        )


@transaction.atomic
def send_back(report: Report, *, by: Actor, note: str) -> None:
    """The second person wants changes."""
    asked = waiting(report)
    advance(report, REPORT, "return", by=by, note=note)
    if asked is not None:
        approval.refuse(asked, by=by, note=note)


@transaction.atomic
def reopen(report: Report, *, by: Actor, note: str) -> None:
    """Change an approved report before it is filed: the approval is void."""
    advance(
        report,
        REPORT,
        "reopen",
        by=by,
        note=note,
        changes={"approved_sha256": "", "pdf": None, "twin": None},
    )
    approval.void(report, PURPOSE, by=by)


@transaction.atomic
def close(report: Report, *, by: Actor, note: str) -> None:
    """Found not reportable before anything was filed. The clock stays as it stood.

    Where something was filed, the regime hears of it by a final report: `follow`.
    """
    advance(report, REPORT, "close", by=by, note=note)


@transaction.atomic
def attach(report: Report, made: Document, *, by: Actor) -> None:
    """The rendered paper of the approved revision."""
    if report.approved_sha256 != made.content.get("revision_sha256"):
        return
    Report.objects.filter(pk=report.pk).update(pdf=made.pdf, twin=made.twin)
    report.pdf, report.twin = made.pdf, made.twin
    record(
        "report.attach",
        report,
        by=by,
        before=report.state,
        after=report.state,
        pdf_sha256=made.pdf.sha256 if made.pdf else "",
        document=made.ref,
    )
