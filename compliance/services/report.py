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
from django.utils import translation
from django.utils.translation import gettext as _

from compliance import phrase
from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.hostile import clean
from compliance.machines import TransitionRefused
from compliance.models import ApprovalRequest, ClockInstance, Document, Filing, Report, Revision
from compliance.permissions import NotAllowed, Permission
from compliance.regimes import load
from compliance.regimes.schema import Regime, RequiredField
from compliance.services import approval, deadline, digest, document, wording
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
    NOT_NEEDED = "not_needed"
    """Nobody said, and nobody need: reasons for a delay that there is not. Never stored."""


@dataclass(frozen=True)
class Known:
    """One thing that the records know, and how they know it."""

    value: str
    """As exact as the records have it: instants with a final Z, kinds of harm by their codes."""
    mark: Mark
    source: str = ""
    """A reference such as "event:<uuid>", or who attested."""
    at: datetime | None = None
    """When it was attested."""


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
        raise NotAllowed(_("%(who)s is not a person; a report is a person's.") % {"who": by.label})
    regime = load.get(f"{clock.regime}@{clock.regime_version}")
    begun = Report.objects.create(
        subject=clock.subject,
        about_kind=about.kind,
        about_uuid=about.uuid,
        title=_title(regime, clock.stage, incident_facts.reference)[:300],
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
    _revision(begun, prefilled(begun, incident_facts), by=by)
    return begun


def _title(regime: Regime, stage: str, reference: str) -> str:
    with document.in_house_language():
        return f"{_in_words(regime.title)} · {_stage_title(regime, stage)} · {reference}"


def _stage_title(regime: Regime, stage: str) -> str:
    return _in_words(next((s.title for s in regime.stages if str(s.id) == stage), stage))


def stage_title(report: Report) -> str:
    """The stage in the pinned regime's words: a phrase."""
    return next(
        (s.title for s in _regime(report).stages if str(s.id) == report.stage), report.stage
    )


def regime_title(report: Report) -> str:
    """The pinned regime's title: a phrase."""
    return _regime(report).title


def _regime(report: Report) -> Regime:
    return load.get(f"{report.regime}@{report.regime_version}")


def _in_words(words: object) -> str:
    """A phrase, or a text of a pack, in the language that is active."""
    return phrase.said(wording.phrase(words), translation)


def fields_of(report: Report) -> tuple[RequiredField, ...]:
    """What the pinned regime asks of this stage."""
    return _regime(report).fields_for(report.stage)  # type: ignore[arg-type]  # stages are stored as text


def prefilled(report: Report, facts: IncidentFacts) -> dict[str, dict[str, str]]:
    """Each field with what the records know of it, or named as missing.

    Beside the exact value stand its words, in the installation's language and the recipient's zone:
    who approves the report approves them, and they are what it prints.
    """
    regime, zone = _regime(report), zone_of(report)
    with document.in_house_language():
        return {f.id: _answer(facts.known.get(f.source), regime, zone) for f in fields_of(report)}


def _answer(known: Known | None, regime: Regime, zone: str) -> dict[str, str]:
    if known is None or not known.value.strip():
        return _blank()
    value = _tidy(known.value)
    return {
        "value": value,
        "status": FieldStatus.VALUE,
        "mark": known.mark,
        "source": known.source,
        "why": "",
        **_words_beside(value, regime, zone),
        **({"at": stamp(known.at)} if known.at else {}),
    }


def _blank() -> dict[str, str]:
    return {
        "value": "",
        "status": FieldStatus.MISSING,
        "mark": Mark.MISSING,
        "source": "",
        "why": "",
    }


def _words_beside(value: str, regime: Regime, zone: str) -> dict[str, str]:
    """The words of a value, where they differ from it."""
    words = _tidy(wording.text(value, zone, regime.limbs))
    return {} if words == value else {"words": words}


def told(report: Report, fields: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The answers of a revision with their words, whenever it was made.

    Early revisions hold the exact value alone, and a signature with its instant in one text.
    """
    regime, zone = _regime(report), zone_of(report)
    return {name: _told(answer, regime, zone) for name, answer in fields.items()}


def _told(answer: Mapping[str, str], regime: Regime, zone: str) -> dict[str, str]:
    if answer.get("status") != FieldStatus.VALUE or "words" in answer or "at" in answer:
        return dict(answer)
    who, at = wording.signed(answer.get("source", ""))
    return {
        **answer,
        **_words_beside(answer["value"], regime, zone),
        **({"source": who, "at": at} if at else {}),
    }


def zone_of(report: Report) -> str:
    """Where the report is read: the zone that its clock goes by."""
    clock = _standing_clock(report)
    return clock.zone if clock else "UTC"


def newest(report: Report) -> Revision:
    """The revision that stands."""
    return report.revisions.latest("number")


def missing(report: Report) -> list[RequiredField]:
    """Fields that nobody has answered, nor stated to be unknown or not to apply.

    Reasons for a delay are among them only once the stage's legal limit has passed.
    """
    return [f for f, said in answers(report) if said["status"] == FieldStatus.MISSING]


def answers(report: Report) -> list[tuple[RequiredField, dict[str, str]]]:
    """Each field that the stage asks for, with what is said of it as of now."""
    said = told(report, newest(report).fields)
    late = is_late(report)
    return [(f, _as_of_now(f, said.get(f.id, {}), late=late)) for f in fields_of(report)]


def _as_of_now(asked: RequiredField, said: Mapping[str, str], *, late: bool) -> dict[str, str]:
    answer = {**_blank(), **said}
    if answer["status"] == FieldStatus.UNKNOWN:
        # A person stands behind "unknown"; early revisions marked it as missing.
        return answer | {"mark": Mark.ATTESTED.value}
    if answer["status"] == FieldStatus.MISSING and asked.is_only_if_late and not late:
        return answer | {"status": FieldStatus.NOT_NEEDED.value, "mark": ""}
    return answer


def limit(report: Report) -> datetime | None:
    """The latest instant at which this stage can be argued to be in time, if it counts."""
    clock = _standing_clock(report)
    return (clock.legal_latest or clock.target_due) if clock else None


def is_late(report: Report) -> bool:
    """Past the stage's legal limit, by when it first reached its recipient, or else by now."""
    clock = _standing_clock(report)
    if clock is None:
        return False
    return deadline.is_late(clock, _first_sent(report) or now())


def _standing_clock(report: Report) -> ClockInstance | None:
    clocks: Any = deadline.standing_for(report.about_uuid)
    found: ClockInstance | None = clocks.filter(regime=report.regime, stage=report.stage).first()
    return found


def _first_sent(report: Report) -> datetime | None:
    """When this stage first went out and was acknowledged: a correction is not a delay."""
    acknowledged = Filing.objects.filter(
        report__about_uuid=report.about_uuid,
        report__regime=report.regime,
        report__stage=report.stage,
        state="acknowledged",
        sent_at__isnull=False,
    )
    return acknowledged.order_by("sent_at").values_list("sent_at", flat=True).first()


@transaction.atomic
def refill(report: Report, facts: IncidentFacts, *, by: Actor) -> Revision:
    """Take in what the records know now. What a person wrote stays as it is.

    Raises:
        TransitionRefused: the report is not being drafted.
    """
    require(by, Permission.REPORT_DRAFT, report.subject)
    if report.state != "drafting":
        raise TransitionRefused(
            _("The report is not being drafted (%(state)s); reopen it before changing it.")
            % {"state": REPORT.states[report.state].label}
        )
    standing = newest(report)
    fields = dict(standing.fields)
    for name, answer in prefilled(report, facts).items():
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
        raise TransitionRefused(
            _("The report is not being drafted (%(state)s); reopen it before changing it.")
            % {"state": REPORT.states[report.state].label}
        )
    asked = {f.id for f in fields_of(report)}
    if unasked := set(answers) - asked:
        raise ValueError(
            _("%(names)s: this regime does not ask for that.")
            % {"names": ", ".join(sorted(unasked))}
        )
    merged = dict(newest(report).fields)
    shown = told(report, merged)
    for name, answer in answers.items():
        merged[name] = _stated(name, merged.get(name, {}), _exact(shown.get(name, {}), answer), by)
    if merged == newest(report).fields:
        return newest(report)
    Report.objects.filter(pk=report.pk).update(revised_by_id=by.user_id)
    report.revised_by_id = by.user_id
    return _revision(report, merged, by=by)


def _exact(shown: Mapping[str, str], answer: Mapping[str, str]) -> Mapping[str, str]:
    """Words that came back as they were shown stand for the value they were made from."""
    is_unchanged = "words" in shown and _tidy(answer.get("value", "")) == shown["words"]
    return {**answer, "value": shown["value"]} if is_unchanged else answer


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
        raise ValueError(_("%(name)s: say why, beside the statement.") % {"name": name})
    if status is FieldStatus.VALUE and not value:
        status = FieldStatus.MISSING
    if status is FieldStatus.MISSING:
        return _blank()
    return {
        "value": value,
        "status": status,
        "mark": Mark.ATTESTED,
        "source": by.label,
        "why": why,
        "at": stamp(now()),
    }


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
    if names := _lacking(report):
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


def _lacking(report: Report) -> str:
    return "; ".join(f"{_in_words(f.label)} ({_in_words(f.cite)})" for f in missing(report))


def waiting(report: Report) -> ApprovalRequest | None:
    """The open approval request, if there is one."""
    return ApprovalRequest.objects.filter(
        thing_uuid=report.uuid, purpose=PURPOSE, state="asked"
    ).first()


@transaction.atomic
def approve(report: Report, *, by: Actor) -> Document:
    """The second pair of eyes says yes to exactly this revision; a worker then renders the paper.

    Raises:
        TransitionRefused: nobody asked, or the legal limit passed while it waited and the reasons
            for the delay are not given.
    """
    asked = waiting(report)
    if asked is None:
        raise TransitionRefused(
            _("Nobody asked for approval of this report; it must be submitted first.")
        )
    if names := _lacking(report):
        raise TransitionRefused(
            _(
                "The legal limit passed while this report waited. It must now also say: %(names)s."
                " Return it for changes."
            )
            % {"names": names}
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
    with document.in_house_language():
        return _content(report)


def _content(report: Report) -> dict[str, Any]:
    regime, zone = _regime(report), zone_of(report)
    revision = newest(report)
    approvals = ApprovalRequest.objects.filter(thing_uuid=report.uuid, purpose=PURPOSE).last()
    return {
        "kind": "incident_report",
        "report": str(report.uuid),
        "title": report.title,
        "simulation": report.is_simulation,
        "regime": {
            "reference": f"{report.regime}@{report.regime_version}",
            "sha256": report.regime_sha256,
            "title": _in_words(regime.title),
            "internal": regime.is_internal,
            "status": str(regime.status),
            "requires_counsel": [_in_words(each) for each in regime.requires_counsel],
        },
        "stage": report.stage,
        "stage_title": _stage_title(regime, report.stage),
        "recipient": _in_words(report.recipient),
        "about": f"{report.about_kind}:{report.about_uuid}",
        "subject": report.subject.label,
        "revision": revision.number,
        "revision_sha256": revision.sha256,
        "clock": _clock(_standing_clock(report)),
        "fields": [
            {
                "id": f.id,
                "label": _in_words(f.label),
                "cite": "" if regime.is_internal else _in_words(f.cite),
                "source_name": f.source,
                **said,
                **_dated(said, zone),
            }
            for f, said in answers(report)
        ],
        "drafted_by": report.drafted_by.name,
        "approved_by": [a.person.name for a in approvals.approvals.all()] if approvals else [],
        "approved_at": stamp(now()) if report.approved_sha256 else "",
        "supersedes": str(report.supersedes.uuid) if report.supersedes else "",
        "record": document.record_head(),
    }


def _dated(said: Mapping[str, str], zone: str) -> dict[str, Any]:
    """What a person did not write, as a list by date where each of its lines has one."""
    moments = wording.moments(said["value"], zone) if "words" in said else []
    return {"moments": [list(each) for each in moments]} if moments else {}


def _clock(clock: ClockInstance | None) -> dict[str, Any]:
    if clock is None:
        return {}
    return {
        "started_at": _iso(clock.started_at),
        "target_due": _iso(clock.target_due),
        "legal_latest": _iso(clock.legal_latest),
        "zone": clock.zone,
        "cite": _in_words(deadline.cite(clock)),
        "trace": [_in_words(line) for line in clock.trace],
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
        raise NotAllowed(_("%(who)s is not a person; a report is a person's.") % {"who": by.label})
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
    reason = _("%(report)s: receipt received") % {"report": report.title}
    deadline.recount(about, reason=reason, by=by)
    for clock in deadline.standing_for(report.about_uuid).filter(
        regime=report.regime, stage=report.stage
    ):
        deadline.meet(clock, at=at, by=by)
