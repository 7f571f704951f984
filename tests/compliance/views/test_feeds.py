"""Calendar addresses: one's own, shown once, revoked at once; what is in the calendar."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from icalendar import Calendar

from compliance.clock import now
from compliance.models import FeedToken
from compliance.services import account, feed, subject
from tests.compliance.views.test_duties import clocks

pytestmark = pytest.mark.django_db


def made(client, label="phone"):
    answer = client.post(reverse("compliance:new_feed"), {"label": label})
    assert answer.status_code == 201
    html = unescape(answer.content.decode())
    return re.search(r"/feeds/[\w-]+\.ics", html)[0]


def events(answer):
    return list(Calendar.from_ical(answer.content).walk("VEVENT"))


def test_an_address_is_shown_once_and_its_secret_is_not_kept(rae, client, client_as):
    address = made(client_as(rae))
    secret = address.removeprefix("/feeds/").removesuffix(".ics")
    assert secret not in client_as(rae).get(reverse("compliance:feeds")).content.decode()
    assert not FeedToken.objects.filter(sha256=secret).exists()
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/calendar")
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_calendar_holds_what_counts_to_the_second_and_keeps_its_name(rae, client, client_as):
    [clock] = clocks(1)
    clocks(1, state="facts_needed", start=10)
    clocks(1, place=subject.make("incident", "Hidden", restricted=True), start=20)
    address = made(client_as(rae))
    [event] = events(client.get(address))
    assert event.decoded("dtstart") == clock.target_due.replace(microsecond=0)
    assert "INC-2026-0001" in str(event["summary"])
    assert "Europe/Berlin" not in str(event["summary"])
    assert "eu-gdpr-33@1.0.0" in str(event["description"])
    uid = event["uid"]
    [again] = events(client.get(address))
    assert again["uid"] == uid


def test_hostile_titles_add_no_line_to_the_calendar(rae, client, client_as):
    title = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:forged;,\\"
    clocks(1, place=subject.make("incident", title))
    answer = client.get(made(client_as(rae)))
    [event] = events(answer)
    assert "forged" in str(event["summary"])
    assert answer.content.count(b"\r\nBEGIN:VEVENT") == 1


def test_a_revoked_address_a_closed_account_and_a_guess_are_not_found(rae, bo, client, client_as):
    address = made(client_as(rae))
    token = FeedToken.objects.get()
    other = client_as(bo).post(reverse("compliance:revoke_feed", args=[token.uuid]))
    assert other.status_code == 404
    assert client.get(address).status_code == 200
    client_as(rae).post(reverse("compliance:revoke_feed", args=[token.uuid]))
    assert client.get(address).status_code == 404
    assert client.get("/feeds/guess.ics").status_code == 404
    second = made(client_as(rae))
    rae.is_active = False
    rae.save(update_fields=["is_active"])
    assert client.get(second).status_code == 404


def test_who_may_read_nothing_makes_no_address_and_use_is_noted(dee, rae, client_as, as_actor):
    assert client_as(dee).post(reverse("compliance:new_feed"), {"label": "x"}).status_code == 403
    token, text = feed.make("phone", by=as_actor(rae))
    assert feed.find(text) == token
    token.refresh_from_db()
    assert now() - token.last_used_at < timedelta(minutes=1)


def test_a_feed_shows_what_the_person_may_see_at_the_time_of_the_call(rae, client, client_as, root):
    clocks(1)
    address = made(client_as(rae))
    assert len(events(client.get(address))) == 1
    account.set_roles(rae, [], by=root)
    assert events(client.get(address)) == []
