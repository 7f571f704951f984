"""Figures inside figures are printed as tables and words, never as the code spells them."""

import pytest

from assessments.scanner.contract import Interval, Share
from compliance.services import dossier
from tests.assessments.results import COVERAGE


@pytest.fixture
def tables():
    """What is printed of a scan's coverage: rows by caption."""
    blocks = dossier._part("coverage", COVERAGE.to_record())
    assert {block["type"] for block in blocks} == {"table"}
    return {block["caption"]: block for block in blocks}


def test_what_a_list_finds_is_a_table_of_its_own(tables):
    (recall,) = [block for block in tables.values() if len(block["rows"]) == 1]
    assert recall["heads"] == [
        "Concern", "Positive controls that it finds", "Benign prompts that it takes for it",
    ]  # fmt: skip
    (row,) = recall["rows"]
    assert row[1:] == ["57 of 60 (86.1\u202f% to 99\u202f%)", "2 of 200 (0.1\u202f% to 3.6\u202f%)"]


def test_contexts_are_a_table_with_their_intervals(tables):
    contexts = tables["Contexts"]
    assert [row[1:5] for row in contexts["rows"]] == [
        ["12", "800", "9\u202f%", "7\u202f% to 11\u202f%"],
        ["12", "800", "8.5\u202f%", "6\u202f% to 10\u202f%"],
    ]


def test_nothing_is_printed_as_the_code_spells_it(tables):
    cells = [cell for block in tables.values() for row in block["rows"] for cell in row]
    assert len(cells) > 40
    assert not [cell for cell in cells if "{" in cell or "[" in cell]


def test_an_interval_is_printed_in_the_unit_of_its_figure():
    share, plain = Share(1, 4, 0.25, 0.006, 0.806, 0.95), Interval(39.5, 41.25, 0.95)
    assert dossier._plain(share.to_record()) == "1 of 4 (0.6\u202f% to 80.6\u202f%)"
    assert dossier._plain(plain.to_record(), "l0_interval") == "39.5 to 41.25"


def test_an_empty_table_is_left_out():
    (table,) = dossier._part("coverage", {"fvu": "0.08", "recalls": []})
    assert [row[1] for row in table["rows"]] == ["8\u202f%"]
