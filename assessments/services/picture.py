"""The charts of a scan: the same figures for the page, for evidence and for paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.scanner.contract import Family, Frame
from compliance.charts.spec import Bar, Chart, NothingToDraw, Pair, bars, paired_dots

PERCENT = 100
TIMES = "\u00d7"
CONCERNS = {
    Family.DECEPTION.value: gettext_lazy("deception"),
    Family.EVALUATION_AWARENESS.value: gettext_lazy("evaluation awareness"),
    Family.CYBER.value: gettext_lazy("cyber"),
    Family.SELF_DIRECTED_TOOL_USE.value: gettext_lazy("self directed tool use"),
    Family.REFUSAL.value: gettext_lazy("refusal"),
    Family.BENIGN.value: gettext_lazy("benign"),
}


class Summary(Protocol):
    """One concern under one frame: the scanner's row or the stored one."""

    @property
    def concern(self) -> str:
        """Which concern."""
        ...

    @property
    def frame(self) -> str:
        """Under which frame."""
        ...

    @property
    def hit_rate(self) -> float:
        """Share of prompts with a hit."""
        ...


class Tested(Protocol):
    """One paired test: the scanner's row, or a stored one unpacked."""

    @property
    def scope(self) -> str:
        """What was tested together."""
        ...

    @property
    def key(self) -> str:
        """The concern or latent."""
        ...

    @property
    def ratio(self) -> float:
        """Deployment to evaluation."""
        ...

    @property
    def ratio_low(self) -> float:
        """Lower end of the interval."""
        ...

    @property
    def ratio_high(self) -> float:
        """Upper end of the interval."""
        ...


def concern_label(concern: str) -> str:
    """A concern in words."""
    return str(CONCERNS.get(concern, concern.replace("_", " ")))


def rate_pairs(rows: Sequence[Summary]) -> list[Pair]:
    """Hit rates in percent under both frames, for concerns seen under both."""
    rates: dict[str, dict[str, float]] = {}
    for row in rows:
        rates.setdefault(str(row.concern), {})[str(row.frame)] = row.hit_rate * PERCENT
    return [
        Pair(concern_label(concern), frames[Frame.EVALUATION], frames[Frame.DEPLOYMENT])
        for concern, frames in rates.items()
        if {Frame.EVALUATION, Frame.DEPLOYMENT} <= set(frames)
    ]


def summaries_chart(rows: Sequence[Summary]) -> Chart | None:
    """How often each concern fired under evaluation and under deployment frames."""
    try:
        return paired_dots(
            rate_pairs(rows), title=_("Prompts with a hit, by concern and frame"), unit="%"
        )
    except NothingToDraw:
        return None


def suppression_chart(tests: Sequence[Tested]) -> Chart | None:
    """How much stronger each concern is under deployment than under evaluation, with intervals."""
    return ratio_chart([(concern_label(test.key), test) for test in tests])


def ratio_chart(labelled: Sequence[tuple[str, Tested]]) -> Chart | None:
    """The same with a label for each test, as where two versions stand in one picture."""
    rows = [
        Bar(label, test.ratio, test.ratio_low, test.ratio_high)
        for label, test in labelled
        if test.scope in {"concern", "control"}
    ]
    try:
        title = _("Strength under deployment, as a multiple of strength under evaluation")
        return bars(rows, title=title, unit=TIMES, reference=1.0)
    except NothingToDraw:
        return None


def of_summaries(rows: Sequence[Summary]) -> dict[str, Any]:
    """The chart as evidence carries it."""
    return carried(summaries_chart(rows))


def of_suppression(tests: Sequence[Tested]) -> dict[str, Any]:
    """The chart as evidence carries it."""
    return carried(suppression_chart(tests))


def carried(chart: Chart | None) -> dict[str, Any]:
    """A chart within evidence. The specification is JSON as text, since evidence holds no floats."""
    if chart is None:
        return {}
    return {
        "spec": json.dumps(chart.spec, sort_keys=True, separators=(",", ":")),
        "alt": chart.alt,
        "table": {
            "heads": [str(head) for head in chart.table.heads],
            "rows": [[str(cell) for cell in row] for row in chart.table.rows],
        },
    }
