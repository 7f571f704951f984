import json
from dataclasses import replace

import pytest

from compliance.filing import portals
from compliance.filing.base import FilingError, HandOver
from compliance.filing.load import load
from compliance.filing.portals import PortalError
from compliance.phrase import Phrase
from compliance.regimes import load as regimes
from tests.compliance.filing.doubles import KEY, PACKAGE

TWIN = {
    "title": "A tool was called",
    "stage_title": "Initial report",
    "report": "r-1",
    "clock": {"started_at": "2026-08-02T12:00:00Z"},
    "fields": [
        {"label": "Harm", "cite": "Measure 9.2(2)", "value": "health", "words": "Health of people",
         "status": "value"},
        {"label": "Root cause", "cite": "", "value": "", "status": "unknown", "why": "under study"},
        {"label": "Patterns", "cite": "", "value": "", "status": "missing", "why": ""},
    ],
}  # fmt: skip
FILLED = replace(PACKAGE, twin=json.dumps(TWIN).encode())
WHOLE = portals.resources.files("compliance.filing").joinpath("data/eu-send.toml").read_bytes()


def test_every_regime_with_an_outside_recipient_has_a_portal():
    told = {key for portal in portals.portals() for key in portal.regimes}
    known = {pack.key for pack in regimes.regimes()}
    assert told <= known
    for key in ("eu-gpai-55-cop9", "us-ca-sb53", "us-ny-raise-1422", "us-il-sb315", "eu-aia-73"):
        assert portals.for_regime(key) is not None
    assert portals.for_regime("house-72h") is None


@pytest.mark.parametrize("portal", portals.portals(), ids=lambda each: each.key)
def test_every_portal_says_what_to_do_what_to_bring_back_and_what_nobody_knows(portal):
    assert portal.steps
    assert portal.receipt
    assert portal.unknown
    assert all(isinstance(text, Phrase) for text in (portal.title, *portal.steps, *portal.unknown))


def test_two_that_are_not_established_say_so():
    for key in ("ny-dfs", "il-ag-iema"):
        assert "To be established" in portals.get(key).where


def test_a_checklist_has_the_texts_ready_to_copy():
    found = portals.get("eu-send").checklist(FILLED)
    told = [(each.label, each.value, each.why_empty) for each in found.fields]
    assert told[:4] == [
        ("Title", "A tool was called", ""),
        ("Stage", "Initial report", ""),
        ("Started counting at (UTC)", "2026-08-02T12:00:00Z", ""),
        ("Reference of this report", "r-1", ""),
    ]
    assert told[4:7] == [
        ("Harm (Measure 9.2(2))", "Health of people", ""),
        ("Root cause", "", "not known yet: under study"),
        ("Patterns", "", "nobody has said"),
    ]
    assert told[7][1] == FILLED.pdf_sha256


@pytest.mark.parametrize("twin", [b"", b"[]", b'{"fields": {}, "clock": 7}', b"\xff"])
def test_data_of_another_shape_leaves_the_fields_empty(twin):
    found = portals.get("eu-send").checklist(replace(PACKAGE, twin=twin))
    assert [each.value for each in found.fields[:4]] == [""] * 4


def test_hostile_words_are_shown_for_what_they_are():
    twin = json.dumps({"title": "a\u202eb\x00c"}).encode()
    found = portals.get("cal-oes-tfaia").checklist(replace(PACKAGE, twin=twin))
    assert found.fields[0].value == "a[U+202E]bc"


def test_filing_by_hand_hands_over_the_checklist():
    by_hand = load("manual", {"checklist": "eu-send"}, egress=None)
    done = by_hand.submit(FILLED, KEY)
    assert isinstance(done, HandOver)
    assert done.steps == portals.get("eu-send").steps
    assert done.checklist.fields[0].value == "A tool was called"
    ours = load("manual", {"checklist": "eu-send", "portal": "x", "steps": ["One."]}, egress=None)
    assert (ours.submit(FILLED, KEY).portal, ours.submit(FILLED, KEY).steps) == ("x", ("One.",))


def test_a_portal_that_nobody_knows_is_refused_when_it_is_configured():
    with pytest.raises(FilingError, match="unknown portal 'mars'") as caught:
        load("manual", {"checklist": "mars"}, egress=None)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('key = "eu-send"', "", "field 'key'"),
        ('evidence = "S"', 'evidence = "Z"', "field 'evidence'"),
        ("steps = [", "stepz = [", "unknown field 'stepz'"),
        ('label = "Title"', "label = 7", "[[copy]], field 'label'"),
        ("regimes = [", "regimes = [7, ", "field 'regimes'"),
        ("key =", "key", "expected TOML"),
    ],
)
def test_a_mistake_is_named_with_file_and_field(old, new, message):
    with pytest.raises(PortalError) as caught:
        portals.parse(WHOLE.decode().replace(old, new, 1).encode(), file="eu-send.toml")
    assert str(caught.value).startswith("eu-send.toml")
    assert message in str(caught.value)
