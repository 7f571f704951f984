"""What pages read from the second floor, each filtered by who asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from compliance import queries as ground
from compliance.actors import Actor
from compliance.audit import log
from compliance.audit.log import Line
from compliance.clock import now
from compliance.models import ClockInstance, Deployment, Subject
from compliance.permissions import Permission as P  # noqa: N817 - a table of them
from incidents.models import (
    Alert,
    DetectionRule,
    EscalationStep,
    Event,
    Hold,
    InboxRow,
    Incident,
    Intake,
    Lesson,
    Page,
    PriorNotice,
    Review,
    Rollback,
    Shift,
    StitchState,
)

SEVERITIES = Incident.Severity.choices
PRIOR_CHOICES = PriorNotice.Choice.choices
UNRESOLVED = ("open", "acknowledged", "contained")
COUNTING = ("running", "overdue", "overdue_immediate")
WORK_LEFT = (*UNRESOLVED, "resolved", "in_review")


def _visible(actor: Actor, permission: P) -> QuerySet[Subject]:
    visible: QuerySet[Subject] = Subject.objects.visible_to(actor, permission)
    return visible


def deployments_for(actor: Actor) -> QuerySet[Deployment]:
    """Deployments whose telemetry the actor may read."""
    visible = _visible(actor, P.EVENT_READ)
    return Deployment.objects.filter(subject__in=visible).select_related(
        "system", "subject", "serves__model", "stitch_state", "intake"
    )


def events_for(actor: Actor) -> QuerySet[Event]:
    """What visible deployments did."""
    visible = _visible(actor, P.EVENT_READ)
    return Event.objects.filter(deployment__subject__in=visible).select_related(
        "deployment__subject"
    )


def alerts_for(actor: Actor) -> QuerySet[Alert]:
    """Alerts of visible deployments. A restricted incident hides itself, never its alert."""
    visible = _visible(actor, P.EVENT_READ)
    return Alert.objects.filter(deployment__subject__in=visible).select_related(
        "deployment__subject", "version__model", "incident__subject"
    )


def quarantined_for(actor: Actor) -> QuerySet[InboxRow]:
    """Bodies that were set aside."""
    visible = _visible(actor, P.EVENT_READ)
    return InboxRow.objects.filter(deployment__subject__in=visible, state="quarantined").defer(
        "body"
    )


def incidents_for(actor: Actor) -> QuerySet[Incident]:
    """Incidents."""
    visible = _visible(actor, P.INCIDENT_READ)
    return Incident.objects.filter(subject__in=visible).select_related(
        "subject", "deployment__system__entity", "deployment__subject", "version__model",
        "acknowledged_by",
    )  # fmt: skip


def holds_for(actor: Actor) -> QuerySet[Hold]:
    """Holds of visible incidents."""
    return Hold.objects.filter(incident__in=incidents_for(actor)).select_related(
        "incident__subject", "snapshot", "placed_by"
    )


def rollbacks_for(actor: Actor) -> QuerySet[Rollback]:
    """Rollbacks of visible incidents."""
    return Rollback.objects.filter(incident__in=incidents_for(actor)).select_related(
        "incident__subject", "incident__deployment", "deployment", "from_version__model",
        "to_version__model", "requested_by", "approved_by", "approval",
    )  # fmt: skip


def reviews_for(actor: Actor) -> QuerySet[Review]:
    """Reviews of visible incidents."""
    return Review.objects.filter(incident__in=incidents_for(actor)).select_related(
        "incident__subject", "incident__deployment", "incident__version__model", "started_by"
    )


def lessons_for(actor: Actor) -> QuerySet[Lesson]:
    """Lessons of visible reviews."""
    return Lesson.objects.filter(review__in=reviews_for(actor)).select_related(
        "review__incident__subject", "review__incident__deployment", "added_by"
    )


def pages_for(actor: Actor) -> QuerySet[Page]:
    """Calls about visible incidents."""
    return Page.objects.filter(incident__in=incidents_for(actor)).select_related(
        "incident__subject", "person"
    )


def rules_for(actor: Actor) -> QuerySet[DetectionRule]:
    """Detection rules this installation added."""
    visible = _visible(actor, P.RULE_READ)
    return DetectionRule.objects.filter(subject__in=visible).select_related("subject", "added_by")


def shifts_for(actor: Actor) -> QuerySet[Shift]:
    """The rota, for everybody who may read incidents."""
    if not actor.may(P.INCIDENT_READ):
        return Shift.objects.none()
    return Shift.objects.select_related("person").order_by("starts_at", "rung")


def ladder_steps() -> QuerySet[EscalationStep]:
    """The rungs as they are set up; none means the default ladder."""
    return EscalationStep.objects.order_by("rung")


@dataclass(frozen=True)
class Counters:
    """Every accepted request of one deployment, accounted for."""

    accepted: int
    judged: int
    quarantined: int
    waiting: int
    repeated: int

    @property
    def adds_up(self) -> bool:
        """Whether nothing accepted is missing."""
        return self.accepted == self.judged + self.quarantined + self.waiting


def counters(deployment: Deployment) -> Counters:
    """Accepted, and what became of it."""
    return counters_by_deployment([deployment])[deployment.pk]


def counters_by_deployment(deployments: Iterable[Deployment]) -> dict[int, Counters]:
    """The same of many, by the deployment's primary key; one query where intakes were joined."""
    found = list(deployments)
    rows = (
        InboxRow.objects.filter(deployment__in=found)
        .values("deployment")
        .annotate(
            quarantined=Count("pk", filter=Q(state="quarantined")),
            waiting=Count("pk", filter=~Q(state="quarantined")),
        )
    )
    inbox = {row["deployment"]: (row["quarantined"], row["waiting"]) for row in rows}
    return {each.pk: _counters(each, *inbox.get(each.pk, (0, 0))) for each in found}


def _counters(deployment: Deployment, quarantined: int, waiting: int) -> Counters:
    intake: Intake | None = getattr(deployment, "intake", None)
    state = state_of(deployment)
    return Counters(
        accepted=intake.n_accepted if intake else 0,
        judged=state.n_judged if state else 0,
        quarantined=quarantined,
        waiting=waiting,
        repeated=intake.n_repeated if intake else 0,
    )


def state_of(deployment: Deployment) -> StitchState | None:
    """What judging knows of a deployment; joined by `deployments_for`."""
    return getattr(deployment, "stitch_state", None)


def unresolved_by_deployment(deployments: Iterable[Deployment]) -> dict[int, int]:
    """How many alerts stand, by the deployment's primary key; absent where none does."""
    standing = Alert.objects.filter(deployment__in=list(deployments)).exclude(state="resolved")
    counted = standing.values("deployment").annotate(n=Count("pk"))
    return {row["deployment"]: row["n"] for row in counted}


def next_clocks(incidents: Iterable[Incident], actor: Actor) -> dict[UUID, ClockInstance]:
    """Of each incident's counting clocks the one with the least time left, by the incident's uuid."""
    standing = counting_clocks(actor).filter(about_uuid__in=[each.uuid for each in incidents])
    # The last one set under a key stays, so the soonest comes last.
    return {clock.about_uuid: clock for clock in reversed(list(standing))}


def counting_clocks(actor: Actor) -> QuerySet[ClockInstance]:
    """Clocks that count down or are overdue, by time left."""
    counting = ground.clocks_for(actor).filter(state__in=COUNTING)
    return counting.order_by("target_due")


def oldest_waiting() -> datetime | None:
    """Since when the oldest unjudged request waits: the age of the queue."""
    oldest = InboxRow.objects.filter(state="queued").order_by("received_at").first()
    return oldest.received_at if oldest else None


def records_of(alert: Alert, *, limit: int = 50) -> list[Event]:
    """The records that an alert rests on, oldest first."""
    rows = Event.objects.filter(deployment=alert.deployment, record_id__in=alert.record_ids[:500])
    return list(rows.order_by("at")[:limit])


def incident_timeline(incident: Incident, actor: Actor) -> list[Line]:
    """Everything about an incident: its own subject, and its alerts inside the deployment."""
    if not actor.may(P.INCIDENT_READ, incident.subject):
        return []
    lines = log.entries(subjects=[incident.subject.uuid], limit=500)
    alerts = list(incident.alerts.values_list("uuid", flat=True))
    if alerts:
        lines += log.entries(objects=alerts, limit=500)
    return sorted(lines, key=lambda line: (line.at, str(line.uuid)))


def deployment_timeline(deployment: Deployment, actor: Actor, *, limit: int = 50) -> list[Line]:
    """The newest lines about a deployment."""
    if not actor.may(P.EVENT_READ, deployment.subject):
        return []
    return log.entries(subjects=[deployment.subject.uuid], limit=limit, newest_first=True)


def on_call_now() -> dict[int, list[str]]:
    """Names on each rung at this moment."""
    at = now()
    found: dict[int, list[str]] = {}
    for shift in Shift.objects.filter(starts_at__lte=at, ends_at__gt=at).select_related("person"):
        found.setdefault(shift.rung, []).append(shift.person.name)
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class Day:
    """One day of the rota as the grid shows it."""

    starts_at: datetime
    shifts: list[Shift]


def week(actor: Actor, monday: datetime) -> list[Day]:
    """Seven days from an instant, each with the shifts that touch it."""
    days = [monday + timedelta(days=n) for n in range(7)]
    shifts = list(
        shifts_for(actor).filter(ends_at__gt=monday, starts_at__lt=monday + timedelta(days=7))
    )
    return [Day(day, _touching(shifts, day, day + timedelta(days=1))) for day in days]


def _touching(shifts: Iterable[Shift], start: datetime, end: datetime) -> list[Shift]:
    return [shift for shift in shifts if shift.starts_at < end and shift.ends_at > start]


def rollback_targets(incident: Incident, actor: Actor) -> list[tuple[str, str]]:
    """Versions of the same system that a rollback could go to: uuid and name."""
    versions = ground.versions_for(actor).filter(
        model__system=incident.deployment.system, state="registered"
    )
    others = versions.exclude(pk=incident.version_id) if incident.version_id else versions
    return [(str(version.uuid), str(version)) for version in others.order_by("-pk")]
