"""Raise alerts from what rules matched: once for each group, counted while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from compliance.actors import Actor
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import Deployment
from compliance.phrase import kept, said
from incidents.models import Alert, Incident
from incidents.rules.engine import Match
from incidents.services import incident as incidents
from incidents.states import ALERT

OPENS_INCIDENT = frozenset({"critical"})
MOST_SAMPLES = 500
DISPOSITIONS = (
    "true_positive",
    "benign_expected",
    "false_positive",
    "test",
    "duplicate",
    "insufficient_information",
)


@dataclass(frozen=True)
class Sign:
    """What an alert is raised from: a rule's match, or a finding of the house itself."""

    rule_key: str
    rule_version: str
    rule_sha256: str
    level: str
    title: str
    fingerprint: str
    fields: Mapping[str, str]
    record_ids: tuple[str, ...]
    count: int
    first_at: datetime
    last_at: datetime
    expected: str = ""
    runbook: str = ""


def sign_of(match: Match) -> Sign:
    """A rule's match as an alert needs it."""
    return Sign(
        rule_key=match.rule_key,
        rule_version=str(match.rule_version),
        rule_sha256=match.rule_sha256,
        level=str(match.level),
        title=match.title,
        fingerprint=match.fingerprint,
        fields={**match.group_by, **match.fields},
        record_ids=match.record_ids,
        count=match.count,
        first_at=match.first_at,
        last_at=match.last_at,
        expected=match.expected,
        runbook=match.runbook,
    )


@transaction.atomic
def raise_from(
    sign: Sign | Match, deployment: Deployment, *, observed_sha256: str = "", by: Actor
) -> Alert:
    """One alert for each fingerprint; the same again while it is unresolved counts up.

    A critical one opens an incident on the exact version observed. Any other joins the incident
    that stands open on its deployment, if there is one, and otherwise waits for a person.
    """
    told = sign_of(sign) if isinstance(sign, Match) else sign
    if (standing := _standing(told)) is not None:
        return _again(standing, told)
    try:
        with transaction.atomic():
            raised = _raise(told, deployment, observed_sha256, by)
    except IntegrityError:
        # Another worker raised the same one between the look and the insert.
        return _again(
            Alert.objects.exclude(state="resolved").get(fingerprint=told.fingerprint), told
        )
    _lead_on(raised, by)
    return raised


def _standing(told: Sign) -> Alert | None:
    unresolved = Alert.objects.select_for_update().exclude(state="resolved")
    return unresolved.filter(fingerprint=told.fingerprint).first()


def _again(standing: Alert, told: Sign) -> Alert:
    """Count what is new: a record that was counted before is not counted twice."""
    fresh = [each for each in told.record_ids if each not in set(standing.record_ids)]
    if not fresh:
        return standing
    standing.count += max(1, min(told.count, len(fresh)))
    standing.record_ids = (standing.record_ids + fresh)[:MOST_SAMPLES]
    standing.last_at = max(standing.last_at, told.last_at)
    standing.save(update_fields=["count", "record_ids", "last_at"])
    return standing


def _raise(told: Sign, deployment: Deployment, observed_sha256: str, by: Actor) -> Alert:
    version = incidents.version_of(deployment, observed_sha256)
    raised = Alert.objects.create(
        deployment=deployment,
        version=version,
        observed_sha256=observed_sha256 or (version.weights_sha256 if version else ""),
        rule_key=told.rule_key,
        rule_version=told.rule_version,
        rule_sha256=told.rule_sha256,
        level=told.level,
        title=told.title[:300],
        fingerprint=told.fingerprint,
        count=max(told.count, 1),
        matched={
            "fields": dict(told.fields),
            "expected": kept(told.expected),
            "runbook": told.runbook,
        },
        record_ids=list(told.record_ids[:MOST_SAMPLES]),
        first_at=told.first_at,
        last_at=told.last_at,
        raised_at=now(),
    )
    record(
        "alert.raise",
        raised,
        by=by,
        after="open",
        rule=told.rule_key,
        rule_version=told.rule_version,
        rule_sha256=told.rule_sha256,
        level=told.level,
        fingerprint=told.fingerprint,
        version=str(version.uuid) if version else None,
        observed_sha256=raised.observed_sha256,
    )
    return raised


def _lead_on(raised: Alert, by: Actor) -> None:
    standing = open_incident(raised.deployment)
    if standing is None and raised.level in OPENS_INCIDENT:
        standing = open_from(raised, by=by)
        return
    if standing is not None:
        join(raised, standing, by=by)


def open_incident(deployment: Deployment) -> Incident | None:
    """The newest incident on this deployment that is not over."""
    unresolved = Incident.objects.filter(deployment=deployment, state__in=incidents.UNRESOLVED)
    return unresolved.order_by("-pk").first()


@transaction.atomic
def open_from(raised: Alert, *, severity: str = "", by: Actor) -> Incident:
    """Open an incident on the version the alert names; the worse severity is assumed."""
    opened = incidents.open(
        raised.deployment,
        title=said(raised.title, translation),
        severity=severity or incidents.SEVERITY_OF_LEVEL.get(raised.level, "sev4"),
        version=raised.version,
        observed_sha256=raised.observed_sha256,
        detected_at=raised.raised_at,
        occurred_at=raised.first_at,
        by=by,
    )
    join(raised, opened, by=by)
    for other in Alert.objects.filter(
        deployment=raised.deployment, state__in=["open", "acknowledged"], incident=None
    ):
        join(other, opened, by=by)
    return opened


@transaction.atomic
def join(raised: Alert, incident: Incident, *, by: Actor) -> None:
    """Tie an alert to an incident."""
    advance(
        raised,
        ALERT,
        "join",
        by=by,
        changes={"incident_id": incident.pk},
        incident=str(incident.uuid),
    )


@transaction.atomic
def acknowledge(raised: Alert, *, by: Actor) -> None:
    """Somebody looks at it."""
    advance(raised, ALERT, "acknowledge", by=by)


@transaction.atomic
def resolve(raised: Alert, *, disposition: str, note: str = "", by: Actor) -> None:
    """It is over, and what it turned out to be.

    Raises:
        ValueError: not one of the dispositions.
    """
    if disposition not in DISPOSITIONS:
        raise ValueError(
            _("Say what it was: one of %(known)s.") % {"known": ", ".join(DISPOSITIONS)}
        )
    advance(
        raised,
        ALERT,
        "resolve",
        by=by,
        note=note,
        changes={"disposition": disposition},
        disposition=disposition,
    )
