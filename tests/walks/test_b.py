"""Telemetry comes in, a rule fires, somebody is woken, and the ladder stops when they answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from email import message_from_bytes, policy

import pytest

from tests.walks import acts
from tests.walks.conftest import Standing
from tests.walks.telemetry import JSON, PROTOBUF, Exporter, as_json, tool_call
from tests.walks.visitor import Visitor

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("walks")]

KEY = "kiosk"
FOREIGN = "f" * 64  # what nobody registered
CLIMBING = 22.0  # seconds in which an unanswered ladder calls the next person


def letters(standing: Standing) -> list[str]:
    """Every mail that went out, as its subject and text."""
    told = []
    for path in sorted(standing.mail.glob("*.eml")):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = mail.get_body(("plain",))
        assert body is not None
        told.append(f"{mail['To']}: {mail['Subject']}\n{body.get_content()}")
    return told


@pytest.mark.usefixtures("ladder")
def test_telemetry_raises_an_alert_and_wakes_who_is_on_call(
    standing: Standing, signed_in: Callable[[str], Visitor], assistant: str
) -> None:
    ada, bo = signed_in("ada"), signed_in("bo")
    model = acts.register_model(ada, assistant, "Kiosk line")
    version = acts.register_version(ada, model, "1.0.0", standing.folder("kiosk"))
    deployment = acts.register_deployment(ada, assistant, KEY, "production")
    acts.declare_serving(ada, deployment, version)
    exporter = Exporter(standing.base, KEY, acts.token_for(ada, deployment))
    watched = f"/observe/deployments/{deployment.rstrip('/').rpartition('/')[2]}/"

    # As JSON, and the same body again: one event.
    body = as_json(exporter.request(tool_call("shell"), weights=standing.weights("kiosk")))
    assert exporter.send(body, JSON) == 200
    assert exporter.send(body, JSON) == 200
    listed = bo.wait(watched, lambda page: "execute_tool shell" in page.text)
    assert exporter.send(body, PROTOBUF) == 400
    assert Exporter(standing.base, KEY, "strata_nobody").send(body, JSON) == 401

    # As protobuf, from weights that nobody registered.
    assert exporter.say(tool_call("search_docs"), weights=FOREIGN) == 200
    listed = bo.wait(watched, lambda page: "execute_tool search_docs" in page.text)
    assert listed.text.count("execute_tool shell") == 1

    incident = acts.incident_of(bo, KEY)
    told = [page.text for page in acts.alerts_of(bo, KEY)]
    tool = next(text for text in told if "tool_outside_manifest" in text)
    assert "Tool shell" in tool
    assert "read_ticket, search_docs" in tool
    weights = next(
        text for text in told if f"Weights, SHA-256 {FOREIGN[:8]}…{FOREIGN[-8:]}" in text
    )
    assert "served-without-authorisation" in weights
    assert " critical " in weights

    # Bo is called: the mail lies in the sink, and leads back to the page.
    bo.wait(incident, lambda page: "delivered Bo · e-mail" in page.text)
    about = f"/r/incident/{incident.split('/')[3]}"
    mine = [letter for letter in letters(standing) if about in letter]
    assert mine[0].startswith("bo@example.org")

    taken = bo.submit(incident, f"{incident}acknowledge")
    assert "The ladder stopped" in taken.text
    n_calls = taken.text.count("· e-mail ·")
    assert n_calls >= 1
    time.sleep(CLIMBING)
    assert bo.open(incident).text.count("· e-mail ·") == n_calls
