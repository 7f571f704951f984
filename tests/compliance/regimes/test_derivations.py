"""What follows from a figure, and what does not."""

from datetime import UTC, datetime
from importlib import resources

import pytest

from compliance.regimes import derivations, load
from compliance.regimes.engine import evaluate
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import Applies
from compliance.regimes.table import RegimeError
from compliance.regimes.vocabulary import NUMBERS, PREDICATES, Number

AT = datetime(2026, 12, 1, tzinfo=UTC)
FOLDER = resources.files("compliance.regimes.derivations").joinpath("data")
TEXT = FOLDER.joinpath(derivations.FILE).read_text()


@pytest.mark.parametrize(
    ("facts", "predicate", "answer"),
    [
        ({}, "systemic_risk_threshold", None),
        ({"training_flop": 1e25}, "systemic_risk_threshold", None),
        ({"training_flop": 1.1e25}, "systemic_risk_threshold", True),
        ({"training_flop": "2e25"}, "systemic_risk_threshold", True),
        ({"training_flop": 1e26}, "frontier_developer", None),
        ({"training_flop": 1.1e26}, "frontier_developer", True),
        ({"training_flop": 2e26}, "large_frontier_developer", None),
        ({"annual_revenue_usd": 6e8}, "large_frontier_developer", None),
        ({"annual_revenue_usd": 5e8}, "large_frontier_developer", False),
        ({"training_flop": 2e26, "annual_revenue_usd": 6e8}, "large_frontier_developer", True),
        ({"frontier_developer": False, "annual_revenue_usd": 6e8}, "large_frontier_developer", False),
        ({"training_flop": None}, "frontier_developer", None),
        ({"training_flop": 9e26}, "code_signatory", None),
    ],
)  # fmt: skip
def test_a_figure_answers_what_it_proves(facts, predicate, answer) -> None:
    assert Facts.from_json(facts).holds(predicate) is answer


def test_a_statement_goes_before_a_figure() -> None:
    facts = Facts.from_json({"training_flop": 2e25, "systemic_risk_threshold": False})
    assert facts.holds("systemic_risk_threshold") is False


def test_the_reasons_show_the_figure_and_the_threshold() -> None:
    facts = {"training_flop": 2e25, "eu_market": True, "aware_at": "2026-11-30T10:00:00Z"}
    outcome = evaluate(load.get("eu-aia-52-1"), Facts.from_json(facts), AT)
    assert outcome.applies is Applies.APPLIES
    said = [reason.sentence for reason in outcome.because]
    assert any("2e+25, threshold: more than 1e+25" in sentence for sentence in said)


def test_a_denied_regime_shows_its_figure_too() -> None:
    facts = Facts.from_json({"annual_revenue_usd": 1e6})
    condition = load.get("us-ca-sb53-standing").scope[0]
    assert facts.holds("large_frontier_developer") is False
    assert facts.holds(condition.any_of[0]) is None


def test_every_derivation_stands_on_known_words() -> None:
    for each in derivations.derivations():
        assert each.number in set(Number) == set(NUMBERS)
        assert each.gives in PREDICATES
        assert each.cite


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('"training_flop"', '"flop"', "derivation number 1, field 'number': expected one of"),
        ("more_than = 1e25", 'more_than = "1e25"', "field 'more_than': expected a number"),
        ("more_than = 1e25", "more_than = true", "field 'more_than'"),
        ('gives = "systemic_risk_threshold"', 'gives = "risk"', "field 'gives': expected a predicate"),
        ('gives = "systemic_risk_threshold"', 'gives = "frontier_developer"', "expected frontier_deve"),
        ('otherwise = "unknown"', 'otherwise = "yes"', "field 'otherwise': expected one of no"),
        ('needs = "frontier_developer"', 'needs = "x"', "derivation number 3, field 'needs'"),
        ("[[derivation]]", "[[derivations]]", "field 'derivations': expected no such field"),
        ("[[derivation]]", "[[derivation", "expected TOML in UTF-8"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_entry_and_field(before: str, after: str, named: str) -> None:
    assert before in TEXT
    with pytest.raises(RegimeError) as caught:
        derivations.parse(TEXT.replace(before, after, 1).encode())
    assert str(caught.value).startswith("thresholds.toml")
    assert named in str(caught.value)
