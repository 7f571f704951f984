import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.hostile import clean, csv_cell, one_line


def test_controls_are_dropped_and_lines_kept():
    assert clean("a\x00b\x1b[31mc\x07\x85d\r\ne\tf\u2028g\x9f") == "ab[31mc\nd\ne\tf\ng"


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\u202e", "[U+202E]"),
        ("\u2066", "[U+2066]"),
        ("\u200b", "[U+200B]"),
        ("\ufeff", "[U+FEFF]"),
        ("\U000e0041", "[U+E0041]"),
    ],
)
def test_what_deceives_the_eye_is_shown(hidden, shown):
    assert clean(f"pay{hidden}load") == f"pay{shown}load"


def test_scripts_that_need_joiners_keep_them():
    # Persian for "I want", and a scientist drawn from two pictures.
    text = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f52c"
    assert clean(text) == text


def test_half_a_surrogate_pair_is_dropped_so_that_the_text_can_be_stored():
    assert clean("a\ud800b").encode() == b"ab"


def test_long_text_is_cut_and_says_so():
    assert clean("x" * 11, 10) == "x" * 9 + "…"
    assert clean("x" * 10, 10) == "x" * 10
    assert clean("x", 0) == ""


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(0, 100))
def test_cleaned_text_is_never_longer_than_asked_and_always_storable(text, limit):
    cleaned, line = clean(text, limit), one_line(text, limit)
    assert len(cleaned) <= limit
    assert len(line) <= limit
    assert "\n" not in line
    (cleaned + line).encode()


def test_one_line_takes_header_injection_apart():
    assert one_line("Subject\r\nBcc: dee@example.org") == "Subject Bcc: dee@example.org"


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\x00=1",
        "  =1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
    ],
)
def test_a_cell_that_begins_like_a_formula_is_disarmed(formula):
    assert csv_cell(formula) == f"'{formula}"


@pytest.mark.parametrize(
    ("value", "cell"),
    [("a=b", "a=b"), ("", ""), (None, ""), (-5, "-5"), (Decimal("-0.5"), "-0.5"), (True, "True")],
)
def test_a_plain_cell_stays_as_it_is(value, cell):
    assert csv_cell(value) == cell


@given(
    st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1)
)
def test_cells_come_back_from_a_csv_file_as_they_went_in(texts):
    cells = [csv_cell(text) for text in texts]
    file = io.StringIO(newline="")
    csv.writer(file).writerow(cells)
    assert next(csv.reader(io.StringIO(file.getvalue(), newline=""))) == cells
