"""What the records know of an incident, by the names that regimes ask for, each with its provenance.

What nobody knows is left out: a report then names it as missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compliance.models import ModelVersion, Report
from compliance.phrase import said
from compliance.regimes.outcome import zulu
from compliance.regimes.vocabulary import LIMBS, Limb
from compliance.services import document
from compliance.services.report import IncidentFacts, Known, Mark
from compliance.states import REPORT
from incidents.models import Alert, Classification, Incident, PriorNotice, Review, Rollback
from incidents.states import LEVELS, ROLLBACK

Named = tuple[str, Known]


def of(incident: Incident) -> IncidentFacts:
    """Everything that may be said about an incident to the storey below."""
    with document.in_house_language():
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
        (incident.detected_at, _("detected")),
        (incident.opened_at, _("opened as %(reference)s") % {"reference": incident.reference}),
        (incident.acknowledged_at, _("acknowledged by a responder")),
        (incident.aware_at, _("a person became aware, as stated in the classification")),
        *((hold.placed_at, _("evidence put under hold")) for hold in incident.holds.all()),
    ]
    for rollback in incident.rollbacks.select_related("to_version__model"):
        back = _("rolled back to %(version)s") % {"version": rollback.to_version}
        moments.append((rollback.executed_at, back))
        moments.append((rollback.verified_at, _("rollback verified from two vantages")))
    stated = sorted((at, what) for at, what in moments if at is not None)
    return [f"{zulu(at)} {what}" for at, what in stated]


def _registry(incident: Incident) -> Iterator[Named]:
    system = incident.deployment.system
    if system.member_states:
        yield "incident.member_states", _attested(", ".join(system.member_states), system.ref)
    stated = {**system.entity.facts, **system.facts}
    names = {"contact": "organisation.contact", "dpo": "organisation.dpo"}
    for fact, name in names.items():
        if stated.get(fact):
            yield name, _attested(str(stated[fact]), system.entity.ref)
    if stated.get("is_internal") is not None:
        internal = _("internal use") if stated["is_internal"] else _("offered to others")
        yield "incident.deployment.is_internal", _attested(internal, system.ref)


def _version(version: ModelVersion | None) -> Iterator[Named]:
    if version is None:
        return
    named = f"{version}, sha256 {version.weights_sha256}"
    yield "incident.version", _measured(named, version.ref)
    yield "version.reference", _measured(named, version.ref)
    if version.model.facts.get("training_flop"):
        yield (
            "version.training_flop",
            _attested(str(version.model.facts["training_flop"]), version.model.ref),
        )


def _alerts(incident: Incident) -> Iterator[Named]:
    alerts = list(incident.alerts.order_by("first_at"))
    source = alerts[0].ref if alerts else incident.ref
    summary = _("%(title)s on %(deployment)s.") % {
        "title": incident.title,
        "deployment": incident.deployment.key,
    }
    if alerts:
        seen = _("Observed: %(alerts)s.") % {"alerts": "; ".join(_counted(each) for each in alerts)}
        summary = f"{summary} {seen}"
    yield "incident.summary", _measured(summary, source)
    if alerts:
        yield "monitoring.patterns", _measured("\n".join(_pattern(each) for each in alerts), source)


def _counted(alert: Alert) -> str:
    words = ngettext("%(title)s (%(n)s time)", "%(title)s (%(n)s times)", alert.count)
    return words % {"title": said(alert.title, translation), "n": alert.count}


def _pattern(alert: Alert) -> str:
    words = ngettext(
        "%(rule)s (%(level)s): %(n)s time from %(first)s to %(last)s",
        "%(rule)s (%(level)s): %(n)s times from %(first)s to %(last)s",
        alert.count,
    )
    return words % {
        "rule": f"{alert.rule_key} {alert.rule_version}",
        "level": LEVELS[alert.level],
        "n": alert.count,
        "first": zulu(alert.first_at),
        "last": zulu(alert.last_at),
    }


def _classification(classified: Classification) -> Iterator[Named]:
    who = f"{classified.by.name}, {zulu(classified.at)}"
    yield "incident.aware_at", _attested(str(classified.facts.get("aware_at") or ""), who)
    yield "incident.classification.limbs", _attested(_limbs(classified), who)
    yield "incident.classification.reasons", _attested(classified.reasons, who)
    details = classified.details
    yield "incident.classification.consequences", _attested(details.get("consequences", ""), who)
    yield "incident.classification.malicious", _attested(details.get("malicious", ""), who)
    yield "incident.data_affected", _attested(details.get("data_affected", ""), who)
    yield "incident.affected", _attested(details.get("affected", ""), who)


def _limbs(classified: Classification) -> str:
    return ", ".join(said(LIMBS[Limb(each)], translation) for each in classified.limbs)


def _notice(decided: PriorNotice) -> Iterator[Named]:
    if decided.authority:
        yield (
            "filing.authority",
            _attested(decided.authority, f"{decided.by.name}, {zulu(decided.at)}"),
        )


def _acts(incident: Incident) -> Iterator[Named]:
    holds = list(incident.holds.select_related("snapshot").order_by("pk"))
    bundles = [
        _("snapshot %(digest)s") % {"digest": f"sha256 {each.snapshot.sha256}"}
        for each in holds
        if each.snapshot
    ]
    if bundles:
        yield "incident.evidence", _measured("; ".join(bundles), holds[0].ref)
    rollbacks = list(incident.rollbacks.select_related("to_version__model").order_by("pk"))
    if rollbacks:
        told = "; ".join(_rollback(each) for each in rollbacks)
        yield "incident.rollbacks", _measured(told, rollbacks[-1].ref)
        yield "rollback.reference", _measured(rollbacks[-1].ref, rollbacks[-1].ref)
    reports = Report.objects.filter(about_uuid=incident.uuid).order_by("pk")
    if reports:
        listed = "; ".join(f"{each.title} ({REPORT.states[each.state].label})" for each in reports)
        yield "incident.reports", _measured(listed, incident.ref)


def _rollback(rollback: Rollback) -> str:
    told = _("to %(version)s, %(state)s") % {
        "version": rollback.to_version,
        "state": ROLLBACK.states[rollback.state].label,
    }
    if rollback.verified_at is None:
        return told
    return _("%(rollback)s, verified %(at)s") % {
        "rollback": told,
        "at": zulu(rollback.verified_at),
    }
