"""One value, one spelling."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.audit import canonical

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
whole = st.integers(-(2**53) + 1, 2**53 - 1)
values = st.recursive(
    st.none() | st.booleans() | whole | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


class Colour(StrEnum):
    RED = "red"


def test_names_are_ordered_by_utf_16_as_rfc_8785_does():
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\xf6"]
    written = canonical.dumps(dict.fromkeys(names, 0)).decode()
    order = ["\\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
    assert written == "{" + ",".join(f'"{name}":0' for name in order) + "}"


def test_texts_are_escaped_as_little_as_rfc_8785_allows():
    text = '\u20ac$\x0f\nA\'B"\\\\"/\x7f\b\t\f\r'
    written = b'"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\\b\\t\\f\\r"'
    assert canonical.dumps(text) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, b"null"),
        (True, b"true"),
        (False, b"false"),
        (-0, b"0"),
        (2**53 - 1, b"9007199254740991"),
        (Colour.RED, b'"red"'),
        ([], b"[]"),
        ((1, "a"), b'[1,"a"]'),
        ({"b": [{}], "a": {"": None}}, b'{"a":{"":null},"b":[{}]}'),
    ],
)
def test_values_are_written(value, written):
    assert canonical.dumps(value) == written


@given(values)
def test_what_was_written_reads_back_and_writes_the_same(value):
    written = canonical.dumps(value)
    assert canonical.loads(written) == value
    assert canonical.dumps(canonical.loads(written)) == written


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"facts": {"scores": [1, 0.5]}}, r"\$\.facts\.scores\[1\]: float .* decimal text"),
        ({"at": {1, 2}}, r"\$\.at: set has no canonical form"),
        (b"bytes", r"\$: bytes has no canonical form"),
        (2**53, r"\$: whole numbers end at"),
        (-(2**53), r"\$: whole numbers end at"),
        ({1: "a"}, r"\$: every name must be a text"),
        ("\ud800", "half a surrogate pair"),
        ({"\udfff": 1}, "half a surrogate pair"),
    ],
)
def test_what_has_no_single_form_is_refused_by_its_path(value, said):
    with pytest.raises(canonical.NotCanonical, match=said):
        canonical.dumps(value)


def test_nesting_ends_somewhere():
    deep: object = 0
    for _ in range(65):
        deep = [deep]
    with pytest.raises(canonical.NotCanonical, match="nested more than 64 deep"):
        canonical.dumps(deep)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a":1,"a":1}', "a name occurs twice"),
        (b"1.0", "floats are refused"),
        (b"1e2", "floats are refused"),
        (b"NaN", "floats are refused"),
        (b"-Infinity", "floats are refused"),
        (b'{"a": 1}', "not in canonical form"),
        (b'{"b":1,"a":1}', "not in canonical form"),
        (b'"\\u0041"', "not in canonical form"),
        (b'"\\/"', "not in canonical form"),
        (b'"\\ud800"', "half a surrogate pair"),
        (b"-0", "not in canonical form"),
        (b" 1", "not in canonical form"),
        (b"1\n", "not in canonical form"),
        (b"\xef\xbb\xbf1", "not JSON in UTF-8"),
        (b'"\xff"', "not JSON in UTF-8"),
        (b"", "not JSON in UTF-8"),
        (b"{", "not JSON in UTF-8"),
        (b"9" * 5000, "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"9007199254740992", "whole numbers end at"),
    ],
)
def test_any_other_spelling_is_refused(data, said):
    with pytest.raises(canonical.NotCanonical, match=said):
        canonical.loads(data)


def test_a_commitment_is_the_digest_of_salt_and_text():
    salt = bytes(32)
    assert canonical.commitment(salt, "ä") == hashlib.sha256(salt + b"\xc3\xa4").hexdigest()
    assert canonical.commitment(salt, "ä") != canonical.commitment(salt, "a")
    assert canonical.commitment(salt, "ä") != canonical.commitment(b"\x01" * 32, "ä")
    with pytest.raises(ValueError, match="a salt has 32 bytes, this one 16"):
        canonical.commitment(bytes(16), "ä")
