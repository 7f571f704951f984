"""Warnings of deadlines: once at each mark, to the rota and to who is in charge, and cheap."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compliance import clock
from compliance.audit import log
from compliance.clock import now
from compliance.models import ClockInstance, Notice, Report
from compliance.services import charge, deadline
from incidents.models import Incident
from incidents.services import incident, warning
from tests.compliance.papers import house_clock, make_incident
from tests.incidents import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def classified(rae, as_actor):
    """A classified incident with the house's clock alone, and time that a test moves."""
    with clock.held(now()) as time:
        opened = cast.opened(cast.watched()[0])
        incident.classify(
            opened,
            facts={"aware_at": now().isoformat()},
            limbs=[],
            serious=True,
            reasons="Credentials left the house.",
            by=as_actor(rae),
        )
        ClockInstance.objects.exclude(regime="house-72h").delete()
        yield opened, ClockInstance.objects.get(regime="house-72h"), time


def pages(opened: Incident, house: ClockInstance) -> list[str]:
    found = opened.pages.filter(cause__startswith=house.ref).order_by("pk")
    return [page.cause.rpartition(":")[2] for page in found.filter(channel="email")]


def test_each_mark_is_warned_of_once(classified, bo):
    opened, house, time = classified
    assert warning.ring() == 0
    house.refresh_from_db()
    assert house.next_mark_at == house.started_at + timedelta(hours=36)
    for hours, mark in ((36, "half"), (12, "a_day"), (20, "four_hours"), (4, "overdue")):
        time.pass_by(timedelta(hours=hours))
        assert [warning.ring(), warning.ring()] == [1, 0], mark
    assert pages(opened, house) == ["half", "a_day", "four_hours", "overdue"]
    house.refresh_from_db()
    assert house.next_mark_at is None


def test_after_a_standstill_every_mark_is_noted_once_and_the_latest_said(classified, bo):
    opened, house, time = classified
    warning.ring()
    time.pass_by(timedelta(hours=69))
    assert warning.ring() == 1
    assert warning.ring() == 0
    house.refresh_from_db()
    assert house.warned == ["half", "a_day", "four_hours"]
    noted = [line.facts["mark"] for line in log.entries(actions=["clock.warn"])]
    assert noted == ["half", "a_day", "four_hours"]
    assert pages(opened, house) == ["four_hours"]


def test_owner_and_deputy_are_called_besides_the_rota(classified, bo, ada, cy, as_actor):
    opened, house, time = classified
    charge.assign(house, owner=ada, deputy=cy, by=as_actor(ada))
    time.pass_by(timedelta(hours=37))
    warning.ring()
    called = opened.pages.filter(cause=f"{house.ref}:half").values_list("person__name", flat=True)
    assert set(called) == {"Bo", "Ada", "Cy"}


def test_a_clock_about_something_else_warns_who_is_in_charge_by_message(rae, root):
    with clock.held(now()) as time:
        house_clock(make_incident(), by=root)
        time.pass_by(timedelta(hours=60))
        assert warning.ring() == 1
    assert Notice.objects.filter(to=rae.email).exists()


def test_a_met_clock_rings_no_more(classified, root, bo):
    _opened, house, time = classified
    deadline.meet(house, at=now(), by=root)
    time.pass_by(timedelta(hours=80))
    assert warning.ring() == 0


def test_a_round_costs_the_clocks_that_came_up_alone(classified, bo):
    _opened, house, _time = classified
    warning.ring()
    far = [
        ClockInstance(
            subject=house.subject,
            about_kind="incident",
            about_uuid=house.about_uuid,
            regime=f"house-{n}",
            regime_version="1.0.0",
            regime_sha256="",
            regime_title="",
            stage="report",
            state="running",
            target_due=now() + timedelta(days=9),
            inputs_sha256="",
            computed_at=now(),
            next_mark_at=now() + timedelta(days=5),
        )
        for n in range(300)
    ]
    ClockInstance.objects.bulk_create(far)
    with CaptureQueriesContext(connection) as queries:
        assert warning.ring() == 0
    assert len(queries) <= 3, "the clocks' one query, and one for the time"


def test_a_report_that_began_to_count_by_itself_is_begun_in_the_name_of_who_classified(
    classified, rae
):
    opened, house, _time = classified
    Report.objects.filter(about_uuid=opened.uuid).update(regime="other")
    warning.ring()
    begun = Report.objects.get(about_uuid=opened.uuid, regime="house-72h")
    assert begun.drafted_by == rae
    house.refresh_from_db()
    ClockInstance.objects.filter(pk=house.pk).update(next_mark_at=now())
    warning.ring()
    assert Report.objects.filter(about_uuid=opened.uuid, regime="house-72h").count() == 1
