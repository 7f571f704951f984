"""The charts of the house, each as specification, words and table.

A builder takes frozen rows and returns a `Chart`. The specification is a plain Vega-Lite
dictionary with its data inside, so it can be stored with evidence, drawn in a page and turned
into SVG by a worker, and always shows the same. Zero is on every axis of amounts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compliance.charts import theme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


DASH = "\u2013"
NAME_WIDTH = 72  # pixels that the name of a series takes
EDGE = 4  # a quarter of the axis from its left end, names do not fit to the left


class NothingToDraw(ValueError):
    """A chart was asked for without a single row."""


@dataclass(frozen=True)
class ChartTable:
    """The values of a chart for those who read rather than look."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """One chart in its three forms."""

    spec: dict[str, Any]
    alt: str
    table: ChartTable


@dataclass(frozen=True)
class Bar:
    """One amount with its interval, where it has one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Pair:
    """The same quantity under evaluation frames and under deployment frames."""

    label: str
    evaluation: float
    deployment: float


@dataclass(frozen=True)
class Bin:
    """How many values lie between two edges."""

    start: float
    end: float
    count: int


@dataclass(frozen=True)
class Moment:
    """One event on a lane of a timeline."""

    at: datetime
    lane: str
    label: str


def figure(value: float | None) -> str:
    """A number in three significant digits, or a dash."""
    return DASH if value is None else f"{value:.3g}"


def with_unit(title: str, unit: str) -> str:
    """An axis title: what it is, and in which unit."""
    return f"{title} ({unit})" if unit else title


def base(values: list[dict[str, Any]], *, height: int | dict[str, int]) -> dict[str, Any]:
    """What all specifications begin with."""
    return {
        "$schema": theme.SCHEMA,
        "config": theme.config(),
        "width": theme.WIDTH,
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": values},
    }


def need(rows: Sequence[object], kind: str) -> None:
    """Refuse an empty chart; an empty state says more than empty axes."""
    if not rows:
        raise NothingToDraw(f"{kind}: expected at least one row, came none; show an empty state")


def amount(field: str, title: str) -> dict[str, Any]:
    """A horizontal axis of amounts, zero shown."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": True, "nice": True},
        "axis": {"tickCount": 6, "domain": False},
    }


def lane(field: str = "label") -> dict[str, Any]:
    """A vertical axis of names, in the order they came."""
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": {"ticks": False, "domain": False, "grid": False},
    }


def reference_layers(reference: float | None, label: str) -> list[dict[str, Any]]:
    """A vertical line at a threshold with its name at the top, or nothing."""
    if reference is None:
        return []
    # One row of its own, or the line would be drawn once for every row of the chart.
    once: dict[str, Any] = {"data": {"values": [{}]}}
    at = {"datum": reference}
    line = once | {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": at}}
    words = once | {
        "mark": {"type": "text", "align": "left", "dx": 4, "baseline": "bottom", "dy": -2},
        "encoding": {"x": at, "y": {"value": 0}, "text": {"value": label}},
    }
    return [line, words]


def bars(
    rows: Sequence[Bar],
    *,
    title: str,
    unit: str = "",
    reference: float | None = None,
    reference_label: str = "",
) -> Chart:
    """Amounts side by side, each with its interval as a band, and a threshold if there is one."""
    need(rows, "bars")
    values = [{**asdict(row), "shown": figure(row.value)} for row in rows]
    x_axis = amount("value", with_unit(title, unit))
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "bar", "height": {"band": 0.6}}, "encoding": {"x": x_axis, "y": lane()}},
    ]
    if any(row.low is not None for row in rows):
        layers.append(interval_layer())
    layers += reference_layers(reference, reference_label)
    layers.append(printed_values())
    spec = base(values, height={"step": theme.ROW_HEIGHT})
    spec["layer"] = layers
    table = ChartTable(
        ("", with_unit(title, unit), _("low"), _("high")),
        tuple((r.label, figure(r.value), figure(r.low), figure(r.high)) for r in rows),
    )
    return Chart(spec, describe_bars(rows, title, unit, reference), table)


def printed_values() -> dict[str, Any]:
    """Each value as a figure, in a column of its own at the right."""
    return {
        "mark": {"type": "text", "align": "left", "dx": 8},
        "encoding": {"x": {"value": "width"}, "y": lane(), "text": {"field": "shown"}},
    }


def interval_layer() -> dict[str, Any]:
    """A thin band from low to high."""
    return {
        "transform": [{"filter": "isValid(datum.low) && isValid(datum.high)"}],
        "mark": {"type": "rule", "strokeWidth": 2, "style": "interval"},
        "encoding": {
            "x": {"field": "low", "type": "quantitative"},
            "x2": {"field": "high"},
            "y": lane(),
        },
    }


def describe_bars(rows: Sequence[Bar], title: str, unit: str, reference: float | None) -> str:
    """The chart of bars in a sentence or two."""
    top = max(rows, key=lambda row: row.value)
    bottom = min(rows, key=lambda row: row.value)
    words = ngettext(
        "%(title)s, %(n)s bar. Highest: %(top)s, %(highest)s. Lowest: %(bottom)s, %(lowest)s.",
        "%(title)s, %(n)s bars. Highest: %(top)s, %(highest)s. Lowest: %(bottom)s, %(lowest)s.",
        len(rows),
    ) % {
        "title": with_unit(title, unit),
        "n": len(rows),
        "top": top.label,
        "highest": figure(top.value),
        "bottom": bottom.label,
        "lowest": figure(bottom.value),
    }
    if reference is None:
        return words
    over = _("%(n)s of %(all)s above the line at %(reference)s.") % {
        "n": sum(row.value > reference for row in rows),
        "all": len(rows),
        "reference": figure(reference),
    }
    return f"{words} {over}"


def paired_dots(rows: Sequence[Pair], *, title: str, unit: str = "") -> Chart:
    """Evaluation against deployment, one row per quantity, the gap drawn between the two."""
    need(rows, "paired dots")
    values = [asdict(row) for row in rows]
    evaluation, deployment = name_places(rows)
    spec = base(values, height={"step": theme.ROW_HEIGHT})
    spec |= {
        "encoding": {"y": lane()},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "x": amount("evaluation", with_unit(title, unit)),
                    "x2": {"field": "deployment"},
                },
            },
            *dots("evaluation", _("evaluation"), "circle", evaluation),
            *dots("deployment", _("deployment"), "diamond", deployment),
        ],
    }
    table = ChartTable(
        ("", _("evaluation"), _("deployment"), _("difference")),
        tuple(
            (
                r.label,
                figure(r.evaluation),
                figure(r.deployment),
                figure(r.deployment - r.evaluation),
            )
            for r in rows
        ),
    )
    return Chart(spec, describe_pairs(rows, title, unit), table)


def name_places(rows: Sequence[Pair]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where the names of the two series stand above the first row: apart, and inside the axes."""
    first, top = rows[0], max(max(row.evaluation, row.deployment) for row in rows)
    low, high = sorted((first.evaluation, first.deployment))
    left, right = {"align": "right", "dx": -4}, {"align": "left", "dx": 4}
    if low < top / EDGE:  # a name that ends here would run into the labels of the rows
        left = {"align": "left", "dx": -4}
        right["dx"] = NAME_WIDTH if high - low < top / EDGE else 4
    return (left, right) if first.evaluation <= first.deployment else (right, left)


def dots(field: str, label: str, shape: str, place: dict[str, Any]) -> list[dict[str, Any]]:
    """One series of points, named above its first point, away from the other series."""
    x = {"field": field, "type": "quantitative"}
    point = {
        "mark": {"type": "point", "shape": shape, "style": field, "opacity": 1},
        "encoding": {"x": x, "tooltip": [{"field": "label"}, {"field": field, "title": label}]},
    }
    name = {
        "transform": [{"window": [{"op": "row_number", "as": "n"}]}, {"filter": "datum.n == 1"}],
        "mark": {"type": "text", "dy": -12, **place, "fontWeight": 600, "style": field},
        "encoding": {"x": x, "text": {"value": label}},
    }
    return [point, name]


def describe_pairs(rows: Sequence[Pair], title: str, unit: str) -> str:
    """The paired chart in a sentence or two."""
    widest = max(rows, key=lambda row: abs(row.deployment - row.evaluation))
    n_higher = sum(row.deployment > row.evaluation for row in rows)
    return ngettext(
        "%(title)s under evaluation and under deployment, %(n)s row; %(higher)s higher under"
        " deployment. Widest gap: %(widest)s, %(evaluation)s against %(deployment)s.",
        "%(title)s under evaluation and under deployment, %(n)s rows; %(higher)s higher under"
        " deployment. Widest gap: %(widest)s, %(evaluation)s against %(deployment)s.",
        len(rows),
    ) % {
        "title": with_unit(title, unit),
        "n": len(rows),
        "higher": n_higher,
        "widest": widest.label,
        "evaluation": figure(widest.evaluation),
        "deployment": figure(widest.deployment),
    }


def histogram(
    bins: Sequence[Bin],
    *,
    title: str,
    unit: str = "",
    reference: float | None = None,
    reference_label: str = "",
) -> Chart:
    """How many values lie where; the bins come counted, so the data stays small."""
    need(bins, "histogram")
    spec = base([asdict(one) for one in bins], height=200)
    x = {
        "field": "start",
        "type": "quantitative",
        "bin": {"binned": True},
        "title": with_unit(title, unit),
        "axis": {"tickCount": 8, "grid": False},
    }
    y = {"field": "count", "type": "quantitative", "title": _("count"), "scale": {"zero": True}}
    spec["layer"] = [
        {"mark": {"type": "bar"}, "encoding": {"x": x, "x2": {"field": "end"}, "y": y}},
        *reference_layers(reference, reference_label),
    ]
    table = ChartTable(
        (_("from"), _("to"), _("count")),
        tuple((figure(one.start), figure(one.end), str(one.count)) for one in bins),
    )
    return Chart(spec, describe_bins(bins, title, unit), table)


def describe_bins(bins: Sequence[Bin], title: str, unit: str) -> str:
    """The histogram in a sentence or two."""
    fullest = max(bins, key=lambda one: one.count)
    n_values = sum(one.count for one in bins)
    return ngettext(
        "Distribution of %(title)s: %(n)s value from %(first)s to %(last)s, most between %(start)s"
        " and %(end)s.",
        "Distribution of %(title)s: %(n)s values from %(first)s to %(last)s, most between %(start)s"
        " and %(end)s.",
        n_values,
    ) % {
        "title": with_unit(title, unit),
        "n": n_values,
        "first": figure(bins[0].start),
        "last": figure(bins[-1].end),
        "start": figure(fullest.start),
        "end": figure(fullest.end),
    }


def events(rows: Sequence[Moment], *, title: str, zone: str = "UTC") -> Chart:
    """What happened when, one lane per kind; times are drawn in UTC and say so."""
    need(rows, "events")
    values = [{"at": m.at.isoformat(), "lane": m.lane, "label": m.label} for m in rows]
    n_lanes = len({row.lane for row in rows})
    spec = base(values, height={"step": 2 * theme.ROW_HEIGHT})
    x = {
        "field": "at",
        "type": "temporal",
        "scale": {"type": "utc"},
        "title": with_unit(title, zone),
        "axis": {"tickCount": 6, "labelOverlap": True, "format": time_format(rows)},
    }
    spec |= {
        "encoding": {"x": x, "y": lane("lane")},
        "layer": [
            {"mark": {"type": "tick", "thickness": 2, "size": 18, "opacity": 1}},
            names(above=True),
            names(above=False),
        ],
    }
    first, last = min(rows, key=lambda m: m.at), max(rows, key=lambda m: m.at)
    alt = ngettext(
        "%(title)s: %(n)s event on %(lanes)s lanes, from %(first)s at %(began)s to %(last)s at"
        " %(ended)s.",
        "%(title)s: %(n)s events on %(lanes)s lanes, from %(first)s at %(began)s to %(last)s at"
        " %(ended)s.",
        len(rows),
    ) % {
        "title": with_unit(title, zone),
        "n": len(rows),
        "lanes": n_lanes,
        "first": first.label,
        "began": f"{first.at:%Y-%m-%d %H:%M}",
        "last": last.label,
        "ended": f"{last.at:%Y-%m-%d %H:%M}",
    }
    table = ChartTable(
        (_("at"), _("lane"), _("event")),
        tuple((f"{m.at:%Y-%m-%d %H:%M:%S %Z}", m.lane, m.label) for m in rows),
    )
    return Chart(spec, alt, table)


def names(*, above: bool) -> dict[str, Any]:
    """The names of every other event of a lane, above or below its tick, so that they part."""
    count = {"window": [{"op": "row_number", "as": "n"}], "groupby": ["lane"]}
    return {
        "transform": [count, {"filter": f"datum.n % 2 == {int(above)}"}],
        "mark": {
            "type": "text",
            "align": "left",
            "dx": 3,
            "dy": -16 if above else 17,
            "limit": 220,
        },
        "encoding": {"text": {"field": "label"}},
    }


def time_format(rows: Sequence[Moment]) -> str:
    """Hours alone within a day, the date as well beyond it."""
    days = {row.at.date() for row in rows}
    return "%H:%M" if len(days) == 1 else "%d %b %H:%M"
