"""The outbox: said once, tried again while it makes sense, and never claimed when it was not sent."""

from datetime import timedelta

import pytest
from django.core import mail

from compliance import clock
from compliance.actors import system
from compliance.audit import log
from compliance.models import Notice
from compliance.services import notice, subject

pytestmark = pytest.mark.django_db
MAKER = system("tests")


def queue(channel="email", **more):
    place = subject.make("incident", "Leak")
    said = {
        "channel": channel,
        "to": "bo@example.org",
        "title": "Alert",
        "body": "Look at it.",
        **more,
    }
    return notice.queue(place, **said, by=MAKER)


def state_of(queued):
    queued.refresh_from_db()
    return queued.state


def test_it_is_queued_with_a_bell_that_rings_after_commit(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as bells:
        queued = queue()
    assert len(bells) == 1
    assert state_of(queued) == "queued"
    assert not mail.outbox


def test_a_message_is_sent_once_however_often_the_bell_rings():
    queued = queue()
    for _ in range(3):
        notice.send(queued.pk)
    assert state_of(queued) == "delivered"
    assert (queued.attempts, queued.lease_until, len(mail.outbox)) == (1, None, 1)


def test_the_null_channel_claims_nothing(caplog):
    queued = queue("null")
    notice.send(queued.pk)
    assert state_of(queued) == "shown_only"
    assert "NOT SENT" in caplog.text
    assert log.entries(objects=[queued.uuid])[-1].action == "notice.show"


def test_an_unknown_channel_fails_for_good_with_its_reason():
    queued = queue("pigeon")
    notice.send(queued.pk)
    assert state_of(queued) == "failed"
    assert "pigeon" in queued.problem


def test_an_unreachable_server_is_tried_again_later_and_then_given_up(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1
    queued = queue()
    at = clock.now()
    waits = []
    for attempt in range(1, Notice.MOST_ATTEMPTS + 1):
        with clock.held(at):
            notice.send(queued.pk)
        queued.refresh_from_db()
        assert queued.attempts == attempt
        if queued.state == "queued":
            waits.append(queued.next_try_at - at)
            with clock.held(at):
                notice.send(queued.pk)  # the bell rings too early: nothing is due
            at = queued.next_try_at
    assert waits == [timedelta(seconds=5), timedelta(seconds=10)]
    assert state_of(queued) == "failed"
    assert queued.problem


def test_the_address_and_the_words_are_sealed():
    queued = queue()
    line = log.entries(objects=[queued.uuid])[0]
    assert line.words["to"] == "bo@example.org"
    assert "example.org" not in str(line.facts)


def test_a_long_title_is_cut_to_what_fits():
    assert len(queue(title="x" * 900).title) == 300
