"""Evidence before action."""

from __future__ import annotations

import json

import pytest

from compliance.permissions import NotAllowed
from compliance.services import blob
from incidents.services import hold
from tests.incidents import cast

pytestmark = pytest.mark.django_db


def test_a_hold_keeps_events_alerts_manifest_and_what_the_target_says(burning, bo, as_actor):
    cast.judge(
        burning.deployment,
        cast.body(cast.tool_call(1, "send_mail"), key=burning.deployment.key),
    )
    placed = hold.place(burning.incident, reason="Before the rollback.", by=as_actor(bo))
    bundle = json.loads(blob.read(placed.snapshot))
    assert bundle["target"]["digest"] == burning.bad.weights_sha256
    assert bundle["version"]["weights_sha256"] == burning.bad.weights_sha256
    assert bundle["manifest"]["tools"] == ["search_docs"]
    assert len(bundle["events"]) == 1
    assert {each["rule"] for each in bundle["alerts"]} >= {"tool_outside_manifest"}
    placed.snapshot.refresh_from_db()
    assert placed.snapshot.n_holds == 1
    assert {item["what"] for item in placed.items} >= {"events", "alerts", "target"}


def test_a_target_that_is_silent_is_written_down_as_silent(burning, bo, as_actor, settings):
    settings.STRATA_EGRESS = []
    placed = hold.place(burning.incident, reason="Before the rollback.", by=as_actor(bo))
    assert json.loads(blob.read(placed.snapshot))["target"]["answered"] is False


def test_who_placed_a_hold_does_not_release_it(burning, bo, ada, as_actor):
    placed = hold.place(burning.incident, reason="Before the rollback.", by=as_actor(bo))
    with pytest.raises(NotAllowed):
        hold.release(placed, reason="Done.", by=as_actor(bo))
    hold.release(placed, reason="Done.", by=as_actor(ada))
    placed.snapshot.refresh_from_db()
    assert (placed.state, placed.snapshot.n_holds) == ("released", 0)


def test_a_hold_is_a_persons(burning):
    with pytest.raises(NotAllowed, match="not a person"):
        hold.place(burning.incident, reason="Automatic.", by=cast.MAKER)


def test_the_auditor_places_none(burning, cy, as_actor):
    with pytest.raises(NotAllowed):
        hold.place(burning.incident, reason="Curious.", by=as_actor(cy))
