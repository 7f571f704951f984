"""The demo prints figures, times and sentences as a person reads them."""

from datetime import UTC, datetime

from compliance.phrase import Phrase
from config.demo import stage


def test_figures_have_three_digits_and_shares_are_per_cent():
    assert stage.share(0.08353640434745936) == "8.4 %"
    assert stage.share("0.9892729728787368") == "98.9 %"
    assert stage.figure(56.884466019417474) == "56.9"
    assert stage.share(None) == stage.figure(None) == "\u2013"


def test_once_is_not_one_times():
    assert (stage.counted(1), stage.counted(16)) == ("once", "16 times")


def test_times_name_their_zone_and_sentences_no_variables():
    at = datetime(2026, 11, 25, 20, 32, tzinfo=UTC)
    assert stage.moment(at, "Europe/Berlin") == "25 November 2026, 21:32 CET"
    assert stage.moment(None) == "\u2013"
    told = stage.told(Phrase("The clock starts at %(instant)s.", instant="aware_at"))
    assert told == "The clock starts at the moment of awareness."
