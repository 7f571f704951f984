"""Exact values in words: instants, dated lists, kinds of harm, sentences of the engine."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import translation

from compliance.phrase import Phrase, listed, said
from compliance.regimes import load
from compliance.regimes.vocabulary import INSTANTS, STAGES, Instant, Limb, StageId
from compliance.services import wording

AT = datetime(2026, 11, 22, 20, 33, 53, 311375, tzinfo=UTC)
EXACT = "2026-11-22T20:33:53.311375Z"


def engine(template: str, **values: object) -> str:
    return said(wording.phrase(Phrase(template, **values)), translation)


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/Berlin", "22 November 2026, 21:33 CET"),
        ("", "22 November 2026, 20:33 UTC"),
        ("Asia/Dubai", "23 November 2026, 00:33 UTC+04"),
    ],
)
def test_an_instant_names_its_zone(zone, words) -> None:
    assert wording.moment(AT, zone) == words


def test_an_instant_in_a_text_is_written_out_to_the_second() -> None:
    assert wording.text(f"Seen {EXACT}.", "Europe/Berlin") == "Seen 22 November 2026, 21:33:53 CET."
    offset = wording.text("2026-11-22T21:33:53+01:00", "Europe/Brussels")
    assert offset == "22 November 2026, 21:33:53 CET"


def test_what_is_no_instant_stays() -> None:
    for text in ("pack 2026-11-01", "at 21:33", "cyber", "death and taxes"):
        assert wording.text(text, "UTC") == text


@pytest.mark.parametrize(
    "exact",
    [
        "9999-12-31T23:59:00Z",
        "0001-01-01T00:00:00+01:00",
        "2026-99-99T99:99:99Z",
        "2026-11-22T10:00:00+99:99",
        "٢٠٢٦-١١-٢٢T١٠:٠٠Z",
    ],
)
def test_what_no_calendar_has_stays_as_it_stands(exact) -> None:
    assert wording.text(exact, "Europe/Berlin") == exact
    assert wording.text(f"{exact} detected", "Europe/Berlin") == f"{exact}: detected"
    assert wording.moments(f"{exact} detected", "Europe/Berlin") == [(exact, "detected")]
    assert wording.phrase(f"from {exact}") == f"from {exact}"
    assert engine("since %(day)s", day="2026-99-99") == "since 2026-99-99"
    wall = "2026-99-99 10:00 +0100 (Europe/Berlin)"
    assert engine("from %(at)s", at=wall) == f"from {wall}"


def test_every_kind_of_harm_has_its_words() -> None:
    assert all(wording.text(each, "UTC") for each in Limb)


def test_lines_that_begin_with_an_instant_are_a_dated_list() -> None:
    exact = f"{EXACT} detected\n2026-11-22T20:40:00Z rolled back to M 1.0.0"
    assert wording.moments(exact, "Europe/Berlin") == [
        ("22 November 2026, 21:33:53 CET", "detected"),
        ("22 November 2026, 21:40:00 CET", "rolled back to M 1.0.0"),
    ]
    assert wording.text(exact, "Europe/Berlin").splitlines() == [
        "22 November 2026, 21:33:53 CET: detected",
        "22 November 2026, 21:40:00 CET: rolled back to M 1.0.0",
    ]


def test_one_line_without_a_date_makes_it_a_text() -> None:
    assert wording.moments(f"{EXACT} detected\nand then nothing", "UTC") == []
    assert wording.moments("", "UTC") == []


def test_harm_is_said_with_the_words_of_the_regime_that_asks() -> None:
    uncited = wording.text("cyber_breach", "UTC", cites=False)
    assert "Art." not in uncited
    assert "Measure" not in uncited
    limbs = load.get("eu-gpai-55-cop9").limbs
    words = wording.text("cyber_breach", "UTC", limbs)
    assert words.startswith("Serious cybersecurity breach. The model, its weights or")
    assert words.endswith("(Measure 9.3(2))")


def test_harm_that_a_regime_does_not_define_is_said_as_it_was_asked() -> None:
    words = wording.text("cyber_breach, property_environment", "UTC").splitlines()
    assert words[0].startswith("Cyber breach. Includes weights taken out by anyone")
    assert words[1].startswith("Property or environment. ")
    assert words[1].endswith("(AI Act Art. 3(49)(d))")


@pytest.mark.parametrize("limb", Limb)
def test_every_kind_of_harm_has_words(limb) -> None:
    assert "_" not in wording.harm(limb)


def test_every_instant_and_stage_of_the_vocabulary_has_words() -> None:
    assert set(INSTANTS) == set(Instant)
    assert set(STAGES) == set(StageId)


def test_a_signature_of_early_revisions_is_taken_apart() -> None:
    assert wording.signed(f"Rae, {EXACT}") == ("Rae", EXACT)
    assert wording.signed("Rae") == ("Rae", "")


def test_a_sentence_of_the_engine_names_no_variables() -> None:
    assert engine("The clock starts at %(instant)s.", instant="aware_at") == (
        "The clock starts at the moment of awareness."
    )
    assert engine("Waits for %(anchor)s.", anchor="submitted:initial") == (
        "Waits for the initial report."
    )
    either = Phrase("%(one)s or %(other)s", one="aware_at", other="discovered_at")
    assert engine("From %(instants)s.", instants=either) == (
        "From the moment of awareness or the discovery."
    )


def test_a_sentence_of_the_engine_tells_times_as_people_do() -> None:
    wall = listed((Phrase("Sun"), "2026-11-22 21:32 +0100 (Europe/Berlin)"), " ")
    assert engine("until %(due)s", due=wall) == "until Sun 22 November 2026, 21:32 CET"
    last = listed((Phrase("Mon"), "2026-11-23"), " ")
    assert engine("end %(end)s", end=last) == "end Mon 23 November 2026"
    assert engine("Applies from %(start)s.", start="2027-01-01") == "Applies from 1 January 2027."
    assert engine("Submitted %(at)s.", at="2026-12-20 10:00Z") == (
        "Submitted 20 December 2026, 10:00 UTC."
    )


def test_versions_that_look_like_days_stay_as_they_are() -> None:
    assert engine("criteria %(version)s", version="2026-11-01") == "criteria 2026-11-01"


def test_a_trace_kept_as_plain_text_is_read_too() -> None:
    kept = "The clock starts at aware_at (a person became aware)."
    assert said(wording.phrase(kept), translation) == (
        "The clock starts at the moment of awareness (a person became aware)."
    )


def test_what_is_kept_does_not_change() -> None:
    kept = Phrase("The clock starts at %(instant)s.", instant="aware_at").kept()
    before = str(kept)
    wording.phrase(kept)
    assert str(kept) == before
