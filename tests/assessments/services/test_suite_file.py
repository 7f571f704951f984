import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner.contract import Family, Frame, Prompt, plain_sha256
from assessments.services import suite_file
from assessments.services.problems import FileError

HEAD = "id,family,text,frame,template_id,content_id,system\n"
PAIR = (
    Prompt("a.e", Family.CYBER, "Rotate the key.", Frame.EVALUATION, "t", "a", "A test."),
    Prompt("a.d", Family.CYBER, "Rotate the key.", Frame.DEPLOYMENT, "t", "a", "In earnest."),
)
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(letters, min_size=1, max_size=40).filter(str.strip)


def problems(text, form="csv"):
    with pytest.raises(FileError) as caught:
        suite_file.read(text, form)
    return [str(each) for each in caught.value.problems]


@pytest.mark.parametrize("form", suite_file.FORMS)
def test_what_goes_out_comes_back(form):
    assert suite_file.read(suite_file.write(PAIR, form), form) == PAIR


@given(
    st.lists(st.tuples(texts, st.text(letters, max_size=3)), min_size=1, max_size=5),
    st.sampled_from(suite_file.FORMS),
)
def test_hostile_texts_come_back_with_the_same_digest(rows, form):
    prompts = tuple(
        Prompt(f"p{number}", Family.BENIGN, text, system=system)
        for number, (text, system) in enumerate(rows)
    )
    back = suite_file.read(suite_file.write(prompts, form), form)
    assert plain_sha256(back) == plain_sha256(prompts)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "'=1", "''@x", "\uff1d1", "\rx"]
)
def test_no_cell_runs_in_a_spreadsheet(text):
    written = suite_file.write([Prompt("p", Family.CYBER, text)], "csv")
    (_, row) = csv.reader(io.StringIO(written, newline=""))
    assert row[2] == f"'{text}"
    assert suite_file.read(written, "csv")[0].text == text


def test_an_apostrophe_of_its_own_stays():
    assert suite_file.read(HEAD + "p,cyber,'tis late,,,,\n", "csv")[0].text == "'tis late"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("p,cyber\n", "Line 2: expected 7 values, as in the first line; came 2."),
        (",cyber,x,,,,\n", "Line 2, id: expected a text, came none."),
        ("p,theft,x,,,,\n", "Line 2, family: expected one of deception, "),
        ("p,cyber,x,sometimes,,,\n", "Line 2, frame: expected one of evaluation, deployment, none"),
        ("p,cyber,x,evaluation,,c,\n", "Line 2, template_id: expected a name"),
        (
            "p,cyber,x,,,,\np,cyber,y,,,,\n",
            "Line 3, id: expected an id of its own; “p” stands on line 2",
        ),
        (
            "p,cyber,x,evaluation,t,c,\nq,cyber,y,deployment,t,c,\n",
            "Line 3, text: expected the same text as line 2",
        ),
        (
            "p,cyber,x,evaluation,t,c,\nq,cyber,x,evaluation,t,c,\n",
            "Line 3, frame: line 2 has the same",
        ),
        ('p,cyber,"open\n', "Line 2: expected comma-separated values with quotes closed"),
        ("p,cyber,a\0b,,,,\n", "Line 2"),
        (f"{'p' * 121},cyber,x,,,,\n", "Line 2, id: expected at most 120 characters, came 121."),
    ],
)
def test_every_mistake_is_named_by_its_line(row, said):
    found = problems(HEAD + row)
    assert found[0].startswith(said)


def test_all_mistakes_come_at_once_and_line_numbers_count_quoted_lines():
    found = problems(HEAD + 'a,cyber,"two\nlines",,,,\nb,theft,x,,,,\n,cyber,y,,,,\n')
    assert [each.partition(",")[0] for each in found] == ["Line 4", "Line 5"]


@pytest.mark.parametrize(
    "head", ["", "id,text\n", "id;family;text\n", "id,family,text,colour\n", "id,id,family,text\n"]
)
def test_the_first_line_names_the_columns(head):
    (said,) = problems(head)
    assert said.startswith("Line 1: expected the columns id, family, text")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "Line 1: expected a JSON object with the fields"),
        ("{", "Line 1: expected a JSON object; "),
        ("[" * 100_000, "Line 1: expected a JSON object"),
        ('{"id": 1, "family": "cyber", "text": "x"}', "Line 1, id: expected a text, came int."),
        (
            '\n{"id": "p", "family": "cyber", "text": "x", "colour": "red"}',
            "Line 2, colour: is no field",
        ),
        ('{"id": "p", "family": "cyber", "text": "\\ud800"}', "Line 1, text: holds a character"),
        ('{"id": "p", "family": "cyber", "text": "\\u0000"}', "Line 1, text: holds a character"),
        ("", "The file: expected at least one prompt"),
    ],
)
def test_json_lines_are_judged_the_same(text, said):
    assert problems(text, "jsonl")[0].startswith(said)


def test_only_the_first_mistakes_are_told_and_the_rest_counted():
    with pytest.raises(FileError) as caught:
        suite_file.read(HEAD + "x\n" * 80, "csv")
    assert (len(caught.value.problems), caught.value.n_more) == (50, 30)


def test_the_form_is_told_by_the_name_or_the_beginning():
    assert suite_file.form_of("a.CSV", "{") == "csv"
    assert suite_file.form_of("a.ndjson", "") == "jsonl"
    assert suite_file.form_of("a.txt", ' \n{"id"') == "jsonl"
    assert suite_file.form_of("a", "id,family") == "csv"


def test_bytes_that_are_no_text_are_named_by_line():
    with pytest.raises(FileError, match="Line 2: expected text in UTF-8, came the byte 0xe9"):
        suite_file.decoded(b"id\ncaf\xe9")
    assert suite_file.decoded(b"\xef\xbb\xbfid") == "id"
    with pytest.raises(FileError, match="at most 6 MB"):
        suite_file.decoded(b" " * (suite_file.LONGEST_FILE + 1))
