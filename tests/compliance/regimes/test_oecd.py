"""The OECD's 29 criteria."""

import pytest

from compliance.regimes import load, oecd
from compliance.regimes.oecd import Dimension

MANDATORY = {1, 2, 3, 4, 7, 10, 11}


def test_there_are_29_and_the_mandatory_ones_are_marked():
    assert [each.number for each in oecd.CRITERIA] == list(range(1, 30))
    assert {each.number for each in oecd.CRITERIA if each.is_mandatory} == MANDATORY
    assert len(oecd.BY_ID) == 29
    assert {each.dimension for each in oecd.CRITERIA} == set(Dimension) == set(oecd.DIMENSIONS)


def test_answers_are_checked_and_empty_ones_left_out():
    answers = {"relation": " It decided alone. ", "harm": ["physical", "rights"], "severity": ""}
    assert oecd.checked(answers) == {
        "relation": "It decided alone.",
        "harm": ["physical", "rights"],
    }
    with pytest.raises(ValueError, match="colour"):
        oecd.checked({"colour": "red"})
    with pytest.raises(ValueError, match="severity"):
        oecd.checked({"severity": "mild"})


def test_reports_take_what_they_ask_for_under_their_own_name():
    given = {"stakeholders": "40 applicants", "wrongful_use": "None known", "tasks": "Sorting"}
    assert dict(oecd.for_reports(given)) == {
        "incident.affected": "40 applicants",
        "incident.classification.malicious": "None known",
    }
    asked = {field.source for pack in load.regimes() for field in pack.fields}
    served = {each.source for each in oecd.CRITERIA if each.source}
    assert served - asked <= {"incident.title"}


def test_what_is_mandatory_and_nowhere_answered_is_named():
    left = oecd.missing({"severity": "incident"}, {"incident.summary": "Letters went astray."})
    assert {each.id for each in left} == {"title", "relation", "submitter", "materials", "harm"}
