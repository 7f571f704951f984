"""Open, work and close incidents. Law counts from what a person classified, never from an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from compliance.regimes.outcome import Applies, RegimeOutcome, zulu
from compliance.regimes.vocabulary import Instant
from compliance.services import deadline, report, subject
from incidents.models import Classification, Incident, Note, PriorNotice
from incidents.services import finding, grounds, knowledge, paging
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


def preview(
    incident: Incident,
    *,
    facts: Mapping[str, Any],
    limbs: Sequence[str],
    serious: bool,
    at: datetime | None = None,
) -> tuple[RegimeOutcome, ...]:
    """Which regimes would apply, why, and what each would require by when. Nothing is written."""
    moment = at or now()
    found = finding.facts_for(incident, given=facts, limbs=limbs, serious=serious)
    learnt = moment if incident.classifications.exists() else None
    return finding.judged(incident, found, moment, learnt_at=learnt)


def awaited(incident: Incident, *, at: datetime | None = None) -> tuple[RegimeOutcome, ...]:
    """Before anybody classified it: the regimes that wait for a person's finding.

    Each stage that only lacks facts says when it would be due at the earliest, were they confirmed
    now. Nothing counts down by it. Afterwards the clocks keep that date themselves.
    """
    if incident.classifications.exists():
        return ()
    judged = finding.judged(incident, finding.facts_for(incident, given={}), at or now())
    return tuple(each for each in judged if each.applies is Applies.FACTS_NEEDED)


@transaction.atomic
def classify(
    incident: Incident,
    *,
    facts: Mapping[str, Any],
    limbs: Sequence[str],
    serious: bool,
    reasons: str = "",
    by_matter: grounds.Grounds | None = None,
    details: Mapping[str, str] | None = None,
    oecd: Mapping[str, Any] | None = None,
    states: Sequence[str] | None = None,
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
        reasons: why, in the person's words: one reason for all that `by_matter` leaves open.
        by_matter: why, for the harm, for awareness and for which laws apply.
        details: what reports ask for besides, in words, by `DETAILS`.
        oecd: what was said to the OECD's criteria, by criterion.
        states: the Member States where it happened, by ISO code: each one's authority gets a clock
            and a report of its own where the law says so. None keeps what was said before.
        by: the person.

    Raises:
        FactsError: a fact is unknown or malformed, or a Member State is.
        NotAllowed: not a person, or without the permission.
        TransitionRefused: a reason is missing, or awareness lies in the future.
    """
    require(by, Permission.INCIDENT_CLASSIFY, incident.subject)
    classifier = person(by, _("only a person can classify an incident"))
    why = grounds.settled(by_matter, reasons)
    general = reasons.strip() or why.text()
    at = now()
    found = finding.facts_for(incident, given=facts, limbs=limbs, serious=serious)
    aware = finding.awareness(incident, found, at)
    before = incident.classifications.order_by("-number").first()
    concerned = finding.states_of(before, states)
    learnt = at if before else None
    classified = Classification.objects.create(
        incident=incident,
        number=before.number + 1 if before else 1,
        serious=serious,
        limbs=list(limbs),
        facts=finding.as_json(found, facts, aware) | {"member_states": list(concerned)},
        reasons=general,
        reasons_by=why.as_json(),
        details={name: text for name, text in (details or {}).items() if name in DETAILS and text},
        oecd=dict(oecd or {}),
        outcome=[
            finding.outcome_json(each)
            for each in finding.judged(incident, found, at, learnt_at=learnt)
        ],
        by_id=classifier,
        at=at,
    )
    Incident.objects.filter(pk=incident.pk).update(aware_at=aware)
    incident.aware_at = aware
    record(
        "incident.classify",
        classified,
        by=by,
        note=general,
        words=why.words(),
        incident=str(incident.uuid),
        number=classified.number,
        serious=serious,
        limbs=list(limbs),
        aware_at=zulu(aware),
    )
    counted = finding.facts_for(
        incident, given={**facts, "aware_at": zulu(aware)}, limbs=limbs, serious=serious
    )
    deadline.compute(
        incident.subject,
        incident,
        counted,
        states=concerned,
        learnt_at=learnt,
        reason=why.laws or general,
        by=by,
    )
    report.start_due(incident, knowledge.of(incident), by=by)
    return classified


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
    _recounted(
        incident,
        {Instant.RESOLVED: incident.resolved_at},
        reason=_("the incident was resolved"),
        by=by,
    )


def _recounted(
    incident: Incident, instants: Mapping[Instant, datetime | None], *, reason: str, by: Actor
) -> None:
    """The world brought or took back an instant: what counts from it begins, with its report."""
    about = deadline.About(incident.kind, incident.uuid)
    deadline.recount(about, reason=reason, instants=instants, by=by)
    if by.user_id is not None:
        report.start_due(incident, knowledge.of(incident), by=by)


@transaction.atomic
def measure_available(
    incident: Incident, *, at: datetime, reasons: str, by: Actor
) -> Classification:
    """A corrective or mitigating measure is available: a finding of its own, and clocks follow.

    Everything else stays as it was last found.

    Raises:
        FactsError: the instant has no offset.
        NotAllowed: not a person, or without the permission.
        TransitionRefused: nobody classified the incident yet, or the instant lies in the future.
    """
    require(by, Permission.INCIDENT_CLASSIFY, incident.subject)
    last = incident.classifications.order_by("-number").first()
    if last is None:
        raise TransitionRefused(_("Classify the incident first; nothing counts before."))
    if at > now():
        raise TransitionRefused(_("A measure cannot become available in the future."))
    # A fact that was stated as not known is not among the kept ones, and stays so.
    stated = {name: last.facts.get(name) for name in last.facts["stated"]}
    return classify(
        incident,
        facts={**stated, Instant.MEASURE_AVAILABLE.value: zulu(at)},
        limbs=last.limbs,
        serious=last.serious,
        reasons="" if last.reasons_by else reasons,
        by_matter=replace(grounds.of(last), corrected=reasons) if last.reasons_by else None,
        details=last.details,
        oecd=last.oecd,
        by=by,
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
    """It was not over; the ladder starts again, and what counted from its end waits again."""
    changes = {"acknowledged_at": None, "resolved_at": None}
    advance(incident, INCIDENT, "reopen", by=by, note=reason, changes=changes)
    _recounted(incident, {Instant.RESOLVED: None}, reason=reason, by=by)
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
