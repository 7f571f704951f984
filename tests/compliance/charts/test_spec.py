"""A chart is a specification, a sentence and a table, and the three agree."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from compliance.charts import spec, svg, theme

BARS = [spec.Bar("Deception", 0.42, 0.35, 0.5), spec.Bar("Cyber", 0.07)]
PAIRS = [spec.Pair("Latent 77", 0.22, 0.25), spec.Pair("Latent 2041", 0.02, 0.31)]
BINS = [spec.Bin(0, 1, 3), spec.Bin(1, 2, 12)]
AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
MOMENTS = [
    spec.Moment(AT, "alerts", "tool"),
    spec.Moment(AT + timedelta(days=2), "response", "held"),
]


def charts() -> dict[str, spec.Chart]:
    return {
        "bars": spec.bars(
            BARS, title="Share", unit="share", reference=0.3, reference_label="limit"
        ),
        "pairs": spec.paired_dots(PAIRS, title="Mean activation", unit="a.u."),
        "histogram": spec.histogram(BINS, title="Latents", unit="count", reference=1.5),
        "events": spec.events(MOMENTS, title="Time"),
    }


@pytest.mark.parametrize("kind", charts())
def test_a_chart_travels_as_json_and_fetches_nothing(kind: str) -> None:
    chart = charts()[kind]
    told = json.dumps(chart.spec)
    assert json.loads(told) == chart.spec
    assert '"url"' not in told
    assert '"href"' not in told


@pytest.mark.parametrize("kind", charts())
def test_the_table_has_a_cell_for_every_head(kind: str) -> None:
    table = charts()[kind].table
    assert table.rows
    assert {len(row) for row in table.rows} == {len(table.heads)}


def test_the_words_of_bars_name_highest_lowest_and_the_line() -> None:
    assert charts()["bars"].alt == (
        "Share (share), 2 bars. Highest: Deception, 0.42. Lowest: Cyber, 0.07. "
        "1 of 2 above the line at 0.3."
    )


def test_the_words_of_pairs_name_the_widest_gap() -> None:
    assert (
        "2 higher under deployment. Widest gap: Latent 2041, 0.02 against 0.31."
        in charts()["pairs"].alt
    )


def test_the_names_of_a_pair_stand_apart_and_inside_the_axes() -> None:
    apart = spec.name_places([spec.Pair("a", 30, 70)])
    assert [each["align"] for each in apart] == ["right", "left"]
    left, right = spec.name_places([spec.Pair("a", 0, 0), spec.Pair("b", 0, 100)])
    assert left["align"] == right["align"] == "left"
    assert right["dx"] >= spec.NAME_WIDTH
    deployment_first = spec.name_places([spec.Pair("a", 70, 30)])
    assert [each["align"] for each in deployment_first] == ["left", "right"]


def test_the_words_of_a_histogram_count_its_values() -> None:
    assert "15 values from 0 to 2, most between 1 and 2" in charts()["histogram"].alt


def test_a_timeline_beyond_a_day_shows_the_date() -> None:
    assert charts()["events"].spec["encoding"]["x"]["axis"]["format"] == "%d %b %H:%M"
    assert spec.time_format(MOMENTS[:1]) == "%H:%M"


def test_amounts_show_zero() -> None:
    layer = charts()["bars"].spec["layer"][0]
    assert layer["encoding"]["x"]["scale"]["zero"] is True


@pytest.mark.parametrize("build", [spec.bars, spec.paired_dots, spec.histogram, spec.events])
def test_nothing_to_draw_is_refused(build: object) -> None:
    with pytest.raises(spec.NothingToDraw, match="expected at least one row"):
        build([], title="x")  # type: ignore[operator]


def test_the_theme_is_not_shared_between_charts() -> None:
    first = theme.config()
    first["axis"]["grid"] = True
    assert "grid" not in theme.config()["axis"]


@pytest.mark.parametrize("kind", charts())
def test_a_worker_draws_every_chart(kind: str) -> None:
    pytest.importorskip("vl_convert")
    drawn = svg.render(charts()[kind].spec)
    width, height = svg.size(drawn)
    assert width >= theme.WIDTH - 1
    assert height > 60
    assert "<script" not in drawn
    assert svg.data_uri(drawn).startswith("data:image/svg+xml;base64,")


def test_a_broken_specification_is_refused_in_words() -> None:
    pytest.importorskip("vl_convert")
    with pytest.raises(svg.ChartsUnavailable, match="expected a Vega-Lite specification"):
        svg.render({"mark": {"type": "nonsense"}, "data": {"values": [{}]}})


def test_a_drawing_without_a_size_is_refused() -> None:
    with pytest.raises(svg.ChartsUnavailable, match="width and height"):
        svg.size("<svg></svg>")
