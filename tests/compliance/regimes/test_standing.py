"""Duties of the calendar: dated from their anchors, never by an incident."""

from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.permissions import Role
from compliance.regimes import lint, load
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.outcome import Applies
from compliance.regimes.reach import reach
from compliance.regimes.schema import Regime, StandingCase
from compliance.regimes.standing import case_dates, missing, next_dues, read_anchors
from compliance.regimes.table import RegimeError
from compliance.regimes.terms import Round
from compliance.regimes.vocabulary import Milestone

CASES = [(pack, case) for pack in load.standing() for case in pack.standing_tests]
DUTIES = [(pack, duty) for pack in load.standing() for duty in pack.calendar_duties]
CODE = load.get("eu-gpai-code-standing")
MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2028, 12, 31),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(("pack", "case"), CASES, ids=[case.name for _, case in CASES])
def test_a_worked_case_of_a_standing_pack_comes_out(pack: Regime, case: StandingCase) -> None:
    assert list(lint.check_standing_case(pack, case)) == []


def test_the_clocks_the_house_must_know_are_all_there() -> None:
    assert {pack.key: [duty.id for duty in pack.calendar_duties] for pack in load.standing()} == {
        "eu-aia-standing": [
            "documents_handed_over",
            "commission_answered",
            "corrective_action",
            "authority_answered",
            "horizon_reviewed",
            "commission_report_read",
        ],
        "eu-gpai-code-standing": [
            "framework_confirmed",
            "framework_assessed",
            "framework_sent",
            "publication_released",
            "model_report_updated",
            "model_report_sent",
            "model_report_update_sent",
            "incident_file_kept",
            "documentation_kept",
            "downstream_request",
            "reference_replaced",
            "evaluation_time",
            "evaluator_call",
            "eu_send_registered",
        ],
        "us-ca-sb53-standing": ["internal_use_summary"],
        "us-il-sb315-standing": ["independent_audit"],
        "us-ny-raise-standing": ["internal_use_summary", "disclosure_statement"],
    }


@pytest.mark.parametrize(("pack", "duty"), DUTIES, ids=[duty.id for _, duty in DUTIES])
def test_a_standing_duty_says_whose_it_is_and_where_it_stands(pack, duty) -> None:
    assert duty.owner in set(Role)
    assert duty.cite
    assert duty.proof
    assert all(rule.cite and rule.evidence for rule in duty.rules)


@given(pair=st.sampled_from(DUTIES), moment=MOMENTS, n=st.integers(1, 5))
def test_dates_come_in_order_with_a_reason(pair, moment, n) -> None:
    pack, duty = pair
    anchors = dict.fromkeys(Milestone, moment)
    dues = next_dues(pack, duty, anchors, n=n)
    assert len(dues) == (n if duty.every else 1)
    assert [due.due for due in dues] == sorted({due.due for due in dues})
    zone = ZoneInfo(pack.zone)
    for due in dues:
        assert due.trace
        assert due.due <= due.latest
        assert due.slipped is None or due.slipped > due.due
        assert (due.due - timedelta(microseconds=1)).astimezone(zone).date() == due.day


@given(moment=MOMENTS)
def test_hours_of_a_standing_duty_are_elapsed_hours(moment) -> None:
    pack = load.get("eu-aia-standing")
    duty = pack.calendar_duty("authority_answered")
    (due,) = next_dues(pack, duty, {Milestone.AUTHORITY_REQUEST_RECEIVED: moment})
    assert due.due == due.latest == moment + timedelta(hours=24)


@given(pair=st.sampled_from(DUTIES), moment=MOMENTS, later=st.timedeltas(timedelta(0)))
def test_a_later_anchor_never_brings_an_earlier_date(pair, moment, later) -> None:
    pack, duty = pair
    dues = [
        next_dues(pack, duty, dict.fromkeys(Milestone, anchor))[0].due
        for anchor in (moment, moment + min(later, timedelta(days=400)))
    ]
    assert dues[0] <= dues[1]


@given(moment=MOMENTS, done=st.lists(MOMENTS, min_size=1, max_size=4))
def test_what_recurs_follows_the_last_time_or_the_schedule(moment, done) -> None:
    pack = load.get("us-ca-sb53-standing")
    summary = pack.calendar_duty("internal_use_summary")
    anchors = {Milestone.SUMMARY_PERIOD_BEGAN: moment}
    plan = next_dues(pack, summary, anchors, n=len(done) + 1)
    on_time = [due.due - timedelta(days=3) for due in plan[:-1]]
    assert summary.counts_from is Round.SCHEDULE
    assert next_dues(pack, summary, anchors, done=on_time)[0].due == plan[-1].due
    assert next_dues(pack, summary, anchors, done=[*on_time, *on_time])[0].due == plan[-1].due
    late = plan[0].due + timedelta(days=3)
    assert next_dues(pack, summary, anchors, done=[late])[0].due == plan[1].due
    assessed = CODE.calendar_duty("framework_assessed")
    follows = next_dues(CODE, assessed, {Milestone.PLACED_ON_MARKET: moment}, done=done)[0]
    again = next_dues(CODE, assessed, {Milestone.PLACED_ON_MARKET: max(done)})[0]
    assert follows.due == again.due


def test_a_duty_without_its_anchor_has_no_date_and_says_what_it_waits_for() -> None:
    duty = CODE.calendar_duty("framework_confirmed")
    assert next_dues(CODE, duty, {}) == ()
    assert missing(duty, {}) == (Milestone.SYSTEMIC_RISK_NOTIFIED, Milestone.PLACED_ON_MARKET)


def test_what_comes_once_is_over_when_it_was_done() -> None:
    duty = CODE.calendar_duty("eu_send_registered")
    anchors = read_anchors({"placed_on_market_at": "2027-03-01T09:00:00+01:00"})
    assert next_dues(CODE, duty, anchors)
    assert next_dues(CODE, duty, anchors, done=[datetime(2027, 1, 2, tzinfo=UTC)]) == ()


def test_what_begins_anew_is_due_anew() -> None:
    duty = CODE.calendar_duty("model_report_update_sent")
    sent = [datetime(2026, 12, 21, tzinfo=UTC)]
    first = read_anchors({"model_report_confirmed_at": "2026-12-17T10:00:00+01:00"})
    again = read_anchors({"model_report_confirmed_at": "2027-03-04T10:00:00+01:00"})
    assert next_dues(CODE, duty, first, done=sent) == ()
    assert next_dues(CODE, duty, again, done=sent)[0].day.isoformat() == "2027-03-11"


def test_a_calendar_that_does_not_reach_is_named() -> None:
    duty = CODE.calendar_duty("model_report_update_sent")
    due = next_dues(CODE, duty, read_anchors({"model_report_confirmed_at": "2031-03-03T09:00Z"}))[0]
    assert any("EU-COMMISSION" in line and "2031" in line for line in due.trace)


@pytest.mark.parametrize(
    ("given_anchors", "named"),
    [
        ({"market_at": "2027-03-01T09:00:00Z"}, "unknown milestone 'market_at'"),
        ({"placed_on_market_at": "2027-03-01T09:00:00"}, "placed_on_market_at: expected an offset"),
    ],
)
def test_a_wrong_anchor_is_named(given_anchors: dict[str, object], named: str) -> None:
    with pytest.raises(FactsError, match=named):
        read_anchors(given_anchors)


def test_who_must_summarise_follows_from_the_figures() -> None:
    pack = load.get("us-ca-sb53-standing")
    facts = Facts.from_json({"training_flop": 2e26, "annual_revenue_usd": 6e8, "ca_nexus": True})
    assert reach(pack, facts, datetime(2027, 1, 1, tzinfo=UTC)).applies is Applies.APPLIES
    only_if = pack.calendar_duty("internal_use_summary").only_if
    assert only_if == "large_frontier_developer"
    assert facts.holds(only_if) is True


def text_of(key: str) -> str:
    return resources.files("compliance.regimes").joinpath("data", f"{key}.toml").read_text()


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('kind        = "standing"\n', "", "field 'at'"),
        ('owner = "governance_lead"', 'owner = "boss"', "standing framework_confirmed, field 'own"),
        ('anchor = "placed_on_market_at"', 'anchor = "aware_at"', "field 'anchor'"),
        ('unit = "week"', 'unit = "hour"', "field 'unit'"),
        ('every_unit = "month"', 'every_unit = "hour"', "standing framework_assessed, field 'every_u"),
        ('calendars = ["BE", ', 'calendars = ["QQ", ', "field 'calendars'"),
        ('anchor = "systemic_risk_notified_at"\n', "", "expected either 'anchor' or 'on'"),
        ('id = "framework_sent"', 'id = "framework_confirmed"', "expected once, got twice"),
        ('duty = "framework_assessed"', 'duty = "framework"', "field 'duty'"),
        ('kind = "business_days"', 'kind = "eu_1182_days"', "field 'kind'"),
        ("[[scope]]", "[[trigger]]\ninstant = 'aware_at'\nstandard = 'x'\ncite = 'x'\n[[scope]]", "field 'trigger'"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_duty_and_field(before: str, after: str, named: str) -> None:
    text = text_of(CODE.key)
    assert before in text
    with pytest.raises(RegimeError) as caught:
        load.parse(text.replace(before, after, 1).encode(), file="code.toml")
    assert str(caught.value).startswith("code.toml")
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('  kind = "elapsed"', '  kind = "elapsed"\n  direction = "before"', "field 'direction'"),
        (
            '  anchor = "authority_request_received_at"',
            "  on = 2027-01-01",
            "expected hours from an",
        ),
    ],
)
def test_hours_need_an_instant_to_run_from(before: str, after: str, named: str) -> None:
    text = text_of("eu-aia-standing")
    assert before in text
    with pytest.raises(RegimeError, match=named):
        load.parse(text.replace(before, after, 1).encode(), file="act.toml")


def test_a_regime_of_incidents_holds_no_standing_duty() -> None:
    text = text_of("eu-aia-standing").split("[[standing]]", 1)[1].split("[[test]]")[0]
    mixed = text_of("house-72h") + "\n[[standing]]" + text
    with pytest.raises(RegimeError, match="field 'standing'"):
        load.parse(mixed.encode(), file="house-72h.toml")


def test_a_case_that_does_not_come_out_is_reported() -> None:
    text = text_of(CODE.key).replace("amount = 5", "amount = 6")
    pack = load.parse(text.encode(), file="code.toml")
    found = list(lint.examine(pack))
    assert any("T24" in complaint and "expected due 2026-12-24" in complaint for complaint in found)
    assert case_dates(pack, pack.standing_tests[0])["due"] != "2026-12-24T23:00:00Z"
