"""Each span says who did it, whatever the order in which its relatives arrive."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.ingest import stitch as s
from incidents.ingest.spans import SpanRecord

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RESOURCE = {"service.name": "helpdesk", "service.version": "7", "strata.weights.sha256": "ab"}


def span(number, parent, fields, *, second=0, trace="a" * 32):
    at = NOW + timedelta(seconds=second)
    parent_id = f"{parent:016x}" if parent else ""
    return SpanRecord(trace, f"{number:016x}", parent_id, "span", at, at, fields, RESOURCE)


AGENT = span(1, 0, {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "c1",
                    "gen_ai.agent.name": "clerk"})  # fmt: skip
CHAT = span(2, 1, {"gen_ai.operation.name": "chat", "gen_ai.response.model": "small",
                   "gen_ai.system_instructions": "Be kind."}, second=1)  # fmt: skip
TOOL = span(3, 1, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}, second=2)


def by_number(stitched):
    return {int(record.id.partition(":")[2], 16): record for record in stitched.records}


def test_a_tool_call_learns_who_made_it():
    record = by_number(s.stitch([TOOL, CHAT, AGENT], received_at=NOW))[3]
    assert (record.deployment, record.version, record.model) == ("helpdesk", "7", "small")
    assert (record.conversation, record.agent, record.orphan) == ("c1", "clerk", False)
    assert "strata.prompt.sha256" in record.fields
    assert record.inherited["gen_ai.conversation.id"] == AGENT.span_id
    assert record.inherited["gen_ai.response.model"] == CHAT.span_id
    assert record.inherited["service.name"] == "resource"


def test_a_chat_later_than_the_call_did_not_make_it():
    late = span(4, 1, {"gen_ai.operation.name": "chat", "gen_ai.response.model": "other"}, second=9)
    assert by_number(s.stitch([TOOL, late, AGENT], received_at=NOW))[3].model == ""


def test_what_a_span_says_itself_outranks_its_relatives():
    own = span(3, 1, {"gen_ai.operation.name": "execute_tool", "gen_ai.conversation.id": "own"})
    assert by_number(s.stitch([own, AGENT], received_at=NOW))[3].conversation == "own"


def test_a_parent_in_a_later_batch_gives_a_second_version():
    first = s.stitch([TOOL], received_at=NOW)
    assert (first.records[0].orphan, first.records[0].conversation) == (True, "")
    later = NOW + timedelta(minutes=1)
    second = s.stitch([CHAT, AGENT], carried=first.carried, received_at=later)
    again = by_number(second)[3]
    assert (again.id, again.revision, again.conversation) == (first.records[0].id, 1, "c1")
    third = s.stitch([], carried=second.carried, received_at=later)
    assert third.records == ()


def test_the_parent_may_also_come_first():
    first = s.stitch([AGENT], received_at=NOW)
    second = s.stitch([TOOL], carried=first.carried, received_at=NOW)
    assert (second.records[0].conversation, second.records[0].orphan) == ("c1", False)


def test_a_grandparent_is_waited_for():
    child = span(5, 3, {"gen_ai.operation.name": "execute_tool"})
    first = s.stitch([child, TOOL], received_at=NOW)
    assert all(record.orphan for record in first.records)
    second = s.stitch([AGENT], carried=first.carried, received_at=NOW)
    assert by_number(second)[5].conversation == "c1"


def test_after_the_window_nothing_is_waited_for():
    first = s.stitch([TOOL], received_at=NOW)
    late = NOW + s.WINDOW + timedelta(seconds=1)
    second = s.stitch([AGENT], carried=first.carried, received_at=late)
    assert set(by_number(second)) == {1}
    assert second.carried.waiting == ()


def test_the_same_ids_in_another_trace_are_other_spans():
    stranger = span(1, 0, {"gen_ai.conversation.id": "c9"}, trace="b" * 32)
    assert by_number(s.stitch([TOOL, stranger], received_at=NOW))[3].conversation == ""


def test_a_circle_of_parents_ends():
    one = span(1, 2, {"gen_ai.operation.name": "invoke_agent"})
    two = span(2, 1, {"gen_ai.operation.name": "invoke_agent"})
    assert len(s.stitch([one, two], received_at=NOW).records) == 2


def test_the_token_outranks_the_name():
    record = s.stitch([AGENT], received_at=NOW, deployment="payroll").records[0]
    assert record.deployment == "payroll"
    assert record.fields["strata.deployment.claimed"] == "helpdesk"


def test_identities_are_fit_for_a_column():
    hostile = span(1, 0, {"gen_ai.conversation.id": "\u202e\x07" + "x" * 9000})
    said = s.stitch([hostile], received_at=NOW).records[0].conversation
    assert len(said) <= 200
    assert said.isprintable()


def test_records_and_what_is_carried_survive_the_store():
    stitched = s.stitch([TOOL, CHAT], received_at=NOW)
    for record in stitched.records:
        kept = orjson.loads(orjson.dumps(s.record_to_json(record)))
        assert s.record_from_json(kept) == record
    assert s.Carried.from_json(stitched.carried.to_json()) == stitched.carried


def test_the_oldest_is_forgotten_and_counted(monkeypatch):
    monkeypatch.setattr(s, "N_MOST_CARRIED", 2)
    stitched = s.stitch([AGENT, CHAT, TOOL], received_at=NOW)
    assert (len(stitched.carried.links), stitched.n_forgotten) == (2, 1)


@pytest.mark.parametrize("n_batches", [1, 2, 3])
@given(order=st.permutations([AGENT, CHAT, TOOL]))
def test_the_order_of_arrival_does_not_matter_in_the_end(order, n_batches):
    carried, latest = s.NOTHING_CARRIED, {}
    for start in range(n_batches):
        stitched = s.stitch(order[start::n_batches], carried=carried, received_at=NOW)
        carried = stitched.carried
        latest |= {record.id: record for record in stitched.records}
    tool = latest[f"{TOOL.trace_id}:{TOOL.span_id}"]
    assert (tool.conversation, tool.orphan) == ("c1", False)
