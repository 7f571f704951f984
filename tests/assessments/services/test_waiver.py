"""The ends of granted waivers stand in the calendar of duties: in time, once, for who may see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from assessments import tasks
from assessments.services import gate, sweep, waiver
from compliance import clock, queries
from compliance.actors import system
from compliance.audit import log
from compliance.clock import now
from compliance.models import Notice, StandingDuty, User
from compliance.permissions import Permission, Role
from compliance.services import account, duty, duty_watch, subject
from tests.assessments.services.test_gate import ask, attest, proven

pytestmark = pytest.mark.django_db
MAKER = system("tests")
START = datetime(2026, 12, 1, 9, tzinfo=UTC)
DAYS = 10


@pytest.fixture
def held():
    with clock.held(START) as it:
        yield it


@pytest.fixture
def eve(db):
    return account.make("eve@example.org", "Eve", [Role.SAFETY_ENGINEER], by=MAKER)


@pytest.fixture
def version(held):
    return proven(without=["independent_review"])


@pytest.fixture
def granted(version, eve, ada, bo, as_actor):
    asked = ask(version, as_actor(eve), days=DAYS)
    for person in (ada, bo):
        waiver.approve(asked, by=as_actor(person))
    return asked


def followed(**of) -> list[StandingDuty]:
    """What the calendar follows of waivers, in the order it came to be."""
    return list(StandingDuty.objects.filter(key=waiver.WAIVER_KEY, **of).order_by("pk"))


def titles() -> list[str]:
    return list(Notice.objects.order_by("pk").values_list("title", flat=True))


def test_its_end_falls_due_in_the_calendar_with_the_asker_in_charge(granted, eve):
    tasks.watch_waivers()
    [found] = followed()
    assert (found.about_uuid, found.owner) == (granted.uuid, eve)
    assert found.next_due == granted.expires_at
    assert found.occurrences.get(state="open").due_at == granted.expires_at
    assert duty.title_of(found) == "Waiver expires"


def test_the_asker_is_told_before_it_ends_and_not_only_after(held, granted, eve):
    tasks.watch_waivers()
    held.pass_by(timedelta(days=DAYS) - timedelta(hours=20))
    duty_watch.sweep()
    assert titles() == ["Waiver expires: less than a day is left"]
    assert Notice.objects.get().to == eve.email
    assert followed()[0].occurrences.get().state == "open"
    duty_watch.sweep()
    assert len(titles()) == 1, "each mark is said once"


def test_it_stands_once_however_often_the_watcher_comes(held, granted):
    for _ in range(3):
        tasks.watch_waivers()
        held.pass_by(timedelta(hours=1))
    [found] = followed()
    assert found.occurrences.count() == 1
    assert [line.action for line in log.entries(objects=[found.uuid])].count("duty.set") == 1


def test_what_was_only_asked_or_rejected_has_no_end_to_watch(version, eve, ada, as_actor):
    asked = ask(version, as_actor(eve))
    tasks.watch_waivers()
    assert followed() == []
    waiver.reject(asked, by=as_actor(ada), note="Wait for them.")
    tasks.watch_waivers()
    assert followed() == []


def test_it_is_gone_once_the_waiver_is_over(held, granted):
    tasks.watch_waivers()
    held.pass_by(timedelta(days=DAYS, minutes=1))
    sweep.sweep()
    tasks.watch_waivers()
    assert followed(state__in=duty.STANDING_FOR) == []
    [found] = followed()
    assert found.state == "ended"
    assert log.entries(objects=[found.uuid], actions=["duty.end"])


def test_a_waiver_that_was_granted_anew_is_followed_in_place_of_the_old(
    held, version, granted, eve, ada, bo, as_actor
):
    tasks.watch_waivers()
    attest(version, "independent_review", "not_met")
    gate.evaluate(version, "canary", by=MAKER)
    held.pass_by(timedelta(days=1))
    renewed = ask(version, as_actor(eve), days=DAYS)
    for person in (ada, bo):
        waiver.approve(renewed, by=as_actor(person))
    assert waiver.watch_expiry() == 1
    old, new = followed()
    assert (old.about_uuid, old.state) == (granted.uuid, "ended")
    assert (new.about_uuid, new.state, new.next_due) == (
        renewed.uuid, "active", START + timedelta(days=DAYS + 1),
    )  # fmt: skip


def test_what_the_asker_settled_is_not_asked_for_again(granted, eve, as_actor):
    tasks.watch_waivers()
    [found] = followed()
    [occurrence] = found.occurrences.all()
    duty.complete(occurrence, done_at=now(), note="The review is booked.", by=as_actor(eve))
    tasks.watch_waivers()
    assert followed(state__in=duty.STANDING_FOR) == []


def test_only_those_who_may_see_the_model_see_the_date(
    granted, eve, ada, cy, dee, as_actor, client_as
):
    tasks.watch_waivers()
    [found] = followed()
    address = reverse("compliance:duty", args=[found.uuid])
    assert list(queries.duties_for(as_actor(ada))) == [found]
    assert client_as(ada).get(address).status_code == 200
    assert list(queries.duties_for(as_actor(dee))) == []
    assert client_as(dee).get(address).status_code == 404
    found.subject.restricted = True
    found.subject.save(update_fields=["restricted"])
    assert list(queries.duties_for(as_actor(ada))) == []
    assert client_as(cy).get(address).status_code == 404
    subject.grant(
        found.subject, User.objects.get(pk=eve.pk), Permission.DUTY_READ, by=as_actor(ada)
    )
    assert list(queries.duties_for(as_actor(eve))) == [found]
    assert now() == START
