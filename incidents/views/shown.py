"""The second floor's own words for components: levels, severities, badges of its things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from compliance.audit.log import Line
from compliance.machines import Tone
from compliance.views.shown import Fact, badge, clock_card, entries, in_zone, page_of, said, url
from compliance.views.tables import Badge
from incidents.states import LEVELS

__all__ = [
    "LEVELS",
    "Fact",
    "badge",
    "clock_card",
    "entries",
    "folded",
    "in_zone",
    "level_badge",
    "matched",
    "page_of",
    "said",
    "severity_badge",
    "state_badge",
    "url",
]

LEVEL_TONES = {
    "critical": Tone.BAD,
    "high": Tone.WARN,
    "medium": Tone.WARN,
    "low": Tone.INFO,
    "informational": Tone.NEUTRAL,
}
SEVERITY_TONES = {"sev1": Tone.BAD, "sev2": Tone.BAD, "sev3": Tone.WARN, "sev4": Tone.INFO}


# What the fields that rules rest on are called; others stand as the telemetry names them.
FIELDS: dict[str, Any] = {
    "deployment.environment.name": _("Environment"),
    "gen_ai.agent.name": _("Agent"),
    "gen_ai.conversation.id": _("Conversation"),
    "gen_ai.operation.name": _("Operation"),
    "gen_ai.request.model": _("Model asked for"),
    "gen_ai.tool.name": _("Tool"),
    "said_by": _("By whose word"),
    "silent since": _("Silent since"),
    "strata.deployment.key": _("Deployment"),
    "strata.data.scope": _("Data reached for"),
    "strata.prompt.sha256": _("System prompt, SHA-256"),
    "strata.tool.args.credentials": _("Kind of credential"),
    "strata.tool.args.shape": _("Shape of the arguments"),
    "strata.tool.definitions.sha256": _("Tool definitions, SHA-256"),
    "strata.weights.sha256": _("Weights, SHA-256"),
    "version": _("Version"),
}
SAID_BY: dict[str, Any] = {
    "declared": _("declared by a person"),
    "telemetry": _("said by its telemetry"),
    "target": _("answered by the target"),
}


class Matched(NamedTuple):
    """One field that a rule rests on: its name, what it is called, its value and what kind that is."""

    name: str
    label: Any
    value: Any
    kind: str


def matched(fields: Mapping[str, Any]) -> list[Matched]:
    """The fields in words, digests and instants told apart from text."""
    return [_matched(name, value) for name, value in fields.items()]


def _matched(name: str, value: Any) -> Matched:
    label = FIELDS.get(name, "")
    if name == "said_by":
        return Matched(name, label, SAID_BY.get(value, value), "word")
    if name == "silent since":
        return Matched(name, label, parse_datetime(str(value)), "time")
    return Matched(name, label, value, "digest" if name.endswith("sha256") else "text")


def folded(lines: Iterable[Line]) -> list[Any]:
    """Timeline entries, with the same act said several times in a row told once and counted."""
    told: list[tuple[Any, int]] = []
    for entry in entries(lines):
        last = told[-1][0] if told else None
        if last and not entry.link and last[1:4] == entry[1:4]:
            told[-1] = (entry, told[-1][1] + 1)
        else:
            told.append((entry, 1))
    return [entry if n == 1 else _counted(entry, n) for entry, n in told]


def _counted(entry: Any, n: int) -> Any:
    words = _now("%(sentence)s (%(n)d times)") % {"sentence": entry.sentence, "n": n}
    return entry._replace(sentence=words)


def state_badge(thing: Any) -> Badge:
    """The word and tone of a thing's state, from its own machine."""
    return badge(thing.MACHINE, thing.state)


def level_badge(level: str) -> Badge:
    """How bad a rule says it is."""
    return Badge(str(LEVELS.get(level, level)), str(LEVEL_TONES.get(level, Tone.NEUTRAL)))


def severity_badge(incident: Any) -> Badge:
    """How bad an incident is."""
    return Badge(incident.get_severity_display(), str(SEVERITY_TONES[incident.severity]))
