"""Which regimes reach a system before anything happens: three-valued, dated, with reasons."""

from datetime import UTC, datetime

from compliance.regimes import load
from compliance.regimes.facts import Facts
from compliance.regimes.reach import reach, reach_all

AT = datetime(2028, 1, 10, tzinfo=UTC)
HIGH_RISK = {"provider": True, "annex_iii": True, "eu_market": True}


def judge(key, at=AT, **known):
    facts = Facts.from_json(known)
    return next(each for each in reach_all(facts, at) if each.key == key)


def test_a_regime_reaches_a_system_once_its_standing_conditions_are_met():
    found = judge("eu-aia-73", **HIGH_RISK)
    assert found.applies == "applies"
    assert "high-risk because its use is listed in Annex III" in str(found.because)


def test_what_is_unanswered_is_asked_for_and_not_guessed():
    found = judge("eu-aia-73", provider=True, eu_market=True)
    assert found.applies == "facts_needed"
    assert [str(why.sentence)[:15] for why in found.because] == ["To be confirmed"]
    assert "Annex III" in str(found.because)
    assert "Annex I" in str(found.because)


def test_a_no_settles_it_whatever_else_is_open():
    found = judge("eu-aia-73", annex_iii=False, annex_i=False)
    assert found.applies == "does_not_apply"
    assert "not listed in Annex III" in str(found.because)


def test_what_only_an_incident_brings_is_not_asked_for():
    assert judge("house-72h").applies == "applies"
    known = {"controller": True, "eu_personal_data": True}
    assert judge("eu-gdpr-33", **known).applies == "applies"
    assert "breach" not in str(judge("eu-gdpr-33").because)


def test_a_law_that_has_not_begun_says_from_when():
    found = judge("eu-aia-73", datetime(2026, 11, 1, tzinfo=UTC), **HIGH_RISK)
    assert found.applies == "not_in_force"
    assert str(found.because[0].sentence) == "Applies to incidents from 2027-12-02."


def test_a_proposal_never_applies():
    proposed = next(each for each in load.regimes() if each.status == "proposed")
    assert reach(proposed, Facts(), AT).applies == "not_in_force"


def test_what_an_exclusion_leaves_is_said():
    found = judge("eu-aia-73", **HIGH_RISK, mdr_ivdr_device=True)
    assert found.applies == "applies"
    assert "stays reportable" in str(found.because)
