"""The filing's page says what an outside authority saw of it, or that none was asked."""

# ruff: noqa: F811  Fixtures are asked for by the names they were imported under.

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from compliance.machines import TransitionRefused
from compliance.models import TimeStamp
from compliance.services import blob, submission, time_stamp
from tests.compliance.services.test_time_stamp import (  # noqa: F401
    approved,
    entered,
    filing,
    only,
    there,
    tried,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client_as, approved, cy):
    def read(person=cy):
        return client_as(person).get(reverse("compliance:report", args=[approved.uuid])).text

    return read


def test_without_an_authority_it_says_on_what_the_time_rests(filing, page):
    read = page()
    assert "No time-stamping authority is configured." in read
    assert "rests on the log and the receipt" in read
    assert ".tsr" not in read


def test_what_was_filed_before_there_was_an_authority_says_so(filing, page, settings):
    settings.STRATA_TSA_URL = "https://tsa.example/"
    assert "no time-stamping authority was configured then" in page()


def test_a_stamp_is_shown_with_time_zone_authority_token_and_digest(there, filing, page):
    row = tried(filing)
    TimeStamp.objects.update(stamped_at=datetime(2026, 8, 2, 11, 59, 58, tzinfo=UTC))
    read = page()
    assert "2 August 2026, 13:59:58 CEST" in read
    assert 'datetime="2026-08-02T13:59:58+02:00"' in read
    assert "SIMULATION time-stamping authority, Regulator sandbox" in read
    assert reverse("compliance:blob", args=[row.token.uuid]) in read
    assert f'data-copy="{row.token.sha256}"' in read
    assert reverse("compliance:blob", args=[row.stamped.uuid]) in read
    assert "openssl ts -verify" in read


def test_the_token_is_downloaded_as_it_came(there, filing, client_as, cy, dee):
    row = tried(filing)
    address = reverse("compliance:blob", args=[row.token.uuid])
    answer = client_as(cy).get(address)
    assert answer.content == blob.read(row.token)
    assert answer["Content-Type"] == "application/timestamp-reply"
    assert f"{filing.uuid}-package.tsr" in answer["Content-Disposition"]
    assert client_as(dee).get(address).status_code == 404


def test_while_it_is_coming_the_page_looks_again_and_when_it_does_not_come_it_does_not(
    there,
    filing,
    page,
):
    submission.send(filing.pk)
    assert "every 3s" in page()
    TimeStamp.objects.update(attempts=3, problem="The authority answered with status 503.")
    read = page()
    assert "every 3s" not in read
    assert "The authority answered with status 503." in read


def test_who_files_may_ask_again_for_what_was_refused(
    there,
    filing,
    page,
    client_as,
    rae,
    cy,
    settings,
):
    settings.STRATA_TSA_POLICY = "1.2.3.4.9"
    row = tried(filing)
    address = reverse("compliance:ask_time_stamp_again", args=[row.uuid])
    assert "expected was 1.2.3.4.9" in page()
    assert address not in page()
    assert address in page(rae)
    assert client_as(cy).post(address).status_code == 403
    settings.STRATA_TSA_POLICY = ""
    answer = client_as(rae).post(address)
    assert (answer.status_code, answer.url) == (
        302,
        reverse("compliance:report", args=[filing.report.uuid]),
    )
    assert tried(filing).state == "stamped"
    assert client_as(rae).post(address).status_code == 409


def test_a_receipt_that_was_put_aside_is_said_to_be(there, filing, page, rae, as_actor):
    submission.send(filing.pk)
    entered(filing, as_actor(rae), b"out of office")
    entered(filing, as_actor(rae), b"the receipt")
    assert page().count("put aside since") == 1


def test_its_own_address_leads_to_the_report(there, filing, client_as, cy):
    address = reverse("compliance:time_stamp", args=[only(filing).uuid])
    assert client_as(cy).get(address).url == reverse("compliance:report", args=[filing.report.uuid])


def test_what_stands_cannot_be_asked_again(there, filing, rae, as_actor):
    with pytest.raises(TransitionRefused):
        time_stamp.ask_again(tried(filing), by=as_actor(rae))
