import json

import pytest

from assessments.scanner.contract import Trust
from assessments.scanner.prompts import DATA, load_watchlist
from assessments.services import watchlist_file
from assessments.services.problems import FileError
from tests.assessments.results import make_sae, make_watchlist

LATENT = {"index": 3, "concern": "cyber", "why": "fires on keys", "threshold": 1.5}
SHARE = {"n_hit": 9, "n": 10, "share": 0.9, "low": 0.55, "high": 0.99, "confidence": 0.95}


def told(raw):
    with pytest.raises(FileError) as caught:
        watchlist_file.read(raw if isinstance(raw, str) else json.dumps(raw))
    return [str(each) for each in caught.value.problems]


def test_the_list_that_is_shipped_can_be_imported():
    text = (DATA / "watchlist_smollm2.json").read_text("utf-8")
    listed = watchlist_file.read(text)
    assert listed.latents == load_watchlist()
    assert len(listed.sae_sha256) == 64


@pytest.mark.django_db
def test_what_goes_out_comes_back():
    made = make_watchlist(make_sae())
    listed = watchlist_file.read(watchlist_file.write(made))
    assert [each.to_json() for each in listed.latents] == made.latents
    assert listed.sae_sha256 == made.sae.sha256


def test_trust_calibration_and_recall_come_along():
    full = {**LATENT, "trust": "causal", "recall": {"threshold": 1.5, "found": SHARE}}
    (latent,) = watchlist_file.read(json.dumps([full])).latents
    assert latent.trust is Trust.CAUSAL
    assert latent.may_clear(0.5)
    assert not latent.may_clear(0.6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"index": "3"}, "Latent 1 of the file (index 3), index: expected a whole number"),
        ({"index": -1}, "index: expected a whole number from 0 on, came -1."),
        ({"index": True}, "index: expected a whole number"),
        ({"threshold": 0}, "threshold: expected a number above zero, came 0."),
        ({"threshold": 10**400}, "threshold: expected a number above zero"),
        ({"threshold": None}, "threshold: expected a number above zero, came null."),
        ({"why": " "}, "why: expected a text"),
        ({"why": "\ud800"}, "why: expected a text"),
        ({"concern": "benign"}, "concern: expected one of deception"),
        ({"trust": "blind"}, 'trust: expected one of automatic, human, causal, came "blind".'),
        ({"evidence": [1]}, "evidence: expected an object"),
        ({"evidence": {"a": "\0"}}, "evidence: expected an object"),
        ({"recall": {"threshold": 1}}, "recall: Recall: "),
        ({"calibration": 5}, "calibration: Calibration: expected dict, came int."),
        ({"calibration": {"threshold": 10**400}}, "calibration: "),
        ({"colour": 1}, "colour: is no field"),
    ],
)
def test_every_mistake_names_the_latent_and_the_field(change, said):
    found = told({"latents": [{**LATENT, **change}]})
    assert said in found[0]
    assert found[0].startswith("Latent 1 of the file (index ")


def test_mistakes_of_several_latents_come_at_once():
    found = told({"latents": [{**LATENT, "why": ""}, LATENT, "x", {}]})
    assert [each.split("(")[0].split(":")[0].strip() for each in found] == [
        "Latent 1 of the file", "Latent 3 of the file", *["Latent 4 of the file"] * 4,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "raw", ["", "{", "[" * 100_000, '{"latents": [NaN]}', "5", '{"latents": {}}', '{"latents": []}']
)
def test_what_is_no_list_is_refused(raw):
    assert told(raw)[0].startswith("The file: expected")


def test_evidence_that_is_too_deep_is_refused():
    deep = "x"
    for _ in range(30):
        deep = [deep]
    assert "evidence" in told([{**LATENT, "evidence": {"a": deep}}])[0]
