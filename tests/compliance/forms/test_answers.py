"""Each type has its control; what is wrong is said, and nothing that was typed is lost."""

from __future__ import annotations

import pytest

from compliance.forms.answers import AS_TYPED
from compliance.forms.reports import AnswersForm
from compliance.regimes import load

ZONE = "Europe/Berlin"


def field(key: str, name: str):
    return next(each for each in load.get(key).fields if each.id == name)


AWARE = field("eu-aia-73", "awareness")
HARM = field("eu-aia-73", "classification")
ROLE = field("eu-aia-73", "submitter_role")
KIND = field("eu-aia-73", "report_type")
WHO = field("eu-aia-73", "submitter")
COMPUTE = field("eu-aia-52-1", "compute")
REBUTTAL = field("eu-aia-52-1", "rebuttal")
DATE = field("us-ca-sb53", "date")
INTERNAL = field("us-ca-sb53", "internal_use")


def form(asked, answer=None, *, sent=None, status="value"):
    data = None
    if sent is not None:
        data = {f"{asked.id}-value": sent, f"{asked.id}-status": status, f"{asked.id}-why": ""}
    return AnswersForm(
        data,
        asked=[asked],
        answers={asked.id: answer or {}},
        zone=ZONE,
        limbs=load.get("eu-aia-73").limbs,
    )


def html(made) -> str:
    return "".join(str(each) for each in made.groups()[0]["inputs"])


def kept(asked, sent, answer=None):
    made = form(asked, answer, sent=sent)
    assert made.is_valid(), made.errors
    return made.said()[asked.id]["value"]


@pytest.mark.parametrize(
    ("asked", "control"),
    [
        (AWARE, 'type="datetime-local"'),
        (DATE, 'type="date"'),
        (COMPUTE, 'inputmode="decimal"'),
        (ROLE, '<option value="authorised_representative">Authorised representative</option>'),
        (INTERNAL, '<option value="yes">Yes</option>'),
        (HARM, 'type="checkbox" name="classification-value" value="death"'),
        (WHO, "<textarea"),
        (KIND, "disabled"),
    ],
)
def test_each_type_has_its_control(asked, control) -> None:
    assert control in html(form(asked))


@pytest.mark.parametrize(
    ("asked", "sent", "exact"),
    [
        (AWARE, "2027-12-07T10:00", "2027-12-07T09:00:00Z"),
        (AWARE, "2027-12-07 10:00", "2027-12-07T09:00:00Z"),
        (AWARE, "2027-12-07T10:00:00-05:00", "2027-12-07T15:00:00Z"),
        (AWARE, "2026-10-25T02:30+02:00", "2026-10-25T00:30:00Z"),
        (AWARE, "2026-10-25T02:30+01:00", "2026-10-25T01:30:00Z"),
        (AWARE, "", ""),
        (DATE, "2027-12-07", "2027-12-07"),
        (COMPUTE, " 1.2e26 ", "1.2e26"),
        (ROLE, "deployer", "deployer"),
        (INTERNAL, "no", "no"),
        (HARM, ["health", "rights"], "health, rights"),
        (HARM, [], ""),
        (WHO, "Ms N., counsel", "Ms N., counsel"),
    ],
)
def test_an_answer_comes_back_as_records_keep_it(asked, sent, exact) -> None:
    assert kept(asked, sent) == exact


@pytest.mark.parametrize(
    ("asked", "exact", "sent"),
    [
        (AWARE, "2027-12-07T09:00:12.345678Z", "2027-12-07T10:00"),
        (AWARE, "2026-10-25T00:30:12Z", "2026-10-25T02:30"),
        (AWARE, "2026-10-25T01:30:12Z", "2026-10-25T02:30"),
        (AWARE, "9999-12-31T23:59:00Z", "9999-12-31T23:59:00Z"),
        (DATE, "2027-12-06T23:30:00Z", "2027-12-07"),
        (HARM, "rights, death", ["death", "rights"]),
        (COMPUTE, "1e26", "1e26"),
    ],
)
def test_what_comes_back_unchanged_stands_for_the_exact_value(asked, exact, sent) -> None:
    assert kept(asked, sent, {"value": exact, "status": "value"}) == exact


@pytest.mark.parametrize(
    ("asked", "sent", "says"),
    [
        (AWARE, "next Tuesday", "“next Tuesday” is no date with a time"),
        (AWARE, "2027-02-30T10:00", "is no date with a time"),
        (AWARE, "2027-03-28T02:30", "leave this hour out"),
        (AWARE, "2026-10-25T02:30", "or 2026-10-25T02:30+01:00"),
        (AWARE, "0001-01-01T00:00", "between the years 1900 and 2200, got “0001-01-01T00:00”"),
        (AWARE, "9999-12-31T23:59", "between the years 1900 and 2200"),
        (AWARE, "0001-01-01T00:00+14:00", "between the years 1900 and 2200"),
        (AWARE, "9999-12-31T23:59:00-12:00", "between the years 1900 and 2200"),
        (AWARE, "1900-01-01T00:30", "between the years 1900 and 2200"),
        (DATE, "0001-01-01", "between the years 1900 and 2200, got “0001-01-01”"),
        (DATE, "2027-02-30", "“2027-02-30” is no date"),
        (DATE, "7 December", "“7 December” is no date"),
        (COMPUTE, "1,5 zetta", "“1,5 zetta” is no number"),
        (COMPUTE, "٢٥٠", "“٢٥٠” is no number"),
        (ROLE, "king", "king is not one of the available choices"),
        (HARM, ["cyber_breach"], "cyber_breach is not one of the available choices"),
    ],
)
def test_a_wrong_answer_is_named_and_what_was_typed_stays_visible(asked, sent, says) -> None:
    made = form(asked, sent=sent)
    assert not made.is_valid()
    assert says in str(made.errors)
    [(place, words)] = made.wrong()
    assert place.startswith(f"id_{asked.id}-value")
    assert words == asked.label
    if isinstance(sent, str) and asked is not ROLE:
        shown = html(made)
        assert f'value="{sent}"' in shown
        assert 'type="datetime-local"' not in shown
        assert 'type="date"' not in shown


@pytest.mark.parametrize(
    ("asked", "early"),
    [
        (AWARE, "on Sunday, about noon"),
        (DATE, "in the first week"),
        (COMPUTE, "about 10^26"),
    ],
)
def test_an_early_draft_keeps_what_it_says_in_other_words(asked, early) -> None:
    answer = {"value": early, "status": "value"}
    assert early in html(form(asked, answer))
    assert kept(asked, early, answer) == early


@pytest.mark.parametrize("asked", [AWARE, DATE, COMPUTE])
@pytest.mark.parametrize("sent", ["first line second line", "first line\r\nsecond line"])
def test_several_lines_of_an_early_draft_come_back_from_one_input(asked, sent) -> None:
    answer = {"value": "first line\nsecond  line", "status": "value"}
    assert 'value="first line second line"' in html(form(asked, answer))
    assert kept(asked, sent, answer) == "first line\nsecond  line"


@pytest.mark.parametrize("asked", [ROLE, INTERNAL, HARM])
@pytest.mark.parametrize("early", ["we made it", "a\nb", "a\r\nb"])
def test_a_closed_list_offers_what_an_early_draft_says(asked, early) -> None:
    answer = {"value": early, "status": "value"}
    shown = html(form(asked, answer))
    assert f'value="{AS_TYPED}"' in shown
    assert "as typed before: " in shown
    assert kept(asked, [AS_TYPED] if asked is HARM else AS_TYPED, answer) == early
    assert not form(asked, sent=[AS_TYPED] if asked is HARM else AS_TYPED).is_valid()


def test_no_code_of_a_pack_is_taken_for_what_was_typed_before() -> None:
    packs = load.regimes()
    choices = {each.id for pack in packs for asked in pack.fields for each in asked.choices}
    assert AS_TYPED not in choices | {str(limb.id) for pack in packs for limb in pack.limbs}


def test_harm_in_other_words_is_kept_alone_or_given_up() -> None:
    answer = {"value": "two people fell", "status": "value"}
    assert kept(HARM, [AS_TYPED], answer) == "two people fell"
    assert kept(HARM, ["health"], answer) == "health"
    both = form(HARM, answer, sent=["health", AS_TYPED])
    assert not both.is_valid()
    assert "not both" in str(both.errors)


def test_what_follows_from_the_declaration_is_not_typed_over() -> None:
    answer = {"value": "Initial report", "status": "value"}
    assert kept(KIND, "Something else", answer) == "Initial report"


def test_only_what_the_pack_allows_may_stand_in_place_of_an_answer() -> None:
    assert 'value="unknown"' in html(form(AWARE))
    assert 'value="unknown"' not in html(form(REBUTTAL))
    assert 'value="not_applicable"' in html(form(REBUTTAL))
    assert 'type="hidden" name="report_type-status"' in html(form(KIND))
    assert not form(REBUTTAL, sent="", status="unknown").is_valid()
    early = {"value": "", "status": "unknown", "why": "asked"}
    assert 'value="unknown" selected' in html(form(REBUTTAL, early)), "what stood may stand on"


def test_audience_and_care_stand_beside_the_field() -> None:
    group = form(WHO).groups()[0]
    assert (group["audience"], group["care"]) == ("the authority", "personal data")
    assert group["is_marked"]
    kept_back = form(field("eu-gpai-55-cop9", "awareness")).groups()[0]
    assert kept_back["is_kept_back"]
