"""The worked cases: those inside the packs, those that need two calendars, and published errors."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from compliance.regimes import cases, lint, load
from compliance.regimes.calendars import calendar
from compliance.regimes.counting import Kind, Period, Place, Unit, count
from compliance.regimes.engine import evaluate
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import RegimeOutcome, State
from compliance.regimes.schema import GoldenCase, Regime

CASES = [(pack, case) for pack in load.regimes() for case in pack.tests]


def ask(regime: str, at: str, **facts: object) -> RegimeOutcome:
    moment = datetime.fromisoformat(at)
    return evaluate(load.get(regime), Facts.from_json(facts), moment, assume_scope=True)


@pytest.mark.parametrize(
    ("regime", "case"), CASES, ids=[f"{pack.reference} {case.name}" for pack, case in CASES]
)
def test_a_worked_case_of_a_pack_comes_out(regime: Regime, case: GoldenCase) -> None:
    assert list(lint.check_case(regime, case)) == []


def test_every_case_of_the_reference_has_its_place() -> None:
    numbers = {row.case for row in cases.rows()}
    reference = (1, 2, 4, 6, 7, 8, 10, 12, 13, 16, 18, 19, 21, 22, 24, 25)
    assert numbers >= {f"T{number}" for number in reference}
    assert numbers >= {f"N{number}" for number in range(1, 13)}


def test_a_value_that_differs_is_not_called_equal() -> None:
    pack = load.get("eu-aia-73")
    case = next(case for case in pack.tests if case.name.startswith("T1:"))
    wrong = replace(case, expect={"initial": {"nominal": "2027-12-23T23:00:00Z"}})
    (row,) = cases.compared(pack, wrong, "T1")
    assert not row.is_equal
    assert row.found == "2027-12-22T23:00:00Z"
    assert all(row.is_equal for row in cases.rows())


def test_five_business_days_end_by_the_stricter_calendar() -> None:
    """T24: "business day" is undefined, so Belgium's list is worked to and the other is shown."""
    confirmed = datetime(2026, 12, 17, 9, tzinfo=UTC)
    brussels = ZoneInfo("Europe/Brussels")
    five = Period(5, Unit.BUSINESS_DAY)
    ends = {
        name: count(Kind.BUSINESS_DAYS, confirmed, five, Place(brussels, calendar(name)))
        for name in ("BE", "EU-COMMISSION")
    }
    assert ends["BE"].nominal == datetime(2026, 12, 24, 23, tzinfo=UTC)
    assert ends["EU-COMMISSION"].nominal == datetime(2027, 1, 4, 23, tzinfo=UTC)


def test_a_clock_found_not_reportable_keeps_its_dates() -> None:
    """T25: the final report closes the stage; the deadline it had is still there to be read."""
    outcome = ask(
        "eu-aia-73",
        "2028-01-10T00:00:00Z",
        aware_at="2027-12-07T10:00:00+01:00",
        limbs=["health"],
        recipient_zone="Europe/Berlin",
        calendar="DE",
        submitted={"initial": "2027-12-20T09:00:00Z", "complete": "2028-01-05T09:00:00Z"},
    )
    assert outcome.stage("initial").state is State.MET
    assert outcome.stage("initial").nominal == datetime(2027, 12, 22, 23, tzinfo=UTC)
    assert outcome.stage("complete").state is State.MET


AWARE = {"aware_at": "2027-12-07T10:00:00+01:00", "recipient_zone": "Europe/Berlin"}


def test_n1_the_ai_act_has_no_72_hour_clock() -> None:
    units = {
        rule.period.unit
        for stage in load.get("eu-aia-73").stages
        for rule in stage.rules
        if rule.period is not None
    }
    assert units == {Unit.DAY}


def test_n2_the_ai_act_counts_calendar_days() -> None:
    stage = ask("eu-aia-73", "2027-12-08T00:00:00Z", limbs=["health"], **AWARE).stage("initial")
    assert stage.nominal == datetime(2027, 12, 22, 23, tzinfo=UTC)  # Not 2027-12-28.


@pytest.mark.parametrize(
    ("limb", "days"),
    [
        ("death", 10),
        ("health", 15),
        ("rights", 15),
        ("property_environment", 15),
        ("critical_infrastructure", 2),
        ("widespread_infringement", 2),
    ],
)
def test_n3_each_limb_has_its_own_period(limb: str, days: int) -> None:
    stage = ask("eu-aia-73", "2027-12-08T00:00:00Z", limbs=[limb], **AWARE).stage("initial")
    assert stage.nominal == datetime(2027, 12, 7, 23, tzinfo=UTC) + timedelta(days=days)


def test_n4_a_later_causal_link_does_not_move_the_limit() -> None:
    late = ask(
        "eu-aia-73",
        "2027-12-08T00:00:00Z",
        limbs=["health"],
        causal_link_at="2027-12-15T10:00:00+01:00",
        **AWARE,
    )
    assert late.stage("initial").nominal == datetime(2027, 12, 22, 23, tzinfo=UTC)
    assert "causal link" in " ".join(late.stage("initial").trace)


def test_n5_the_pack_says_the_template_is_guidance() -> None:
    assert any("guidance" in note for note in load.get("eu-aia-73").requires_counsel)


def test_n6_the_complete_report_has_no_number() -> None:
    assert [rule.period for rule in load.get("eu-aia-73").stage("complete").rules] == [None]


def test_n7_dora_follows_submissions() -> None:
    dora = load.get("eu-dora-19")
    assert str(dora.stage("intermediate").rules[0].anchor) == "submitted:initial"
    assert str(dora.stage("final").rules[0].anchor) == "submitted:intermediate"


def test_n8_the_cra_final_report_waits_for_a_measure() -> None:
    stage = ask("eu-cra-14-vuln", "2027-12-08T00:00:00Z", **AWARE).stage("final")
    assert (stage.state, stage.target_due) == (State.PENDING_ANCHOR, None)


def test_n9_raise_retention_is_five_years_and_has_no_spending_test() -> None:
    pack = load.get("us-ny-raise-1422")
    assert [kept.min_period for kept in pack.retention] == ["P5Y"]
    assert "deployment" not in pack.retention[0].counted_from
    assert not any("100" in condition.cite for condition in pack.scope)


def test_n10_seventy_two_hours_are_not_three_local_days() -> None:
    stage = ask(
        "eu-gdpr-33",
        "2027-03-27T00:00:00Z",
        aware_at="2027-03-26T14:20:00+01:00",
        recipient_zone="Europe/Berlin",
    ).stage("notification")
    berlin = ZoneInfo("Europe/Berlin")
    naive = datetime(2027, 3, 26, 14, 20, tzinfo=berlin) + timedelta(days=3)
    assert stage.strict == datetime(2027, 3, 29, 13, 20, tzinfo=UTC)
    assert stage.strict != naive.astimezone(UTC)


def test_n11_days_are_counted_on_the_recipients_date() -> None:
    stage = ask(
        "eu-aia-73",
        "2027-12-08T00:00:00Z",
        aware_at="2027-12-06T23:30:00Z",  # Already the 7th in Berlin.
        limbs=["health"],
        recipient_zone="Europe/Berlin",
    ).stage("initial")
    assert stage.nominal == datetime(2027, 12, 22, 23, tzinfo=UTC)


def test_n12_high_risk_duties_do_not_run_since_august_2026() -> None:
    for key in ("eu-aia-73", "eu-aia-26-5"):
        outcome = ask(key, "2026-12-01T00:00:00Z", aware_at="2026-11-20T10:00:00Z", limbs=["death"])
        assert {stage.state for stage in outcome.stages} == {State.NOT_IN_FORCE}
        assert {stage.target_due for stage in outcome.stages} == {None}


def test_the_deferred_dates_differ_by_annex() -> None:
    facts = {"limbs": ["health"], **AWARE}
    listed = ask("eu-aia-73", "2027-12-08T00:00:00Z", annex_iii=True, **facts)
    product = ask("eu-aia-73", "2027-12-08T00:00:00Z", annex_i=True, annex_iii=False, **facts)
    assert listed.stage("initial").state is State.RUNNING
    assert product.stage("initial").state is State.NOT_IN_FORCE


def test_the_holiday_library_agrees_with_the_dates_the_cases_rest_on() -> None:
    germany, brussels = calendar("DE"), calendar("EU-COMMISSION")
    assert germany.is_holiday(date(2028, 4, 14))  # Good Friday
    assert germany.is_holiday(date(2028, 4, 17))  # Easter Monday
    assert calendar("US-CA").is_holiday(date(2027, 1, 18))  # Martin Luther King Jr. Day
    assert not brussels.is_working(date(2026, 12, 24))
    assert calendar("BE").is_working(date(2026, 12, 24))
