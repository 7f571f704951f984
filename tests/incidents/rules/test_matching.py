"""Each modifier and each part of the condition grammar, against plain records."""

import fnmatch
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.rules import condition, matching
from incidents.rules.matching import Every, Missing, Not, Some
from incidents.rules.schema import Section

WHERE = Section({}, "own.yml", "own", "detection.")
LISTS = {"approved_tools": frozenset({"search", "read_*"}), "external_tools": frozenset()}


def verdict(line, fields, lists=LISTS):
    return matching.selection(line, WHERE, "s").verdict(fields, lists.get)


@pytest.mark.parametrize(
    ("line", "value", "expected"),
    [
        ({"f": "Abc"}, "aBC", True),
        ({"f|cased": "Abc"}, "aBC", False),
        ({"f": ["x", "y"]}, "y", True),
        ({"f": 5}, 5, True),
        ({"f": 5}, "5", True),
        ({"f": True}, True, True),
        ({"f": False}, "false", True),
        ({"f": None}, None, True),
        ({"f": None}, "", False),
        ({"f": ""}, "", True),
        ({"f": ["a", None]}, None, True),
        ({"f": "a*c"}, "ABBC", True),
        ({"f": "a*c"}, "a\nc", True),
        ({"f": "a?c"}, "abbc", False),
        ({"f": r"a\*c"}, "abc", False),
        ({"f": r"a\*c"}, "a*c", True),
        ({"f": r"c:\dir"}, r"C:\DIR", True),
        ({"f": "a.c"}, "abc", False),
        ({"f|contains": "bc"}, "ABCD", True),
        ({"f|contains": "b?d"}, "abcde", True),
        ({"f|contains|all": ["a", "d"]}, "abcd", True),
        ({"f|contains|all": ["a", "x"]}, "abcd", False),
        ({"f|startswith": "ab"}, "ABC", True),
        ({"f|startswith": "b*c"}, "abc", False),
        ({"f|endswith": "bc"}, "ABC", True),
        ({"f|endswith|cased": "bc"}, "ABC", False),
        ({"f|re": "^a.c$"}, "abc", True),
        ({"f|re": "^a.c$"}, "ABC", False),
        ({"f|re|i": "^a.c$"}, "ABC", True),
        ({"f|re": "(a+)+$"}, "a" * 60_000 + "b", False),
        ({"f|exists": True}, 0, True),
        ({"f|exists": False}, None, True),
        ({"f|gt": 3}, 4, True),
        ({"f|gte": 3}, "3", True),
        ({"f|lt": 3}, 3, False),
        ({"f|lte": 3}, 3, True),
        ({"f|lt": 3}, "few", False),
        ({"f|gt": 0}, True, False),
        ({"f|cidr": "10.0.0.0/8"}, "10.9.9.9", True),
        ({"f|cidr": ["10.0.0.0/8", "fd00::/8"]}, "fd00::1", True),
        ({"f|cidr": "10.0.0.0/8"}, "ten", False),
        ({"f|neq": "a"}, "b", True),
        ({"f|neq": ["a", "b"]}, "b", False),
        ({"f|neq": "a"}, None, False),
        ({"f": "b"}, ("a", "b"), True),
        ({"f|neq": "b"}, ("a", "b"), False),
        ({"f|contains": '"x":1'}, {"x": 1}, True),
        (["needle"], "hay NEEDLE hay", True),
        (["needle"], 7, False),
        ([{"f": "a"}, {"f": "b"}], "b", True),
        ({"f|expand": "%approved_tools%"}, "search", True),
        ({"f|expand": "%approved_tools%"}, "read_file", True),
        ({"f|expand": "%approved_tools%"}, "shell", False),
        ({"f|neq|expand": "%approved_tools%"}, "shell", True),
        ({"f|expand": "%external_tools%"}, "shell", False),
        ({"f|expand": "%untrusted_tools%"}, "shell", None),
    ],
)
def test_modifiers(line, value, expected):
    assert verdict(line, {"f": value}) is expected


def test_a_field_against_another():
    line = {"f|fieldref": "g"}
    assert verdict(line, {"f": "Same", "g": "same"}) is True
    assert verdict(line, {"f": "same", "g": "other"}) is False
    assert verdict(line, {"f": "same"}) is False
    assert verdict({"f|fieldref|startswith": "g"}, {"f": "same", "g": "sa"}) is True
    assert verdict({"f|neq|fieldref": "g"}, {"f": "a", "g": "b"}) is True


class Says:
    """A test with a fixed answer."""

    names = frozenset()

    def __init__(self, said):
        self.said = said

    def verdict(self, *_):
        return self.said


def said(text, **selections):
    tests = {name: Says(value) for name, value in selections.items()}
    return condition.parse(text, tests).verdict({}, LISTS.get)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", True),
        ("not a", False),
        ("not not a", True),
        ("a and b", False),
        ("a or b", True),
        ("b and b or a", True),
        ("b and (b or a)", False),
        ("NOT b AND a", True),
        ("1 of x_*", True),
        ("any of x_*", True),
        ("all of x_*", False),
        ("1 of them", True),
        ("all of them", False),
        ("not 1 of x_* or a", True),
        ("a and not (b or x_2)", True),
    ],
)
def test_conditions(text, expected):
    assert said(text, a=True, b=False, x_1=True, x_2=False) is expected


def test_them_leaves_out_underscored_selections():
    assert said("1 of them", a=False, _b=True) is False


VERDICTS = st.sampled_from([True, False, None])


@given(VERDICTS, VERDICTS)
def test_unknown_follows_kleene(a, b):
    assert said("not (a and b)", a=a, b=b) is said("not a or not b", a=a, b=b)
    assert said("a and b", a=a, b=b) is said("b and a", a=a, b=b)
    if None not in (a, b):
        assert said("a or b", a=a, b=b) is (a or b)


def test_nothing_is_all_of_nothing():
    assert Every(()).verdict({}, LISTS.get) is True
    assert Some(()).verdict({}, LISTS.get) is False
    assert Not(Missing("f")).verdict({"f": 1}, LISTS.get) is True


@given(st.text("ab*?", max_size=6), st.text("ab", max_size=6))
def test_wildcards_agree_with_another_implementation(pattern, text):
    assert verdict({"f|cased": pattern}, {"f": text}) is fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_condition_is_read_or_refused(text, name):
    with suppress(ValueError):
        read = condition.parse(text, {"a": Says(said=True), name: Says(said=False)})
        assert read.verdict({}, LISTS.get) in {True, False}
