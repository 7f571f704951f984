"""The decoder: both encodings say the same, bounds hold, and nothing but BadPayload comes out."""

import gzip
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from incidents.ingest import otlp
from incidents.ingest.spans import Bounds

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173"


def any_value(value):  # noqa: PLR0911
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [any_value(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": attributes(value)}}
        case _:
            return {}


def attributes(fields):
    return [{"key": key, "value": any_value(value)} for key, value in fields.items()]


def span(fields=None, **changes):
    return {
        "traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT, "name": "execute_tool search",
        "startTimeUnixNano": str(NOW_NS), "endTimeUnixNano": str(NOW_NS + 1_500_000),
        "attributes": attributes(fields or {}), "status": {"code": 2},
    } | changes  # fmt: skip


def request(*spans, resource=None):
    scope = {"spans": list(spans)}
    group = {"resource": {"attributes": attributes(resource or {})}, "scopeSpans": [scope]}
    return {"resourceSpans": [group]}


def decode_json(tree, **kwargs):
    body = tree if isinstance(tree, bytes) else orjson.dumps(tree)
    return otlp.decode(body, content_type=otlp.JSON, received_at=NOW, **kwargs)


def as_protobuf(*, name="execute_tool search", start_ns=NOW_NS, trace=TRACE, fields=()):
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    named = group.resource.attributes.add(key="service.name")
    named.value.string_value = "helpdesk"
    one = group.scope_spans.add().spans.add(
        trace_id=bytes.fromhex(trace), span_id=bytes.fromhex(SPAN),
        parent_span_id=bytes.fromhex(PARENT), name=name,
        start_time_unix_nano=start_ns, end_time_unix_nano=start_ns + 1_500_000,
    )  # fmt: skip
    one.status.code = 2
    for key, value in fields:
        one.attributes.add(key=key).value.CopyFrom(value)
    return message


def decode_protobuf(message, **kwargs):
    body = message if isinstance(message, bytes) else message.SerializeToString()
    return otlp.decode(body, content_type=otlp.PROTOBUF, received_at=NOW, **kwargs)


def test_both_encodings_give_the_same_span():
    from_json = decode_json(request(span(), resource={"service.name": "helpdesk"}))
    assert decode_protobuf(as_protobuf()) == from_json
    [record] = from_json.spans
    assert record.trace_id == TRACE
    assert record.parent_id == PARENT
    assert record.status == "error"
    assert record.end - record.start == timedelta(microseconds=1500)


def test_every_kind_of_value_is_read():
    fields = {"a": "x", "b": True, "c": 7, "d": 0.5, "e": ["x", 1], "f": {"g": [False]}, "h": None}
    [record] = decode_json(request(span(fields))).spans
    assert record.attributes == {**fields, "e": ("x", 1), "f": {"g": (False,)}}


def test_ids_in_capitals_are_the_same_ids():
    [record] = decode_json(request(span(traceId=TRACE.upper()))).spans
    assert record.trace_id == TRACE


def test_unknown_fields_and_kinds_are_passed_over():
    odd = span(futureField={"x": 1})
    odd["attributes"] = [{"key": "k", "value": {"futureValue": 3}}]
    [record] = decode_json(request(odd)).spans
    assert record.attributes == {"k": None}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"resourceSpans": null}'])
def test_an_empty_request_is_fine(body):
    assert decode_json(body) == otlp.Decoded()


def test_nul_is_replaced_because_no_database_keeps_it():
    [record] = decode_json(request(span({"k": "a\0b"}))).spans
    assert record.attributes["k"] == "a\ufffdb"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"traceId": "xyz"}, "32 hexadecimal digits"),
        ({"traceId": "0" * 32}, "all zeros"),
        ({"spanId": 5}, "spanId must be text"),
        ({"startTimeUnixNano": "soon"}, "whole number"),
        ({"startTimeUnixNano": "1" * 5000}, "whole number"),
        ({"startTimeUnixNano": "0"}, "not a time"),
        ({"endTimeUnixNano": str(NOW_NS - 1_000_000)}, "ends before it starts"),
        ({"endTimeUnixNano": str(NOW_NS + 25 * 3600 * 10**9)}, "ahead of us"),
        ({"attributes": attributes({f"k{i}": 1 for i in range(300)})}, "at most 256"),
        ({"attributes": attributes({"k": 1}) * 2}, "given twice"),
        ({"attributes": [{"key": "", "value": {}}]}, "a key of 0"),
        ({"attributes": [{"key": "k", "value": {"stringValue": 5}}]}, "not of the kind"),
    ],
)
def test_one_bad_span_does_not_cost_its_neighbour(change, reason):
    decoded = decode_json(request(span(), span(**change)))
    assert decoded.n_accepted == 1
    assert [(r.position, reason in r.reason) for r in decoded.rejected] == [(1, True)]
    assert reason in decoded.complaint


def test_deep_values_are_refused():
    deep = "x"
    for _ in range(40):
        deep = [deep]
    assert "deeper" in decode_json(request(span({"k": deep}))).complaint


def test_wide_values_are_refused():
    assert "values" in decode_json(request(span({"k": [1] * 9000}))).complaint


def test_long_text_is_cut_and_said_to_be():
    [record] = decode_json(request(span({"k": "x" * 70_000}))).spans
    assert (len(record.attributes["k"]), record.cut) == (65_536, ("k",))


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"\xff", b'{"resourceSpans": 3}', b'{"resourceSpans": [3]}', b"[" * 5000]
)
def test_what_is_not_otlp_json_is_a_bad_payload(body):
    with pytest.raises(otlp.BadPayload):
        decode_json(body)


def test_gzip_is_unpacked():
    body = gzip.compress(orjson.dumps(request(span())))
    assert decode_json(body, content_encoding="gzip").n_accepted == 1


def test_a_gzip_bomb_is_refused_without_unpacking_it_all():
    bomb = gzip.compress(b"0" * 2**26)
    assert len(bomb) < 2**17
    with pytest.raises(otlp.BadPayload) as refused:
        decode_json(bomb, content_encoding="gzip")
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("kwargs", "status"),
    [
        ({"content_encoding": "br"}, 415),
        ({"content_encoding": "gzip"}, 400),
        ({"bounds": Bounds(body_bytes=10)}, 413),
        ({"bounds": Bounds(spans=1)}, 413),
    ],
)
def test_the_refusal_carries_its_status(kwargs, status):
    with pytest.raises(otlp.BadPayload) as refused:
        decode_json(request(span(), span()), **kwargs)
    assert refused.value.status == status


def test_a_cut_gzip_is_refused():
    with pytest.raises(otlp.BadPayload, match="ends early"):
        decode_json(gzip.compress(b"{}" * 500)[:-4], content_encoding="gzip")


def test_other_content_types_are_refused():
    with pytest.raises(otlp.BadPayload) as refused:
        otlp.decode(b"", content_type="text/plain", received_at=NOW)
    assert refused.value.status == 415


def test_protobuf_values_that_json_cannot_hold_become_text():
    message = as_protobuf()
    attribute = message.resource_spans[0].scope_spans[0].spans[0].attributes
    attribute.add(key="n").value.double_value = float("nan")
    attribute.add(key="b").value.bytes_value = b"\x00\x01"
    [record] = decode_protobuf(message).spans
    assert record.attributes == {"n": "nan", "b": "AAE="}


def test_a_bad_protobuf_span_is_rejected_alone():
    message = as_protobuf()
    message.MergeFrom(as_protobuf(start_ns=1, trace="0" * 32))
    decoded = decode_protobuf(message)
    assert (decoded.n_accepted, decoded.rejected[0].span_id) == (1, SPAN)


def test_partial_success_is_told_in_both_encodings():
    decoded = decode_json(request(span(), span(traceId="x")))
    told = orjson.loads(otlp.answer(decoded, content_type="application/json; charset=utf-8"))
    assert told["partialSuccess"]["rejectedSpans"] == "1"
    response = ExportTraceServiceResponse.FromString(
        otlp.answer(decoded, content_type=otlp.PROTOBUF)
    )
    assert response.partial_success.rejected_spans == 1
    assert response.partial_success.error_message == decoded.complaint


def test_full_success_is_empty():
    decoded = decode_json(request(span()))
    assert otlp.answer(decoded, content_type=otlp.JSON) == b"{}"
    assert otlp.answer(decoded, content_type=otlp.PROTOBUF) == b""


def test_refusals_are_rpc_statuses():
    error = otlp.BadPayload("é" * 100, status=413)
    assert orjson.loads(otlp.refusal(error, content_type=otlp.JSON)) == {
        "code": 8,
        "message": "é" * 100,
    }
    # field 1 varint 8, field 2 of 200 bytes: 0xc8 0x01 as a varint
    assert (
        otlp.refusal(error, content_type=otlp.PROTOBUF)
        == b"\x08\x08\x12\xc8\x01" + ("é" * 100).encode()
    )


def test_the_reason_never_repeats_hostile_text_as_it_is():
    decoded = decode_json(request(span(traceId="\u202e<script>" + "x" * 500)))
    assert "\u202e" not in decoded.complaint
    assert len(decoded.complaint) < 200


CONTENT_TYPES = st.sampled_from([otlp.JSON, otlp.PROTOBUF])
ENCODINGS = st.sampled_from(["", "gzip"])
JSON_TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["resourceSpans", "resource", "scopeSpans", "spans", "attributes", "key",
                         "value", "stringValue", "intValue", "arrayValue", "values", "kvlistValue",
                         "traceId", "spanId", "status", "code", "events", "endTimeUnixNano"]),
        inner),
    max_leaves=30,
)  # fmt: skip


def only_bad_payload(body, content_type, encoding=""):
    with suppress(otlp.BadPayload):
        decoded = otlp.decode(
            body, content_type=content_type, content_encoding=encoding, received_at=NOW
        )
        assert all(rejection.reason for rejection in decoded.rejected)


@given(st.binary(max_size=400), CONTENT_TYPES, ENCODINGS)
def test_any_bytes(body, content_type, encoding):
    only_bad_payload(gzip.compress(body) if encoding else body, content_type, encoding)


@settings(max_examples=300)
@given(JSON_TREES)
def test_any_tree_under_the_names_of_otlp(tree):
    only_bad_payload(orjson.dumps({"resourceSpans": tree}), otlp.JSON)


@given(JSON_TREES)
def test_any_span_in_a_sound_request(tree):
    only_bad_payload(orjson.dumps(request(span(attributes=tree, status=tree))), otlp.JSON)


@settings(max_examples=300)
@given(st.data())
def test_a_protobuf_request_with_bytes_changed(data):
    body = bytearray(as_protobuf().SerializeToString())
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    only_bad_payload(bytes(body), otlp.PROTOBUF)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50) | st.integers(-9, 9)))
def test_every_span_is_accepted_or_rejected(fields):
    decoded = decode_json(request(span(fields), span(fields, spanId="bad")))
    assert decoded.n_accepted + decoded.n_rejected == 2
