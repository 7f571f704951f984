"""Whether a regime applies, why, and where each stage stands."""

from datetime import UTC, datetime, timedelta

import pytest

from compliance.regimes import load
from compliance.regimes.engine import evaluate, evaluate_all
from compliance.regimes.facts import Facts, FactsError
from compliance.regimes.outcome import Applies, RegimeOutcome, State

NOW = datetime(2027, 12, 8, tzinfo=UTC)
HIGH_RISK = {"provider": True, "annex_iii": True, "eu_market": True}
HARM = {
    "aware_at": "2027-12-07T10:00:00+01:00",
    "limbs": ["health"],
    "recipient_zone": "Europe/Berlin",
    "calendar": "DE",
}


def judge(
    regime: str, at: datetime = NOW, *, assume_scope: bool = False, **facts: object
) -> RegimeOutcome:
    return evaluate(load.get(regime), Facts.from_json(facts), at, assume_scope=assume_scope)


def test_scope_that_nobody_confirmed_is_asked_for() -> None:
    outcome = judge("eu-aia-73", **HARM)
    assert outcome.applies is Applies.FACTS_NEEDED
    assert all(reason.sentence.startswith("To be confirmed") for reason in outcome.because)
    stage = outcome.stage("initial")
    assert (stage.state, stage.target_due) == (State.FACTS_NEEDED, None)
    assert stage.earliest_if_confirmed == datetime(2027, 12, 22, 23, tzinfo=UTC)


def test_confirmed_scope_starts_the_clock() -> None:
    outcome = judge("eu-aia-73", **HARM, **HIGH_RISK)
    assert outcome.applies is Applies.APPLIES
    assert outcome.stage("initial").state is State.RUNNING
    assert all(reason.cite for reason in outcome.because)


def test_one_denied_condition_is_enough_and_is_named() -> None:
    outcome = judge("eu-aia-73", **HARM, provider=True, annex_iii=False, annex_i=False)
    assert outcome.applies is Applies.DOES_NOT_APPLY
    assert "not listed in Annex III" in outcome.because[0].sentence
    assert {stage.state for stage in outcome.stages} == {State.NOT_APPLICABLE}


def test_an_answer_of_no_stands_even_where_scope_is_assumed() -> None:
    outcome = judge("eu-gdpr-33", assume_scope=True, aware_at=HARM["aware_at"], controller=False)
    assert outcome.applies is Applies.DOES_NOT_APPLY


def test_harm_outside_a_regime_does_not_bring_it_in() -> None:
    outcome = judge("eu-aia-73", **{**HARM, "limbs": ["cyber_breach"]}, **HIGH_RISK)
    assert outcome.applies is Applies.DOES_NOT_APPLY
    assert "cyber breach" in outcome.because[0].sentence


def test_an_equivalent_duty_leaves_only_rights_reportable() -> None:
    facts = {**HARM, **HIGH_RISK, "equivalent_union_reporting": True}
    only_death = judge("eu-aia-73", **{**facts, "limbs": ["death"]})
    with_rights = judge("eu-aia-73", **{**facts, "limbs": ["death", "rights"]})
    assert only_death.applies is Applies.DOES_NOT_APPLY
    assert with_rights.stage("initial").nominal == datetime(2027, 12, 22, 23, tzinfo=UTC)


def test_an_alert_alone_starts_nothing() -> None:
    outcome = judge("house-72h", detected_at="2027-12-07T10:00:00Z", serious_incident=True)
    stage = outcome.stage("report")
    assert (outcome.applies, stage.state) == (Applies.FACTS_NEEDED, State.FACTS_NEEDED)
    assert stage.earliest_if_confirmed == datetime(2027, 12, 10, 10, tzinfo=UTC)


def test_the_house_rule_cites_no_article_and_has_no_recipient() -> None:
    outcome = judge("house-72h", **HARM)
    stage = outcome.stage("report")
    assert (stage.cite, stage.recipient) == ("Internal policy", None)
    assert stage.target_due == datetime(2027, 12, 10, 9, tzinfo=UTC)
    assert not any("Art." in field.cite for field in stage.required_fields)


def test_a_code_non_signatory_is_told_the_periods_are_a_guideline() -> None:
    outcome = judge(
        "eu-gpai-55-cop9",
        model_involvement_aware_at=HARM["aware_at"],
        limbs=["cyber_breach"],
        gpai_systemic_risk_provider=True,
        eu_market=True,
        code_signatory=False,
    )
    assert outcome.applies is Applies.APPLIES
    assert any("guideline" in reason.sentence for reason in outcome.because)


def test_a_model_from_before_august_2025_is_not_yet_bound() -> None:
    facts = {"model_involvement_aware_at": "2026-11-20T10:00:00Z", "limbs": ["death"]}
    legacy = judge("eu-gpai-55-cop9", assume_scope=True, legacy_gpai_model=True, **facts)
    recent = judge("eu-gpai-55-cop9", assume_scope=True, legacy_gpai_model=False, **facts)
    assert legacy.applies is Applies.NOT_IN_FORCE
    assert recent.applies is Applies.APPLIES


def test_a_proposal_never_counts_down() -> None:
    outcome = judge("eu-gdpr-33@2.0.0", assume_scope=True, aware_at=HARM["aware_at"])
    assert outcome.applies is Applies.NOT_IN_FORCE
    assert outcome.stage("notification").target_due is None


@pytest.mark.parametrize("status", ["contested", "proposed", "repealed"])
def test_what_is_not_settled_law_never_counts_down(status: str) -> None:
    text = _pack_text("us-ca-sb53").replace('"in_force"', f'"{status}"')
    pack = load.parse(text.encode(), file="changed.toml")
    facts = Facts.from_json({"discovered_at": "2027-01-03T10:00:00-08:00"})
    outcome = evaluate(pack, facts, NOW, assume_scope=True)
    assert {stage.state for stage in outcome.stages} == {State.NOT_IN_FORCE}
    assert (outcome.applies is Applies.CONTESTED) is (status == "contested")


def test_a_version_that_has_ended_is_not_in_force_for_later_incidents() -> None:
    text = _pack_text("us-ca-sb53").replace("zone        =", "valid_to = 2026-12-31\nzone =", 1)
    pack = load.parse(text.encode(), file="changed.toml")
    for discovered, expected in (
        ("2026-12-31T10:00:00-08:00", State.OVERDUE),
        ("2027-01-01T10:00:00-08:00", State.NOT_IN_FORCE),
    ):
        facts = Facts.from_json({"discovered_at": discovered})
        assert evaluate(pack, facts, NOW, assume_scope=True).stage("report").state is expected


def test_an_imminent_danger_runs_while_the_other_trigger_is_missing() -> None:
    outcome = judge(
        "us-ca-sb53",
        datetime(2027, 1, 3, 20, tzinfo=UTC),
        imminent_risk_discovered_at="2027-01-03T10:00:00-08:00",
        frontier_developer=True,
        ca_nexus=True,
        critical_safety_incident=True,
    )
    assert outcome.applies is Applies.APPLIES
    assert outcome.stage("imminent").target_due == datetime(2027, 1, 4, 18, tzinfo=UTC)
    assert outcome.stage("report").state is State.FACTS_NEEDED


def test_a_basis_that_was_stated_decides_the_start_before_one_that_was_not() -> None:
    facts = {**HARM, "provider": True, "eu_market": True, "annex_i": True}
    assert judge("eu-aia-73", **facts).applies is Applies.NOT_IN_FORCE


@pytest.mark.parametrize(
    ("determined", "expected"),
    [("2026-12-31T23:59:59-05:00", State.NOT_IN_FORCE), ("2027-01-01T00:00:00-05:00", State.MET)],
)
def test_the_first_day_in_force_is_the_recipients(determined: str, expected: State) -> None:
    outcome = judge(
        "us-ny-raise-1422",
        assume_scope=True,
        determined_at=determined,
        submitted={"report": "2027-01-01T12:00:00Z"},
    )
    assert outcome.stage("report").state is expected


def test_a_day_ends_at_its_exclusive_midnight() -> None:
    due = datetime(2027, 12, 22, 23, tzinfo=UTC)
    for at, expected in (
        (due - timedelta(microseconds=1), State.RUNNING),
        (due, State.OVERDUE),
    ):
        assert judge("eu-aia-73", at, **HARM, **HIGH_RISK).stage("initial").state is expected


def test_hours_end_with_their_last_instant() -> None:
    due = datetime(2027, 12, 10, 9, tzinfo=UTC)
    for at, expected in ((due, State.RUNNING), (due + timedelta(seconds=1), State.OVERDUE)):
        assert judge("house-72h", at, **HARM).stage("report").state is expected


def test_a_late_submission_is_met_but_says_it_is_late() -> None:
    stage = judge("house-72h", **HARM, submitted={"report": "2027-12-11T00:00:00Z"}).stage("report")
    assert (stage.state, stage.is_late) == (State.MET, True)
    assert "after the target" in stage.trace[-1]


def test_a_clock_already_past_when_classified_is_due_at_once() -> None:
    at = datetime(2028, 1, 5, tzinfo=UTC)
    facts = {**HARM, **HIGH_RISK}
    known = judge("eu-aia-73", at, **facts, classified_at="2027-12-08T10:00:00Z")
    sprung = judge("eu-aia-73", at, **facts, classified_at="2028-01-04T10:00:00Z")
    assert known.stage("initial").state is State.OVERDUE
    assert sprung.stage("initial").state is State.OVERDUE_IMMEDIATE


def test_a_limb_learnt_when_its_time_was_gone_is_due_at_once() -> None:
    at = datetime(2028, 1, 5, tzinfo=UTC)
    facts = Facts.from_json({**HARM, **HIGH_RISK, "limbs": ["health", "death"]})
    due = datetime(2027, 12, 17, 23, tzinfo=UTC)
    pack = load.get("eu-aia-73")
    states = {
        learnt: evaluate(pack, facts, at, learnt_at=learnt).stage("initial").state
        for learnt in (None, due - timedelta(microseconds=1), due, at)
    }
    assert states == {
        None: State.OVERDUE,
        due - timedelta(microseconds=1): State.OVERDUE,
        due: State.OVERDUE_IMMEDIATE,
        at: State.OVERDUE_IMMEDIATE,
    }
    by_key = {one.key: one for one in evaluate_all(facts, at, learnt_at=at)}
    assert by_key["eu-aia-73"].stage("initial").state is State.OVERDUE_IMMEDIATE
    with pytest.raises(FactsError, match="learnt_at: expected an instant with an offset"):
        evaluate(pack, facts, at, learnt_at=at.replace(tzinfo=None))


def test_a_calendar_that_does_not_reach_says_so_in_the_rule_and_to_counsel() -> None:
    facts = {"aware_at": "2030-12-20T10:00:00+01:00"}
    at = datetime(2030, 12, 21, tzinfo=UTC)
    far = judge("eu-aia-52-1", at, assume_scope=True, **facts)
    near = judge("eu-aia-52-1", assume_scope=True, aware_at="2026-11-30T10:00:00+01:00")
    note = "covers 2026 to 2028; for 2030, 2031 it falls back to BE"
    assert any(note in line for line in far.stage("notification").trace)
    assert far.stage("notification").gaps == (2030, 2031)
    assert any("does not cover 2030, 2031" in line for line in far.requires_counsel)
    assert near.stage("notification").gaps == ()
    assert near.requires_counsel == load.get("eu-aia-52-1").requires_counsel


def test_a_kind_of_law_without_holidays_asks_no_calendar() -> None:
    far = judge(
        "eu-gpai-55-cop9",
        assume_scope=True,
        model_involvement_aware_at="2031-01-10T10:00:00Z",
        limbs=["death"],
    )
    assert far.stage("initial").gaps == ()


@pytest.mark.parametrize(
    ("regime", "followed", "stage"),
    [
        ("eu-nis2-23", "notification", "final"),
        ("eu-cra-14-incident", "notification", "final"),
        ("eu-dora-19", "initial", "intermediate"),
        ("eu-gpai-55-cop9", "initial", "intermediate"),
    ],
)
def test_a_correction_moves_nothing_that_follows_the_first(
    regime: str, followed: str, stage: str
) -> None:
    first, corrected = "2027-12-01T10:00:00Z", "2027-12-07T10:00:00Z"
    facts = {"limbs": ["cyber_breach"], "classified_at": first}
    facts |= {"aware_at": first, "model_involvement_aware_at": first}
    once = judge(regime, assume_scope=True, submitted={followed: first}, **facts)
    twice = judge(regime, assume_scope=True, submitted={followed: [corrected, first]}, **facts)
    assert once.stage(stage).target_due is not None
    assert once.stage(stage).target_due == twice.stage(stage).target_due
    assert any("from the first submission" in line for line in twice.stage(stage).trace)


def test_dora_ends_a_month_after_the_latest_intermediate_report() -> None:
    facts = {"aware_at": "2027-12-01T10:00:00Z", "classified_at": "2027-12-01T10:00:00Z"}
    sent = {"initial": "2027-12-01T12:00:00Z", "intermediate": "2027-12-03T12:00:00Z"}
    once = judge("eu-dora-19", assume_scope=True, submitted=sent, **facts)
    again = {**sent, "intermediate": [sent["intermediate"], "2027-12-06T12:00:00Z"]}
    twice = judge("eu-dora-19", assume_scope=True, submitted=again, **facts)
    assert once.stage("final").nominal == datetime(2028, 1, 3, 23, tzinfo=UTC)
    assert twice.stage("final").nominal == datetime(2028, 1, 6, 23, tzinfo=UTC)
    assert any("from the latest submission" in line for line in twice.stage("final").trace)


def test_the_four_weeks_follow_the_latest_of_their_own() -> None:
    facts = {"model_involvement_aware_at": "2027-12-01T10:00:00Z", "limbs": ["death"]}
    sent = {"initial": "2027-12-02T10:00:00Z", "intermediate": ["2027-12-20T10:00:00Z"]}
    stage = judge("eu-gpai-55-cop9", assume_scope=True, submitted=sent, **facts)
    assert stage.stage("intermediate").nominal == datetime(2028, 1, 17, 23, tzinfo=UTC)
    assert any("its own latest" in line for line in stage.stage("intermediate").trace)


def test_reclassification_moves_the_deadline_earlier_from_the_first_awareness() -> None:
    facts = {**HARM, **HIGH_RISK}
    before = judge("eu-aia-73", **facts).stage("initial").nominal
    after = judge("eu-aia-73", **{**facts, "limbs": ["health", "death"]}).stage("initial").nominal
    assert before is not None
    assert after == before - timedelta(days=5)


def test_dora_waits_for_classification_and_says_when_it_would_be_due() -> None:
    stage = judge(
        "eu-dora-19",
        datetime(2026, 12, 5, 20, tzinfo=UTC),
        assume_scope=True,
        aware_at="2026-12-05T20:00:00+01:00",
    ).stage("initial")
    assert stage.state is State.FACTS_NEEDED
    assert stage.earliest_if_confirmed == datetime(2026, 12, 6, tzinfo=UTC)


def test_an_ongoing_incident_counts_its_final_report_from_the_end_of_handling() -> None:
    facts = {
        "aware_at": "2027-01-30T22:45:00+01:00",
        "submitted": {"notification": "2027-01-31T18:00:00+01:00"},
        "incident_ongoing": True,
    }
    at = datetime(2027, 3, 1, tzinfo=UTC)
    waiting = judge("eu-nis2-23", at, assume_scope=True, **facts)
    ended = judge(
        "eu-nis2-23", at, assume_scope=True, resolved_at="2027-03-10T12:00:00+01:00", **facts
    )
    assert waiting.stage("final").state is State.PENDING_ANCHOR
    assert ended.stage("final").nominal == datetime(2027, 4, 10, 22, tzinfo=UTC)


def test_a_recurring_stage_left_undone_stays_overdue_after_resolution() -> None:
    facts = {
        "model_involvement_aware_at": "2026-12-30T11:00:00+01:00",
        "limbs": ["death"],
        "submitted": {"initial": "2027-01-04T12:00:00+01:00"},
        "resolved_at": "2027-04-01T12:00:00+02:00",
    }
    at = datetime(2027, 4, 2, tzinfo=UTC)
    stage = judge("eu-gpai-55-cop9", at, assume_scope=True, **facts).stage("intermediate")
    assert stage.state is State.OVERDUE


def test_a_recurring_stage_ends_with_resolution() -> None:
    facts = {
        "model_involvement_aware_at": "2026-12-30T11:00:00+01:00",
        "limbs": ["death"],
        "submitted": {
            "initial": "2027-01-04T12:00:00+01:00",
            "intermediate": ["2027-01-25T12:00:00+01:00"],
        },
        "resolved_at": "2027-02-01T12:00:00+01:00",
    }
    at = datetime(2027, 4, 2, tzinfo=UTC)
    stage = judge("eu-gpai-55-cop9", at, assume_scope=True, **facts).stage("intermediate")
    assert stage.state is State.MET


def test_the_fixed_recipients_zone_is_not_moved_by_the_facts() -> None:
    facts = {"discovered_at": "2027-01-03T10:00:00-08:00"}
    plain = judge("us-ca-sb53", assume_scope=True, **facts).stage("report")
    elsewhere = judge(
        "us-ca-sb53", assume_scope=True, recipient_zone="Asia/Tokyo", calendar="JP", **facts
    ).stage("report")
    assert plain.nominal == elsewhere.nominal == datetime(2027, 1, 19, 8, tzinfo=UTC)


def test_all_current_regimes_answer_with_reasons() -> None:
    outcomes = evaluate_all(Facts.from_json(HARM), NOW)
    assert [outcome.key for outcome in outcomes] == [pack.key for pack in load.current()]
    assert all(outcome.because for outcome in outcomes)
    running = {outcome.key for outcome in outcomes if outcome.applies is Applies.APPLIES}
    assert running == {"house-72h"}


def test_submissions_of_several_regimes_do_not_mix() -> None:
    given = {**HARM, **HIGH_RISK, "submitted": {"eu-aia-73:initial": "2027-12-08T09:00:00Z"}}
    by_key = {one.key: one for one in evaluate_all(Facts.from_json(given), NOW)}
    assert by_key["eu-aia-73"].stage("initial").state is State.MET
    assert by_key["eu-mdr-87"].stage("initial").state is State.FACTS_NEEDED
    with pytest.raises(FactsError, match="regime:stage"):
        evaluate_all(Facts.from_json({"submitted": {"initial": "2027-12-08T09:00:00Z"}}), NOW)


def test_a_stage_the_regime_does_not_have_is_refused() -> None:
    with pytest.raises(FactsError, match="eu-aia-73 has no stage 'notification'"):
        judge("eu-aia-73", **HARM, submitted={"notification": "2027-12-08T09:00:00Z"})


def test_an_instant_without_offset_is_refused() -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(FactsError, match="offset"):
        judge("house-72h", naive, **HARM)


def test_the_public_shape_has_exactly_the_promised_names() -> None:
    answer = judge("eu-aia-73", **HARM, **HIGH_RISK).as_json()
    assert set(answer) == {"regime", "stages"}
    assert answer["regime"] == "eu-aia-73@1.1.0"
    assert set(answer["stages"][0]) == {
        "id",
        "state",
        "strict",
        "nominal",
        "legal_latest",
        "target_due",
        "cite",
        "recipient",
        "trace",
    }
    assert answer["stages"][0]["target_due"] == "2027-12-22T23:00:00Z"


def _pack_text(key: str) -> str:
    return load.resources.files("compliance.regimes").joinpath("data", f"{key}.toml").read_text()
