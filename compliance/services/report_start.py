"""How reports begin: from a clock, from a report that was filed, or as its correction or withdrawal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance, Report, Revision, User
from compliance.permissions import NotAllowed, Permission
from compliance.phrase import Phrase
from compliance.regimes import load
from compliance.regimes.terms import Knows
from compliance.services import deadline, document, report_answers
from compliance.services.report_answers import FieldStatus, IncidentFacts, Known, Mark
from compliance.services.report_reading import (
    COUNTING,
    KIND,
    KINDS,
    WHY,
    digest_of,
    earlier_filed,
    fields_of,
    in_words,
    newest,
    regime_of,
    spoken,
    zone_of,
)
from compliance.states import REPORT

LAST = frozenset({"final", "complete"})
SENT = ("filed", "acknowledged")
FURTHER = frozenset(
    {
        Report.What.INTERMEDIATE,
        Report.What.FOLLOW_UP,
        Report.What.FINAL,
        Report.What.FINAL_NON_REPORTABLE,
        Report.What.WITHDRAWAL,
    }
)
"""Kinds of report that only follow one which was filed."""


@transaction.atomic
def start_due(
    about: Any, incident_facts: IncidentFacts, *, by: Actor, drafter: User | None = None
) -> list[Report]:
    """Begin a report for every clock that counts and has none yet; earlier ones keep going.

    A stage is reported once to each authority, and once in each turn where it recurs.

    Args:
        about: the incident, with `kind` and `uuid`.
        incident_facts: what the records know of it.
        by: who or what asks.
        drafter: whose the reports are when `by` is no person.

    Raises:
        NotAllowed: neither `by` nor `drafter` is a person.
    """
    clocks = deadline.standing_for(about.uuid).filter(state__in=COUNTING)
    return [
        start(about, clock, incident_facts=incident_facts, by=by, drafter=drafter)
        for clock in clocks.order_by("target_due", "pk")
        if not _has_report(about, clock)
    ]


def _has_report(about: Any, clock: ClockInstance) -> bool:
    """Whether the clock's stage, authority and turn have a report that was not replaced."""
    standing = Report.objects.filter(
        about_uuid=about.uuid,
        regime=clock.regime,
        stage=clock.stage,
        sequence=clock.sequence,
        authority__in={clock.authority, ""},
    )
    return (
        standing.exclude(state__in=["superseded", "withdrawn"])
        .exclude(what=Report.What.WITHDRAWAL)
        .exists()
    )


@transaction.atomic
def start(
    about: Any,
    clock: ClockInstance,
    *,
    incident_facts: IncidentFacts,
    by: Actor,
    drafter: User | None = None,
) -> Report:
    """Draft one stage's report from the records. The regime's version and digest are pinned.

    What the records do not say is taken from what this authority was told before, with where from.
    """
    begun = Report(
        subject=clock.subject,
        about_kind=about.kind,
        about_uuid=about.uuid,
        title=_title(clock, incident_facts.reference)[:300],
        regime=clock.regime,
        regime_version=clock.regime_version,
        regime_sha256=clock.regime_sha256,
        stage=clock.stage,
        sequence=clock.sequence,
        authority=clock.authority,
        recipient=clock.recipient,
        is_simulation=incident_facts.is_simulation,
        drafted_by_id=_drafter(by, drafter),
        started_at=now(),
    )
    begun.what = _what(begun)
    begun.save()
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
        authority=clock.authority,
        sequence=clock.sequence,
    )
    revision(begun, prefilled(begun, incident_facts), by=by)
    return begun


def _drafter(by: Actor, drafter: User | None) -> int:
    found = by.user_id or (drafter.pk if drafter else None)
    if found is None:
        raise NotAllowed(_("%(who)s is not a person; a report is a person's.") % {"who": by.label})
    return found


def _title(clock: ClockInstance, reference: str) -> str:
    regime = load.get(f"{clock.regime}@{clock.regime_version}")
    with document.in_house_language():
        return f"{in_words(regime.title)} · {in_words(deadline.stage_title(clock))} · {reference}"


def _what(begun: Report) -> str:
    """The kind that the stage suggests; whoever drafts may declare another."""
    if begun.stage in LAST:
        return Report.What.FINAL
    if begun.stage == "intermediate":
        return Report.What.INTERMEDIATE
    first = regime_of(begun).stages[0]
    is_first = str(first.id) == begun.stage and begun.sequence == 1
    return Report.What.INITIAL if is_first or begun.stage == "imminent" else Report.What.FOLLOW_UP


def prefilled(report: Report, facts: IncidentFacts) -> dict[str, dict[str, str]]:
    """Each field with what the records know of it, else with what was filed before, else missing.

    Beside the exact value stand its words, in the report's language and the recipient's zone: who
    approves the report approves them, and they are what it prints.
    """
    regime, zone = regime_of(report), zone_of(report)
    before = earlier_filed(report) if report.pk else None
    with spoken(report.language):
        known = {**facts.known, KIND: kind_of(report)}
        fields = {
            f.id: report_answers.from_records(known.get(f.source), f, regime, zone)
            for f in fields_of(report)
        }
        if before is not None:
            _carry(fields, before, report)
    return fields


def kind_of(report: Report) -> Known:
    """The kind of report, as it is declared, in the language that is active."""
    return Known(in_words(KINDS[report.what]), Mark.MEASURED, report.ref)


def _carry(fields: dict[str, dict[str, str]], before: Report, report: Report) -> None:
    """Answers that were filed before: where the records say nothing, and where a person answered."""
    filed = newest(before).fields
    regime, zone = regime_of(report), zone_of(report)
    asked = {each.id: each for each in fields_of(report)}
    for name, answer in fields.items():
        said = filed.get(name, {})
        is_persons = said.get("mark") == Mark.ATTESTED
        if name in {"late_reasons", "why_not_reportable"}:
            continue
        if answer["status"] == FieldStatus.MISSING or is_persons:
            taken = report_answers.carried(said, before.ref)
            if taken["status"] != FieldStatus.MISSING:
                fields[name] = report_answers.reworded(taken, asked.get(name), regime, zone)


def revision(report: Report, fields: Mapping[str, Mapping[str, str]], *, by: Actor) -> Revision:
    """Keep the fields as the next numbered revision; whatever is not a person acts for the drafter."""
    last = report.revisions.order_by("-number").first()
    plain = {name: {k: str(v) for k, v in answer.items()} for name, answer in fields.items()}
    made = Revision.objects.create(
        report=report,
        number=last.number + 1 if last else 1,
        language=report.language,
        fields=plain,
        sha256=digest_of(report, plain),
        by_id=by.user_id or report.drafted_by_id,
        at=now(),
    )
    record(
        "report.revise",
        report,
        by=by,
        number=made.number,
        sha256=made.sha256,
        before=report.state,
        after=report.state,
    )
    return made


@transaction.atomic
def supersede(report: Report, *, by: Actor, note: str) -> Report:
    """Correct a filed report by a new one that points at it; nothing is unfiled."""
    old = newest(report)
    advance(report, REPORT, "supersede", by=by, note=note)
    return _after(report, what=report.what, fields=dict(old.fields), replaces=True, by=by)


@transaction.atomic
def follow(report: Report, what: str, *, note: str, by: Actor) -> Report:
    """Begin a further report to the same authority: the next one, the last one, or a withdrawal.

    A withdrawal points at what it withdraws, which stays on record. A final report that finds the
    incident not reportable closes the last stage of the regime; no date of any clock changes.

    Args:
        report: one that was filed.
        what: the kind of the further report.
        note: why, for the record; a withdrawal and a finding of not reportable begin with it.
        by: the person who drafts it.

    Raises:
        TransitionRefused: the report was not filed, no further report is of that kind, or its
            recipient knows none such.
    """
    require(by, Permission.REPORT_DRAFT, report.subject)
    if report.state not in SENT:
        raise TransitionRefused(_("Nothing was filed yet; a further report follows one that was."))
    if what not in FURTHER:
        raise TransitionRefused(_("A further report is of another kind than the first one."))
    if refused := not_offered(report, what):
        raise TransitionRefused(refused)
    if not note.strip():
        raise ValueError(_("Say why, for the record."))
    return _after(report, what=what, fields={}, note=note, by=by)


def further(report: Report) -> dict[str, Phrase]:
    """Kinds of further report that its recipient knows, or may know, with their words."""
    pack = regime_of(report)
    return {code: words for code, words in KINDS.items() if code in FURTHER and pack.offers(code)}


def not_offered(report: Report, what: str) -> str:
    """Why no report of this kind is begun here, and what to do instead; empty where one may be."""
    pack = regime_of(report)
    if pack.offers(what):
        return ""
    known = pack.knows(what)
    why = (
        _("“%(kind)s” is not offered: under this regime the recipient's form knows none.")
        if known is Knows.NO
        else _("“%(kind)s” is not offered: nobody found out whether the recipient knows one.")
    )
    told = [why % {"kind": in_words(KINDS[what])}]
    if what == Report.What.WITHDRAWAL and pack.offers(Report.What.FINAL_NON_REPORTABLE):
        told.append(
            _("Send a final report that finds the incident not reportable, with the reason.")
        )
    told.append(_("What was wrong in a filed report is replaced by a correction."))
    return " ".join(told)


def _after(
    report: Report,
    *,
    what: str,
    fields: dict[str, dict[str, str]],
    replaces: bool = False,
    note: str = "",
    by: Actor,
) -> Report:
    withdraws = what == Report.What.WITHDRAWAL
    reference = report.title.rpartition(" · ")[2]
    stage = _last_stage(report) if what in {"final", "final_non_reportable"} else report.stage
    begun = Report(
        subject=report.subject,
        about_kind=report.about_kind,
        about_uuid=report.about_uuid,
        title=report.title,
        regime=report.regime,
        regime_version=report.regime_version,
        regime_sha256=report.regime_sha256,
        stage=stage,
        what=what,
        sequence=report.sequence if stage == report.stage else 1,
        authority=report.authority,
        language=report.language,
        recipient=report.recipient,
        is_simulation=report.is_simulation,
        drafted_by_id=_drafter(by, None),
        supersedes=report if replaces or withdraws else None,
        started_at=now(),
    )
    if not replaces:
        with document.in_house_language():
            begun.title = (
                f"{in_words(regime_of(report).title)} · {in_words(KINDS[what])} · {reference}"
            )[:300]
    begun.save()
    record(
        "report.start",
        begun,
        by=by,
        after="drafting",
        note=note,
        words={"title": begun.title},
        **{"supersedes" if begun.supersedes else "follows": report.ref},
        what=what,
    )
    if not replaces:
        facts = IncidentFacts(reference=reference, title=report.subject.label)
        fields = prefilled(begun, facts)
        _give_reason(begun, fields, note, by)
    revision(begun, fields, by=by)
    return begun


def _last_stage(report: Report) -> str:
    """The stage that closes the regime, if it has one and no report of it is open or filed."""
    last = str(regime_of(report).stages[-1].id)
    return last if last in LAST else report.stage


def _give_reason(begun: Report, fields: dict[str, dict[str, str]], note: str, by: Actor) -> None:
    """What was said for the record is the rationale to begin with."""
    regime = regime_of(begun)
    for asked in fields_of(begun):
        if asked.source == WHY:
            said = report_answers.stated(asked, {}, {}, {"value": note}, by, regime)
            fields[asked.id] = said


@transaction.atomic
def met_by_receipt(report: Report, *, at: Any, by: Actor) -> list[Report]:
    """The report reached its recipient: its clock stops, and what counts from it begins.

    A withdrawal stops no clock: what it withdraws is marked, and stays.

    Returns:
        The reports of later stages that were begun, from what was filed; whoever drafted this one
        has them.
    """
    about = deadline.About(report.about_kind, report.about_uuid)
    if report.what == Report.What.WITHDRAWAL:
        if report.supersedes is not None and report.supersedes.state in SENT:
            advance(report.supersedes, REPORT, "withdraw", by=by, by_report=report.ref)
        return []
    reason = _("%(report)s: receipt received") % {"report": report.title}
    deadline.recount(about, reason=reason, by=by)
    met = deadline.standing_for(report.about_uuid).filter(
        regime=report.regime,
        stage=report.stage,
        authority=report.authority,
        sequence=report.sequence,
    )
    for clock in met:
        deadline.meet(clock, at=at, by=by)
    facts = IncidentFacts(
        reference=report.title.rpartition(" · ")[2],
        title=report.subject.label,
        is_simulation=report.is_simulation,
    )
    return start_due(about, facts, by=by, drafter=report.drafted_by)
