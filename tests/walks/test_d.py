"""A rollback: decided, held, asked by one, approved by another, and seen from two vantages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.walks import acts
from tests.walks.conftest import Standing
from tests.walks.telemetry import Exporter, tool_call
from tests.walks.visitor import Pick, Visitor

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("walks")]

KEY = "desk-canary"
BY_HAND = ("red_team", "independent_review", "monitoring_readiness", "rota", "rollback_drill")


def released(standing: Standing, ada: Visitor, bo: Visitor, system: str, good: acts.Version) -> str:
    """A canary on the target beside the house, on which the good version is authorised; its path."""
    standing.arrange("measured", version=good.uuid)
    for what in BY_HAND:
        acts.attest(bo, good, what)
    gate = f"/assess/gate/{good.uuid}/canary/"
    judged = ada.submit(gate, f"{gate}ask")
    assert "NO-GO" not in judged.text, judged.text
    canary = acts.register_deployment(ada, system, KEY, "canary", **standing.target)
    place = canary.rstrip("/").rpartition("/")[2]
    given = ada.submit(gate, f"/authorise/{place}", reason="Everything asked for is there.")
    assert "may serve at" in given.text
    acts.declare_serving(ada, canary, good)
    return canary


def test_a_rollback_is_seen_from_two_vantages(
    standing: Standing, signed_in: Callable[[str], Visitor], assistant: str
) -> None:
    ada, bo, rae = signed_in("ada"), signed_in("bo"), signed_in("rae")
    model = acts.register_model(ada, assistant, "Desk line")
    good = acts.register_version(ada, model, "1.0.0", standing.folder("good"))
    acts.register_version(ada, model, "1.1.0", standing.folder("bad"))
    canary = released(standing, ada, bo, assistant, good)
    exporter = Exporter(standing.base, KEY, acts.token_for(ada, canary))

    # Somebody swaps the weights behind everybody's back.
    standing.switch(standing.weights("bad"))
    assert exporter.say(tool_call("search_docs"), weights=standing.weights("bad")) == 200
    incident = acts.incident_of(bo, KEY)
    bo.submit(incident, f"{incident}acknowledge")

    # Neither asked for before the law's question is decided, nor before the evidence is held.
    early = bo.submit(incident, f"{incident}rollback", to_version=Pick("1.0.0"), reason="Back.")
    assert early.status == 409
    assert "Art. 73(6)" in early.text
    rae.submit(
        incident, f"{incident}choose", choice="emergency", reason="It answers applicants now."
    )
    assert "Art. 73(6): an emergency" in rae.open(incident).text
    held = bo.submit(incident, f"{incident}hold", reason="Before anything is touched.")
    assert "The evidence is under hold" in held.text

    asked = bo.submit(
        incident, f"{incident}rollback", to_version=Pick("1.0.0"), reason="Back to what was judged."
    )
    rollback = f"/respond/rollbacks/{acts.uuid_of(asked)}/"
    assert "You asked for it; somebody else must approve." in asked.text
    refused = bo.press(rollback, f"{rollback}approve")
    assert refused.status == 403, refused.text
    assert "Bo asked for this approval; a second person must give it." in refused.text
    assert standing.serving() == standing.weights("bad")

    ada.submit(rollback, f"{rollback}approve")
    switched = bo.wait(rollback, lambda page: "looked 1 " in page.text or "looked 2 " in page.text)
    assert standing.serving() == standing.weights("good")
    assert "nothing yet" in switched.text
    assert exporter.say(tool_call("search_docs"), weights=standing.weights("good")) == 200
    done = bo.wait(rollback, lambda page: page.text.count("the version wanted") == 2)
    assert "verified" in done.text
    assert "1.0.0" in bo.open(canary).text
