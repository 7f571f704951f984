"""Spans of the demonstration's agent, sent as OTLP/HTTP protobuf."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from compliance import clock

RETRIED = frozenset({429, 502, 503, 504})
N_TRIES = 5
N_MOST_WAIT_SECONDS = 10.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Said = str | int | float | bool


class NotDelivered(Exception):  # It says what happened to the spans.
    """The receiver would not take the spans; the message says what it answered."""


@dataclass(slots=True)
class OpenSpan:
    """A span that has begun; `close` it when what it describes is over."""

    trace_id: bytes
    name: str
    attributes: dict[str, Said]
    parent_id: bytes = b""
    span_id: bytes = field(default_factory=lambda: secrets.token_bytes(8))
    began_at: datetime = field(default_factory=clock.now)

    def close(self) -> Span:
        """The span as OTLP's message, ended now."""
        return Span(
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_span_id=self.parent_id,
            name=self.name,
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=_nanoseconds(self.began_at),
            end_time_unix_nano=_nanoseconds(clock.now()),
            attributes=pairs(self.attributes),
            status=Status(code=Status.STATUS_CODE_OK),
        )


def _nanoseconds(at: datetime) -> int:
    since = at - EPOCH
    return ((since.days * 86400 + since.seconds) * 10**6 + since.microseconds) * 1000


def pairs(fields: Mapping[str, Said]) -> list[KeyValue]:
    """The fields as OTLP's attributes."""
    return [KeyValue(key=key, value=_value(value)) for key, value in fields.items()]


def _value(value: Said) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case _:
            return AnyValue(string_value=value)


@dataclass(slots=True)
class Exporter:
    """Sends spans of one resource to one address, and counts what became of them."""

    url: str
    token: str
    resource: Mapping[str, Said]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10))
    n_accepted: int = 0
    n_rejected: int = 0

    def send(self, spans: Sequence[Span]) -> str:
        """Deliver the spans; the receiver's complaint, empty when it took all.

        Raises:
            NotDelivered: refused for good, or still busy after several tries.
        """
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add(resource=Resource(attributes=pairs(self.resource)))
        group.scope_spans.add(spans=spans)
        response = self._post(request.SerializeToString())
        partial = ExportTraceServiceResponse.FromString(response.content).partial_success
        self.n_rejected += partial.rejected_spans
        self.n_accepted += len(spans) - partial.rejected_spans
        return str(partial.error_message)

    def _post(self, body: bytes) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/x-protobuf",
        }
        attempt = 1
        while True:
            response = self.client.post(self.url, content=body, headers=headers)
            if response.is_success:
                return response
            if response.status_code not in RETRIED or attempt == N_TRIES:
                said = response.text[:200]
                raise NotDelivered(f"{self.url} answered {response.status_code}: {said!r}")
            time.sleep(_wait_seconds(response, attempt))
            attempt += 1


def _wait_seconds(response: httpx.Response, attempt: int) -> float:
    """What the receiver asks for, else twice as long each time; never long."""
    asked = response.headers.get("Retry-After", "")
    wait = float(asked) if asked.isdigit() else 0.25 * 2**attempt
    return min(wait, N_MOST_WAIT_SECONDS)
