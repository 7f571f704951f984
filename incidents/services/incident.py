"""Open, work and close incidents. Law counts from what a person classified, never from an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Deployment, ModelVersion
from compliance.permissions import Permission
from compliance.regimes import engine
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import RegimeOutcome, zulu
from compliance.regimes.vocabulary import PREDICATES, Instant
from compliance.services import deadline, fact, report, subject
from incidents.models import Classification, Incident, Note, PriorNotice
from incidents.services import knowledge, paging
from incidents.services.people import person
from incidents.states import INCIDENT, ROLLBACK

UNRESOLVED = ("open", "acknowledged", "contained")
DETAILS = ("consequences", "data_affected", "affected", "malicious")
NEEDS_DECISION = frozenset({"sev1", "sev2"})
SEVERITY_OF_LEVEL = {"critical": "sev1", "high": "sev2", "medium": "sev3"}


@transaction.atomic
def open(  # noqa: A001 - the domain's verb; an incident has this many parts
    deployment: Deployment,
    *,
    title: str,
    severity: str,
    version: ModelVersion | None = None,
    observed_sha256: str = "",
    detected_at: datetime | None = None,
    occurred_at: datetime | None = None,
    is_exercise: bool = False,
    is_simulation: bool | None = None,
    by: Actor,
) -> Incident:
    """Open an incident on what the deployment served, and call the first rung.

    `is_simulation` follows the system's fact of that name unless said. Awareness in law stays
    empty: it is a person's finding (see `classify`).
    """
    require(by, Permission.INCIDENT_OPEN, deployment.subject)
    at = now()
    if is_simulation is None:
        is_simulation = bool(deployment.system.facts.get("simulation", False))
    opened = _numbered(
        title=title[:300],
        severity=Incident.Severity(severity).value,
        deployment=deployment,
        version=version,
        observed_sha256=observed_sha256 or (version.weights_sha256 if version else ""),
        opened_by_id=by.user_id,
        occurred_at=occurred_at,
        detected_at=detected_at or at,
        opened_at=at,
        is_exercise=is_exercise,
        is_simulation=is_simulation,
        escalation=paging.snapshot(),
    )
    record(
        "incident.open",
        opened,
        by=by,
        after="open",
        words={"title": title},
        reference=opened.reference,
        severity=opened.severity,
        deployment=str(deployment.uuid),
        version=str(version.uuid) if version else None,
        observed_sha256=opened.observed_sha256,
    )
    paging.start(opened, by=by)
    return opened


def _numbered(**columns: Any) -> Incident:
    """A row under the year's next reference; two that race both get one."""
    year = columns["opened_at"].year
    for _attempt in range(20):
        last = Incident.objects.filter(reference__startswith=f"INC-{year}-").order_by("-pk").first()
        number = int(last.reference.rpartition("-")[2]) + 1 if last else 1
        reference = f"INC-{year}-{number:04d}"
        try:
            with transaction.atomic():
                place = subject.make("incident", reference)
                return Incident.objects.create(subject=place, reference=reference, **columns)
        except IntegrityError:
            continue
    raise TransitionRefused(_("Too many incidents are being opened at this moment; try again."))


def version_of(deployment: Deployment, observed_sha256: str) -> ModelVersion | None:
    """The version that telemetry named by digest; without a digest, the one declared.

    None when a digest was observed that nobody registered: then only the digest is known.
    """
    if observed_sha256:
        return ModelVersion.objects.filter(weights_sha256=observed_sha256).first()
    return deployment.serves


@transaction.atomic
def acknowledge(incident: Incident, *, by: Actor) -> None:
    """A person takes it; the ladder stops here."""
    at = now()
    advance(
        incident,
        INCIDENT,
        "acknowledge",
        by=by,
        changes={"acknowledged_at": at, "acknowledged_by_id": by.user_id},
        seconds_to_acknowledge=int((at - incident.opened_at).total_seconds()),
    )
    paging.answered(incident, by=by)


@transaction.atomic
def note(incident: Incident, text: str, *, by: Actor) -> Note:
    """Write down what was seen or done."""
    require(by, Permission.INCIDENT_WORK, incident.subject)
    writer = person(by, _("only a person can write a note"))
    written = Note.objects.create(incident=incident, text=text, by_id=writer, at=now())
    record("incident.note", written, by=by, note=text, incident=str(incident.uuid))
    return written


def facts_for(
    incident: Incident,
    *,
    given: Mapping[str, Any],
    limbs: Sequence[str] = (),
    serious: bool | None = None,
) -> Facts:
    """What the engine may know: the registry's facts, what a person found, and what follows.

    Raises:
        FactsError: a fact is unknown or malformed; the message names it.
    """
    known = fact.known(incident.deployment.system)
    instants: dict[str, Any] = {"detected_at": zulu(incident.detected_at)}
    if incident.occurred_at is not None:
        instants["occurred_at"] = zulu(incident.occurred_at)
    if incident.resolved_at is not None:
        instants["resolved_at"] = zulu(incident.resolved_at)
    known |= instants
    # A predicate given as none takes back what the registry suggests: the person does not know it.
    known |= {
        name: value for name, value in given.items() if value is not None or name in PREDICATES
    }
    known["limbs"] = list(limbs)
    if serious is not None:
        known["serious_incident"] = serious
    return Facts.from_json(known)


def preview(
    incident: Incident,
    *,
    facts: Mapping[str, Any],
    limbs: Sequence[str],
    serious: bool,
    at: datetime | None = None,
) -> tuple[RegimeOutcome, ...]:
    """Which regimes would apply, why, and what each would require by when. Nothing is written."""
    return engine.evaluate_all(
        facts_for(incident, given=facts, limbs=limbs, serious=serious), at or now()
    )


@transaction.atomic
def classify(
    incident: Incident,
    *,
    facts: Mapping[str, Any],
    limbs: Sequence[str],
    serious: bool,
    reasons: str,
    details: Mapping[str, str] | None = None,
    by: Actor,
) -> Classification:
    """A person's finding of facts. Only now do clocks start.

    Args:
        incident: which.
        facts: instants (ISO 8601 with offset; `aware_at` is required) and predicates by name, as
            `Facts.from_json` reads them. The registry's facts are added, these win; a predicate
            given as none counts as not known.
        limbs: kinds of harm.
        serious: whether the incident is serious; the house's own clock then runs in any case.
        reasons: why, in the person's words.
        details: what reports ask for besides, in words, by `DETAILS`.
        by: the person.

    Raises:
        FactsError: a fact is unknown or malformed.
        NotAllowed: not a person, or without the permission.
        TransitionRefused: the incident is closed, or awareness lies in the future.
    """
    require(by, Permission.INCIDENT_CLASSIFY, incident.subject)
    classifier = person(by, _("only a person can classify an incident"))
    at = now()
    found = facts_for(incident, given=facts, limbs=limbs, serious=serious)
    aware = _awareness(incident, found, at)
    classified = Classification.objects.create(
        incident=incident,
        number=incident.classifications.count() + 1,
        serious=serious,
        limbs=list(limbs),
        facts=_as_json(found, facts, aware),
        reasons=reasons,
        details={name: text for name, text in (details or {}).items() if name in DETAILS and text},
        outcome=[outcome_json(each) for each in engine.evaluate_all(found, at)],
        by_id=classifier,
        at=at,
    )
    Incident.objects.filter(pk=incident.pk).update(aware_at=aware)
    incident.aware_at = aware
    record(
        "incident.classify",
        classified,
        by=by,
        note=reasons,
        incident=str(incident.uuid),
        number=classified.number,
        serious=serious,
        limbs=list(limbs),
        aware_at=zulu(aware),
    )
    counted = facts_for(
        incident, given={**facts, "aware_at": zulu(aware)}, limbs=limbs, serious=serious
    )
    deadline.compute(incident.subject, incident, counted, reason=reasons, by=by)
    report.start_due(incident, knowledge.of(incident), by=by)
    return classified


def _awareness(incident: Incident, found: Facts, at: datetime) -> datetime:
    """The earliest awareness ever stated: a correction never wins time."""
    stated = found.instants.get(Instant.AWARE)
    if stated is None:
        raise TransitionRefused(
            _(
                "Say when a person first knew (aware_at): the clocks count from it, not from the"
                " alert."
            )
        )
    if stated > at:
        raise TransitionRefused(
            _("Awareness cannot lie in the future; check the time and its zone.")
        )
    return min(stated, incident.aware_at) if incident.aware_at else stated


def _as_json(found: Facts, given: Mapping[str, Any], aware: datetime) -> dict[str, Any]:
    """The facts as they were used, in the form that can be read again."""
    return {
        **{str(name): value for name, value in found.predicates.items()},
        **{str(name): zulu(moment) for name, moment in found.instants.items()},
        "aware_at": zulu(aware),
        "limbs": [str(limb) for limb in found.limbs],
        "recipient_zone": found.recipient_zone,
        "calendar": found.calendar,
        "entity": found.entity,
        "stated": sorted(given),
    }


def outcome_json(outcome: RegimeOutcome) -> dict[str, Any]:
    """One regime's answer as it was shown to the person who decided."""
    return {
        "regime": outcome.regime,
        "key": outcome.key,
        "title": outcome.title,
        "applies": str(outcome.applies),
        "because": [
            {"sentence": why.sentence.kept(), "cite": why.cite.kept()} for why in outcome.because
        ],
        "stages": [{**stage.as_json(), "title": stage.title} for stage in outcome.stages],
    }


@transaction.atomic
def choose(
    incident: Incident,
    *,
    choice: str,
    reason: str,
    authority: str = "",
    informed_at: datetime | None = None,
    by: Actor,
) -> PriorNotice:
    """Decide, before the system is touched, between informing first and acting first.

    Raises:
        ValueError: the authority is said to be informed, but not which and when.
    """
    require(by, Permission.INCIDENT_CLASSIFY, incident.subject)
    decider = person(by, _("only a person can decide this"))
    chosen = PriorNotice.Choice(choice)
    if chosen is PriorNotice.Choice.INFORMED and not (authority and informed_at):
        raise ValueError(_("Say which authority was informed and when; the record must show both."))
    decided = PriorNotice.objects.create(
        incident=incident,
        choice=chosen.value,
        authority=authority,
        informed_at=informed_at,
        reason=reason,
        by_id=decider,
        at=now(),
    )
    record(
        "incident.choose",
        decided,
        by=by,
        note=reason,
        words={"authority": authority} if authority else None,
        incident=str(incident.uuid),
        choice=chosen.value,
        informed_at=zulu(informed_at),
    )
    return decided


@transaction.atomic
def contain(incident: Incident, *, how: str, by: Actor) -> None:
    """Say what keeps it from going on."""
    advance(incident, INCIDENT, "contain", by=by, note=how)


@transaction.atomic
def resolve(incident: Incident, *, impact: str, by: Actor) -> None:
    """It is over: every rollback was verified, and its reportability was decided.

    Raises:
        TransitionRefused: something that must be settled first is not; the message names it.
    """
    if open_points := unsettled(incident):
        raise TransitionRefused(" ".join(open_points))
    advance(
        incident,
        INCIDENT,
        "resolve",
        by=by,
        note=impact,
        changes={"impact": impact, "resolved_at": now()},
    )


def unsettled(incident: Incident) -> list[str]:
    """What keeps the incident from being resolved, as sentences."""
    points = []
    last = incident.rollbacks.exclude(state="rejected").order_by("-pk").first()
    if last is not None and last.state != "verified":
        points.append(
            _("The rollback is not verified (%(state)s); verify it or ask for another.")
            % {"state": ROLLBACK.states[last.state].label}
        )
    if incident.severity in NEEDS_DECISION and not incident.classifications.exists():
        points.append(_("Whether it must be reported is not decided; classify it first."))
    return points


@transaction.atomic
def reopen(incident: Incident, *, reason: str, by: Actor) -> None:
    """It was not over; the ladder starts again."""
    advance(incident, INCIDENT, "reopen", by=by, note=reason, changes={"acknowledged_at": None})
    paging.start(incident, by=by)


@transaction.atomic
def close(incident: Incident, *, by: Actor) -> None:
    """Nothing is left to do.

    Raises:
        TransitionRefused: the review is not finished.
    """
    review = getattr(incident, "review", None)
    if review is None or review.state != "finished":
        raise TransitionRefused(
            _("The review is not finished; finish it, then close the incident.")
        )
    advance(incident, INCIDENT, "close", by=by)
