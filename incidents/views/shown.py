"""The second floor's own words for components: levels, severities, badges of its things."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _now

from compliance.audit.log import Line
from compliance.machines import Tone
from compliance.views.shown import Fact, badge, clock_card, entries, page_of, said, url
from compliance.views.tables import Badge
from incidents.states import LEVELS

__all__ = [
    "LEVELS",
    "Fact",
    "badge",
    "clock_card",
    "entries",
    "folded",
    "level_badge",
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
