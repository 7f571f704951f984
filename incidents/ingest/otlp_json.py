"""OTLP traces in JSON: our own walk over the parsed tree.

protobuf's own JSON reader is some thirty times slower than parsing and walking, slow enough to be
an attack. OTLP/JSON also differs from protobuf's JSON: ids are hexadecimal, not base64.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

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

N_LONGEST_INT_DIGITS = 20
WIDE = range(-(2**63), 2**64)  # OTLP has signed values and unsigned times
KINDS = frozenset(
    ("stringValue", "bytesValue", "boolValue", "intValue", "doubleValue", "arrayValue",
     "kvlistValue")
)  # fmt: skip
STATUS_NAMES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


def read(body: bytes, *, received_at: datetime, bounds: Bounds) -> Iterator[SpanRecord | Rejection]:
    """Every span of the request in order, accepted or not. Unknown fields are passed over."""
    position = 0
    for group in _objects(_tree(body), "resourceSpans"):
        resource = _resource(_object(group, "resource"), bounds)
        for scope in _objects(group, "scopeSpans"):
            for span in _objects(scope, "spans"):
                yield _judged(span, position, resource, received_at, bounds)
                position += 1


def _tree(body: bytes) -> Mapping[str, Any]:
    try:
        tree = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise BadPayload("the body is not JSON") from error
    if not isinstance(tree, dict):
        raise BadPayload("expected a JSON object with resourceSpans")
    return tree


def _objects(parent: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The list of objects under this name; absent and null are both an empty list."""
    found = parent.get(name)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadPayload(f"{name} must be a list of objects")
    return found


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = parent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadPayload(f"{name} must be an object")
    return found


def _resource(resource: Mapping[str, Any], bounds: Bounds) -> Fields:
    try:
        return _fields(resource, Allowance(bounds), what="resource attributes")
    except UnfitSpan as unfit:
        raise BadPayload(f"resource: {unfit}") from unfit


def _judged(
    span: Mapping[str, Any],
    position: int,
    resource: Fields,
    received_at: datetime,
    bounds: Bounds,
) -> SpanRecord | Rejection:
    try:
        return _span(span, resource, received_at, bounds)
    except UnfitSpan as unfit:
        return Rejection(position, _claimed_id(span), str(unfit))


def _claimed_id(span: Mapping[str, Any]) -> str:
    """The span's id for the rejection, if it is one at all."""
    try:
        return spans.span_id(_text(span, "spanId"))
    except (UnfitSpan, BadPayload):
        return ""


def _span(
    span: Mapping[str, Any], resource: Fields, received_at: datetime, bounds: Bounds
) -> SpanRecord:
    start, end = spans.checked_times(
        _int(span.get("startTimeUnixNano", 0)),
        _int(span.get("endTimeUnixNano", 0)),
        received_at=received_at,
        bounds=bounds,
    )
    allowance = Allowance(bounds)
    return SpanRecord(
        trace_id=spans.trace_id(_text(span, "traceId")),
        span_id=spans.span_id(_text(span, "spanId")),
        parent_id=spans.parent_id(_text(span, "parentSpanId")),
        name=allowance.text("name", _text(span, "name"))[: bounds.name_chars],
        start=start,
        end=end,
        attributes=_fields(span, allowance),
        resource=resource,
        status=_status(_object(span, "status")),
        events=_events(_objects(span, "events"), allowance),
        cut=tuple(allowance.cut),
    )


def _status(status: Mapping[str, Any]) -> str:
    code = status.get("code", 0)
    number = STATUS_NAMES.get(code, 0) if isinstance(code, str) else code
    known = isinstance(number, int) and 0 <= number < len(spans.STATUSES)
    return spans.STATUSES[number] if known else "unset"


def _events(events: Sequence[Mapping[str, Any]], allowance: Allowance) -> tuple[SpanEvent, ...]:
    if len(events) > allowance.bounds.events:
        raise UnfitSpan(f"{len(events)} events; at most {allowance.bounds.events} are taken")
    return tuple(
        SpanEvent(
            name=allowance.text("event", _text(event, "name"))[: allowance.bounds.name_chars],
            at=spans.moment(_int(event.get("timeUnixNano", 0)), "event time"),
            attributes=_fields(event, allowance),
        )
        for event in events
    )


def _fields(holder: Mapping[str, Any], allowance: Allowance, *, what: str = "attributes") -> Fields:
    pairs = _objects(holder, "attributes")
    return allowance.pairs([_pair(pair, allowance, 1) for pair in pairs], what=what)


def _pair(pair: Mapping[str, Any], allowance: Allowance, depth: int) -> tuple[str, Value]:
    key = _text(pair, "key")
    return allowance.text("key", key), _value(key, _object(pair, "value"), allowance, depth)


def _value(key: str, value: Mapping[str, Any], allowance: Allowance, depth: int) -> Value:  # noqa: PLR0911
    allowance.spend(depth)
    match value:
        case {"stringValue": str(text)} | {"bytesValue": str(text)}:
            return allowance.text(key, text)
        case {"boolValue": bool(truth)}:
            return truth
        case {"intValue": number}:
            return _int(number)
        case {"doubleValue": number}:
            return _double(number)
        case {"arrayValue": dict(array)}:
            members = _objects(array, "values")
            return tuple(_value(key, member, allowance, depth + 1) for member in members)
        case {"kvlistValue": dict(table)}:
            entries = _objects(table, "values")
            return dict(_pair(entry, allowance, depth + 1) for entry in entries)
        case _ if KINDS.isdisjoint(value):
            return None
        case _:
            raise UnfitSpan(f"{spans.shown(key)} holds a value that is not of the kind it says")


def _text(holder: Mapping[str, Any], name: str) -> str:
    text = holder.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise UnfitSpan(f"{name} must be text")
    return text


def _int(number: object) -> int:
    """A 64-bit integer: OTLP/JSON writes them as text, some senders as numbers."""
    if isinstance(number, str) and 0 < len(number) <= N_LONGEST_INT_DIGITS:
        try:
            number = int(number)
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, int) or number not in WIDE:
        raise UnfitSpan("expected a whole number of at most 64 bits")
    return number


def _double(number: object) -> Value:
    if isinstance(number, str) and number in {"NaN", "Infinity", "-Infinity"}:
        return str(float(number))
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise UnfitSpan("expected a number")
    return float(number) if math.isfinite(number) else str(number)
