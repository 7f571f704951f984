"""What the database itself refuses about duties, releases and receipts; and who sees them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from compliance import queries
from compliance.models import (
    AuthorityRequest,
    ClockInstance,
    FeedToken,
    Filing,
    ReleaseAuthorisation,
    Report,
    StandingDuty,
)
from compliance.services import subject
from compliance.services.deadline import COUNTING

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 2, 9, tzinfo=UTC)


def duty(place, **more):
    return StandingDuty.objects.create(
        subject=place, key="horizon", title="Read what is coming", made_at=AT, **more
    )


def request_of(place, rae):
    return AuthorityRequest.objects.create(
        subject=place,
        title="Please explain",
        authority="Office",
        received_at=AT,
        recorded_by=rae,
        recorded_at=AT,
    )


def release(place, rae, **more):
    asked = {"expires_at": AT + timedelta(days=30), **more}
    return ReleaseAuthorisation.objects.create(
        subject=place, regime="house-72h", reasons="Nights.", asked_by=rae, asked_at=AT, **asked
    )


def report(rae):
    return Report.objects.create(
        subject=subject.make("report", "R"),
        about_kind="incident",
        about_uuid="01890000-0000-7000-8000-000000000001",
        title="R",
        regime="house-72h",
        stage="report",
        drafted_by=rae,
        started_at=AT,
    )


def refused(make):
    with pytest.raises(IntegrityError), transaction.atomic():
        make()


def test_a_duty_stands_once_until_it_is_ended():
    place = subject.make("duty", "Horizon")
    first = duty(place)
    refused(lambda: duty(place))
    StandingDuty.objects.filter(pk=first.pk).update(state="ended")
    assert duty(place).state == "active"


def test_a_duty_stands_once_for_each_thing(ada):
    place = subject.make("duty", "Waivers")
    duty(place, about_kind="waiver", about_uuid=place.uuid)
    duty(place, about_kind="waiver", about_uuid=ada.uuid)
    refused(lambda: duty(place, about_kind="waiver", about_uuid=ada.uuid))


def test_an_authorisation_ends_after_it_begins(rae):
    place = subject.make("release", "Unattended")
    refused(lambda: release(place, rae, expires_at=AT))
    assert release(place, rae).state == "asked"


def test_nothing_is_filed_by_nobody(rae):
    begun = report(rae)
    refused(lambda: Filing.objects.create(report=begun, way="null", asked_at=AT))
    under = release(subject.make("release", "Unattended"), rae)
    sent = Filing.objects.create(report=begun, way="null", asked_at=AT, authorisation=under)
    assert sent.filed_by is None


def test_who_entered_the_receipt_does_not_check_it(rae, ada):
    filing = Filing.objects.create(report=report(rae), way="manual", asked_at=AT, filed_by=rae)
    rows = Filing.objects.filter(pk=filing.pk)
    refused(lambda: rows.update(entered_by=rae, checked_by=rae))
    assert rows.update(entered_by=rae, checked_by=ada) == 1


def test_an_outsider_sees_none_of_it_and_a_reader_what_is_open(rae, cy, dee, as_actor):
    duty(subject.make("duty", "Horizon"))
    request_of(subject.make("authority_request", "Open"), rae)
    request_of(subject.make("authority_request", "Closed", restricted=True), rae)
    release(subject.make("release", "Unattended"), rae)
    rooms = (queries.duties_for, queries.authority_requests_for, queries.releases_for)
    assert [room(as_actor(cy)).count() for room in rooms] == [1, 1, 1]
    assert [room(as_actor(dee)).count() for room in rooms] == [0, 0, 0]


def test_a_calendar_address_is_its_owners_alone(rae, cy, as_actor):
    FeedToken.objects.create(subject=subject.make("feed", "Feed"), person=rae, sha256="a" * 64)
    assert queries.feeds_for(as_actor(rae)).count() == 1
    assert queries.feeds_for(as_actor(cy)).count() == 0


def test_the_board_and_the_sweep_read_by_index():
    if connection.vendor != "sqlite":
        pytest.skip("An empty table is read whole elsewhere.")
    standing = ClockInstance.objects.filter(replaced_by=None)
    board = standing.filter(state__in=COUNTING).order_by("target_due", "id")[:50]
    sweep = standing.filter(next_mark_at__lte=AT)
    assert "clock_board" in board.explain()
    assert "TEMP B-TREE" not in board.explain()
    assert "clock_mark" in sweep.explain()


def test_pages_stay_in_the_language_of_the_house(client):
    answer = client.get("/accounts/login/", headers={"accept-language": "de"}, follow=True)
    assert '<html lang="en"' in answer.content.decode()
