"""One span as the rest of the house sees it, and how much of a span may be taken in.

Telemetry is written by software that talks to a model, so every name and value in it is hostile:
it is bounded here, once, before anything else looks at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Value: TypeAlias = "str | bool | int | float | tuple[Value, ...] | Mapping[str, Value] | None"
Fields: TypeAlias = Mapping[str, Value]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATUSES = ("unset", "ok", "error")
N_TRACE_ID_DIGITS = 32
N_SPAN_ID_DIGITS = 16
HEX_DIGITS = frozenset("0123456789abcdef")
N_LAST_NS = 253_402_300_799 * 10**9  # the last second of the year 9999


class BadPayload(Exception):  # It is the payload that is bad, not the reader.
    """The whole request cannot be read; sending it again will not help.

    `status` is the HTTP status to answer with: 400, 413 (too large) or 415 (not a type we read).
    """

    def __init__(self, reason: str, *, status: int = 400) -> None:
        """Keep the sentence for the sender, and the status beside it."""
        super().__init__(reason)
        self.reason = reason
        self.status = status


class UnfitSpan(Exception):  # Never leaves the decoder; becomes a Rejection.
    """One span breaks a bound; its neighbours are still good."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one request, and one span in it, may hold."""

    body_bytes: int = 8 * 2**20
    decompressed_bytes: int = 32 * 2**20
    spans: int = 20_000
    attributes: int = 256
    events: int = 512
    values: int = 8_192
    depth: int = 16
    key_chars: int = 256
    name_chars: int = 512
    text_chars: int = 65_536
    ahead: timedelta = timedelta(hours=24)


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened inside a span, such as one message of a conversation."""

    name: str
    at: datetime
    attributes: Fields


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One accepted span. Ids are lower-case hex; `parent_id` is empty for a root.

    `cut` names the attributes whose text was longer than the bound: what stands in them is a
    beginning, so nothing may be derived from them as if it were the whole.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: datetime
    end: datetime
    attributes: Fields
    resource: Fields
    status: str = "unset"
    events: tuple[SpanEvent, ...] = ()
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """One span that was not taken in; `position` counts from 0 through the whole request."""

    position: int
    span_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came of one request: every span is in exactly one of the two."""

    spans: tuple[SpanRecord, ...] = ()
    rejected: tuple[Rejection, ...] = ()

    @property
    def n_accepted(self) -> int:
        """How many spans were taken in."""
        return len(self.spans)

    @property
    def n_rejected(self) -> int:
        """How many spans were not."""
        return len(self.rejected)

    @property
    def complaint(self) -> str:
        """The first few reasons in one line, for the sender's log; empty when all were accepted."""
        if not self.rejected:
            return ""
        told = "; ".join(f"span {r.position}: {r.reason}" for r in self.rejected[:5])
        more = "; …" if self.n_rejected > 5 else ""  # noqa: PLR2004  # the same five
        return f"{self.n_rejected} of {self.n_accepted + self.n_rejected} refused. {told}{more}"


@dataclass(slots=True)
class Allowance:
    """What one span (or one resource) may still spend; both decoders draw on it."""

    bounds: Bounds
    n_values: int = 0
    cut: list[str] = field(default_factory=list)

    def spend(self, depth: int) -> None:
        """Count one value at this depth of nesting."""
        self.n_values += 1
        if self.n_values > self.bounds.values:
            raise UnfitSpan(f"more than {self.bounds.values} values; send fewer or shorter lists")
        if depth > self.bounds.depth:
            raise UnfitSpan(f"values nested deeper than {self.bounds.depth}; flatten them")

    def text(self, key: str, text: str) -> str:
        """The text without NUL (no database keeps it), cut at the bound and noted when cut."""
        if len(text) > self.bounds.text_chars:
            self.cut.append(key)
            text = text[: self.bounds.text_chars]
        return text.replace("\0", "\ufffd") if "\0" in text else text

    def pairs(self, pairs: list[tuple[str, Value]], *, what: str = "attributes") -> Fields:
        """One mapping of the pairs; a key sent twice could hide the value that matters."""
        if len(pairs) > self.bounds.attributes:
            raise UnfitSpan(f"{len(pairs)} {what}; at most {self.bounds.attributes} are taken")
        kept: dict[str, Value] = {}
        for key, value in pairs:
            if not key or len(key) > self.bounds.key_chars:
                raise UnfitSpan(f"a key of {len(key)} characters among the {what}")
            if key in kept:
                raise UnfitSpan(f"{shown(key)} is given twice; keys must be unique")
            kept[key.replace("\0", "\ufffd")] = value
        return kept


def shown(text: str, limit: int = 64) -> str:
    """Sender's text made fit for an error message: printable ASCII, quoted, short."""
    return ascii(text[:limit]) + ("…" if len(text) > limit else "")


def trace_id(text: str) -> str:
    """A trace id in lower case, or UnfitSpan."""
    return _hex_id(text, N_TRACE_ID_DIGITS, "trace id")


def span_id(text: str) -> str:
    """A span id in lower case, or UnfitSpan."""
    return _hex_id(text, N_SPAN_ID_DIGITS, "span id")


def parent_id(text: str) -> str:
    """A parent's span id in lower case; empty, or all zeros, means a root."""
    if not text or text == "0" * N_SPAN_ID_DIGITS:
        return ""
    return _hex_id(text, N_SPAN_ID_DIGITS, "parent span id")


def _hex_id(text: str, n_digits: int, what: str) -> str:
    lowered = text.lower()
    if len(lowered) != n_digits or not HEX_DIGITS.issuperset(lowered):
        raise UnfitSpan(f"{what} {shown(text)} is not {n_digits} hexadecimal digits")
    if lowered == "0" * n_digits:
        raise UnfitSpan(f"{what} is all zeros, which names nothing")
    return lowered


def moment(nanoseconds: int, what: str) -> datetime:
    """A point in time from OTLP's nanoseconds since 1970, to the microsecond."""
    if not 0 < nanoseconds <= N_LAST_NS:
        raise UnfitSpan(f"{what} {nanoseconds} is not a time in nanoseconds since 1970")
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def checked_times(
    start_ns: int, end_ns: int, *, received_at: datetime, bounds: Bounds
) -> tuple[datetime, datetime]:
    """Start and end in order, and not from the future."""
    start, end = moment(start_ns, "start time"), moment(end_ns, "end time")
    if end < start:
        raise UnfitSpan("it ends before it starts; check the sender's clock")
    if end > received_at + bounds.ahead:
        hours = bounds.ahead / timedelta(hours=1)
        raise UnfitSpan(f"it ends more than {hours:g} h ahead of us; check the sender's clock")
    return start, end
