"""A filing that needs people wakes them, once for each reason."""

from __future__ import annotations

import pytest

from compliance.models import Filing, Notice
from compliance.services import submission
from incidents.models import Page
from incidents.services import filing_alarm
from tests.compliance.services.test_submission import approved as approved_for
from tests.incidents import cast

__all__ = ["approved_for"]
pytestmark = pytest.mark.django_db


def test_whoever_is_on_call_is_paged_and_those_who_file_are_told(
    approved_for, rae, as_actor
) -> None:
    report = approved_for
    incident = cast.opened(cast.watched()[0])
    type(report).objects.filter(pk=report.pk).update(about_uuid=incident.uuid)
    filing = submission.file(report, way="null", by=as_actor(rae))
    before = Page.objects.filter(incident=incident).count()
    assert filing_alarm.ring() == 0, "it waits to be sent"
    submission.send(filing.pk)
    assert filing_alarm.ring() == 1
    pages = Page.objects.filter(incident=incident, cause__startswith=filing.ref)
    assert pages.count() >= 1
    assert "a person must act" in pages.first().why
    assert Notice.objects.get(about_uuid=filing.uuid).to == rae.email
    assert filing_alarm.ring() == 0
    assert Page.objects.filter(incident=incident).count() == before + pages.count()


def test_a_filing_about_no_incident_is_told_all_the_same(approved_for, rae, as_actor) -> None:
    filing: Filing = submission.file(approved_for, way="null", by=as_actor(rae))
    submission.send(filing.pk)
    assert filing_alarm.ring() == 1
    assert not Page.objects.exists()
    assert Notice.objects.filter(about_uuid=filing.uuid).count() == 1
