"""From rows to what components need: badges, timeline entries, facts, clocks. Used by all storeys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from compliance import phrase
from compliance.audit.log import Line
from compliance.clock import now
from compliance.machines import NAMED, Machine
from compliance.regimes import load
from compliance.regimes.schema import Status
from compliance.services import deadline, wording
from compliance.views.tables import Badge

if TYPE_CHECKING:
    from datetime import datetime

    from compliance.models import ClockInstance

Text = str | Promise

ICONS = {
    "alert": "alert-triangle",
    "approval": "check",
    "blob": "lock",
    "classification": "scale",
    "clock": "clock",
    "hold": "lock",
    "incident": "flag",
    "lesson": "note",
    "note": "note",
    "page": "bell-ringing",
    "prior_notice": "scale",
    "report": "file-text",
    "review": "note",
    "rollback": "history",
}
# Kinds that have a page of their own at the roof.
LINKED = frozenset(
    {
        "alert",
        "authority_question",
        "authority_request",
        "decision",
        "deployment",
        "document",
        "duty",
        "evidence",
        "incident",
        "occurrence",
        "release",
        "report",
        "review",
        "rollback",
        "scan",
        "system",
        "version",
    }
)
AMBER, RED = 0.5, 0.85  # shares of the time that are gone

STATE_WORDS: dict[str, Promise] = {
    "running": gettext_lazy("running"),
    "overdue": gettext_lazy("overdue"),
    "overdue_immediate": gettext_lazy("overdue already when it was classified"),
    "met": gettext_lazy("met"),
    "facts_needed": gettext_lazy("facts needed"),
    "not_in_force": gettext_lazy("not in force"),
    "pending_anchor": gettext_lazy("waiting for an earlier step"),
    "not_applicable": gettext_lazy("does not apply"),
}


CLOCK_TONES = {
    "running": "info",
    "overdue": "bad",
    "overdue_immediate": "bad",
    "met": "ok",
    "facts_needed": "warn",
}
LAW_WORDS: dict[Status, Promise] = {
    Status.ENACTED_NOT_EFFECTIVE: gettext_lazy("enacted, not yet effective"),
    Status.PROPOSED: gettext_lazy("proposed only"),
    Status.CONTESTED: gettext_lazy("contested"),
    Status.REPEALED: gettext_lazy("repealed"),
}
"""What keeps a regime from counting down."""


OTHER_WORDS: dict[str, dict[str, Promise]] = {
    "clock": STATE_WORDS,
    "decision": {
        "go": gettext_lazy("GO"),
        "conditional": gettext_lazy("CONDITIONAL"),
        "no_go": gettext_lazy("NO-GO"),
    },
}
"""The states of what no machine moves."""

KINDS: dict[str, Promise] = {
    "account": gettext_lazy("account"),
    "alert": gettext_lazy("alert"),
    "approval": gettext_lazy("approval"),
    "audit": gettext_lazy("record"),
    "authorisation": gettext_lazy("authorisation"),
    "authority_question": gettext_lazy("question of an authority"),
    "authority_request": gettext_lazy("request of an authority"),
    "blob": gettext_lazy("file"),
    "campaign": gettext_lazy("campaign"),
    "campaign_finding": gettext_lazy("campaign finding"),
    "classification": gettext_lazy("classification"),
    "clock": gettext_lazy("clock"),
    "decision": gettext_lazy("decision"),
    "deployment": gettext_lazy("deployment"),
    "disclosure": gettext_lazy("disclosure"),
    "document": gettext_lazy("document"),
    "duty": gettext_lazy("standing duty"),
    "entity": gettext_lazy("legal entity"),
    "event": gettext_lazy("event"),
    "evidence": gettext_lazy("evidence"),
    "export": gettext_lazy("export"),
    "feed": gettext_lazy("calendar address"),
    "filing": gettext_lazy("filing"),
    "finding": gettext_lazy("finding"),
    "grant": gettext_lazy("grant"),
    "hold": gettext_lazy("hold"),
    "inbox": gettext_lazy("telemetry"),
    "incident": gettext_lazy("incident"),
    "ingest": gettext_lazy("telemetry"),
    "lesson": gettext_lazy("lesson"),
    "manifest": gettext_lazy("manifest"),
    "model": gettext_lazy("model"),
    "note": gettext_lazy("note"),
    "notice": gettext_lazy("message"),
    "occurrence": gettext_lazy("date of a standing duty"),
    "page": gettext_lazy("call"),
    "person": gettext_lazy("person"),
    "prior_notice": gettext_lazy("prior notice"),
    "release": gettext_lazy("authorisation to file unattended"),
    "report": gettext_lazy("report"),
    "review": gettext_lazy("review"),
    "rollback": gettext_lazy("rollback"),
    "rota": gettext_lazy("rota"),
    "rule": gettext_lazy("rule"),
    "sae": gettext_lazy("autoencoder"),
    "scan": gettext_lazy("scan"),
    "session": gettext_lazy("session"),
    "shard": gettext_lazy("shard of a scan"),
    "shift": gettext_lazy("shift"),
    "statement": gettext_lazy("statement"),
    "suite": gettext_lazy("prompt suite"),
    "system": gettext_lazy("system"),
    "time_stamp": gettext_lazy("time-stamp"),
    "timekeeping": gettext_lazy("timekeeping"),
    "token": gettext_lazy("token"),
    "version": gettext_lazy("version"),
    "waiver": gettext_lazy("waiver"),
    "watchlist": gettext_lazy("watch-list"),
}
"""What the log and the pages call things."""


class Entry(NamedTuple):
    """One line of a timeline."""

    at: Any
    actor_label: str
    sentence: str
    note: str
    icon: str
    link: str
    link_label: Text


class Fact(NamedTuple):
    """One line of the rail."""

    label: Text
    value: Any
    kind: str = "text"
    url: str = ""


def badge(machine: Machine, state: str) -> Badge:
    """The word and tone of a state, from its machine's table."""
    shown = machine.states[state]
    return Badge(str(shown.label), str(shown.tone))


def state_word(kind: str, state: str) -> str:
    """A state of a thing of this kind, as the log names it, in words."""
    if kind in OTHER_WORDS:
        return str(OTHER_WORDS[kind].get(state, state))
    machine = NAMED.get(kind)
    known = machine.states.get(state) if machine else None
    return str(known.label) if known else state.replace("_", " ")


def line_entry(line: Line) -> Entry:
    """One log line, with the reason as its note and a link where the thing has a page."""
    link = page_of(line.object_kind, line.object_uuid) if line.object_kind in LINKED else ""
    noted = line.note or next(
        (line.words[name] for name in ("title", "name", "why", "summary") if line.words.get(name)),
        "",
    )
    icon = ICONS.get(line.object_kind, "circle-dot")
    return Entry(line.at, line.actor_label, line.sentence, noted, icon, link, gettext_lazy("open"))


def entries(lines: Iterable[Line]) -> list[Entry]:
    """Log lines as the timeline component shows them."""
    return [line_entry(line) for line in lines]


def page_of(kind: str, uuid: object) -> str:
    """The roof's address of a thing."""
    return f"/r/{kind}/{uuid}"


def url(name: str, *args: object) -> str:
    """The address of a named page; empty where an installation does not have it."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def clock_card(clock: ClockInstance) -> dict[str, Any]:
    """What the clock component needs, as of now."""
    at = now()
    counting = clock.state in {"running", "overdue", "overdue_immediate"}
    has_dates = counting and clock.target_due is not None
    left = clock.target_due - at if has_dates and clock.target_due else None
    fraction = _gone(clock, at)
    return {
        "title": f"{said(clock.regime_title)}: {said(deadline.stage_title(clock))}",
        "law": said(clock.regime_title),
        "article": said(deadline.cite(clock)),
        "state": _component_state(clock.state),
        "state_label": "" if counting else clock_word(clock),
        "remaining_text": _remaining(left),
        "target_due": clock.target_due if counting else None,
        "legal_latest": clock.legal_latest if counting else None,
        "earliest": clock.earliest_if_confirmed if clock.state == "facts_needed" else None,
        "started_at": clock.started_at,
        "fraction": fraction,
        "tone": _tone(left, fraction),
        "zone": clock.zone,
        "recipient_zone_text": at_recipient(clock.target_due if has_dates else None, clock.zone),
        "note": "",
        "url": clock.path,
    }


def due_card(
    title: str, due: datetime, *, zone: str, since: datetime | None, law: str = "", path: str = ""
) -> dict[str, Any]:
    """A date that is no clock's, for the same component: a standing duty's, an authority's."""
    at = now()
    left, fraction = due - at, 0.0
    if since is not None and since < due:
        fraction = float(min(1.0, max(0.0, (at - since) / (due - since))))
    return {
        "title": title,
        "law": law,
        "article": "",
        "state": "running",
        "remaining_text": _remaining(left),
        "target_due": due,
        "started_at": since,
        "fraction": fraction,
        "tone": _tone(left, fraction),
        "zone": zone,
        "recipient_zone_text": at_recipient(due, zone),
        "note": "",
        "url": path,
    }


def kind_name(kind: str) -> str:
    """A kind of thing in words."""
    return str(KINDS.get(kind, kind))


def said(words: object) -> str:
    """A phrase, or a text of the house's own data files, in the reader's language."""
    return phrase.said(wording.phrase(words), translation)


def _component_state(state: str) -> str:
    if state in {"overdue", "overdue_immediate"}:
        return "running"
    return {"pending_anchor": "pending"}.get(state, state)


def _gone(clock: ClockInstance, at: Any) -> float:
    if clock.started_at is None or clock.target_due is None or clock.target_due <= clock.started_at:
        return 0.0
    whole = clock.target_due - clock.started_at
    return float(min(1.0, max(0.0, (at - clock.started_at) / whole)))


def _tone(left: timedelta | None, fraction: float) -> str:
    if left is None:
        return "quiet"
    if left < timedelta(0):
        return "overdue"
    return "red" if fraction >= RED else "amber" if fraction >= AMBER else "quiet"


def _remaining(left: timedelta | None) -> str:
    if left is None:
        return _("at once; no number of days in the rule")
    over = left < timedelta(0)
    seconds = int(abs(left).total_seconds())
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    parts = [ngettext("%d day", "%d days", days) % days] if days else []
    parts.append(_("%(h)d h %(m)02d min") % {"h": hours, "m": minutes})
    text = " ".join(parts)
    return (_("overdue by %s") if over else _("%s left")) % text


def at_recipient(at: datetime | None, zone: str) -> str:
    """The same instant on the recipient's wall, where that is another than the reader's."""
    if at is None or zone == timezone.get_current_timezone_name():
        return ""
    return in_zone(at, zone)


def in_zone(at: datetime, zone: str) -> str:
    """An instant on the wall of a place, the zone named; once, where its short name says it all."""
    words = wording.moment(at, zone)
    return words if words.endswith(f" {zone}") else f"{words} ({zone})"


def clock_word(clock: ClockInstance) -> str:
    """How a clock stands; where the law is not in force, why it is not."""
    if clock.state == "not_in_force" and (law := law_word(clock)):
        return str(law)
    return str(STATE_WORDS.get(clock.state, clock.state))


def law_word(clock: ClockInstance) -> Text:
    """How the pinned version stands as law, where that keeps it from counting."""
    try:
        regime = load.get(f"{clock.regime}@{clock.regime_version}")
    except load.UnknownRegime:
        return ""
    return LAW_WORDS.get(regime.status, "")


def regime_url(clock: ClockInstance) -> str:
    """The page of the very version that the clock is pinned to."""
    return url("compliance:regime_version", clock.regime, clock.regime_version)
