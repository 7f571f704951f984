"""Say of each span who did it: which deployment, model, version, agent and conversation.

The span of a tool call seldom names its caller. So each span is joined with

1. its own attributes, then
2. the latest `chat` beside it (same parent, begun before it), then
3. its ancestors in the trace, nearest first, then
4. the resource, which says what software and which deployment it was.

Spans of one trace arrive in pieces, children usually before their parents. A span whose
ancestors are not all here is given out at once, so that no alert waits for it, and once more
(`revision` 1, same id) if they arrive within the window. What must be remembered between two
batches is `Carried`, a plain value: the caller keeps it, in the same transaction as the records.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from incidents.ingest import normalise as n
from incidents.ingest import vocabulary as v
from incidents.ingest.spans import Fields, SpanRecord, Value

N_MOST_CARRIED: Final = 20_000
N_HIGHEST_ANCESTOR: Final = 64
N_LONGEST_NAME: Final = 200
WINDOW: Final = timedelta(minutes=10)

INHERITED: Final = (
    "gen_ai.agent.id",
    "gen_ai.agent.name",
    "gen_ai.agent.version",
    v.CONVERSATION,
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.prompt.name",
    "gen_ai.prompt.version",
    "enduser.id",
    v.PROMPT_SHA256,
    v.TOOLS_SHA256,
    v.WEIGHTS_SHA256,
)


@dataclass(frozen=True, slots=True)
class Record:
    """One span with its context: what rules judge, what the store keeps, what a page shows.

    `fields` is flat. `inherited` says of each field that the span did not carry itself which span
    (by id), or `resource`, it came from.
    """

    id: str
    at: datetime
    end: datetime
    name: str
    status: str
    deployment: str
    model: str
    version: str
    conversation: str
    agent: str
    fields: Fields
    inherited: Mapping[str, str] = field(default_factory=dict)
    orphan: bool = False
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """What is remembered of a span for the sake of its relatives."""

    trace_id: str
    span_id: str
    parent_id: str
    start: datetime
    operation: str
    context: Fields
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A span given out without its ancestors, and since when it waits for them."""

    span: SpanRecord
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Carried:
    """What one batch leaves for the next."""

    links: tuple[Link, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    def to_json(self) -> str:
        """As text, for the row that keeps it."""
        links = [_link_to_json(each) for each in self.links]
        waiting = [
            {"span": span_to_json(each.span), "arrived_at": each.arrived_at.isoformat()}
            for each in self.waiting
        ]
        return orjson.dumps({"links": links, "waiting": waiting}).decode()

    @classmethod
    def from_json(cls, text: str) -> "Carried":
        """The value that `to_json` wrote."""
        tree = orjson.loads(text)
        waiting = (
            Waiting(span_from_json(each["span"]), datetime.fromisoformat(each["arrived_at"]))
            for each in tree["waiting"]
        )
        return cls(tuple(_link_from_json(each) for each in tree["links"]), tuple(waiting))


NOTHING_CARRIED: Final = Carried()


@dataclass(frozen=True, slots=True)
class Stitched:
    """The records of one batch, what to carry on, and how much had to be forgotten for room."""

    records: tuple[Record, ...]
    carried: Carried
    n_forgotten: int = 0


def stitch(
    batch: Iterable[SpanRecord],
    *,
    carried: Carried = NOTHING_CARRIED,
    received_at: datetime,
    deployment: str = "",
    window: timedelta = WINDOW,
) -> Stitched:
    """Join each span of the batch with its context.

    Args:
        batch: spans as decoded; they are normalised here.
        carried: what the batch before left for this deployment.
        received_at: when the batch came in.
        deployment: the key the sender's token is bound to. It outranks what the sender calls
            itself; a different claim is kept in `strata.deployment.claimed`.
        window: how long relatives wait for each other.
    """
    spans = [n.normalise(span) for span in batch]
    family = _Family.of([*carried.links, *(_link(span, received_at) for span in spans)])
    records = [_record(span, family, deployment) for span in spans]
    waiting = [w for w in carried.waiting if w.arrived_at >= received_at - window]
    settled, still_waiting = _settle(waiting, family, deployment)
    orphans = [Waiting(s, received_at) for s, r in zip(spans, records, strict=True) if r.orphan]
    kept, n_forgotten = _within(family.links, [*still_waiting, *orphans], received_at - window)
    return Stitched((*records, *settled), kept, n_forgotten)


def _settle(
    waiting: Sequence[Waiting], family: "_Family", deployment: str
) -> tuple[list[Record], list[Waiting]]:
    """Second versions of the spans whose ancestors have come, and those that still wait."""
    settled, still = [], []
    for each in waiting:
        if family.is_whole(each.span):
            settled.append(replace(_record(each.span, family, deployment), revision=1))
        else:
            still.append(each)
    return settled, still


def _within(
    links: Iterable[Link], waiting: Sequence[Waiting], since: datetime
) -> tuple[Carried, int]:
    """What is young enough to keep, the youngest first when there is no room for all."""
    young = sorted((x for x in links if x.arrived_at >= since), key=lambda x: x.arrived_at)
    kept_links, kept_waiting = young[-N_MOST_CARRIED:], waiting[-N_MOST_CARRIED:]
    n_forgotten = len(young) - len(kept_links) + len(waiting) - len(kept_waiting)
    return Carried(tuple(kept_links), tuple(kept_waiting)), n_forgotten


@dataclass(frozen=True, slots=True)
class _Family:
    """The spans of all traces at hand, to be asked for relatives."""

    by_id: Mapping[tuple[str, str], Link]
    chats: Mapping[tuple[str, str], Sequence[Link]]

    @classmethod
    def of(cls, links: Iterable[Link]) -> "_Family":
        by_id = {(each.trace_id, each.span_id): each for each in links}
        chats: dict[tuple[str, str], list[Link]] = {}
        for each in sorted(by_id.values(), key=lambda x: x.start):
            if each.operation == "chat" and each.parent_id:
                chats.setdefault((each.trace_id, each.parent_id), []).append(each)
        return cls(by_id, chats)

    @property
    def links(self) -> Iterable[Link]:
        return self.by_id.values()

    def relatives(self, span: SpanRecord) -> Iterator[Link]:
        """The chat beside the span, then its ancestors."""
        beside = self.chats.get((span.trace_id, span.parent_id), ())
        earlier = [each for each in beside if each.start <= span.start]
        if earlier and earlier[-1].span_id != span.span_id:
            yield earlier[-1]
        yield from self.ancestors(span)

    def ancestors(self, span: SpanRecord) -> Iterator[Link]:
        """The spans above, nearest first; a circle ends the walk."""
        seen = {span.span_id}
        above = self.by_id.get((span.trace_id, span.parent_id))
        while above and above.span_id not in seen and len(seen) < N_HIGHEST_ANCESTOR:
            yield above
            seen.add(above.span_id)
            above = self.by_id.get((above.trace_id, above.parent_id))

    def is_whole(self, span: SpanRecord) -> bool:
        """Whether every ancestor is here: nobody at the top names a parent that is not."""
        top = (span.parent_id, *(each.parent_id for each in self.ancestors(span)))[-1]
        return not top or (span.trace_id, top) in self.by_id


def _link(span: SpanRecord, arrived_at: datetime) -> Link:
    context = {name: span.attributes[name] for name in INHERITED if name in span.attributes}
    operation = str(span.attributes.get(v.OPERATION, ""))
    return Link(
        span.trace_id, span.span_id, span.parent_id, span.start, operation, context, arrived_at
    )


def _record(span: SpanRecord, family: _Family, deployment: str) -> Record:
    fields: dict[str, Value] = dict(span.attributes)
    inherited: dict[str, str] = {}
    for relative in family.relatives(span):
        _inherit(fields, inherited, relative.context, relative.span_id)
    _inherit(fields, inherited, span.resource, "resource")
    claimed = deployment_key(span.resource)
    if deployment and claimed not in ("", deployment):
        fields["strata.deployment.claimed"] = claimed
    return Record(
        id=f"{span.trace_id}:{span.span_id}",
        at=span.start,
        end=span.end,
        name=span.name,
        status=span.status,
        deployment=deployment or claimed,
        model=_said(fields, "gen_ai.response.model", "gen_ai.request.model"),
        version=_said(fields, "service.version"),
        conversation=_said(fields, v.CONVERSATION),
        agent=_said(fields, "gen_ai.agent.id", "gen_ai.agent.name"),
        fields=fields,
        inherited=inherited,
        orphan=not family.is_whole(span),
    )


def _inherit(fields: dict[str, Value], inherited: dict[str, str], given: Fields, by: str) -> None:
    for name, value in given.items():
        if name not in fields:
            fields[name] = value
            inherited[name] = by


def deployment_key(resource: Fields) -> str:
    """What the sender calls itself: its `service.name`."""
    return _said(resource, "service.name")


def _said(fields: Fields, *names: str) -> str:
    """The first of the names that says something, fit for a column."""
    said = next((fields[name] for name in names if fields.get(name)), "")
    return n.plain(n.as_text(said)[:N_LONGEST_NAME])


def record_to_json(record: Record) -> dict[str, Any]:
    """The record as plain JSON values, for the store."""
    plain = {name: getattr(record, name) for name in Record.__slots__}
    return {**plain, "at": record.at.isoformat(), "end": record.end.isoformat()}


def record_from_json(tree: Mapping[str, Any]) -> Record:
    """The record that `record_to_json` wrote."""
    times = {name: datetime.fromisoformat(tree[name]) for name in ("at", "end")}
    return Record(**{**tree, **times, "fields": n.frozen(tree["fields"])})


def span_to_json(span: SpanRecord) -> dict[str, Any]:
    """What stitching needs of a normalised span, as plain JSON values; its events are left out."""
    plain = {name: getattr(span, name) for name in SpanRecord.__slots__ if name != "events"}
    return {**plain, "start": span.start.isoformat(), "end": span.end.isoformat()}


def span_from_json(tree: Mapping[str, Any]) -> SpanRecord:
    """The span that `span_to_json` wrote."""
    times = {name: datetime.fromisoformat(tree[name]) for name in ("start", "end")}
    fields = {name: n.frozen(tree[name]) for name in ("attributes", "resource", "cut")}
    return SpanRecord(**{**tree, **times, **fields})


def _link_to_json(link: Link) -> dict[str, Any]:
    plain = {name: getattr(link, name) for name in Link.__slots__}
    return {
        **plain, "start": link.start.isoformat(), "arrived_at": link.arrived_at.isoformat()
    }  # fmt: skip


def _link_from_json(tree: Mapping[str, Any]) -> Link:
    times = {name: datetime.fromisoformat(tree[name]) for name in ("start", "arrived_at")}
    return Link(**{**tree, **times, "context": n.frozen(tree["context"])})
