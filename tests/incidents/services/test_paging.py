"""Paging: a ladder copied at the opening, climbed until a person answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from compliance import clock
from compliance.clock import now
from compliance.permissions import NotAllowed
from incidents.models import Page
from incidents.services import incident, paging
from tests.incidents import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def ladder(ada, as_actor):
    """Rung one by e-mail for a minute, rung two by the null pager."""
    paging.set_step(1, wait_seconds=60, channels=["email"], by=as_actor(ada))
    paging.set_step(2, wait_seconds=60, channels=["null"], by=as_actor(ada))


def on_call(person, rung, by, hours=8):
    return paging.add_shift(
        person,
        starts_at=now() - timedelta(hours=1),
        ends_at=now() + timedelta(hours=hours),
        rung=rung,
        by=by,
    )


def test_whoever_stands_on_the_first_rung_is_mailed(ladder, bo, ada, as_actor):
    on_call(bo, 1, as_actor(ada))
    on_call(ada, 2, as_actor(ada))
    opened = cast.opened(cast.watched()[0])
    page = Page.objects.get(incident=opened)
    assert (page.person, page.channel, page.rung) == (bo, "email", 1)
    paging.send(page.pk)
    page.refresh_from_db()
    assert page.state == "delivered"
    assert mail.outbox[0].to == [bo.email]
    assert opened.reference in mail.outbox[0].subject


def test_a_second_worker_does_not_send_again(ladder, bo, ada, as_actor):
    on_call(bo, 1, as_actor(ada))
    cast.opened(cast.watched()[0])
    page = Page.objects.get()
    paging.send(page.pk)
    paging.send(page.pk)
    assert len(mail.outbox) == 1


def test_an_unanswered_page_climbs_once(ladder, bo, ada, as_actor):
    on_call(bo, 1, as_actor(ada))
    on_call(ada, 2, as_actor(ada))
    opened = cast.opened(cast.watched()[0])
    paging.send(opened.pages.get().pk)
    with clock.held(now() + timedelta(minutes=2)):
        assert paging.escalate_due() == 1
        assert paging.escalate_due() == 0
    second = opened.pages.get(rung=2)
    assert second.person == ada
    paging.send(second.pk)
    second.refresh_from_db()
    assert second.state == "shown_only"
    assert opened.pages.get(rung=1).state == "escalated"


def test_after_the_last_rung_the_ladder_begins_again_three_times(ladder, bo, ada, as_actor):
    on_call(bo, 1, as_actor(ada), hours=80)
    on_call(ada, 2, as_actor(ada), hours=80)
    opened = cast.opened(cast.watched()[0])
    for minutes in range(2, 40, 2):
        with clock.held(now() + timedelta(minutes=minutes)):
            for page in opened.pages.filter(state="queued"):
                paging.send(page.pk)
            paging.escalate_due()
    assert sorted(opened.pages.values_list("lap", "rung")) == [
        (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2),
    ]  # fmt: skip


def test_acknowledging_stops_the_ladder(ladder, bo, ada, as_actor):
    on_call(bo, 1, as_actor(ada))
    on_call(ada, 2, as_actor(ada))
    opened = cast.opened(cast.watched()[0])
    paging.send(opened.pages.get().pk)
    incident.acknowledge(opened, by=as_actor(bo))
    with clock.held(now() + timedelta(hours=1)):
        assert paging.escalate_due() == 0
    assert opened.pages.get().state == "acknowledged"


def test_a_later_change_of_the_ladder_does_not_reach_an_open_incident(ladder, bo, ada, as_actor):
    on_call(bo, 1, as_actor(ada))
    opened = cast.opened(cast.watched()[0])
    paging.set_step(1, wait_seconds=9999, channels=["null"], by=as_actor(ada))
    opened.refresh_from_db()
    assert opened.escalation[0]["channels"] == ["email"]


def test_the_person_is_decided_when_the_call_goes_out(ladder, bo, ada, as_actor):
    shift = on_call(bo, 1, as_actor(ada))
    opened = cast.opened(cast.watched()[0])
    paging.remove_shift(shift, by=as_actor(ada))
    on_call(ada, 1, as_actor(ada))
    page = opened.pages.get()
    paging.send(page.pk)
    page.refresh_from_db()
    assert page.person == ada
    assert mail.outbox[0].to == [ada.email]


def test_a_failed_call_moves_on_at_once(ada, bo, as_actor):
    paging.set_step(1, wait_seconds=600, channels=["chat"], by=as_actor(ada))
    paging.set_step(2, wait_seconds=600, channels=["null"], by=as_actor(ada))
    on_call(bo, 1, as_actor(ada))
    on_call(ada, 2, as_actor(ada))
    opened = cast.opened(cast.watched()[0])
    paging.send(opened.pages.get().pk)
    first = opened.pages.get(rung=1)
    assert first.state == "failed"
    assert "url" in first.problem
    assert paging.nobody_reached(opened)
    being_called = cast.opened(cast.watched()[0])
    assert paging.unreached([opened, being_called]) == {opened.pk}
    assert paging.escalate_due() == 1


def test_where_nobody_is_on_call_everybody_who_could_respond_is_called(ladder, bo, dee):
    opened = cast.opened(cast.watched()[0])
    assert opened.pages.get().person == bo


def test_gaps_are_named(ada, bo, as_actor):
    start = now()
    for offset in (0, 3):
        paging.add_shift(
            bo,
            starts_at=start + timedelta(hours=offset),
            ends_at=start + timedelta(hours=offset + 2),
            by=as_actor(ada),
        )
    found = paging.gaps(start=start, end=start + timedelta(hours=6))
    hours = [
        ((gap.starts_at - start).seconds // 3600, (gap.ends_at - start).seconds // 3600)
        for gap in found
    ]
    assert hours == [(2, 3), (5, 6)]


def test_a_rota_with_gaps_is_attested_as_not_met(ada, bo, as_actor):
    version = cast.watched()[1]
    assert paging.attest_rota(version, by=as_actor(ada)).status == "not_met"
    paging.add_shift(
        bo,
        starts_at=now() - timedelta(hours=1),
        ends_at=now() + timedelta(days=31),
        by=as_actor(ada),
    )
    assert paging.attest_rota(version, by=as_actor(ada)).status == "met"


def test_the_rota_is_not_everybodys(rae, bo, as_actor):
    with pytest.raises(NotAllowed):
        paging.add_shift(bo, starts_at=now(), ends_at=now() + timedelta(hours=1), by=as_actor(rae))


def test_a_shift_that_ends_before_it_begins_is_refused(ada, bo, as_actor):
    with pytest.raises(ValueError, match="must end after"):
        paging.add_shift(bo, starts_at=now(), ends_at=now() - timedelta(hours=1), by=as_actor(ada))


def test_a_reopened_incident_calls_again(ladder, bo, ada, as_actor):
    on_call(bo, 1, as_actor(ada))
    opened = cast.opened(cast.watched()[0])
    incident.acknowledge(opened, by=as_actor(bo))
    type(opened).objects.filter(pk=opened.pk).update(state="resolved")
    opened.refresh_from_db()
    incident.reopen(opened, reason="It came back.", by=as_actor(bo))
    assert sorted(opened.pages.values_list("lap", flat=True)) == [1, 4]
