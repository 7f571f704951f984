"""What a report asks, what it says now, and what its digest covers. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max
from django.utils import translation
from django.utils.translation import gettext as _

from compliance import phrase
from compliance.clock import now
from compliance.models import ClockInstance, Filing, Report, Revision
from compliance.phrase import Phrase
from compliance.regimes import authorities, load
from compliance.regimes.fields import LATE_REASONS, RequiredField
from compliance.regimes.schema import Evidence, Regime, Stage
from compliance.regimes.terms import Audience, LateRule, Sensitivity, UnknownPolicy
from compliance.services import deadline, digest, report_answers, wording
from compliance.services.report_answers import FieldStatus, Mark

ARRIVED = ("acknowledged", "superseded")
"""States of a filing that its recipient has acknowledged, then or before a later one."""
COUNTING = ("running", "overdue", "overdue_immediate")
DIGEST_VERSION = 2
"""Version 1 covered neither language, kind, authority nor sequence."""
SOON = timedelta(hours=4)
KIND = "report.kind"
WHY = "report.why"
WHY_WITHDRAWN = Phrase("Why the earlier report is withdrawn")
WHY_NOT_REPORTABLE = Phrase("Why the incident is not reportable after all")
LATE = Phrase("Reasons for the delay, where the report is late")
NOTICE_OF_DELAY = Phrase("Notice of the delay given before the time ran out, with its reasons")
KINDS: dict[str, Phrase] = {
    Report.What.INITIAL: Phrase("Initial report"),
    Report.What.INTERMEDIATE: Phrase("Intermediate report"),
    Report.What.FOLLOW_UP: Phrase("Follow-up report"),
    Report.What.COMBINED: Phrase("Initial and final report in one"),
    Report.What.FINAL: Phrase("Final report"),
    Report.What.FINAL_NON_REPORTABLE: Phrase("Final report: not reportable"),
    Report.What.WITHDRAWAL: Phrase("Withdrawal of an earlier report"),
}


def spoken(language: str) -> translation.override:
    """Words are made in the report's language while this holds."""
    return translation.override(language)


def in_words(words: object) -> str:
    """A phrase, or a text of a pack, in the language that is active."""
    return phrase.said(wording.phrase(words), translation)


def regime_of(report: Report) -> Regime:
    """The pinned version."""
    return load.get(f"{report.regime}@{report.regime_version}")


def is_pack_changed(report: Report) -> bool:
    """Whether the pinned version has other bytes now than when the report began."""
    return regime_of(report).digest != report.regime_sha256


def stage_of(report: Report) -> Stage | None:
    """The pinned regime's stage."""
    return next((each for each in regime_of(report).stages if str(each.id) == report.stage), None)


def stage_title(report: Report) -> str:
    """The stage in the pinned regime's words: a phrase."""
    stage = stage_of(report)
    return stage.title if stage else report.stage


def regime_title(report: Report) -> str:
    """The pinned regime's title: a phrase."""
    return regime_of(report).title


def recipient(report: Report) -> str:
    """Who receives it, in the language that is active; empty inside the organisation."""
    if report.authority:
        try:
            return in_words(authorities.get(report.authority).name)
        except authorities.UnknownAuthority:
            return report.recipient
    return in_words(report.recipient) if report.recipient else ""


def languages_taken(report: Report) -> tuple[str, ...]:
    """Languages that its authority takes, as far as they are on file; empty where nobody knows."""
    if not report.authority:
        return ()
    try:
        return authorities.get(report.authority).languages or ()
    except authorities.UnknownAuthority:
        return ()


def fields_of(report: Report) -> tuple[RequiredField, ...]:
    """What the pinned regime asks of this stage, and what the kind of report asks beside it."""
    if report.what == Report.What.WITHDRAWAL:
        return (_rationale(report, "why_withdrawn", WHY_WITHDRAWN),)
    asked = regime_of(report).fields_for(report.stage)  # type: ignore[arg-type]  # stages are stored as text
    late = () if any(each.is_only_if_late for each in asked) else _asked_if_late(report)
    if report.what == Report.What.FINAL_NON_REPORTABLE:
        return (_rationale(report, "why_not_reportable", WHY_NOT_REPORTABLE), *asked, *late)
    return (*asked, *late)


def _asked_if_late(report: Report) -> tuple[RequiredField, ...]:
    stage = stage_of(report)
    if stage is None or stage.late_rule is LateRule.NONE:
        return ()
    is_notice = stage.late_rule is LateRule.NOTIFY_BEFORE_EXPIRY
    label = NOTICE_OF_DELAY if is_notice else LATE
    late = RequiredField(
        "late_reasons", label, stage.late_cite, LATE_REASONS, (), Evidence.HOUSE,
        audience=_audience(report), sensitivity=Sensitivity.NONE,
    )  # fmt: skip
    return (late,)


def _rationale(report: Report, name: str, label: Phrase) -> RequiredField:
    """Why a report is taken back, or its incident not reportable: whoever says so can say why."""
    return RequiredField(
        name, label, Phrase(""), WHY, (), Evidence.HOUSE,
        audience=_audience(report), unknown_policy=UnknownPolicy.NONE,
    )  # fmt: skip


def _audience(report: Report) -> Audience:
    return Audience.INTERNAL if regime_of(report).is_internal else Audience.AUTHORITY


def takes_incomplete(report: Report) -> bool:
    """Whether the regime takes this stage with answers still to come."""
    stage = stage_of(report)
    return stage is not None and stage.accepts_incomplete


def newest(report: Report) -> Revision:
    """The revision that stands; translations are not among them."""
    return report.revisions.filter(translation_of=None).latest("number")


def editors(report: Report) -> set[int]:
    """Everybody who drafted it or made any of its revisions: none of them may approve it."""
    written = report.revisions.filter(translation_of=None).values_list("by_id", flat=True)
    return {each for each in (report.drafted_by_id, report.revised_by_id, *written) if each}


def told(report: Report, fields: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The answers of a revision with their words, whenever it was made."""
    regime, zone = regime_of(report), zone_of(report)
    asked = {each.id: each for each in fields_of(report)}
    with spoken(report.language):
        return {
            name: report_answers.told(each, asked.get(name), regime, zone)
            for name, each in fields.items()
        }


def zone_of(report: Report) -> str:
    """Where the report is read: the zone that its clock goes by."""
    clock = standing_clock(report)
    return clock.zone if clock else "UTC"


def missing(report: Report) -> list[RequiredField]:
    """Fields that nobody has answered, nor stated to be unknown or not to apply.

    Reasons for a delay are among them only once the stage's target has passed.
    """
    return [f for f, said in answers(report) if said["status"] == FieldStatus.MISSING]


def answers(report: Report) -> list[tuple[RequiredField, dict[str, str]]]:
    """Each field that the stage asks for, with what is said of it as of now."""
    said = told(report, newest(report).fields)
    late = is_late(report)
    return [(f, _as_of_now(f, said.get(f.id, {}), late=late)) for f in fields_of(report)]


def _as_of_now(asked: RequiredField, said: Mapping[str, str], *, late: bool) -> dict[str, str]:
    answer = {**report_answers.blank(), **said}
    if answer["status"] == FieldStatus.UNKNOWN:
        # A person stands behind "unknown"; early revisions marked it as missing.
        return answer | {"mark": Mark.ATTESTED.value}
    if answer["status"] == FieldStatus.MISSING and asked.is_only_if_late and not late:
        return answer | {"status": FieldStatus.NOT_NEEDED.value, "mark": ""}
    return answer


def limit(report: Report) -> datetime | None:
    """When the report is due: after it, reasons for the delay are asked for."""
    clock = standing_clock(report)
    return clock.target_due if clock else None


def is_late(report: Report) -> bool:
    """Past the stage's target, by when it first reached its recipient, or else by now.

    The latest arguable date excuses nobody: it is shown, and nothing is judged by it.
    """
    clock = standing_clock(report)
    if clock is None or clock.target_due is None or report.what == Report.What.WITHDRAWAL:
        return False
    at = first_sent(report) or now()
    # Hours end with their last instant; days end before the midnight that is stored.
    return at > clock.target_due if clock.nominal is None else at >= clock.target_due


def notice_is_due(report: Report) -> bool:
    """Whether the authority must hear of a delay before the time runs out, and time is running out.

    The rule of some regimes: who will be late says so, with reasons, before the limit.
    """
    stage, clock = stage_of(report), standing_clock(report)
    if stage is None or stage.late_rule is not LateRule.NOTIFY_BEFORE_EXPIRY:
        return False
    if clock is None or clock.target_due is None or clock.state not in COUNTING:
        return False
    if first_sent(report) is not None or is_late(report):
        return False
    said = newest(report).fields.get("late_reasons", {})
    if said.get("status", FieldStatus.MISSING) != FieldStatus.MISSING:
        return False
    started = clock.started_at or clock.computed_at
    half = started + (clock.target_due - started) / 2
    return now() >= min(half, clock.target_due - SOON)


def standing_clock(report: Report) -> ClockInstance | None:
    """The clock of this stage, of its authority and turn before any other."""
    clocks = deadline.standing_for(report.about_uuid).filter(
        regime=report.regime, stage=report.stage, authority__in={report.authority, ""}
    )
    found = sorted(
        clocks.order_by("target_due", "pk"),
        key=lambda clock: (clock.authority != report.authority, clock.sequence != report.sequence),
    )
    return found[0] if found else None


def first_sent(report: Report) -> datetime | None:
    """When this stage first went out and was acknowledged: a correction is not a delay."""
    acknowledged = Filing.objects.filter(
        report__about_uuid=report.about_uuid,
        report__regime=report.regime,
        report__stage=report.stage,
        report__authority=report.authority,
        report__sequence=report.sequence,
        state__in=ARRIVED,
        sent_at__isnull=False,
    ).exclude(report__what=Report.What.WITHDRAWAL)
    return acknowledged.order_by("sent_at").values_list("sent_at", flat=True).first()


def earlier_filed(report: Report) -> Report | None:
    """The last report that reached the same authority under the same regime before this one."""
    arrived = (
        Report.objects.filter(
            about_uuid=report.about_uuid,
            regime=report.regime,
            authority=report.authority,
            pk__lt=report.pk,
            filings__state__in=ARRIVED,
        )
        .exclude(what=Report.What.WITHDRAWAL)
        .annotate(arrived=Max("filings__sent_at"))
    )
    return arrived.order_by("-arrived", "-pk").first()


def kinds_for(report: Report) -> list[tuple[str, str]]:
    """Kinds that this report may be declared as: code and words in the active language."""
    What = Report.What  # noqa: N806 - a class
    if report.what == What.WITHDRAWAL:
        kinds = [What.WITHDRAWAL]
    elif earlier_filed(report) is None:
        kinds = [What.INITIAL, What.COMBINED]
    else:
        kinds = [What.INTERMEDIATE, What.FOLLOW_UP, What.FINAL, What.FINAL_NON_REPORTABLE]
    offers = regime_of(report).offers
    codes = dict.fromkeys([report.what, *(str(each) for each in kinds if offers(each))])
    return [(code, in_words(KINDS[code])) for code in codes]


def digest_of(report: Report, fields: Mapping[str, Any]) -> str:
    """SHA-256 over what an approval is about: what goes to whom, as what, in which language."""
    return digest.of_json(
        {
            "digest": DIGEST_VERSION,
            **_covered_first(report, fields),
            "what": report.what,
            "authority": report.authority,
            "sequence": report.sequence,
            "language": report.language,
        }
    )


def _covered_first(report: Report, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the first version of the digest covered."""
    return {
        "report": str(report.uuid),
        "regime": f"{report.regime}@{report.regime_version}",
        "stage": report.stage,
        "recipient": report.recipient,
        "simulation": report.is_simulation,
        "fields": fields,
    }


def current_sha256(report: Report) -> str:
    """The digest an approval must be about, computed anew from what stands.

    A revision that was changed past the record no longer matches the digest it was approved by.
    """
    standing = newest(report)
    made = digest_of(report, standing.fields)
    if standing.sha256 == made:
        return made
    first = digest.of_json(_covered_first(report, standing.fields))
    return first if standing.sha256 == first else made


def lacking(report: Report) -> str:
    """The open fields by name and place, in one line."""
    return "; ".join(
        _("%(label)s (%(cite)s)") % {"label": in_words(f.label), "cite": in_words(f.cite)}
        if f.cite
        else in_words(f.label)
        for f in missing(report)
    )
