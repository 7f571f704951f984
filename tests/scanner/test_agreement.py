"""Run again: the same scan agrees with itself, and every kind of difference is told."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from assessments.scanner.agreement import MOST_SHOWN, compare
from assessments.scanner.run import run
from tests.scanner.test_run import job, result  # noqa: F401  # Fixtures.


def changed_run(result, **changes):  # noqa: F811
    return dataclasses.replace(result, run=dataclasses.replace(result.run, **changes))


def test_a_second_run_agrees(job, result):  # noqa: F811
    found = compare(result, run(job))
    assert (found.agrees, found.differences, found.conditions) == (True, (), ())
    assert found.n_compared > 500
    assert found.largest_difference == 0


def test_time_and_split_are_not_judged_and_conditions_are_told(result):  # noqa: F811
    versions = result.run.versions | {"torch": "1.0"}
    other = changed_run(result, seconds=1e9, n_shards=7, device="cuda", versions=versions)
    found = compare(result, other)
    assert found.agrees
    assert found.conditions == (
        "device cpu then cuda",
        f"torch {result.run.versions['torch']} then 1.0",
    )


def scaled(result, factor):  # noqa: F811
    coverage = dataclasses.replace(result.coverage, fvu=result.coverage.fvu * factor)
    return dataclasses.replace(result, coverage=coverage)


def test_a_figure_beyond_the_tolerance_is_a_disagreement(result):  # noqa: F811
    assert compare(result, scaled(result, 1 + 5e-5)).agrees
    found = compare(result, scaled(result, 1.01))
    assert not found.agrees
    assert found.differences[0].startswith("coverage / fvu: ")
    assert found.largest_difference == pytest.approx(0.01 / 1.01)
    assert compare(result, scaled(result, 1.01), tolerance=0.02).agrees
    assert not compare(result, scaled(result, float("nan"))).agrees


def test_other_words_counts_and_verdicts_are_disagreements(result):  # noqa: F811
    assert not compare(result, changed_run(result, sae_sha256="00")).agrees
    fewer = dataclasses.replace(result, findings=result.findings[1:])
    found = compare(result, fewer)
    assert all("only in the first run" in each for each in found.differences)
    assert found.n_differences > MOST_SHOWN == len(found.differences)
    first = result.summaries[0]
    more = dataclasses.replace(first, n_hit=first.n_hit + 1)
    found = compare(result, dataclasses.replace(result, summaries=(more, *result.summaries[1:])))
    assert found.n_differences == 1
    assert f"{first.n_hit} then {first.n_hit + 1}" in found.differences[0]
