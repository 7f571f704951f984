"""What the records know of an incident, by the names that regimes ask for, each with its provenance.

What nobody knows is left out: a report then names it as missing. Instants and kinds of harm are given
as exactly as they are kept; the report puts words beside them, in its recipient's zone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from operator import itemgetter

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compliance.models import ModelVersion, Report
from compliance.phrase import said
from compliance.regimes import oecd
from compliance.regimes.outcome import zulu
from compliance.services import document, fact
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
    """Of one name the last with a text counts, so what the records say stands before other words."""
    classified = incident.classifications.order_by("-number").first()
    if classified:
        yield from _criteria(classified)
    yield from _incident(incident)
    yield from _registry(incident)
    yield from _version(incident.version)
    yield from _alerts(incident)
    if classified:
        yield from _classification(classified)
    if decided := incident.prior_notices.order_by("-pk").first():
        yield from _notice(decided)
    yield from _acts(incident)
    if review := Review.objects.filter(incident=incident).first():
        who, at = review.started_by.name, review.finished_at
        yield "review.root_cause", _attested(review.causes, who, at)
        yield "review.risk_assessment", _attested(review.summary, who, at)


def _measured(text: str, source: str) -> Known:
    return Known(text, Mark.MEASURED, source)


def _attested(text: str, who: str, at: datetime | None = None) -> Known:
    return Known(text, Mark.ATTESTED, who, at)


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
        moments += _turns(rollback)
    stated = sorted(((at, what) for at, what in moments if at is not None), key=itemgetter(0))
    return [f"{zulu(at)} {what}" for at, what in stated]


def _turns(rollback: Rollback) -> list[tuple[datetime | None, str]]:
    """What of a rollback is done, with its instant."""
    version = {"version": rollback.to_version}
    return [
        (rollback.executed_at, _("rolled back to %(version)s") % version),
        (rollback.verified_at, _("rollback verified from two vantages")),
    ]


def _registry(incident: Incident) -> Iterator[Named]:
    system = incident.deployment.system
    if system.member_states:
        yield (
            "incident.member_states",
            _registered("member_states", ", ".join(system.member_states), system),
        )
    names = {"contact": "organisation.contact", "dpo": "organisation.dpo"}
    for asked, name in names.items():
        thing = system if system.facts.get(asked) else system.entity
        if thing.facts.get(asked):
            yield name, _registered(asked, str(thing.facts[asked]), thing)
    thing = system if system.facts.get("is_internal") is not None else system.entity
    if thing.facts.get("is_internal") is not None:
        internal = "yes" if thing.facts["is_internal"] else "no"
        yield "incident.deployment.is_internal", _registered("is_internal", internal, thing)


def _registered(name: str, text: str, thing: fact.Thing) -> Known:
    """What the register holds: by whom and when it was stated, or of what it is on record."""
    stated = fact.statements(thing).get(name)
    if stated is None or stated.by is None:
        return _attested(text, _("the register, %(thing)s") % {"thing": thing.name})
    return _attested(text, stated.by.name, stated.at)


def _version(version: ModelVersion | None) -> Iterator[Named]:
    if version is None:
        return
    named = "\n".join(
        (str(version), _("SHA-256 of its weights: %(digest)s") % {"digest": version.weights_sha256})
    )
    yield "incident.version", _measured(named, version.ref)
    yield "version.reference", _measured(named, version.ref)
    if version.model.facts.get("training_flop"):
        flop = str(version.model.facts["training_flop"])
        yield "version.training_flop", _registered("training_flop", flop, version.model)


def _alerts(incident: Incident) -> Iterator[Named]:
    alerts = list(incident.alerts.order_by("first_at"))
    source = alerts[0].ref if alerts else incident.ref
    yield "incident.summary", _measured("\n".join(_summary(incident, alerts)), source)
    if alerts:
        yield "monitoring.patterns", _measured("\n".join(_pattern(each) for each in alerts), source)


def _summary(incident: Incident, alerts: list[Alert]) -> Iterator[str]:
    """What happened in a sentence, then what was observed, a line for each kind."""
    deployment = incident.deployment.key
    if deployment in incident.title:
        yield _("%(title)s.") % {"title": incident.title}
    else:
        yield _("%(title)s on %(deployment)s.") % {
            "title": incident.title,
            "deployment": deployment,
        }
    if not alerts:
        return
    yield _("Observed from %(first)s to %(last)s:") % {
        "first": zulu(min(each.first_at for each in alerts)),
        "last": zulu(max(each.last_at for each in alerts)),
    }
    counts: Counter[str] = Counter()
    for each in alerts:
        counts[said(each.title, translation)] += each.count
    yield from (f"\u2013 {_counted(title, n)}" for title, n in counts.items())


def _counted(title: str, n: int) -> str:
    return ngettext("%(title)s (%(n)s time)", "%(title)s (%(n)s times)", n) % {
        "title": title,
        "n": n,
    }


def _pattern(alert: Alert) -> str:
    words = ngettext(
        "%(title)s (rule %(rule)s, %(level)s): once, %(first)s",
        "%(title)s (rule %(rule)s, %(level)s): %(n)s times from %(first)s to %(last)s",
        alert.count,
    )
    told = words % {
        "title": said(alert.title, translation),
        "rule": f"{alert.rule_key} {alert.rule_version}",
        "level": LEVELS[alert.level],
        "n": alert.count,
        "first": zulu(alert.first_at),
        "last": zulu(alert.last_at),
    }
    return f"\u2013 {told}"


def _classification(classified: Classification) -> Iterator[Named]:
    details = classified.details
    found = {
        "incident.aware_at": str(classified.facts.get("aware_at") or ""),
        "incident.model_involvement_aware_at": str(
            classified.facts.get("model_involvement_aware_at") or ""
        ),
        "organisation.role": _role(classified),
        "incident.classification.limbs": ", ".join(classified.limbs),
        "incident.classification.reasons": classified.reasons,
        "incident.classification.consequences": details.get("consequences", ""),
        "incident.classification.malicious": details.get("malicious", ""),
        "incident.data_affected": details.get("data_affected", ""),
        "incident.affected": details.get("affected", ""),
    }
    for name, text in found.items():
        yield name, _attested(text, classified.by.name, classified.at)


def _role(classified: Classification) -> str:
    """Provider or deployer, where the classification says exactly one of them."""
    roles = [each for each in ("provider", "deployer") if classified.facts.get(each) is True]
    return roles[0] if len(roles) == 1 else ""


def _criteria(classified: Classification) -> Iterator[Named]:
    """What was said to the OECD's criteria and reports ask for too."""
    for name, text in oecd.for_reports(classified.oecd):
        yield name, _attested(text, classified.by.name, classified.at)


def _notice(decided: PriorNotice) -> Iterator[Named]:
    if decided.authority:
        yield "filing.authority", _attested(decided.authority, decided.by.name, decided.at)


def _acts(incident: Incident) -> Iterator[Named]:
    holds = list(incident.holds.select_related("snapshot").order_by("pk"))
    bundles = [
        _("%(at)s evidence put under hold; SHA-256 of the snapshot: %(digest)s")
        % {"at": zulu(each.placed_at), "digest": each.snapshot.sha256}
        for each in holds
        if each.snapshot
    ]
    if bundles:
        yield "incident.evidence", _measured("\n".join(bundles), holds[0].ref)
    rollbacks = list(incident.rollbacks.select_related("to_version__model").order_by("pk"))
    if rollbacks:
        told = "\n".join(line for each in rollbacks for line in _rollback(each))
        yield "incident.rollbacks", _measured(told, rollbacks[-1].ref)
        yield "rollback.reference", _measured(told, rollbacks[-1].ref)
    reports = Report.objects.filter(about_uuid=incident.uuid).order_by("pk")
    if reports:
        listed = [f"{each.title} ({REPORT.states[each.state].label})" for each in reports]
        yield "incident.reports", _measured("\n".join(listed), incident.ref)


def _rollback(rollback: Rollback) -> list[str]:
    """What was done, by date; or how it stands while nothing is."""
    done = [f"{zulu(at)} {what}" for at, what in _turns(rollback) if at is not None]
    if done:
        return done
    words = _("%(at)s rollback to %(version)s asked for; it stands as: %(state)s")
    return [
        words
        % {
            "at": zulu(rollback.requested_at),
            "version": rollback.to_version,
            "state": ROLLBACK.states[rollback.state].label,
        }
    ]
