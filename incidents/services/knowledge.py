"""What the records know of an incident, by the names that regimes ask for, each with its provenance.

What nobody knows is left out: a report then names it as missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from compliance.models import ModelVersion, Report
from compliance.regimes.outcome import zulu
from compliance.services.report import IncidentFacts, Known, Mark
from incidents.models import Alert, Classification, Incident, PriorNotice, Review, Rollback

Named = tuple[str, Known]


def of(incident: Incident) -> IncidentFacts:
    """Everything that may be said about an incident to the storey below."""
    return IncidentFacts(
        reference=incident.reference,
        title=incident.title,
        severity=incident.get_severity_display(),
        deployment=incident.deployment.key,
        is_simulation=incident.is_simulation,
        known={name: known for name, known in _known(incident) if known.value.strip()},
    )


def _known(incident: Incident) -> Iterator[Named]:
    yield from _incident(incident)
    yield from _registry(incident)
    yield from _version(incident.version)
    yield from _alerts(incident)
    if classified := incident.classifications.order_by("-number").first():
        yield from _classification(classified)
    if decided := incident.prior_notices.order_by("-pk").first():
        yield from _notice(decided)
    yield from _acts(incident)
    if review := Review.objects.filter(incident=incident).first():
        yield "review.root_cause", _attested(review.causes, review.started_by.name)
        yield "review.risk_assessment", _attested(review.summary, review.started_by.name)


def _measured(text: str, source: str) -> Known:
    return Known(text, Mark.MEASURED, source)


def _attested(text: str, who: str) -> Known:
    return Known(text, Mark.ATTESTED, who)


def _incident(incident: Incident) -> Iterator[Named]:
    yield "incident.severity", _measured(incident.get_severity_display(), incident.ref)
    yield "incident.timeline", _measured("\n".join(_timeline(incident)), incident.ref)
    if incident.occurred_at:
        yield "incident.occurred_at", _measured(zulu(incident.occurred_at) or "", incident.ref)


def _timeline(incident: Incident) -> list[str]:
    moments = [
        (incident.detected_at, "detected"),
        (incident.opened_at, f"opened as {incident.reference}"),
        (incident.acknowledged_at, "acknowledged by a responder"),
        (incident.aware_at, "a person became aware, as stated in the classification"),
        *((hold.placed_at, "evidence put under hold") for hold in incident.holds.all()),
    ]
    for rollback in incident.rollbacks.select_related("to_version__model"):
        moments.append((rollback.executed_at, f"rolled back to {rollback.to_version}"))
        moments.append((rollback.verified_at, "rollback verified from two vantages"))
    stated = sorted((at, what) for at, what in moments if at is not None)
    return [f"{zulu(at)} {what}" for at, what in stated]


def _registry(incident: Incident) -> Iterator[Named]:
    system = incident.deployment.system
    if system.member_states:
        yield "incident.member_states", _attested(", ".join(system.member_states), system.ref)
    stated = {**system.entity.facts, **system.facts}
    names = {"contact": "organisation.contact", "dpo": "organisation.dpo"}
    for fact, name in names.items():
        if fact in stated:
            yield name, _attested(str(stated[fact]), system.entity.ref)
    if "is_internal" in stated:
        internal = "internal use" if stated["is_internal"] else "offered to others"
        yield "incident.deployment.is_internal", _attested(internal, system.ref)


def _version(version: ModelVersion | None) -> Iterator[Named]:
    if version is None:
        return
    named = f"{version}, sha256 {version.weights_sha256}"
    yield "incident.version", _measured(named, version.ref)
    yield "version.reference", _measured(named, version.ref)
    if "training_flop" in version.model.facts:
        yield (
            "version.training_flop",
            _attested(str(version.model.facts["training_flop"]), version.model.ref),
        )


def _alerts(incident: Incident) -> Iterator[Named]:
    alerts = list(incident.alerts.order_by("first_at"))
    said = "; ".join(f"{each.title} ({each.count} times)" for each in alerts)
    source = alerts[0].ref if alerts else incident.ref
    summary = f"{incident.title} on {incident.deployment.key}."
    yield "incident.summary", _measured(f"{summary} Observed: {said}." if said else summary, source)
    if alerts:
        yield "monitoring.patterns", _measured("\n".join(_pattern(each) for each in alerts), source)


def _pattern(alert: Alert) -> str:
    return (
        f"{alert.rule_key} {alert.rule_version} ({alert.level}): {alert.count} times from"
        f" {zulu(alert.first_at)} to {zulu(alert.last_at)}"
    )


def _classification(classified: Classification) -> Iterator[Named]:
    who = f"{classified.by.name}, {zulu(classified.at)}"
    yield "incident.aware_at", _attested(str(classified.facts.get("aware_at") or ""), who)
    yield "incident.classification.limbs", _attested(", ".join(classified.limbs), who)
    yield "incident.classification.reasons", _attested(classified.reasons, who)
    details = classified.details
    yield "incident.classification.consequences", _attested(details.get("consequences", ""), who)
    yield "incident.classification.malicious", _attested(details.get("malicious", ""), who)
    yield "incident.data_affected", _attested(details.get("data_affected", ""), who)
    yield "incident.affected", _attested(details.get("affected", ""), who)


def _notice(decided: PriorNotice) -> Iterator[Named]:
    if decided.authority:
        yield (
            "filing.authority",
            _attested(decided.authority, f"{decided.by.name}, {zulu(decided.at)}"),
        )


def _acts(incident: Incident) -> Iterator[Named]:
    holds = list(incident.holds.select_related("snapshot").order_by("pk"))
    bundles = [f"snapshot sha256 {each.snapshot.sha256}" for each in holds if each.snapshot]
    if bundles:
        yield "incident.evidence", _measured("; ".join(bundles), holds[0].ref)
    rollbacks = list(incident.rollbacks.select_related("to_version__model").order_by("pk"))
    if rollbacks:
        said = "; ".join(_rollback(each) for each in rollbacks)
        yield "incident.rollbacks", _measured(said, rollbacks[-1].ref)
        yield "rollback.reference", _measured(rollbacks[-1].ref, rollbacks[-1].ref)
    reports = Report.objects.filter(about_uuid=incident.uuid).order_by("pk")
    if reports:
        listed = "; ".join(f"{each.title} ({each.state})" for each in reports)
        yield "incident.reports", _measured(listed, incident.ref)


def _rollback(rollback: Rollback) -> str:
    verified = f", verified {zulu(rollback.verified_at)}" if rollback.verified_at else ""
    return f"to {rollback.to_version}, {rollback.state}{verified}"
