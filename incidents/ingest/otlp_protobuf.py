"""OTLP traces in protobuf: from generated messages to bounded spans."""

import base64
import math
from collections.abc import Iterable, Iterator
from datetime import datetime

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from incidents.ingest import spans
from incidents.ingest.spans import (
    Allowance,
    BadPayload,
    Bounds,
    Fields,
    Rejection,
    SpanEvent,
    SpanRecord,
    UnfitSpan,
    Value,
)


def read(body: bytes, *, received_at: datetime, bounds: Bounds) -> Iterator[SpanRecord | Rejection]:
    """Every span of the request in order, accepted or not."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise BadPayload("the body is not an OTLP trace request in protobuf") from error
    position = 0
    for group in request.resource_spans:
        resource = _resource(group.resource.attributes, bounds)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield _judged(span, position, resource, received_at, bounds)
                position += 1


def _resource(attributes: Iterable[KeyValue], bounds: Bounds) -> Fields:
    try:
        return _fields(attributes, Allowance(bounds), what="resource attributes")
    except UnfitSpan as unfit:
        raise BadPayload(f"resource: {unfit}") from unfit


def _judged(
    span: Span, position: int, resource: Fields, received_at: datetime, bounds: Bounds
) -> SpanRecord | Rejection:
    try:
        return _span(span, resource, received_at, bounds)
    except UnfitSpan as unfit:
        return Rejection(position, span.span_id.hex()[:16], str(unfit))


def _span(span: Span, resource: Fields, received_at: datetime, bounds: Bounds) -> SpanRecord:
    start, end = spans.checked_times(
        span.start_time_unix_nano, span.end_time_unix_nano, received_at=received_at, bounds=bounds
    )
    allowance = Allowance(bounds)
    return SpanRecord(
        trace_id=spans.trace_id(span.trace_id.hex()),
        span_id=spans.span_id(span.span_id.hex()),
        parent_id=spans.parent_id(span.parent_span_id.hex()),
        name=allowance.text("name", span.name)[: bounds.name_chars],
        start=start,
        end=end,
        attributes=_fields(span.attributes, allowance),
        resource=resource,
        status=spans.STATUSES[span.status.code] if 0 <= span.status.code <= 2 else "unset",  # noqa: PLR2004
        events=_events(span.events, allowance),
        cut=tuple(allowance.cut),
    )


def _events(events: "Iterable[Span.Event]", allowance: Allowance) -> tuple[SpanEvent, ...]:
    read = [
        SpanEvent(
            name=allowance.text("event", event.name)[: allowance.bounds.name_chars],
            at=spans.moment(event.time_unix_nano, "event time"),
            attributes=_fields(event.attributes, allowance),
        )
        for event in events
    ]
    if len(read) > allowance.bounds.events:
        raise UnfitSpan(f"{len(read)} events; at most {allowance.bounds.events} are taken")
    return tuple(read)


def _fields(pairs: Iterable[KeyValue], allowance: Allowance, *, what: str = "attributes") -> Fields:
    read = [(pair.key, _value(pair.key, pair.value, allowance, 1)) for pair in pairs]
    return allowance.pairs(read, what=what)


def _value(key: str, value: AnyValue, allowance: Allowance, depth: int) -> Value:  # noqa: PLR0911
    allowance.spend(depth)
    match value.WhichOneof("value"):
        case "string_value":
            return allowance.text(key, value.string_value)
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return finite(value.double_value)
        case "bytes_value":
            return allowance.text(key, base64.b64encode(value.bytes_value).decode("ascii"))
        case "array_value":
            members = value.array_value.values
            return tuple(_value(key, member, allowance, depth + 1) for member in members)
        case "kvlist_value":
            return {
                allowance.text(key, pair.key): _value(key, pair.value, allowance, depth + 1)
                for pair in value.kvlist_value.values
            }
        case _:
            return None


def finite(number: float) -> Value:
    """The number, or its name in text: JSON and our stores know no infinity."""
    return number if math.isfinite(number) else str(number)
