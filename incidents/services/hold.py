"""Hold the evidence before anybody touches the system that caused it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit import canonical
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import ModelVersion
from compliance.permissions import Permission
from compliance.phrase import Phrase, counted
from compliance.regimes.outcome import zulu
from compliance.services import blob, digest, notice
from incidents.models import Event, Hold, Incident
from incidents.services.people import person
from incidents.states import HOLD
from incidents.targets.base import TargetError
from incidents.targets.load import load

FORMAT = "strata.hold/v1"
LOOK_BACK = timedelta(hours=24)
MOST_EVENTS = 5_000
MEDIA_TYPE = "application/json"


def place(incident: Incident, *, reason: str, by: Actor) -> Hold:
    """Snapshot what the incident rests on, store it sealed and keep it from deletion.

    The target is asked outside the transaction; that it did not answer is part of the snapshot.
    """
    require(by, Permission.HOLD_PLACE, incident.subject)
    holder = person(by, _("only a person can place a hold"))
    content = snapshot(incident)
    data = canonical.dumps(content)
    with transaction.atomic():
        kept = blob.keep(
            incident.subject,
            f"{incident.reference}-hold-{incident.holds.count() + 1}.json",
            MEDIA_TYPE,
            data,
            retention="incident",
            by=by,
        )
        placed = Hold.objects.create(
            incident=incident,
            reason=reason,
            items=_items(content),
            snapshot=kept,
            placed_by_id=holder,
            placed_at=now(),
        )
        blob.hold(kept, by=by)
        record(
            "hold.place",
            placed,
            by=by,
            after="placed",
            note=reason,
            incident=str(incident.uuid),
            snapshot_sha256=kept.sha256,
            n_events=len(content["events"]),
            n_alerts=len(content["alerts"]),
        )
    return placed


@transaction.atomic
def release(hold: Hold, *, reason: str, by: Actor) -> None:
    """Let go of the snapshot; its retention then counts again. Never by who placed it."""
    advance(hold, HOLD, "release", by=by, note=reason, changes={"released_at": now()})
    if hold.snapshot is not None:
        blob.release(hold.snapshot, by=by)


def snapshot(incident: Incident) -> dict[str, Any]:
    """Everything that the incident rests on, as plain values without floats."""
    deployment = incident.deployment
    content = {
        "format": FORMAT,
        "taken_at": zulu(now()),
        "incident": _incident(incident),
        "deployment": {"uuid": str(deployment.uuid), "key": deployment.key},
        "version": _version(incident.version),
        "manifest": _manifest(incident.version),
        "serving": [
            {"sha256": row.weights_sha256, "said_by": row.said_by, "at": zulu(row.at)}
            for row in deployment.servings.order_by("id")
        ],
        "target": _target_says(incident),
        "alerts": [_alert(each) for each in incident.alerts.order_by("pk")],
        "events": [_event(each) for each in _events(incident)],
    }
    plain: dict[str, Any] = digest.without_floats(content)
    return plain


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "uuid": str(incident.uuid),
        "reference": incident.reference,
        "title": incident.title,
        "severity": incident.severity,
        "state": incident.state,
        "detected_at": zulu(incident.detected_at),
        "observed_sha256": incident.observed_sha256,
        "notes": [
            {"at": zulu(each.at), "text": each.text} for each in incident.notes.order_by("pk")
        ],
    }


def _version(version: ModelVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    files = version.files.order_by("path").values("path", "size", "sha256")
    return {
        "uuid": str(version.uuid),
        "name": str(version),
        "weights_sha256": version.weights_sha256,
        "files": list(files),
    }


def _manifest(version: ModelVersion | None) -> dict[str, Any] | None:
    newest = version.manifests.order_by("-number").first() if version else None
    if newest is None:
        return None
    names = (
        "number",
        "tools",
        "external_tools",
        "untrusted_tools",
        "data_scopes",
        "prompt_sha256s",
        "rates",
        "sha256",
    )
    return {name: getattr(newest, name) for name in names}


def _target_says(incident: Incident) -> dict[str, Any]:
    deployment = incident.deployment
    try:
        target = load(deployment.target_kind, deployment.target_config, egress=notice.egress())
        said = target.serving()
    except TargetError as error:
        return {"answered": False, "problem": str(error)}
    raw = said.raw.decode(errors="replace")
    return {"answered": True, "digest": said.digest, "since": zulu(said.since), "raw": raw}


def _alert(alert: Any) -> dict[str, Any]:
    return {
        "uuid": str(alert.uuid),
        "rule": alert.rule_key,
        "rule_version": alert.rule_version,
        "rule_sha256": alert.rule_sha256,
        "level": alert.level,
        "title": alert.title,
        "count": alert.count,
        "matched": alert.matched,
        "record_ids": alert.record_ids,
        "first_at": zulu(alert.first_at),
        "last_at": zulu(alert.last_at),
    }


def _event(event: Event) -> dict[str, Any]:
    return {"id": event.record_id, "received_at": zulu(event.received_at), "record": event.record}


def _events(incident: Incident) -> list[Event]:
    """What the deployment did from a day before the first sign on, the newest kept where too many."""
    first = incident.occurred_at or incident.detected_at
    rows = Event.objects.filter(deployment=incident.deployment, at__gte=first - LOOK_BACK)
    return list(reversed(rows.order_by("-at")[:MOST_EVENTS]))


def _items(content: dict[str, Any]) -> list[dict[str, Any]]:
    """What is in the bundle, each part with the digest of what was taken."""
    names = ("incident", "version", "manifest", "serving", "target", "alerts", "events")
    return [
        {"what": name, "ref": _ref(content[name]).form(), "sha256": digest.of_json(content[name])}
        for name in names
    ]


def _ref(part: Any) -> Phrase:
    if part is None:
        return Phrase("none")
    n = len(part) if isinstance(part, list) else 1
    return counted("%(n)s entry", "%(n)s entries", n=n)
