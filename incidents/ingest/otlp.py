"""OTLP/HTTP for traces: a request body in, bounded spans out, and the answer to send back.

1. Bound the body, unpack gzip without trusting its size.
2. Read protobuf or JSON by content type.
3. Take each span that keeps the bounds; say of each other why not.

A request that cannot be read at all raises BadPayload and nothing else. One bad span does not cost
its neighbours: it is told to the sender as OTLP's partial success, which must not be sent again.
"""

import zlib
from datetime import datetime
from typing import Final

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from incidents.ingest import otlp_json, otlp_protobuf
from incidents.ingest.spans import (
    BOUNDS,
    BadPayload,
    Bounds,
    Decoded,
    Rejection,
    SpanEvent,
    SpanRecord,
    Value,
)

__all__ = [
    "BOUNDS",
    "JSON",
    "PROTOBUF",
    "BadPayload",
    "Bounds",
    "Decoded",
    "Rejection",
    "SpanEvent",
    "SpanRecord",
    "Value",
    "answer",
    "answer_type",
    "decode",
    "refusal",
]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
READERS = {PROTOBUF: otlp_protobuf.read, JSON: otlp_json.read}
N_MOST_GZIP_MEMBERS = 64
GZIP_WINDOW = 31  # zlib's word for "a gzip header and nothing else"
INVALID_ARGUMENT = 3
RESOURCE_EXHAUSTED = 8
UNAUTHENTICATED = 16
UNAVAILABLE = 14
GRPC_CODES = {400: INVALID_ARGUMENT, 401: UNAUTHENTICATED, 413: RESOURCE_EXHAUSTED,
              415: INVALID_ARGUMENT, 429: RESOURCE_EXHAUSTED, 503: UNAVAILABLE}  # fmt: skip


def decode(
    body: bytes,
    *,
    content_type: str,
    content_encoding: str = "",
    received_at: datetime,
    bounds: Bounds = BOUNDS,
) -> Decoded:
    """The spans of one request, accepted and rejected.

    Raises:
        BadPayload: too large, of a type or encoding we do not read, or not OTLP at all.
    """
    reader = READERS.get(_media_type(content_type))
    if reader is None:
        raise BadPayload(f"content type must be {PROTOBUF} or {JSON}", status=415)
    plain = _unpacked(body, content_encoding.strip().lower(), bounds)
    accepted: list[SpanRecord] = []
    rejected: list[Rejection] = []
    for each in reader(plain, received_at=received_at, bounds=bounds):
        if isinstance(each, SpanRecord):
            accepted.append(each)
        else:
            rejected.append(each)
        if len(accepted) + len(rejected) > bounds.spans:
            raise BadPayload(f"more than {bounds.spans} spans; send smaller batches", status=413)
    return Decoded(tuple(accepted), tuple(rejected))


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _unpacked(body: bytes, encoding: str, bounds: Bounds) -> bytes:
    if len(body) > bounds.body_bytes:
        raise BadPayload(f"the body is larger than {bounds.body_bytes} bytes", status=413)
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise BadPayload("content encoding must be gzip or none", status=415)
    return _gunzipped(body, bounds.decompressed_bytes)


def _gunzipped(body: bytes, limit: int) -> bytes:
    """The unpacked body, never holding more than one byte beyond the limit."""
    parts: list[bytes] = []
    room = limit + 1
    for _ in range(N_MOST_GZIP_MEMBERS):
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        try:
            parts.append(unpacker.decompress(body, room))
        except zlib.error as error:
            raise BadPayload("the body is not gzip") from error
        room -= len(parts[-1])
        if room <= 0:
            raise BadPayload(f"unpacks to more than {limit} bytes", status=413)
        if not unpacker.eof:
            raise BadPayload("the gzip body ends early")
        body = unpacker.unused_data
        if not body:
            return b"".join(parts)
    raise BadPayload(f"more than {N_MOST_GZIP_MEMBERS} gzip members")


def answer_type(content_type: str) -> str:
    """The content type of the answer: the request's own, or JSON when we could not read it."""
    asked = _media_type(content_type)
    return asked if asked in READERS else JSON


def answer(decoded: Decoded, *, content_type: str) -> bytes:
    """ExportTraceServiceResponse; `partial_success` is left out when every span was accepted."""
    if answer_type(content_type) == JSON:
        partial = {"rejectedSpans": str(decoded.n_rejected), "errorMessage": decoded.complaint}
        return orjson.dumps({"partialSuccess": partial} if decoded.rejected else {})
    response = ExportTraceServiceResponse()
    if decoded.rejected:
        response.partial_success.rejected_spans = decoded.n_rejected
        response.partial_success.error_message = decoded.complaint
    serialised: bytes = response.SerializeToString()
    return serialised


def refusal(error: BadPayload, *, content_type: str) -> bytes:
    """google.rpc.Status for a request that was not taken in."""
    code = GRPC_CODES.get(error.status, INVALID_ARGUMENT)
    if answer_type(content_type) == JSON:
        return orjson.dumps({"code": code, "message": error.reason})
    message = error.reason.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(message)) + message


def _varint(number: int) -> bytes:
    """A protobuf varint. google.rpc.Status has two fields; a dependency for it would be much."""
    low = bytearray()
    while number > 0x7F:  # noqa: PLR2004  # seven bits a byte
        low.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*low, number])
