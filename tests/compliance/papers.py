"""An incident as the ground floor knows it: a subject, a kind and a uuid; and its reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from compliance.actors import Actor
from compliance.clock import now
from compliance.models import ClockInstance, Report, Subject
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import zulu
from compliance.services import deadline, report, subject


@dataclass(frozen=True)
class Incident:
    """What upper storeys hand down."""

    subject: Subject
    kind: str = "incident"

    @property
    def uuid(self) -> UUID:
        """The subject's own."""
        return self.subject.uuid

    @property
    def ref(self) -> str:
        """As log entries say it."""
        return f"{self.kind}:{self.uuid}"


def make_incident(
    label: str = "INC-1: keys left the house", *, restricted: bool = False
) -> Incident:
    """An incident with a subject of its own."""
    return Incident(subject.make("incident", label, restricted=restricted))


def serious(aware_at: datetime | None = None, **more: object) -> Facts:
    """A serious incident of which somebody became aware two hours ago, unless told otherwise."""
    aware = aware_at or now() - timedelta(hours=2)
    return Facts.from_json(
        {
            "aware_at": zulu(aware),
            "serious_incident": True,
            "recipient_zone": "Europe/Berlin",
            **more,
        }
    )


def facts_known(*, simulation: bool = True) -> report.IncidentFacts:
    """What the incident's records know: one thing measured, one attested, the rest not."""
    return report.IncidentFacts(
        reference="INC-1",
        title="Keys left the house",
        is_simulation=simulation,
        known={
            "incident.summary": report.Known(
                "A key was sent\r\nto a stranger.", report.Mark.ATTESTED, "Bo"
            ),
            "incident.version": report.Known("Model 1 1.1.0", report.Mark.MEASURED, "event:0193"),
        },
    )


def house_clock(
    incident: Incident, *, by: Actor, aware_at: datetime | None = None
) -> ClockInstance:
    """The house's own clock of a serious incident."""
    clocks = deadline.compute(incident.subject, incident, serious(aware_at), by=by)
    return next(clock for clock in clocks if clock.regime == "house-72h")


def draft(incident: Incident, *, by: Actor, simulation: bool = True) -> Report:
    """A draft of the house's report."""
    clock = house_clock(incident, by=by)
    return report.start(incident, clock, incident_facts=facts_known(simulation=simulation), by=by)


def answered(incident: Incident, *, by: Actor, simulation: bool = True) -> Report:
    """A draft in which every field is answered or stated as unknown."""
    begun = draft(incident, by=by, simulation=simulation)
    unknown = {"status": "unknown", "why": "the review is not over"}
    report.revise(begun, {each.id: unknown for each in report.missing(begun)}, by=by)
    return begun
