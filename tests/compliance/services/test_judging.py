"""What the engine is asked: pinned versions, each Member State's authority, turns that recur."""

from __future__ import annotations

from datetime import datetime, timedelta
from secrets import token_hex

import pytest

from compliance import clock
from compliance.clock import now
from compliance.models import ClockInstance, Filing, Report, User
from compliance.regimes import load
from compliance.regimes.authorities import UnknownAuthority
from compliance.regimes.facts import Facts
from compliance.regimes.vocabulary import Instant
from compliance.services import deadline, report
from tests.compliance.papers import facts_known, make_incident, serious

pytestmark = pytest.mark.django_db

COP9 = {
    "gpai_systemic_risk_provider": True,
    "eu_market": True,
    "limbs": ["cyber_breach"],
    "model_involvement_aware_at": "2027-12-30T11:00:00+01:00",
}
AIA73 = {"provider": True, "annex_iii": True, "eu_market": True, "limbs": ["health"]}
KNOWN = datetime.fromisoformat("2027-12-30T10:30:00+00:00")
RULE = "eu-gpai-55-cop9"


def standing(incident, stage: str, regime: str = RULE) -> list[ClockInstance]:
    rows = deadline.standing_for(incident.uuid).filter(regime=regime, stage=stage)
    return list(rows.order_by("authority", "sequence"))


def about(incident) -> deadline.About:
    return deadline.About(incident.kind, incident.uuid)


def taken(
    begun: Report, *, by: User, at: datetime | None = None, state: str = "acknowledged"
) -> None:
    """A recipient took the report: what a receipt does to the clocks."""
    Filing.objects.create(
        report=begun,
        way="sandbox",
        way_config={},
        report_sha256=token_hex(32),
        filed_by=by,
        asked_at=at or now(),
        sent_at=at or now(),
        state=state,
    )
    Report.objects.filter(pk=begun.pk).update(state="acknowledged")


def filed(incident, stage: str, *, by, person: User, sequence: int = 1) -> None:
    begun = Report.objects.get(about_uuid=incident.uuid, stage=stage, sequence=sequence)
    taken(begun, by=person)
    report.met_by_receipt(begun, at=now(), by=by)


@pytest.fixture
def signatory(rae, as_actor):
    """An incident of a signatory of the Code, judged and with its first report begun."""
    with clock.held(KNOWN) as time:
        incident = make_incident()
        facts = serious(KNOWN, **COP9)
        deadline.compute(incident.subject, incident, facts, by=as_actor(rae))
        report.start_due(incident, facts_known(), by=as_actor(rae))
        yield incident, time


def test_a_recurring_stage_rings_again_after_each_receipt(signatory, rae, root) -> None:
    incident, time = signatory
    time.pass_by(timedelta(days=2))
    filed(incident, "initial", by=root, person=rae)
    [first] = standing(incident, "intermediate")
    assert (first.state, first.sequence) == ("running", 1)
    time.pass_by(timedelta(days=20))
    filed(incident, "intermediate", by=root, person=rae)
    met, second = standing(incident, "intermediate")
    assert (met.state, met.sequence) == ("met", 1)
    assert met.met_at == now()
    assert (second.state, second.sequence) == ("running", 2)
    assert second.target_due > first.target_due
    time.pass_by(timedelta(days=20))
    filed(incident, "intermediate", by=root, person=rae, sequence=2)
    assert [each.state for each in standing(incident, "intermediate")] == ["met", "met", "running"]


def test_the_turn_that_was_reported_keeps_its_dates_and_its_history(signatory, rae, root) -> None:
    incident, time = signatory
    filed(incident, "initial", by=root, person=rae)
    [first] = standing(incident, "intermediate")
    time.pass_by(timedelta(days=20))
    filed(incident, "intermediate", by=root, person=rae)
    first.refresh_from_db()
    assert first.state == "running", "history is not edited"
    assert first.replaced_by.target_due == first.target_due
    assert first.replaced_by.met_at is not None


def test_a_chained_report_begins_with_the_receipt(signatory, rae, root) -> None:
    incident, _time = signatory
    assert not Report.objects.filter(about_uuid=incident.uuid, stage="intermediate").exists()
    filed(incident, "initial", by=root, person=rae)
    begun = Report.objects.get(about_uuid=incident.uuid, stage="intermediate")
    assert begun.drafted_by == rae


def test_a_correction_is_no_new_turn(signatory, rae, root) -> None:
    incident, time = signatory
    filed(incident, "initial", by=root, person=rae)
    time.pass_by(timedelta(days=20))
    filed(incident, "intermediate", by=root, person=rae)
    begun = Report.objects.get(about_uuid=incident.uuid, stage="intermediate", sequence=1)
    begun.filings.update(state="superseded")
    time.pass_by(timedelta(days=1))
    taken(begun, by=rae)
    deadline.recount(about(incident), reason="corrected", by=root)
    assert [each.state for each in standing(incident, "intermediate")] == ["met", "running"]


def test_the_end_of_the_incident_ends_the_turns_and_starts_the_last_report(
    signatory, rae, root
) -> None:
    incident, time = signatory
    filed(incident, "initial", by=root, person=rae)
    filed(incident, "intermediate", by=root, person=rae)
    time.pass_by(timedelta(days=3))
    assert [each.state for each in standing(incident, "final")] == ["pending_anchor"]
    ended = {Instant.RESOLVED: now()}
    deadline.recount(about(incident), reason="resolved", instants=ended, by=root)
    assert [each.state for each in standing(incident, "final")] == ["running"]
    assert [each.state for each in standing(incident, "intermediate")] == ["met", "not_applicable"]
    reopened = {Instant.RESOLVED: None}
    deadline.recount(about(incident), reason="reopened", instants=reopened, by=root)
    assert [each.state for each in standing(incident, "final")] == ["pending_anchor"]
    assert [each.state for each in standing(incident, "intermediate")] == ["met", "running"]


def test_a_started_clock_keeps_its_version(root) -> None:
    incident = make_incident()
    before = datetime.fromisoformat("2028-02-01T10:00:00+00:00")
    with clock.held(before):
        facts = serious(before, **AIA73)
        deadline.compute(incident.subject, incident, facts, by=root)
        now_judges = {each.regime_version for each in standing(incident, "initial", "eu-aia-73")}
        older = load.versions("eu-aia-73")[0].version
        assert now_judges != {older}
        deadline.standing_for(incident.uuid).filter(regime="eu-aia-73").update(regime_version=older)
        deadline.compute(incident.subject, incident, facts, reason="again", by=root)
        assert {e.regime_version for e in standing(incident, "initial", "eu-aia-73")} == {older}
        new = make_incident("INC-2")
        deadline.compute(new.subject, new, facts, by=root)
        assert {e.regime_version for e in standing(new, "initial", "eu-aia-73")} == now_judges


def test_each_member_states_authority_has_a_clock_of_its_own(rae, root) -> None:
    incident = make_incident()
    aware = datetime.fromisoformat("2028-02-01T10:00:00+00:00")
    with clock.held(aware):
        facts = serious(aware, **AIA73)
        deadline.compute(incident.subject, incident, facts, states=("DE", "PT"), by=root)
        german, portuguese = standing(incident, "initial", "eu-aia-73")
        assert (german.authority, portuguese.authority) == ("de-bnetza", "pt-market-surveillance")
        assert (german.zone, portuguese.zone) == ("Europe/Berlin", "Europe/Lisbon")
        assert german.target_due < portuguese.target_due, "the day ends later in Lisbon"
        assert standing(incident, "report", "house-72h")[0].authority == ""
        report.start_due(incident, facts_known(), by=deadline.TIMEKEEPER, drafter=rae)
        ours = Report.objects.get(about_uuid=incident.uuid, authority="de-bnetza", stage="initial")
        taken(ours, by=rae)
        report.met_by_receipt(ours, at=now(), by=root)
        assert [e.state for e in standing(incident, "initial", "eu-aia-73")] == ["met", "running"]
        deadline.recount(about(incident), reason="again", by=root)
        assert [e.state for e in standing(incident, "initial", "eu-aia-73")] == ["met", "running"]


def test_the_clock_from_before_authorities_were_named_is_continued(rae, root) -> None:
    incident = make_incident()
    aware = datetime.fromisoformat("2028-02-01T10:00:00+00:00")
    with clock.held(aware):
        facts = serious(aware, **AIA73)
        deadline.compute(incident.subject, incident, facts, by=root)
        [unrouted] = standing(incident, "initial", "eu-aia-73")
        ClockInstance.objects.filter(pk=unrouted.pk).update(owner=rae)
        deadline.compute(incident.subject, incident, facts, states=("FR", "DE"), by=root)
    unrouted.refresh_from_db()
    assert unrouted.replaced_by.authority == "fr-market-surveillance"
    assert unrouted.replaced_by.owner == rae


def test_an_unknown_member_state_is_refused(root) -> None:
    incident = make_incident()
    with pytest.raises(UnknownAuthority, match="XX"):
        deadline.compute(incident.subject, incident, serious(**AIA73), states=("XX",), by=root)


def test_what_was_past_when_it_was_classified_anew_is_due_at_once(root) -> None:
    incident = make_incident()
    aware = datetime.fromisoformat("2028-02-01T10:00:00+00:00")
    with clock.held(aware + timedelta(days=12)):
        first = serious(aware, **{**AIA73, "limbs": ["health"]})
        deadline.compute(incident.subject, incident, first, by=root)
        assert [e.state for e in standing(incident, "initial", "eu-aia-73")] == ["running"]
        graver = serious(aware, **{**AIA73, "limbs": ["death"]})
        deadline.compute(incident.subject, incident, graver, learnt_at=now(), by=root)
        [due] = standing(incident, "initial", "eu-aia-73")
        assert due.state == "overdue_immediate"
        deadline.recount(about(incident), reason="a day has passed", by=root)
        assert [e.state for e in standing(incident, "initial", "eu-aia-73")] == [
            "overdue_immediate"
        ]


def test_classifying_anew_does_not_excuse_a_deadline_that_stood(root) -> None:
    incident = make_incident()
    aware = datetime.fromisoformat("2028-02-01T10:00:00+00:00")
    facts = serious(aware, **AIA73)
    with clock.held(aware):
        deadline.compute(incident.subject, incident, facts, by=root)
    with clock.held(aware + timedelta(days=40)):
        deadline.compute(incident.subject, incident, facts, learnt_at=now(), by=root)
        assert [e.state for e in standing(incident, "initial", "eu-aia-73")] == ["overdue"]


def test_what_only_lacks_facts_says_its_earliest_date_and_counts_nothing(root) -> None:
    incident = make_incident()
    aware = datetime.fromisoformat("2028-02-01T10:00:00+00:00")
    with clock.held(aware):
        facts = serious(aware, **{**AIA73, "limbs": []})
        deadline.compute(incident.subject, incident, facts, by=root)
    [waiting] = standing(incident, "initial", "eu-aia-73")
    assert waiting.state == "facts_needed"
    assert waiting.target_due is None
    assert waiting.next_mark_at is None
    assert waiting.earliest_if_confirmed is not None


def test_each_row_names_the_digest_of_the_facts_it_was_computed_from(root) -> None:
    incident = make_incident()
    one, other = serious(now() - timedelta(hours=1)), serious(now() - timedelta(hours=9))
    deadline.compute(incident.subject, incident, one, by=root)
    deadline.compute(incident.subject, incident, other, by=root)
    rows = ClockInstance.objects.filter(about_uuid=incident.uuid, regime="house-72h")
    digests = list(rows.order_by("pk").values_list("facts_sha256", flat=True))
    assert len(set(digests)) == len(digests) == 2
    assert all(len(each) == 64 for each in digests)
    assert rows.filter(replaced_by=None).count() == 1


def test_facts_are_kept_so_that_they_can_be_read_again() -> None:
    facts = serious()
    assert Facts.from_json(facts.as_json()) == facts
