"""Clocks: computed, kept with their history, stopped by receipts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from compliance import clock
from compliance.audit import log
from compliance.clock import now
from compliance.models import ClockInstance
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import zulu
from compliance.services import deadline
from compliance.services.judging import Basis
from tests.compliance.papers import house_clock, make_incident, serious

pytestmark = pytest.mark.django_db


def test_a_serious_incident_starts_the_houses_72_hours(root) -> None:
    aware = now() - timedelta(hours=2)
    found = house_clock(make_incident(), by=root, aware_at=aware)
    assert found.state == "running"
    assert found.target_due == aware + timedelta(hours=72)
    assert found.started_at == aware
    assert found.trace


def test_the_same_facts_again_write_nothing(root) -> None:
    incident = make_incident()
    facts = serious()
    first = deadline.compute(incident.subject, incident, facts, by=root)
    with_entries = len(log.entries(subjects=[incident.uuid]))
    later = deadline.compute(
        incident.subject, incident, facts, by=root, at=now() + timedelta(hours=5)
    )
    assert {each.pk for each in later} == {each.pk for each in first}
    assert len(log.entries(subjects=[incident.uuid])) == with_entries


def test_an_earlier_awareness_replaces_the_clock_and_keeps_the_old_one(root) -> None:
    incident = make_incident()
    first = house_clock(incident, by=root)
    second = house_clock(incident, by=root, aware_at=now() - timedelta(hours=10))
    first.refresh_from_db()
    assert first.replaced_by == second
    assert second.target_due < first.target_due
    assert first.state == "running", "history is not edited"


def test_what_no_longer_applies_is_withdrawn_with_its_reason(root) -> None:
    incident = make_incident()
    first = house_clock(incident, by=root)
    facts = Facts.from_json({"aware_at": zulu(now()), "serious_incident": False})
    deadline.compute(incident.subject, incident, facts, reason="not serious after all", by=root)
    first.refresh_from_db()
    assert first.replaced_by.state == "not_applicable"
    assert first.replaced_by.target_due is None
    assert first.replaced_by.reason == "not serious after all"


def test_withdrawn_once_is_not_withdrawn_again(root) -> None:
    incident = make_incident()
    house_clock(incident, by=root)
    facts = Facts.from_json({"aware_at": zulu(now()), "serious_incident": False})
    deadline.compute(incident.subject, incident, facts, by=root)
    n_rows = ClockInstance.objects.count()
    deadline.compute(incident.subject, incident, facts, by=root)
    assert ClockInstance.objects.count() == n_rows


def test_facts_come_back_as_they_went_in() -> None:
    facts = serious(limbs=["death"], annex_iii=True, entity=None, calendar="DE")
    basis = Basis(facts, ("DE", "FR"), now())
    assert Basis.from_json(basis.as_json()) == basis


def test_a_recount_computes_from_the_facts_that_stand(root) -> None:
    incident = make_incident()
    aware = now() - timedelta(hours=80)
    house_clock(incident, by=root, aware_at=aware)
    again = deadline.recount(
        deadline.About("incident", incident.uuid), reason="a day has passed", by=root
    )
    assert {each.regime for each in again} >= {"house-72h"}


def test_a_running_clock_turns_overdue_by_the_tick_alone(root) -> None:
    found = house_clock(make_incident(), by=root)
    assert deadline.tick(found.target_due - timedelta(seconds=1), by=root) == 0
    assert deadline.tick(found.target_due + timedelta(seconds=1), by=root) >= 1
    found.refresh_from_db()
    assert found.state == "overdue"


def test_a_law_that_comes_into_force_starts_its_clock_by_itself(root) -> None:
    incident = make_incident()
    before = datetime.fromisoformat("2027-11-30T10:00:00+00:00")
    facts = {"provider": True, "annex_iii": True, "eu_market": True, "limbs": ["health"]}
    with clock.held(before):
        made = deadline.compute(incident.subject, incident, serious(before, **facts), by=root)
        waiting = next(
            each for each in made if each.regime == "eu-aia-73" and each.stage == "initial"
        )
        assert waiting.state == "not_in_force"
        assert deadline.recount_waiting(by=root) == 0, "once a day is enough"
    with clock.held(before + timedelta(days=1)):
        assert deadline.recount_waiting(by=root) == 1
    waiting.refresh_from_db()
    assert waiting.replaced_by is None, "the awareness lay before the law"


def test_a_warning_rings_once(root) -> None:
    found = house_clock(make_incident(), by=root)
    assert deadline.warn(found, "half", by=root)
    assert not deadline.warn(found, "half", by=root)
    assert deadline.warn(found, "last day", by=root)


def test_meeting_a_clock_twice_is_recorded_once(root) -> None:
    incident = make_incident()
    found = house_clock(incident, by=root)
    deadline.meet(found, at=now(), by=root)
    deadline.meet(found, at=now(), by=root)
    said = [line for line in log.entries(objects=[found.uuid]) if line.after == "met"]
    assert len(said) == 1
