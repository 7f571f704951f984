"""Build a regime from a TOML pack, or say which file, which entry and which field is wrong."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from compliance.phrase import Phrase
from compliance.regimes import contradictions, entries, standing_entries
from compliance.regimes.calendars import WEEKENDS_ONLY, CalendarError, calendar
from compliance.regimes.schema import Evidence, Regime, Status, ZoneSource
from compliance.regimes.table import Table
from compliance.regimes.terms import PackKind


def regime(raw: Mapping[str, object], *, file: str, digest: str) -> Regime:
    """Build one regime from a parsed pack.

    Raises:
        RegimeError: The pack is incomplete, misspelt or contradicts itself.
    """
    top = Table(raw, file)
    tag = top.choice("evidence", Evidence)
    top.inherited = tag
    kind = top.choice("kind", PackKind, PackKind.INCIDENT)
    is_standing = kind is PackKind.STANDING
    built = Regime(
        key=top.text("key"),
        version=top.text("version"),
        supersedes=top.text("supersedes", ""),
        kind=kind,
        title=top.words("title"),
        summary=top.words("summary"),
        status=top.choice("status", Status),
        is_internal=top.flag("internal", default=False),
        jurisdiction=top.texts("jurisdiction"),
        addressee=top.texts("addressee"),
        evidence=tag,
        valid_from=top.day("valid_from"),
        valid_to=top.optional_day("valid_to"),
        zone=_zone(top),
        zone_source=top.choice("zone_source", ZoneSource),
        calendar=_calendar(top),
        legal_basis=top.each("legal_basis", entries.legal_basis),
        applicability=top.each("applicability", entries.applicability),
        scope=top.each("scope", entries.scope),
        exclusions=top.each("exclusion", entries.exclusion),
        remarks=top.each("remark", entries.remark),
        triggers=top.each("trigger", entries.trigger),
        limbs=top.each("limb", entries.limb),
        stages=top.each("stage", entries.stage),
        recipients=top.each("recipient", entries.recipient),
        fields=top.each("field", entries.field),
        kinds=top.each("report_kind", entries.kind),
        relations=top.each("relation", entries.relation),
        retention=top.each("retention", entries.retention),
        duties=top.each("duty", entries.duty),
        calendar_duties=top.each("standing", standing_entries.standing),
        templates=top.each("template", entries.template),
        admission=top.one("admission", entries.admission),
        challenges=top.each("challenge", entries.challenge),
        requires_counsel=tuple(map(Phrase, top.texts("requires_counsel"))),
        tests=() if is_standing else top.each("test", entries.worked_case),
        standing_tests=top.each("test", standing_entries.standing_case) if is_standing else (),
        file=file,
        digest=digest,
    )
    top.close()
    contradictions.refuse(built)
    return built


def _zone(top: Table) -> str:
    name = top.text("zone")
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        raise top.wrong("zone", "an IANA zone such as 'Europe/Brussels'", name) from None


def _calendar(top: Table) -> str:
    name = top.text("calendar", WEEKENDS_ONLY)
    try:
        return calendar(name).name
    except CalendarError as error:
        raise top.wrong("calendar", str(error), name) from None
