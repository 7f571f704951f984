"""A record as a rule looks at it, and a rule's first word about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from incidents.ingest import vocabulary as v
from incidents.ingest.spans import Fields, Value
from incidents.ingest.stitch import Record
from incidents.rules.facts import Facts, Listed
from incidents.rules.schema import Service

SERVICES: Final[Mapping[str, Service]] = {
    "execute_tool": Service.TOOL_CALL,
    "chat": Service.INFERENCE,
    "generate_content": Service.INFERENCE,
    "text_completion": Service.INFERENCE,
    "invoke_agent": Service.AGENT,
    "create_agent": Service.AGENT,
    "invoke_workflow": Service.AGENT,
    "plan": Service.AGENT,
    "retrieval": Service.RETRIEVAL,
    "embeddings": Service.RETRIEVAL,
}


@dataclass(frozen=True, slots=True)
class View:
    """One record with the registry's facts beside it, and the services it is looked at under."""

    record: Record
    fields: Fields
    services: frozenset[Service]
    facts: Facts
    is_new: bool

    @classmethod
    def of(cls, record: Record, facts: Facts, *, is_new: bool) -> "View":
        """The record with what the registry says of its deployment; the registry wins."""
        own: dict[str, Value] = {
            "strata.span.name": record.name,
            "strata.span.status": record.status,
            "strata.trace.id": record.id.partition(":")[0],
        }
        fields = {**record.fields, **own, **facts.fields(record.deployment)}
        return cls(record, fields, services(fields), facts, is_new)

    @property
    def deployment(self) -> str:
        """The deployment's key."""
        return self.record.deployment

    def listed(self, name: str) -> Listed:
        """The registry's list of this name for the record's deployment."""
        return self.facts.listed(self.record.deployment, name)


def services(fields: Fields) -> frozenset[Service]:
    """Under which services a record is looked at; each is at least `deployment`'s."""
    found = {Service.DEPLOYMENT}
    if service := SERVICES.get(str(fields.get(v.OPERATION, ""))):
        found.add(service)
    if fields.get("mcp.method.name"):
        found.add(Service.MCP)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule met once or several times, by these records.

    `told`: the values the rule objects to. An absence has no record; it says its deployment and
    time itself.
    """

    views: tuple[View, ...]
    count: int = 1
    told: Mapping[str, Value] = field(default_factory=dict)
    expected: str = ""
    absent: str = ""
    absent_at: datetime | None = None

    @classmethod
    def of(cls, view: View) -> "Hit":
        """One record that meets a detection."""
        return cls((view,))

    @property
    def deployment(self) -> str:
        """The deployment of the records, or the one that is silent."""
        return self.views[-1].deployment if self.views else self.absent

    @property
    def at(self) -> datetime:
        """When: the last record's time, or the time silence was noticed."""
        if self.absent_at is not None:
            return self.absent_at
        return self.views[-1].record.at

    def value(self, name: str) -> Value:
        """A field's value: what was objected to, else the newest record that has it."""
        if name in self.told:
            return self.told[name]
        found = (view.fields[name] for view in reversed(self.views) if name in view.fields)
        return next(found, None)
