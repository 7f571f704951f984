"""The demonstration's agent, over real HTTP, judged by the shipped rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from compliance import clock
from config.demo import agent, scenario
from config.demo.telemetry import Exporter, NotDelivered
from incidents.ingest import otlp
from incidents.ingest.stitch import NOTHING_CARRIED, stitch
from incidents.rules import engine, load
from incidents.rules.facts import DeploymentFacts, Facts

FOLDER = Path(scenario.__file__).parent / "scenarios"


class Script:
    """A voice that says what it is told to."""

    name = "scripted"

    def __init__(self, *lines):
        self.lines = list(lines)

    def speak(self, messages, *, max_tokens, **_):
        text = self.lines.pop(0) if self.lines else "I have nothing to add."
        return agent.Utterance(text, sum(len(m["content"].split()) for m in messages), max_tokens)


@dataclass
class Received:
    """What came in at the receiver, and how it is to answer first."""

    statuses: list[int] = field(default_factory=list)
    decoded: list[otlp.Decoded] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


@contextmanager
def receiver(received: Received) -> Iterator[str]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = received.statuses.pop(0) if received.statuses else 200
            kind = self.headers["Content-Type"]
            answer = b""
            if status == 200:
                decoded = otlp.decode(body, content_type=kind, received_at=clock.now())
                received.decoded.append(decoded)
                received.tokens.add(self.headers["Authorization"])
                answer = otlp.answer(decoded, content_type=kind)
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def walk(name, voice, received, weights="ab" * 32):
    story = scenario.read(FOLDER / name)
    told = []
    with receiver(received) as url:
        resource = agent.resource("helpdesk", "1.0", "canary", weights)
        exporter = Exporter(url, "secret", resource)
        agent.walk(agent.Agent(voice, story, exporter, told.append))
        exporter.client.close()
    return story, exporter, told


def judged(story, received, weights="ab" * 32):
    carried, records = NOTHING_CARRIED, {}
    for decoded in received.decoded:
        stitched = stitch(decoded.spans, carried=carried, received_at=clock.now())
        carried = stitched.carried
        records |= {record.id: record for record in stitched.records}
    known = DeploymentFacts(
        key="helpdesk",
        tools=frozenset(story.manifest.tools),
        scopes=frozenset(story.manifest.scopes),
        untrusted_tools=frozenset(story.manifest.untrusted_tools),
        external_tools=frozenset(story.manifest.external_tools),
        prompt_sha256s=frozenset({story.manifest.prompt_sha256}),
        weights_sha256s=frozenset({weights}),
    )
    facts = Facts(clock.now(), {"helpdesk": known})
    return engine.match(load.shipped(), tuple(records.values()), facts), tuple(records.values())


def test_an_ordinary_hour_raises_nothing():
    received = Received()
    story, exporter, _ = walk("calm.toml", Script(), received)
    matches, records = judged(story, received)
    assert matches == []
    assert exporter.n_accepted == len(records) == 2 * 4  # agent, two chats and a call each
    assert received.tokens == {"Bearer secret"}


def test_the_canary_fires_the_rules_it_is_there_for():
    received = Received()
    story, _, _ = walk("canary.toml", Script(), received)
    matches, records = judged(story, received, weights="cd" * 32)
    assert {match.rule_key for match in matches} == {
        "tool_outside_manifest",
        "system_prompt_changed",
        "weights_not_authorised",
        "data_scope_outside_manifest",
        "untrusted_read_then_external_write",
        "credential_in_tool_arguments",
    }
    assert "AKIAIOSFODNN7EXAMPLE" not in str([match.fields for match in matches])
    calls = [r for r in records if r.fields["gen_ai.operation.name"] == "execute_tool"]
    assert {call.conversation for call in calls} == {run.conversation for run in story.runs}


def test_each_call_says_who_chose_it():
    received = Received()
    own = 'Let me see. <tool>search_handbook {"query": "rooms", "deep": {"er": 1}}</tool>'
    story, _, told = walk("calm.toml", Script(own), received)
    _, records = judged(story, received)
    calls = [r for r in records if r.fields["gen_ai.operation.name"] == "execute_tool"]
    origins = [call.fields["strata.demo.origin"] for call in sorted(calls, key=lambda r: r.at)]
    assert origins == ["model", "scenario"]
    assert any("model calls search_handbook" in line for line in told)


def test_a_model_that_repeats_itself_does_not_hold_up_the_scenario():
    received = Received()
    own = '<tool>read_ticket {"id": "1003"}</tool>'
    story, _, told = walk("canary.toml", Script("", "", "", "", own, own, own, own), received)
    assert [line.split()[:3] for line in told if "1003" in line and "calls" in line] == [
        ["model", "calls", "read_ticket"]
    ]
    matches, _ = judged(story, received)
    assert "untrusted_read_then_external_write" in {match.rule_key for match in matches}


def test_a_busy_receiver_is_asked_again():
    received = Received(statuses=[503, 429])
    _, exporter, _ = walk("calm.toml", Script(), received)
    assert exporter.n_accepted == 8


def test_a_refusal_for_good_is_said():
    with pytest.raises(NotDelivered, match="answered 401"):
        walk("calm.toml", Script(), Received(statuses=[401]))


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ('<tool>look {"a": 1}</tool>', "look"),
        ('<tool> look\n{"a": {"b": "}"}} </tool> and more', "look"),
        ("<tool>bad {a}</tool><tool>good {}</tool>", "good"),
        ("<tool>look</tool>", None),
        ('look {"a": 1}', None),
        ('<tool>Look at {"a": 1}</tool>', None),
    ],
)
def test_the_grammar_of_a_call(text, tool):
    call = agent.parse_call(text)
    assert (call and call.tool) == tool


@pytest.mark.parametrize(
    ("text", "named"), [("title = ", "not TOML"), ('title = "x"', "system_prompt")]
)
def test_a_scenario_that_is_not_one(tmp_path, text, named):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(scenario.ScenarioError, match=named):
        scenario.read(tmp_path / "s.toml")
