"""Judging what came in: once each, in one transaction, or set aside."""

from __future__ import annotations

import pytest

from compliance.clock import now
from incidents.ingest import inbox
from incidents.models import Alert, Event, InboxRow, Incident, Intake, StitchState
from incidents.services import event
from tests.incidents import cast

pytestmark = pytest.mark.django_db


def test_a_judged_body_leaves_events_and_no_inbox_row():
    deployment, _version = cast.watched()
    cast.judge(deployment, cast.body(cast.tool_call(1, "search_docs"), key=deployment.key))
    assert InboxRow.objects.count() == 0
    kept = Event.objects.get(deployment=deployment)
    assert kept.operation == "execute_tool"
    assert StitchState.objects.get(deployment=deployment).n_judged == 1


def test_the_same_body_waiting_twice_is_one_row():
    deployment, _ = cast.watched()
    body = cast.body(cast.tool_call(1, "search_docs"), key=deployment.key)
    assert inbox.accept(deployment, body, content_type=cast.JSON)
    assert not inbox.accept(deployment, body, content_type=cast.JSON)
    assert InboxRow.objects.count() == 1
    counted = Intake.objects.get(deployment=deployment)
    assert (counted.n_accepted, counted.n_repeated) == (1, 1)


def test_a_body_sent_again_after_it_was_judged_counts_nothing_twice():
    deployment, _ = cast.watched()
    body = cast.body(cast.tool_call(1, "delete_everything"), key=deployment.key)
    cast.judge(deployment, body)
    before = Alert.objects.get(rule_key="tool_outside_manifest").count
    cast.judge(deployment, body)
    assert Event.objects.count() == 1
    assert Alert.objects.get(rule_key="tool_outside_manifest").count == before


def test_a_body_that_cannot_be_read_is_set_aside_with_its_reason():
    deployment, _ = cast.watched()
    cast.judge(deployment, b"not json")
    row = InboxRow.objects.get()
    assert row.state == "quarantined"
    assert row.problem


def test_a_second_bell_finds_nothing_to_judge():
    deployment, _ = cast.watched()
    (row,) = cast.send(deployment, cast.body(cast.tool_call(1, "search_docs"), key=deployment.key))
    event.judge(row.pk)
    event.judge(row.pk)
    assert Event.objects.count() == 1


def test_a_tool_outside_the_manifest_raises_an_alert_that_counts_up():
    deployment, version = cast.watched()
    cast.judge(deployment, cast.body(cast.tool_call(1, "send_mail"), key=deployment.key))
    cast.judge(deployment, cast.body(cast.tool_call(2, "send_mail"), key=deployment.key))
    raised = Alert.objects.get(rule_key="tool_outside_manifest")
    assert raised.count == 2
    assert raised.version == version
    assert raised.matched["fields"]["gen_ai.tool.name"] == "send_mail"


def test_the_observed_digest_names_the_version_of_the_incident():
    deployment, _ = cast.watched()
    other = cast.factories.make_version(deployment.system)
    cast.judge(
        deployment,
        cast.body(
            cast.span(1, gen_ai__operation__name="chat"),
            weights=other.weights_sha256,
            key=deployment.key,
        ),
    )
    opened = Incident.objects.get(deployment=deployment)
    assert opened.version == other
    assert opened.observed_sha256 == other.weights_sha256
    rules = set(Alert.objects.filter(incident=opened).values_list("rule_key", flat=True))
    assert "weights_not_authorised" in rules
    assert "strata.served-without-authorisation" in rules


def test_silence_is_an_alert_once():
    deployment, _ = cast.watched()
    deployment.servings.update(at=cast.minutes_ago(60))
    event.watch_silence()
    event.watch_silence()
    raised = Alert.objects.get(rule_key="telemetry_silent")
    assert raised.count == 1


def test_what_was_said_is_masked_before_it_is_kept():
    deployment, _ = cast.watched()
    secret = "AKIAIOSFODNN7EXAMPLE"
    call = cast.tool_call(
        1, "search_docs", gen_ai__tool__call__arguments=f'{{"query": "key {secret}"}}'
    )
    cast.judge(deployment, cast.body(call, key=deployment.key))
    assert secret not in str(Event.objects.get().record)


def test_no_news_for_long_is_blind():
    deployment, _ = cast.watched()
    assert event.is_blind(None, now())
    cast.judge(deployment, cast.body(cast.tool_call(1, "search_docs"), key=deployment.key))
    assert not event.is_blind(StitchState.objects.get(), now())
