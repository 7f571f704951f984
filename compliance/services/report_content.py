"""The machine-readable twin of a report: everything its paper says, in one structure, in its language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from compliance.clock import now, stamp
from compliance.models import ApprovalRequest, ClockInstance, Report, Revision
from compliance.phrase import Phrase
from compliance.regimes.fields import RequiredField
from compliance.regimes.terms import MARKED, SENSITIVITIES
from compliance.services import deadline, document, report_translation, wording
from compliance.services.report_reading import (
    KINDS,
    answers,
    fields_of,
    in_words,
    newest,
    recipient,
    regime_of,
    spoken,
    stage_title,
    standing_clock,
    zone_of,
)

PURPOSE = "report"
LANGUAGES: dict[str, Phrase] = {
    "en": Phrase("English"),
    "de": Phrase("German"),
    "fr": Phrase("French"),
}


def title(report: Report) -> str:
    """Regime, stage and incident, in the language that is active."""
    reference = report.title.rpartition(" · ")[2]
    return f"{in_words(regime_of(report).title)} · {in_words(stage_title(report))} · {reference}"


def content(report: Report) -> dict[str, Any]:
    """What is frozen when a report is approved; its fixed text in the report's language."""
    with spoken(report.language):
        return _content(report)


def _content(report: Report) -> dict[str, Any]:
    regime, zone = regime_of(report), zone_of(report)
    revision = newest(report)
    approvals = ApprovalRequest.objects.filter(thing_uuid=report.uuid, purpose=PURPOSE).last()
    return {
        "kind": "incident_report",
        "report": str(report.uuid),
        "title": title(report),
        "language": report.language,
        "simulation": report.is_simulation,
        "regime": {
            "reference": f"{report.regime}@{report.regime_version}",
            "sha256": report.regime_sha256,
            "title": in_words(regime.title),
            "internal": regime.is_internal,
            "status": str(regime.status),
            "requires_counsel": [in_words(each) for each in regime.requires_counsel],
        },
        "stage": report.stage,
        "stage_title": in_words(stage_title(report)),
        "what": report.what,
        "what_title": in_words(KINDS[report.what]),
        "sequence": report.sequence,
        "incomplete": report.is_incomplete,
        "recipient": recipient(report),
        "authority": report.authority,
        "about": f"{report.about_kind}:{report.about_uuid}",
        "subject": report.subject.label,
        "revision": revision.number,
        "revision_sha256": revision.sha256,
        "clock": _clock(standing_clock(report)),
        "admission": _admission(report),
        "fields": [
            _field(f, said, zone, is_internal=regime.is_internal)
            for f, said in answers(report)
            if not f.is_kept_back
        ],
        "drafted_by": report.drafted_by.name,
        "approved_by": [a.person.name for a in approvals.approvals.all()] if approvals else [],
        "approved_at": stamp(now()) if report.approved_sha256 else "",
        "supersedes": str(report.supersedes.uuid) if report.supersedes else "",
        "authoritative_language": _authoritative(report, revision),
        "authoritative_title": in_words(LANGUAGES[_authoritative(report, revision)]),
        "translations": [
            _translation(report, each) for each in report_translation.approved(report)
        ],
        "record": document.record_head(),
    }


def _field(
    asked: RequiredField, said: Mapping[str, str], zone: str, *, is_internal: bool
) -> dict[str, Any]:
    return {
        "id": asked.id,
        "label": in_words(asked.label),
        "cite": "" if is_internal or not asked.cite else in_words(asked.cite),
        "source_name": asked.source,
        "type": str(asked.type),
        "audience": str(asked.audience),
        "sensitivity": str(asked.sensitivity),
        "care": in_words(SENSITIVITIES[asked.sensitivity]) if asked.sensitivity in MARKED else "",
        **said,
        **_dated(said, zone),
    }


def _dated(said: Mapping[str, str], zone: str) -> dict[str, Any]:
    """What a person did not write, as a list by date where each of its lines has one."""
    moments = wording.moments(said["value"], zone) if "words" in said else []
    return {"moments": [list(each) for each in moments]} if moments else {}


def _admission(report: Report) -> dict[str, str]:
    """The text by which reporting is no admission, where the regime has one."""
    regime = regime_of(report)
    if regime.admission is None:
        return {}
    return {"text": in_words(regime.admission.text), "cite": in_words(regime.admission.cite)}


def _clock(clock: ClockInstance | None) -> dict[str, Any]:
    if clock is None:
        return {}
    return {
        "started_at": _iso(clock.started_at),
        "target_due": _iso(clock.target_due),
        "legal_latest": _iso(clock.legal_latest),
        "zone": clock.zone,
        "cite": in_words(deadline.cite(clock)),
        "trace": [in_words(line) for line in clock.trace],
    }


def _iso(moment: datetime | None) -> str:
    return stamp(moment) if moment else ""


def _authoritative(report: Report, revision: Revision) -> str:
    """The code of the language whose text counts."""
    counts = [each for each in report_translation.approved(report) if each.is_authoritative]
    return counts[0].language if counts else revision.language


def _translation(report: Report, made: Revision) -> dict[str, Any]:
    """One approved translation, in its own language, with who made and who approved it."""
    with spoken(made.language):
        labels = {
            each.id: in_words(each.label) for each in fields_of(report) if not each.is_kept_back
        }
        return {
            "language": made.language,
            "language_title": in_words(LANGUAGES[made.language]),
            "original_title": in_words(LANGUAGES[newest(report).language]),
            "is_authoritative": made.is_authoritative,
            "translator": made.translator.name if made.translator else "",
            "approved_by": report_translation.approvers(report, made),
            "sha256": made.sha256,
            "revision": made.number,
            "fields": [
                {"id": name, "label": labels[name], **text}
                for name, text in made.fields.items()
                if name in labels
            ],
        }
