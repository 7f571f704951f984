"""Alerts: once for each group, leading on to an incident on the exact version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compliance.clock import now
from compliance.machines import TransitionRefused
from incidents.models import Alert, Incident, Page
from incidents.services import alert
from tests.incidents import cast

pytestmark = pytest.mark.django_db


def sign(**changes):
    at = now()
    told = alert.Sign(
        rule_key="made_up",
        rule_version="1",
        rule_sha256="0" * 64,
        level="high",
        title="Something",
        fingerprint="1" * 64,
        fields={"gen_ai.tool.name": "send_mail"},
        record_ids=("a:1",),
        count=1,
        first_at=at,
        last_at=at,
    )
    return replace(told, **changes)


def test_the_same_fingerprint_counts_up_only_for_new_records():
    deployment, _ = cast.watched()
    alert.raise_from(sign(), deployment, by=cast.MAKER)
    alert.raise_from(sign(), deployment, by=cast.MAKER)
    alert.raise_from(sign(record_ids=("a:1", "a:2")), deployment, by=cast.MAKER)
    assert Alert.objects.get().count == 2


def test_after_it_is_resolved_the_same_raises_anew(bo, as_actor):
    deployment, _ = cast.watched()
    first = alert.raise_from(sign(), deployment, by=cast.MAKER)
    alert.resolve(first, disposition="test", by=as_actor(bo))
    second = alert.raise_from(sign(), deployment, by=cast.MAKER)
    assert second.pk != first.pk


def test_a_high_alert_waits_for_a_person_and_a_critical_one_does_not():
    deployment, version = cast.watched()
    waiting = alert.raise_from(sign(), deployment, by=cast.MAKER)
    assert waiting.state == "open"
    assert not Incident.objects.exists()
    critical = alert.raise_from(
        sign(level="critical", fingerprint="2" * 64), deployment, by=cast.MAKER
    )
    opened = Incident.objects.get()
    waiting.refresh_from_db()
    critical.refresh_from_db()
    assert opened.version == version
    assert opened.severity == "sev1"
    assert {waiting.incident, critical.incident} == {opened}
    assert waiting.state == critical.state == "in_incident"


def test_further_alerts_join_the_open_incident(bo):
    deployment, _version = cast.watched()
    opened = cast.opened(deployment)
    joined = alert.raise_from(sign(level="critical"), deployment, by=cast.MAKER)
    assert joined.incident == opened
    assert Incident.objects.count() == 1


def test_an_incident_opened_by_an_alert_calls_somebody(bo):
    deployment, _ = cast.watched()
    alert.raise_from(sign(level="critical"), deployment, by=cast.MAKER)
    assert set(Page.objects.values_list("person__email", flat=True)) == {bo.email}


def test_an_alert_is_not_awareness():
    deployment, _ = cast.watched()
    alert.raise_from(sign(level="critical"), deployment, by=cast.MAKER)
    assert Incident.objects.get().aware_at is None


def test_an_unknown_disposition_is_refused(bo, as_actor):
    deployment, _ = cast.watched()
    raised = alert.raise_from(sign(), deployment, by=cast.MAKER)
    with pytest.raises(ValueError, match="one of"):
        alert.resolve(raised, disposition="whatever", by=as_actor(bo))


def test_a_resolved_alert_cannot_join(bo, as_actor):
    deployment, _ = cast.watched()
    raised = alert.raise_from(sign(), deployment, by=cast.MAKER)
    alert.resolve(raised, disposition="test", by=as_actor(bo))
    with pytest.raises(TransitionRefused):
        alert.join(raised, cast.opened(deployment), by=as_actor(bo))
