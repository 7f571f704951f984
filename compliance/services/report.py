"""Reports: drafted from the records, missing fields named, approved by a second person.

The ground floor does not know incidents. It is handed `IncidentFacts`: what is known, by the
source name that a regime's field asks for, each with its provenance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction

from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.hostile import clean
from compliance.machines import TransitionRefused
from compliance.models import ApprovalRequest, ClockInstance, Document, Report, Revision
from compliance.permissions import NotAllowed, Permission
from compliance.regimes import load
from compliance.regimes.schema import Regime, RequiredField
from compliance.services import approval, deadline, digest, document
from compliance.states import REPORT

PURPOSE = "report"
LONGEST_ANSWER = 20_000


class Mark(StrEnum):
    """Where a value comes from; printed in the margin on screen and on paper."""

    MEASURED = "measured"
    ATTESTED = "attested"
    MISSING = "missing"


class FieldStatus(StrEnum):
    """A field is answered, stated as unknown, or stated not to apply; or nobody said yet."""

    VALUE = "value"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"
    MISSING = "missing"


@dataclass(frozen=True)
class Known:
    """One thing that the records know, and how they know it."""

    value: str
    mark: Mark
    source: str = ""
    """A reference such as "event:<uuid>", or who attested."""


@dataclass(frozen=True)
class IncidentFacts:
    """What a report may say about an incident that this storey cannot see.

    `known` is keyed by the source names of regime fields: "incident.summary",
    "incident.version", "incident.aware_at", "incident.classification.limbs" …
    """

    reference: str
    title: str
    severity: str = ""
    deployment: str = ""
    is_simulation: bool = False
    known: Mapping[str, Known] = field(default_factory=dict)


@transaction.atomic
def start_due(about: Any, incident_facts: IncidentFacts, *, by: Actor) -> list[Report]:
    """Start a report for every clock that counts and has none yet; earlier ones keep going."""
    begun = []
    clocks = ClockInstance.objects.filter(
        about_uuid=about.uuid,
        replaced_by=None,
        state__in=["running", "overdue", "overdue_immediate"],
    )
    for clock in clocks.order_by("target_due"):
        standing = Report.objects.filter(
            about_uuid=about.uuid, regime=clock.regime, stage=clock.stage
        ).exclude(state="superseded")
        if not standing.exists():
            begun.append(start(about, clock, incident_facts=incident_facts, by=by))
    return begun


@transaction.atomic
def start(about: Any, clock: ClockInstance, *, incident_facts: IncidentFacts, by: Actor) -> Report:
    """Draft one stage's report from the records. The regime's version and digest are pinned."""
    if by.user_id is None:
        raise NotAllowed(f"{by.label} is not a person; a report is a person's.")
    regime = load.get(f"{clock.regime}@{clock.regime_version}")
    begun = Report.objects.create(
        subject=clock.subject,
        about_kind=about.kind,
        about_uuid=about.uuid,
        title=f"{regime.title}: {_stage_title(regime, clock.stage)} · {incident_facts.reference}"[
            :300
        ],
        regime=clock.regime,
        regime_version=clock.regime_version,
        regime_sha256=clock.regime_sha256,
        stage=clock.stage,
        recipient=clock.recipient,
        is_simulation=incident_facts.is_simulation,
        drafted_by_id=by.user_id,
        started_at=now(),
    )
    record(
        "report.start",
        begun,
        by=by,
        after="drafting",
        words={"title": begun.title},
        regime=f"{clock.regime}@{clock.regime_version}",
        regime_sha256=clock.regime_sha256,
        stage=clock.stage,
        clock=clock.ref,
    )
    _revision(begun, prefilled(fields_of(begun), incident_facts), by=by)
    return begun


def _stage_title(regime: Regime, stage: str) -> str:
    return next((s.title for s in regime.stages if str(s.id) == stage), stage)


def fields_of(report: Report) -> tuple[RequiredField, ...]:
    """What the pinned regime asks of this stage."""
    regime = load.get(f"{report.regime}@{report.regime_version}")
    return regime.fields_for(report.stage)  # type: ignore[arg-type]  # stages are stored as text


def prefilled(fields: tuple[RequiredField, ...], facts: IncidentFacts) -> dict[str, dict[str, str]]:
    """Each field with what the records know of it, or named as missing."""
    return {f.id: _answer(facts.known.get(f.source)) for f in fields}


def _answer(known: Known | None) -> dict[str, str]:
    if known is None or not known.value.strip():
        return {
            "value": "",
            "status": FieldStatus.MISSING,
            "mark": Mark.MISSING,
            "source": "",
            "why": "",
        }
    return {
        "value": _tidy(known.value),
        "status": FieldStatus.VALUE,
        "mark": known.mark,
        "source": known.source,
        "why": "",
    }


def newest(report: Report) -> Revision:
    """The revision that stands."""
    return report.revisions.latest("number")


def missing(report: Report) -> list[RequiredField]:
    """Fields that nobody has answered, nor stated to be unknown or not to apply."""
    answered = newest(report).fields
    return [
        f
        for f in fields_of(report)
        if answered.get(f.id, {}).get("status", FieldStatus.MISSING) == FieldStatus.MISSING
    ]


@transaction.atomic
def refill(report: Report, facts: IncidentFacts, *, by: Actor) -> Revision:
    """Take in what the records know now. What a person wrote stays as it is.

    Raises:
        TransitionRefused: the report is not being drafted.
    """
    require(by, Permission.REPORT_DRAFT, report.subject)
    if report.state != "drafting":
        raise TransitionRefused(f"The report is {report.state}; reopen it before changing it.")
    standing = newest(report)
    fields = dict(standing.fields)
    for name, answer in prefilled(fields_of(report), facts).items():
        before = fields.get(name, {"status": FieldStatus.MISSING, "mark": Mark.MISSING})
        untouched = before["status"] == FieldStatus.MISSING or before["mark"] == Mark.MEASURED
        if untouched and answer["status"] == FieldStatus.VALUE:
            fields[name] = answer
    return standing if fields == standing.fields else _revision(report, fields, by=by)


@transaction.atomic
def revise(report: Report, answers: Mapping[str, Mapping[str, str]], *, by: Actor) -> Revision:
    """Save answers as a new numbered revision. Approval that was given for older text is void.

    Args:
        report: while drafting.
        answers: field id to {"value"} or {"status": unknown|not_applicable, "why"}.
        by: the person; they become the last editor, and may not approve.

    Raises:
        TransitionRefused: the report is not being drafted.
        ValueError: a field that the regime does not ask for, or "unknown" without a reason.
    """
    require(by, Permission.REPORT_DRAFT, report.subject)
    if report.state != "drafting":
        raise TransitionRefused(f"The report is {report.state}; reopen it before changing it.")
    asked = {f.id for f in fields_of(report)}
    if unasked := set(answers) - asked:
        raise ValueError(f"{', '.join(sorted(unasked))}: this regime does not ask for that.")
    merged = dict(newest(report).fields)
    for name, answer in answers.items():
        merged[name] = _stated(name, merged.get(name, {}), answer, by)
    if merged == newest(report).fields:
        return newest(report)
    Report.objects.filter(pk=report.pk).update(revised_by_id=by.user_id)
    report.revised_by_id = by.user_id
    return _revision(report, merged, by=by)


def _stated(
    name: str, before: Mapping[str, str], answer: Mapping[str, str], by: Actor
) -> dict[str, str]:
    status = FieldStatus(answer.get("status", FieldStatus.VALUE))
    value, why = _tidy(answer.get("value", "")), _tidy(answer.get("why", ""))
    if status is not FieldStatus.VALUE:
        value = ""
    said = {"value": value, "status": status.value, "why": why}
    if (value or why) and all(before.get(key, "") == each for key, each in said.items()):
        return dict(before)
    if status in {FieldStatus.UNKNOWN, FieldStatus.NOT_APPLICABLE} and not why:
        raise ValueError(f"{name}: say why it is {status.value.replace('_', ' ')}.")
    if status is FieldStatus.VALUE and not value:
        status = FieldStatus.MISSING
    mark = Mark.MISSING if status in {FieldStatus.MISSING, FieldStatus.UNKNOWN} else Mark.ATTESTED
    return {"value": value, "status": status, "mark": mark, "source": by.label, "why": why}


def _tidy(text: str) -> str:
    return clean(text, LONGEST_ANSWER).strip()


def _revision(report: Report, fields: dict[str, dict[str, str]], *, by: Actor) -> Revision:
    last = report.revisions.order_by("-number").first()
    plain = {name: {k: str(v) for k, v in answer.items()} for name, answer in fields.items()}
    revision = Revision.objects.create(
        report=report,
        number=last.number + 1 if last else 1,
        fields=plain,
        sha256=_sha256(report, plain),
        by_id=by.user_id,  # type: ignore[misc]  # a person was required
        at=now(),
    )
    record(
        "report.revise",
        report,
        by=by,
        number=revision.number,
        sha256=revision.sha256,
        before=report.state,
        after=report.state,
    )
    return revision


def _sha256(report: Report, fields: Mapping[str, Any]) -> str:
    return digest.of_json(
        {
            "report": str(report.uuid),
            "regime": f"{report.regime}@{report.regime_version}",
            "stage": report.stage,
            "recipient": report.recipient,
            "simulation": report.is_simulation,
            "fields": fields,
        }
    )


def current_sha256(report: Report) -> str:
    """The digest an approval must be about."""
    return newest(report).sha256


@transaction.atomic
def submit(report: Report, *, by: Actor) -> ApprovalRequest:
    """Ask a second person. Fields still open are refused by name: state them as unknown, with why."""
    if lacking := missing(report):
        names = "; ".join(f"{f.label} ({f.cite})" for f in lacking)
        raise TransitionRefused(
            f"Not answered yet: {names}. Answer, or state as unknown or not applicable with the reason."
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
    """The second pair of eyes says yes to exactly this revision; a worker then renders the paper."""
    asked = waiting(report)
    if asked is None:
        raise TransitionRefused(
            "Nobody asked for approval of this report; it must be submitted first."
        )
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


def content(report: Report) -> dict[str, Any]:
    """The machine-readable twin: everything the paper says, in one structure."""
    regime = load.get(f"{report.regime}@{report.regime_version}")
    revision = newest(report)
    clock = ClockInstance.objects.filter(
        about_uuid=report.about_uuid, regime=report.regime, stage=report.stage, replaced_by=None
    ).first()
    approvals = ApprovalRequest.objects.filter(thing_uuid=report.uuid, purpose=PURPOSE).last()
    return {
        "kind": "incident_report",
        "report": str(report.uuid),
        "title": report.title,
        "simulation": report.is_simulation,
        "regime": {
            "reference": f"{report.regime}@{report.regime_version}",
            "sha256": report.regime_sha256,
            "title": regime.title,
            "internal": regime.is_internal,
            "status": str(regime.status),
            "requires_counsel": list(regime.requires_counsel),
        },
        "stage": report.stage,
        "stage_title": _stage_title(regime, report.stage),
        "recipient": report.recipient,
        "about": f"{report.about_kind}:{report.about_uuid}",
        "revision": revision.number,
        "revision_sha256": revision.sha256,
        "clock": _clock(clock),
        "fields": [
            {
                "id": f.id,
                "label": f.label,
                "cite": "" if regime.is_internal else f.cite,
                "source_name": f.source,
                **revision.fields.get(f.id, {}),
            }
            for f in fields_of(report)
        ],
        "drafted_by": report.drafted_by.name,
        "approved_by": [a.person.name for a in approvals.approvals.all()] if approvals else [],
        "approved_at": stamp(now()) if report.approved_sha256 else "",
        "supersedes": str(report.supersedes.uuid) if report.supersedes else "",
        "record": document.record_head(),
    }


def _clock(clock: ClockInstance | None) -> dict[str, Any]:
    if clock is None:
        return {}
    return {
        "started_at": _iso(clock.started_at),
        "target_due": _iso(clock.target_due),
        "legal_latest": _iso(clock.legal_latest),
        "zone": clock.zone,
        "cite": clock.cite,
        "trace": list(clock.trace),
    }


def _iso(moment: datetime | None) -> str:
    return stamp(moment) if moment else ""


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
    """Found not reportable. The clock stays as it stood; nothing is deleted."""
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


@transaction.atomic
def supersede(report: Report, *, by: Actor, note: str) -> Report:
    """Correct a filed report by a new one that points at it; nothing is unfiled."""
    old = newest(report)
    advance(report, REPORT, "supersede", by=by, note=note)
    if by.user_id is None:
        raise NotAllowed(f"{by.label} is not a person; a report is a person's.")
    begun = Report.objects.create(
        subject=report.subject,
        about_kind=report.about_kind,
        about_uuid=report.about_uuid,
        title=report.title,
        regime=report.regime,
        regime_version=report.regime_version,
        regime_sha256=report.regime_sha256,
        stage=report.stage,
        recipient=report.recipient,
        is_simulation=report.is_simulation,
        drafted_by_id=by.user_id,
        supersedes=report,
        started_at=now(),
    )
    record(
        "report.start",
        begun,
        by=by,
        after="drafting",
        words={"title": begun.title},
        supersedes=report.ref,
    )
    _revision(begun, old.fields, by=by)
    return begun


def met_by_receipt(report: Report, *, at: datetime, by: Actor) -> None:
    """The report reached its recipient: its clock stops, and what counts from it begins."""
    about = deadline.About(report.about_kind, report.about_uuid)
    deadline.recount(about, reason=f"{report.title}: receipt received", by=by)
    for clock in deadline.standing_for(report.about_uuid).filter(
        regime=report.regime, stage=report.stage
    ):
        deadline.meet(clock, at=at, by=by)
