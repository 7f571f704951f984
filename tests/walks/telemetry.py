"""Telemetry as a deployment's exporter sends it: one request, as protobuf or as JSON."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from config.demo.telemetry import OpenSpan, pairs

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def tool_call(tool: str) -> Span:
    """A span, over by now, in which the agent called a tool."""
    named = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    return OpenSpan(secrets.token_bytes(16), f"execute_tool {tool}", {**named}).close()


@dataclass(frozen=True)
class Exporter:
    """One deployment's exporter: where it sends, as whom, and which weights it runs."""

    base: str
    deployment: str
    token: str = field(repr=False)

    def request(self, *spans: Span, weights: str) -> ExportTraceServiceRequest:
        """What is sent, before it has a form."""
        said = {"service.name": self.deployment, "strata.weights.sha256": weights}
        made = ExportTraceServiceRequest()
        group = made.resource_spans.add(resource=Resource(attributes=pairs({**said})))
        group.scope_spans.add(spans=spans)
        return made

    def send(self, body: bytes, content_type: str) -> int:
        """POST it; the status."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        asked = urllib.request.Request(f"{self.base}/v1/traces", body, headers)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def say(self, *spans: Span, weights: str) -> int:
        """Send as protobuf."""
        return self.send(self.request(*spans, weights=weights).SerializeToString(), PROTOBUF)


def as_json(request: ExportTraceServiceRequest) -> bytes:
    """OTLP's JSON, in which ids are hexadecimal where protobuf's own JSON has base64."""
    said = json_format.MessageToDict(request, use_integers_for_enums=True)
    for group in said["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId"):
                    span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(said).encode()
