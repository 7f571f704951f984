"""Incidents: law counts from a person's finding, and nothing is closed by wishing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from compliance.audit import log
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance, Report
from compliance.permissions import NotAllowed
from compliance.regimes.facts import FactsError
from compliance.regimes.outcome import zulu
from incidents.models import Alert
from incidents.services import grounds, incident, knowledge, review
from tests.incidents import cast

pytestmark = pytest.mark.django_db


def aware(minutes: float = 10) -> dict[str, str]:
    return {"aware_at": cast.minutes_ago(minutes).isoformat()}


def classified(opened, by, **more):
    return incident.classify(
        opened,
        **{
            "facts": aware(),
            "limbs": ["cyber_breach"],
            "serious": True,
            "reasons": "Credentials left the house.",
            "by": by,
            **more,
        },
    )


@pytest.fixture
def opened():
    return cast.opened(cast.watched()[0])


def test_references_count_up_within_a_year():
    deployment = cast.watched()[0]
    first, second = cast.opened(deployment), cast.opened(deployment)
    assert int(second.reference[-4:]) == int(first.reference[-4:]) + 1


def test_before_a_person_classifies_no_clock_runs(opened):
    assert opened.aware_at is None
    assert not ClockInstance.objects.filter(about_uuid=opened.uuid).exists()


def test_a_preview_writes_nothing(opened):
    said = incident.preview(opened, facts=aware(), limbs=["cyber_breach"], serious=True)
    assert any(each.key == "house-72h" and str(each.applies) == "applies" for each in said)
    assert all(each.because for each in said)
    assert not ClockInstance.objects.exists()
    assert not opened.classifications.exists()


def test_classifying_starts_the_house_clock_and_its_report(opened, rae, as_actor):
    classified(opened, as_actor(rae))
    house = ClockInstance.objects.filter(about_uuid=opened.uuid, regime="house-72h").first()
    assert house.state == "running"
    assert house.target_due == opened.aware_at + timedelta(hours=72)
    assert Report.objects.filter(about_uuid=opened.uuid, regime="house-72h").exists()


def test_what_is_not_in_force_never_counts_down(opened, rae, as_actor):
    classified(opened, as_actor(rae))
    for clock in ClockInstance.objects.filter(about_uuid=opened.uuid, state="not_in_force"):
        assert clock.target_due is None


def test_a_correction_never_wins_time(opened, rae, as_actor):
    classified(opened, as_actor(rae), facts=aware(60))
    before = opened.aware_at
    classified(opened, as_actor(rae), facts=aware(5))
    opened.refresh_from_db()
    assert opened.aware_at == before
    assert list(opened.classifications.values_list("number", flat=True)) == [1, 2]


def test_awareness_must_be_said_and_cannot_lie_ahead(opened, rae, as_actor):
    with pytest.raises(TransitionRefused, match="aware_at"):
        classified(opened, as_actor(rae), facts={})
    with pytest.raises(TransitionRefused, match="future"):
        classified(opened, as_actor(rae), facts=aware(-60))


def test_an_unknown_fact_is_refused_by_name(opened, rae, as_actor):
    with pytest.raises(FactsError, match="seroius"):
        classified(opened, as_actor(rae), facts={**aware(), "seroius": True})


def test_the_system_and_the_engineer_do_not_classify(opened, bo, as_actor):
    with pytest.raises(NotAllowed, match="not a person"):
        classified(opened, cast.MAKER)
    with pytest.raises(NotAllowed):
        classified(opened, as_actor(bo))


def test_a_machine_does_not_acknowledge(opened):
    with pytest.raises(NotAllowed):
        incident.acknowledge(opened, by=cast.MAKER)


def test_informed_needs_whom_and_when(opened, rae, as_actor):
    with pytest.raises(ValueError, match="which authority"):
        incident.choose(opened, choice="informed", reason="They know.", by=as_actor(rae))


def test_a_grave_incident_is_not_resolved_before_its_reportability_is_decided(
    opened, bo, rae, as_actor
):
    incident.acknowledge(opened, by=as_actor(bo))
    incident.contain(opened, how="The tool is off.", by=as_actor(bo))
    with pytest.raises(TransitionRefused, match="classify"):
        incident.resolve(opened, impact="None known.", by=as_actor(bo))
    classified(opened, as_actor(rae))
    incident.resolve(opened, impact="None known.", by=as_actor(bo))
    assert opened.state == "resolved"


def test_it_is_closed_only_after_a_finished_review(opened, bo, rae, as_actor):
    by = as_actor(bo)
    incident.acknowledge(opened, by=by)
    incident.contain(opened, how="The tool is off.", by=by)
    classified(opened, as_actor(rae))
    incident.resolve(opened, impact="None known.", by=by)
    begun = review.start(opened, by=by)
    with pytest.raises(TransitionRefused, match="not finished"):
        incident.close(opened, by=by)
    with pytest.raises(TransitionRefused, match="what caused"):
        review.finish(begun, by=by)
    review.write(begun, summary="It sent mail.", causes="No rule watched for it.", by=by)
    review.finish(begun, by=by)
    opened = type(opened).objects.get(pk=opened.pk)
    incident.close(opened, by=by)
    assert opened.state == "closed"


def test_what_the_records_know_carries_where_it_comes_from(opened, rae, as_actor):
    classified(opened, as_actor(rae), details={"data_affected": "API keys of two customers"})
    known = knowledge.of(opened).known
    assert known["incident.version"].mark == "measured"
    assert known["incident.classification.reasons"].mark == "attested"
    assert known["incident.data_affected"].value == "API keys of two customers"
    assert "review.root_cause" not in known


def test_the_records_are_as_exact_as_they_are_kept_and_say_who_and_when(opened, rae, as_actor):
    by_rae = classified(opened, as_actor(rae))
    known = knowledge.of(opened).known
    limbs = known["incident.classification.limbs"]
    assert (limbs.value, limbs.source, limbs.at) == ("cyber_breach", "Rae", by_rae.at)
    assert known["incident.aware_at"].value == zulu(opened.aware_at)
    told = known["incident.timeline"].value.splitlines()
    assert told == sorted(told)
    assert f"{zulu(opened.detected_at)} detected" in told


def test_what_happened_is_a_sentence_and_a_line_for_each_kind_of_alert():
    deployment = cast.watched()[0]
    found = cast.opened(deployment)
    for number in (1, 2):
        cast.judge(deployment, cast.body(cast.tool_call(number, "shell"), key=deployment.key))
    Alert.objects.update(incident=found)
    head, *lines = knowledge.of(found).known["incident.summary"].value.splitlines()
    assert head == f"Something was sent out on {deployment.key}."
    assert lines[0].startswith("Observed from ")
    assert "\u2013 A tool outside the behaviour manifest was called (2 times)" in lines


def stage_of(opened, regime: str, stage: str) -> ClockInstance:
    return ClockInstance.objects.get(
        about_uuid=opened.uuid, regime=regime, stage=stage, replaced_by=None
    )


COP9 = {"gpai_systemic_risk_provider": True, "eu_market": True}


def test_resolving_starts_what_counts_from_the_end_and_reopening_takes_it_back(
    opened, bo, rae, as_actor
):
    facts = {**aware(), **COP9, "model_involvement_aware_at": cast.minutes_ago(5).isoformat()}
    classified(opened, as_actor(rae), facts=facts)
    assert stage_of(opened, "eu-gpai-55-cop9", "final").state == "pending_anchor"
    incident.acknowledge(opened, by=as_actor(bo))
    incident.contain(opened, how="The tool is off.", by=as_actor(bo))
    incident.resolve(opened, impact="None known.", by=as_actor(bo))
    assert stage_of(opened, "eu-gpai-55-cop9", "final").state == "running"
    assert Report.objects.filter(about_uuid=opened.uuid, stage="final").exists()
    incident.reopen(opened, reason="It came back.", by=as_actor(bo))
    opened.refresh_from_db()
    assert opened.resolved_at is None
    assert stage_of(opened, "eu-gpai-55-cop9", "final").state == "pending_anchor"


def test_a_measure_that_becomes_available_starts_its_fourteen_days(opened, rae, as_actor):
    cra = {"product_manufacturer": True, "actively_exploited_vulnerability": True}
    first = classified(opened, as_actor(rae), facts={**aware(), **cra, "eu_market": None})
    assert stage_of(opened, "eu-cra-14-vuln", "final").state == "pending_anchor"
    found = incident.measure_available(
        opened, at=now(), reasons="The patch is out.", by=as_actor(rae)
    )
    assert found.number == first.number + 1
    assert found.limbs == first.limbs
    assert stage_of(opened, "eu-cra-14-vuln", "final").state == "running"


def test_a_measure_needs_a_classification_and_lies_not_ahead(opened, rae, as_actor):
    with pytest.raises(TransitionRefused, match="Classify"):
        incident.measure_available(opened, at=now(), reasons="Out.", by=as_actor(rae))
    classified(opened, as_actor(rae))
    with pytest.raises(TransitionRefused, match="future"):
        incident.measure_available(
            opened, at=now() + timedelta(hours=1), reasons="Out.", by=as_actor(rae)
        )


def test_a_finding_needs_reasons(opened, rae, as_actor):
    with pytest.raises(TransitionRefused, match="Harm, When we knew, Which laws apply"):
        classified(opened, as_actor(rae), reasons="  ")


BY_MATTER = grounds.Grounds(
    harm="Credentials left the house.",
    awareness="Rae read the alert.",
    laws="The house serves it.",
    regimes={"house-72h": "It binds in any case.", "eu-gdpr-33": "  "},
)


def test_each_matter_is_kept_and_recorded_with_its_own_reason(opened, rae, as_actor):
    made = classified(opened, as_actor(rae), reasons="", by_matter=BY_MATTER)
    assert made.reasons_by == {
        "harm": "Credentials left the house.",
        "awareness": "Rae read the alert.",
        "laws": "The house serves it.",
        "regimes": {"house-72h": "It binds in any case."},
    }
    assert made.reasons.splitlines() == [
        "Credentials left the house.",
        "Rae read the alert.",
        "The house serves it.",
    ]
    (line,) = log.entries(objects=[made.uuid], actions=["incident.classify"])
    assert line.words["awareness"] == "Rae read the alert."
    assert line.words["regime house-72h"] == "It binds in any case."
    assert "regime eu-gdpr-33" not in line.words
    assert line.note == made.reasons
    known = knowledge.of(opened).known
    assert known["incident.classification.reasons"].value == made.reasons


@pytest.mark.parametrize("matter", ["harm", "awareness", "laws"])
def test_no_matter_goes_without_a_reason(matter, opened, rae, as_actor):
    lacking = replace(BY_MATTER, **{matter: " "})
    with pytest.raises(TransitionRefused, match=f"Missing: {grounds.MATTERS[matter]}"):
        classified(opened, as_actor(rae), reasons="", by_matter=lacking)
    assert not opened.classifications.exists()


def test_a_general_reason_stands_for_the_matter_that_has_none(opened, rae, as_actor):
    lacking = replace(BY_MATTER, laws="")
    made = classified(opened, as_actor(rae), reasons="Looked at together.", by_matter=lacking)
    assert made.reasons_by["laws"] == "Looked at together."
    assert made.reasons == "Looked at together."


def test_a_program_may_give_one_reason_for_all(opened, rae, as_actor):
    made = classified(opened, as_actor(rae))
    assert (made.reasons, made.reasons_by) == ("Credentials left the house.", {})


def test_a_reason_for_a_regime_that_is_not_there_is_refused(opened, rae, as_actor):
    strange = replace(BY_MATTER, regimes={"eu-gpdr-33": "A slip."})
    with pytest.raises(TransitionRefused, match="no regime 'eu-gpdr-33'"):
        classified(opened, as_actor(rae), by_matter=strange)


def test_a_measure_says_what_changed_and_keeps_the_other_reasons(opened, rae, as_actor):
    classified(opened, as_actor(rae), reasons="", by_matter=BY_MATTER)
    found = incident.measure_available(
        opened, at=now(), reasons="The patch is out.", by=as_actor(rae)
    )
    assert found.reasons.splitlines() == [
        "The patch is out.",
        "Credentials left the house.",
        "Rae read the alert.",
        "The house serves it.",
    ]
    assert found.reasons_by["corrected"] == "The patch is out."
    assert found.reasons_by["awareness"] == "Rae read the alert."
    assert found.reasons_by["regimes"] == {"house-72h": "It binds in any case."}


def test_until_somebody_classifies_each_regime_says_its_earliest_date(opened, rae, as_actor):
    waiting = {each.key: each for each in incident.awaited(opened)}
    assert waiting["house-72h"].stage("report").earliest_if_confirmed is not None
    assert not ClockInstance.objects.exists()
    classified(opened, as_actor(rae))
    assert incident.awaited(opened) == ()


def test_member_states_are_kept_until_they_are_said_anew(opened, rae, as_actor):
    first = classified(opened, as_actor(rae), states=["DE", "FR", "DE"])
    assert first.facts["member_states"] == ["DE", "FR"]
    assert classified(opened, as_actor(rae)).facts["member_states"] == ["DE", "FR"]
    assert classified(opened, as_actor(rae), states=[]).facts["member_states"] == []
    with pytest.raises(FactsError, match="member_states"):
        classified(opened, as_actor(rae), states=["XX"])


def test_what_the_criteria_of_the_oecd_ask_is_kept_with_the_finding(opened, rae, as_actor):
    said = classified(opened, as_actor(rae), oecd={"severity": "serious"})
    assert said.oecd == {"severity": "serious"}
