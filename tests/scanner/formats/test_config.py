"""JSON from strangers: each thing of its kind, or a refusal that names file and key."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments.scanner.contract import ScanFailed
from assessments.scanner.formats import config
from assessments.scanner.formats.config import Config
from tests.scanner.formats.made import NASTY, or_refused

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def said(**raw):
    return Config("folder/cfg.json", raw)


def test_what_is_said_is_given():
    found = said(d_in=8, s=2, name="gpt2", flag=False, inner={"k": 3})
    assert found.whole("d_in") == 8
    assert found.number("s") == 2.0
    assert found.text("name") == "gpt2"
    assert found.flag("flag") is False
    assert found.section("inner").whole("k") == 3


def test_a_key_without_a_value_is_absent():
    found = said(d_in=None)
    assert "d_in" not in found
    assert found.whole("d_in", 5) == 5
    assert found.section("inner").raw == {}
    with pytest.raises(
        ScanFailed, match=r"folder/cfg.json: d_in: expected a whole number .* came nothing"
    ):
        found.whole("d_in")


KINDS = {"whole": int, "number": float, "text": str, "flag": bool, "section": Config}


@given(ANYTHING | st.sampled_from(NASTY))
def test_each_kind_comes_as_it_should_or_is_refused(value):
    found = said(key=value)
    for ask, kind in KINDS.items():
        if value is not None or ask == "section":
            given_out = or_refused(lambda ask=ask: getattr(found, ask)("key"))
            assert given_out is None or type(given_out) is kind
    assert found.said_number("key") is None or found.said_number("key") >= 0
    assert len(found.said_text("key")) <= config.MAX_TEXT


@pytest.mark.parametrize("ask", KINDS)
def test_a_refusal_names_file_and_key(ask):
    with pytest.raises(
        ScanFailed, match=r"folder/cfg.json: key: expected .*, came \[1\]"
    ) as refusal:
        getattr(said(key=[1]), ask)("key")
    assert refusal.value.permanent


def test_numbers_have_bounds():
    with pytest.raises(ScanFailed, match="from 1 to 8, came 9"):
        said(k=9).whole("k", least=1, most=8)
    with pytest.raises(ScanFailed, match="expected a whole number from 0 to"):
        said(d=config.MOST + 1).whole("d")
    with pytest.raises(ScanFailed, match=r"expected a whole number .* came True"):
        said(k=True).whole("k")
    assert said(l0=-3, other=4).said_number("l0", "other") == 4


def test_keys_nobody_knows_are_refused_if_they_say_anything():
    said(known=1, strange=None, other=0, flag=False).expect_known({"known"})
    with pytest.raises(ScanFailed, match="'strange' may change the computation"):
        said(known=1, strange="scale").expect_known({"known"})


@pytest.mark.parametrize(
    ("blob", "complaint"),
    [
        (b"", "expected JSON"),
        (b"[1, 2]", "expected an object, came list"),
        (b'{"a": 1, "a": 2}', "each key once, one came twice"),
        (b'{"inner": {"a": 1, "a": 2}}', "each key once, one came twice"),
        (b"\xff\xfe{", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "expected JSON"),
        (b'{"a": "' + b"x" * (config.MAX_BYTES + 1) + b'"}', "expected at most"),
    ],
)
def test_files_that_are_no_honest_json_are_refused(tmp_path, blob, complaint):
    path = tmp_path / "cfg.json"
    path.write_bytes(blob)
    with pytest.raises(ScanFailed, match=complaint):
        config.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ScanFailed, match=r"cfg.json could not be read"):
        config.read(tmp_path / "cfg.json")


def test_a_file_is_read(tmp_path):
    (tmp_path / "cfg.json").write_text(json.dumps({"k": 4}))
    assert config.read(tmp_path / "cfg.json").whole("k") == 4
