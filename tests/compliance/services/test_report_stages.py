"""One report after the other: kinds, what is carried over, delays, authorities, withdrawal."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compliance import clock
from compliance.actors import system
from compliance.audit.advance import advance
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance, Filing, Report
from compliance.permissions import NotAllowed, Role
from compliance.services import account, deadline, report
from compliance.states import REPORT
from tests.compliance.papers import answered, draft, facts_known, make_incident, serious

pytestmark = pytest.mark.django_db
CLERK = system("clerk")
UNKNOWN = {"status": "unknown", "why": "the review is not over"}


def high_risk(incident, *, by, states=("DE",), aware=None):
    """Clocks of Article 73 on a day when it counts."""
    facts = serious(
        aware or now() - timedelta(hours=1),
        limbs=["health"], provider=True, annex_iii=True, eu_market=True,
    )  # fmt: skip
    clocks = deadline.compute(incident.subject, incident, facts, states=states, by=by)
    return [each for each in clocks if each.regime == "eu-aia-73"]


@pytest.fixture
def in_2028():
    """A day on which Article 73 counts."""
    with clock.held(now().replace(year=2028, month=1, day=10)) as held:
        yield held


def sent(found: Report, *, by) -> list[Report]:
    """The recipient acknowledges a report, whatever state it is in."""
    Report.objects.filter(pk=found.pk).update(state="filed")
    found.refresh_from_db()
    Filing.objects.create(
        report=found, way="null", report_sha256="0" * 64, filed_by_id=by.user_id,
        state="acknowledged", asked_at=now(), sent_at=now(),
    )  # fmt: skip
    advance(found, REPORT, "acknowledge", by=CLERK)
    return report.met_by_receipt(found, at=now(), by=CLERK)


def test_each_member_state_gets_a_report_of_its_own(rae, as_actor, in_2028) -> None:
    incident = make_incident()
    high_risk(incident, by=as_actor(rae), states=("DE", "FR"))
    made = report.start_due(incident, facts_known(), by=as_actor(rae))
    ours = [each for each in made if each.regime == "eu-aia-73"]
    assert len(ours) == 2
    assert {each.authority for each in ours} == {
        each.authority for each in ClockInstance.objects.filter(regime="eu-aia-73", stage="initial")
    }
    assert len({report.recipient(each) for each in ours}) == 2


def test_a_receipt_begins_the_next_stage_from_what_was_filed(rae, as_actor, in_2028) -> None:
    incident = make_incident()
    by = as_actor(rae)
    first = next(c for c in high_risk(incident, by=by) if c.stage == "initial")
    filed = report.start(incident, first, incident_facts=facts_known(), by=by)
    report.revise(filed, {"affected": {"value": "Two people."}, "submitter": UNKNOWN}, by=by)
    [following] = [each for each in sent(filed, by=by) if each.regime == "eu-aia-73"]
    assert (following.stage, following.what) == ("complete", "final")
    assert following.drafted_by == rae
    fields = report.newest(following).fields
    assert fields["affected"]["value"] == "Two people."
    assert fields["affected"]["source"] == "Rae"
    assert fields["affected"]["from"] == filed.ref
    assert fields["submitter"]["status"] == "missing", "what was unknown is asked again"
    again = report.start_due(incident, facts_known(), by=by)
    assert all(each.regime != "eu-aia-73" for each in again)


def test_the_kind_is_declared_enters_the_digest_and_fills_its_field(rae, as_actor, in_2028) -> None:
    by = as_actor(rae)
    incident = make_incident()
    first = next(c for c in high_risk(incident, by=by) if c.stage == "initial")
    made = report.start(incident, first, incident_facts=facts_known(), by=by)
    assert report.newest(made).fields["report_type"]["value"] == "Initial report"
    before = report.current_sha256(made)
    report.declare(made, what="combined", language="en", by=by)
    assert report.current_sha256(made) != before
    assert report.newest(made).fields["report_type"]["value"] == "Initial and final report in one"
    with pytest.raises(ValueError, match="cannot be of that kind"):
        report.declare(made, what="withdrawal", language="en", by=by)


def test_found_not_reportable_after_filing_is_a_final_report_and_keeps_the_clock(
    rae, as_actor, in_2028
) -> None:
    by = as_actor(rae)
    incident = make_incident()
    first = next(c for c in high_risk(incident, by=by) if c.stage == "initial")
    filed = report.start(incident, first, incident_facts=facts_known(), by=by)
    sent(filed, by=by)
    dates = ("strict", "nominal", "legal_latest", "target_due")
    before = [getattr(report.standing_clock(filed), each) for each in dates]
    last = report.follow(filed, "final_non_reportable", note="The system was not used.", by=by)
    assert (last.stage, last.what) == ("complete", "final_non_reportable")
    said = report.newest(last).fields["why_not_reportable"]
    assert (said["value"], said["source"]) == ("The system was not used.", "Rae")
    sent(last, by=by)
    after = report.standing_clock(filed)
    assert [getattr(after, each) for each in dates] == before
    assert after.state == "met"
    assert report.standing_clock(last).state == "met"


def test_nothing_follows_what_was_never_filed(rae, as_actor) -> None:
    made = draft(make_incident(), by=as_actor(rae))
    with pytest.raises(TransitionRefused, match="Nothing was filed yet"):
        report.follow(made, "withdrawal", note="wrong system", by=as_actor(rae))


def test_a_withdrawal_asks_only_why_and_marks_what_it_withdraws(rae, as_actor) -> None:
    by = as_actor(rae)
    filed = answered(make_incident(), by=by)
    sent(filed, by=by)
    withdrawn = report.follow(filed, "withdrawal", note="It was another system.", by=by)
    assert withdrawn.supersedes == filed
    assert [each.id for each in report.fields_of(withdrawn)] == ["why_withdrawn"]
    assert report.missing(withdrawn) == []
    assert sent(withdrawn, by=by) == []
    filed.refresh_from_db()
    assert filed.state == "withdrawn"
    assert report.newest(filed).fields["harm"]["status"] == "unknown", "the record stays"


def test_a_late_report_under_the_house_rule_must_say_why(rae, as_actor) -> None:
    by = as_actor(rae)
    made = answered(make_incident(), by=by)
    assert report.missing(made) == []
    with clock.held(report.limit(made)):
        assert report.missing(made) == []
    with clock.held(report.limit(made) + timedelta(seconds=1)):
        assert [each.id for each in report.missing(made)] == ["late_reasons"]
        report.revise(made, {"late_reasons": {"value": "Nobody was there."}}, by=by)
        report.submit(made, by=by)
    assert made.late_reasons == "Nobody was there."


def test_lateness_is_judged_by_the_target_and_not_by_the_latest_reading(rae, as_actor) -> None:
    made = draft(make_incident(), by=as_actor(rae))
    clock_ = report.standing_clock(made)
    ClockInstance.objects.filter(pk=clock_.pk).update(
        legal_latest=clock_.target_due + timedelta(days=2)
    )
    with clock.held(clock_.target_due + timedelta(hours=1)):
        assert report.is_late(made)


def test_dora_asks_for_the_notice_of_a_delay_before_the_time_runs_out(rae, as_actor) -> None:
    by = as_actor(rae)
    aware = now() - timedelta(minutes=5)
    incident = make_incident()
    facts = serious(
        aware, financial_entity=True, major_ict_incident=True, entity="credit_institution",
        classified_at=clock.stamp(aware),
    )  # fmt: skip
    clocks = deadline.compute(incident.subject, incident, facts, by=by)
    first = next(c for c in clocks if (c.regime, c.stage) == ("eu-dora-19", "initial"))
    made = report.start(incident, first, incident_facts=facts_known(), by=by)
    with clock.held(first.target_due - timedelta(minutes=30)):
        assert report.notice_is_due(made)
        report.revise(made, {"late_reasons": {"value": "Told by telephone: staff ill."}}, by=by)
        assert not report.notice_is_due(made)


def test_unknown_keeps_the_plan_to_find_out(rae, as_actor) -> None:
    by = as_actor(rae)
    made = draft(make_incident(), by=by)
    report.revise(made, {"harm": {**UNKNOWN, "plan": "Count the logs by Friday."}}, by=by)
    assert report.newest(made).fields["harm"]["plan"] == "Count the logs by Friday."
    said = {each["id"]: each for each in report.content(made)["fields"]}
    assert said["harm"]["plan"] == "Count the logs by Friday."
    report.revise(made, {"harm": {"value": "None."}}, by=by)
    assert "plan" not in report.newest(made).fields["harm"]


def test_every_earlier_editor_is_barred_and_not_only_the_last(rae, root, as_actor) -> None:
    roles = [Role.FILING_OFFICER, Role.GOVERNANCE_LEAD]
    lea = account.make("lea@example.org", "Lea", roles, by=root)
    made = draft(make_incident(), by=as_actor(rae))
    report.revise(made, {"harm": {"value": "None."}}, by=as_actor(lea))
    report.revise(made, {each.id: UNKNOWN for each in report.missing(made)}, by=as_actor(rae))
    assert made.revised_by_id == rae.pk
    report.submit(made, by=as_actor(rae))
    with pytest.raises(NotAllowed, match="has written part of this report"):
        report.approve(made, by=as_actor(lea))


def test_an_earlier_editor_is_barred_by_any_account(rae, root, as_actor) -> None:
    roles = [Role.FILING_OFFICER, Role.GOVERNANCE_LEAD]
    lea = account.make("lea@example.org", "Lea", roles, by=root)
    again = account.make("lea+lead@example.org", "Lea", roles, by=root)
    made = draft(make_incident(), by=as_actor(rae))
    report.revise(made, {"harm": {"value": "None."}}, by=as_actor(lea))
    report.revise(made, {each.id: UNKNOWN for each in report.missing(made)}, by=as_actor(rae))
    report.submit(made, by=as_actor(rae))
    with pytest.raises(NotAllowed, match="by another account: both share a mailbox"):
        report.approve(made, by=as_actor(again))


def test_fields_changed_past_the_record_no_longer_match_what_was_approved(
    rae, ada, as_actor
) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    report.submit(made, by=as_actor(rae))
    report.approve(made, by=as_actor(ada))
    standing = report.newest(made)
    standing.fields["harm"]["why"] += "."
    standing.save()
    assert report.current_sha256(made) != made.approved_sha256


@pytest.mark.parametrize(
    ("column", "value"),
    [("language", "de"), ("what", "combined"), ("authority", "de-csirt"), ("sequence", 2)],
)
def test_the_digest_covers_language_kind_authority_and_sequence(
    rae, as_actor, column, value
) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    before = report.current_sha256(made)
    Report.objects.filter(pk=made.pk).update(**{column: value})
    made.refresh_from_db()
    assert report.current_sha256(made) != before


def test_a_change_after_submission_voids_what_was_asked(rae, ada, as_actor) -> None:
    made = answered(make_incident(), by=as_actor(rae))
    report.submit(made, by=as_actor(rae))
    report.send_back(made, by=as_actor(ada), note="say more")
    report.declare(made, what="initial", language="fr", by=as_actor(rae))
    assert report.waiting(made) is None
