"""What pages and upper storeys read from the ground floor, each filtered by who asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Prefetch, QuerySet, Sum

from compliance.actors import Actor
from compliance.audit import log
from compliance.audit.log import Line
from compliance.clock import now
from compliance.models import (
    AIModel,
    AISystem,
    ApiToken,
    ApprovalRequest,
    AuditExport,
    AuthorityRequest,
    BehaviourManifest,
    Blob,
    ClockInstance,
    Deployment,
    Document,
    DutyOccurrence,
    Evidence,
    FeedToken,
    Filing,
    LegalEntity,
    ModelVersion,
    Notice,
    ReleaseAuthorisation,
    Report,
    ServingRecord,
    StandingDuty,
    Subject,
    TimeStamp,
    User,
    WorkerBeat,
)
from compliance.permissions import Permission as P  # noqa: N817 - a table of them

LAYERS = {1: "interpretation", 2: "behaviour", 3: "response", 4: "record"}

# What forms offer; the words stand with the tables.
RISK_CLASSES = AISystem.RiskClass.choices
EU_ROLES = AISystem.Role.choices
ENVIRONMENTS = Deployment.Environment.choices
EVIDENCE_STATUSES = Evidence.Status.choices


def _visible(actor: Actor, permission: P) -> QuerySet[Subject]:
    visible: QuerySet[Subject] = Subject.objects.visible_to(actor, permission)
    return visible


def visible_reports(actor: Actor) -> QuerySet[Subject]:
    """Subjects whose clocks and reports the actor may read."""
    return _visible(actor, P.REPORT_READ)


def entities_for(actor: Actor) -> QuerySet[LegalEntity]:
    """Legal entities."""
    return LegalEntity.objects.filter(subject__in=_visible(actor, P.INVENTORY_READ))


def systems_for(actor: Actor) -> QuerySet[AISystem]:
    """AI systems."""
    visible = _visible(actor, P.INVENTORY_READ)
    return AISystem.objects.filter(subject__in=visible).select_related("entity", "subject", "owner")


def models_for(actor: Actor) -> QuerySet[AIModel]:
    """Lines of model versions, inside visible systems."""
    return AIModel.objects.filter(system__in=systems_for(actor)).select_related("system__subject")


def standing_versions(actor: Actor) -> dict[int, ModelVersion]:
    """For each visible system (by primary key) the version whose strip speaks for it.

    What serves in production counts before what serves elsewhere, and that before the newest
    registered version.
    """
    visible = versions_for(actor)
    speaking = {v.model.system_id: v for v in visible.filter(state="registered").order_by("id")}
    by_pk = {version.pk: version for version in visible}
    serving = deployments_for(actor).filter(state="active", serves__in=visible).order_by("id")
    for environment in ("staging", "canary", "production"):
        for deployment in serving:
            if deployment.environment == environment and deployment.serves_id is not None:
                speaking[deployment.system_id] = by_pk[deployment.serves_id]
    return speaking


def versions_for(actor: Actor) -> QuerySet[ModelVersion]:
    """Model versions."""
    visible = _visible(actor, P.INVENTORY_READ)
    return ModelVersion.objects.filter(subject__in=visible).select_related(
        "model__system", "subject"
    )


def manifests_for(actor: Actor) -> QuerySet[BehaviourManifest]:
    """Behaviour manifests, inside visible versions."""
    return BehaviourManifest.objects.filter(version__in=versions_for(actor))


def deployments_for(actor: Actor) -> QuerySet[Deployment]:
    """Deployments."""
    visible = _visible(actor, P.INVENTORY_READ)
    return Deployment.objects.filter(subject__in=visible).select_related(
        "system", "subject", "serves__model"
    )


def said_to_serve(deployment: Deployment) -> dict[str, ServingRecord]:
    """The newest word of each who said what serves: declared, telemetry, target."""
    rows = deployment.servings.select_related("version__model").order_by("id")
    return {row.said_by: row for row in rows}


def evidence_for(actor: Actor) -> QuerySet[Evidence]:
    """Evidence about visible versions."""
    visible = _visible(actor, P.EVIDENCE_READ)
    return Evidence.objects.filter(version__subject__in=visible).select_related(
        "version__model", "attested_by"
    )


WORST_LAST = (Evidence.Status.MET, Evidence.Status.INCONCLUSIVE, Evidence.Status.NOT_MET)


def standing_evidence(version: ModelVersion) -> list[Evidence]:
    """The newest evidence of each series of each kind, best first.

    A series is what was measured with the same instrument, as the payload names it; within it the
    newest replaces what was before.
    """
    # Not order_by(): lists prefetch the evidence of all their versions.
    return standing_of(version.evidence.all())


def standing_of(rows: Iterable[Evidence]) -> list[Evidence]:
    """The newest of each series among the evidence of one version, best first."""
    newest = {series_of(found): found for found in sorted(rows, key=lambda e: e.pk)}
    return sorted(newest.values(), key=lambda e: (WORST_LAST.index(e.status), e.pk))


def series_of(evidence: Evidence) -> tuple[str, str]:
    """What a later finding must share to take this one's place."""
    return evidence.what, evidence.series


def newest_evidence(version: ModelVersion) -> dict[str, Evidence]:
    """The evidence of each kind that speaks for one version.

    Of several series the worst speaks, for a clean result of one instrument takes nothing back of
    what another found.
    """
    return speaking(version.evidence.all())


def speaking(rows: Iterable[Evidence]) -> dict[str, Evidence]:
    """The same among the evidence of one version that is at hand."""
    return {found.what: found for found in standing_of(rows)}


def newest_manifest(version: ModelVersion) -> BehaviourManifest | None:
    """What the version is declared to do now."""
    # Not order_by().first(): lists prefetch the manifests of all their versions.
    return max(version.manifests.all(), key=lambda m: m.number, default=None)


def freshness(evidence: Evidence, at: datetime | None = None) -> str:
    """Say "fresh", "stale" (what it rests on changed since) or "expired". Computed, never stored."""
    if evidence.valid_until is not None and evidence.valid_until <= (at or now()):
        return "expired"
    manifest = newest_manifest(evidence.version)
    current = {
        "version": evidence.version.weights_sha256,
        "manifest": manifest.sha256 if manifest else "",
    }
    moved = any(evidence.basis.get(key, value) != value for key, value in current.items())
    return "stale" if moved else "fresh"


def reports_for(actor: Actor) -> QuerySet[Report]:
    """Reports to regulators."""
    visible = _visible(actor, P.REPORT_READ)
    return Report.objects.filter(subject__in=visible).select_related("subject", "drafted_by")


def filings_for(actor: Actor) -> QuerySet[Filing]:
    """Filings of visible reports."""
    return Filing.objects.filter(report__in=reports_for(actor)).select_related("report", "receipt")


def time_stamps_for(actor: Actor) -> QuerySet[TimeStamp]:
    """Time-stamps of visible filings."""
    stamps = TimeStamp.objects.filter(filing__report__in=reports_for(actor))
    return stamps.select_related("filing__report")


def clocks_for(actor: Actor) -> QuerySet[ClockInstance]:
    """The clocks that count now; replaced ones are history."""
    visible = _visible(actor, P.REPORT_READ)
    return ClockInstance.objects.filter(subject__in=visible, replaced_by=None).select_related(
        "subject"
    )


def clock_history_for(actor: Actor) -> QuerySet[ClockInstance]:
    """All clocks, the replaced ones too."""
    return ClockInstance.objects.filter(subject__in=_visible(actor, P.REPORT_READ))


def duties_for(actor: Actor) -> QuerySet[StandingDuty]:
    """Standing duties."""
    visible = _visible(actor, P.DUTY_READ)
    return StandingDuty.objects.filter(subject__in=visible).select_related("subject", "owner")


def occurrences_for(actor: Actor) -> QuerySet[DutyOccurrence]:
    """The dates of visible duties."""
    return DutyOccurrence.objects.filter(duty__in=duties_for(actor)).select_related("duty")


def authority_requests_for(actor: Actor) -> QuerySet[AuthorityRequest]:
    """What authorities asked."""
    visible = _visible(actor, P.AUTHORITY_READ)
    return AuthorityRequest.objects.filter(subject__in=visible).select_related("subject", "owner")


def releases_for(actor: Actor) -> QuerySet[ReleaseAuthorisation]:
    """Authorisations to file unattended: whoever reads reports may know of them."""
    visible = _visible(actor, P.REPORT_READ)
    return ReleaseAuthorisation.objects.filter(subject__in=visible).select_related(
        "subject", "asked_by", "approval"
    )


def feeds_for(actor: Actor) -> QuerySet[FeedToken]:
    """One's own calendar addresses."""
    return FeedToken.objects.filter(person_id=actor.user_id or 0).order_by("-id")


def documents_for(actor: Actor) -> QuerySet[Document]:
    """Documents about visible subjects."""
    visible = _visible(actor, P.DOCUMENT_READ)
    return Document.objects.filter(subject__in=visible).select_related("subject", "pdf", "twin")


def exports_for(actor: Actor) -> QuerySet[AuditExport]:
    """Audit exports: one's own, or all with the right to read the record."""
    if actor.may(P.AUDIT_EXPORT):
        return AuditExport.objects.select_related("blob", "asked_by", "subject")
    return AuditExport.objects.none()


def blobs_for(actor: Actor) -> QuerySet[Blob]:
    """Stored files of subjects whose documents, reports or incidents the actor may read."""
    readable = _visible(actor, P.DOCUMENT_READ) | _visible(actor, P.REPORT_READ)
    guarded = ["authority_request", "export"]
    blobs = Blob.objects.filter(subject__in=readable).exclude(subject__kind__in=guarded)
    asked = _visible(actor, P.AUTHORITY_READ).filter(kind="authority_request")
    blobs |= Blob.objects.filter(subject__in=asked)
    if actor.may(P.AUDIT_EXPORT):
        blobs |= Blob.objects.filter(subject__kind="export")
    return blobs.select_related("subject")


def notices_for(actor: Actor) -> QuerySet[Notice]:
    """Messages about incidents the actor may read."""
    return Notice.objects.filter(subject__in=_visible(actor, P.INCIDENT_READ))


def approvals_for(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Approval requests on subjects the actor may see at all."""
    seen = Subject.objects.none()
    for permission in (P.INVENTORY_READ, P.INCIDENT_READ, P.REPORT_READ, P.CAMPAIGN_READ):
        seen = seen | _visible(actor, permission)
    return (
        ApprovalRequest.objects.filter(subject__in=seen)
        .select_related("asked_by", "subject")
        .prefetch_related(Prefetch("approvals"), "approvals__person")
    )


def approvals_waiting(actor: Actor) -> list[ApprovalRequest]:
    """What this very person could approve now."""
    if not actor.is_person:
        return []
    waiting = approvals_for(actor).filter(state="asked").exclude(asked_by_id=actor.user_id)
    return [
        request
        for request in waiting.exclude(approvals__person_id=actor.user_id).order_by("asked_at")
        if actor.may(P(request.permission), request.subject)
    ]


def people_for(actor: Actor) -> QuerySet[User]:
    """People, for those who manage accounts or the rota."""
    if actor.may(P.ACCOUNT_MANAGE) or actor.may(P.ROTA_MANAGE):
        return User.objects.prefetch_related("roles").order_by("name")
    return User.objects.filter(pk=actor.user_id or 0).prefetch_related("roles")


def tokens_for(actor: Actor) -> QuerySet[ApiToken]:
    """API tokens, for those who manage them."""
    if actor.may(P.TOKEN_MANAGE):
        return ApiToken.objects.select_related("deployment", "made_by").order_by("-id")
    return ApiToken.objects.none()


def person_by_email(address: str) -> User | None:
    """The person who signs in with this address, whatever its case."""
    return User.objects.filter(email=address.strip().lower()).first()


def entity_exists(name: str) -> bool:
    """Whether a legal entity of this name is registered."""
    return LegalEntity.objects.filter(name=name).exists()


def deployment_key_exists(key: str) -> bool:
    """Whether telemetry already uses this name."""
    return Deployment.objects.filter(key=key).exists()


def model_name_exists(system: AISystem, name: str) -> bool:
    """Whether the system has a model of this name."""
    return system.models.filter(name=name).exists()


def version_name_exists(model: AIModel, name: str) -> bool:
    """Whether the model has a version of this name."""
    return model.versions.filter(name=name).exists()


def person_name(pk: int | None) -> str:
    """A person's name, or an empty string."""
    return User.objects.filter(pk=pk or 0).values_list("name", flat=True).first() or ""


def timeline(thing: Any, actor: Actor, *, limit: int = 200) -> list[Line]:
    """What happened to a thing's whole subject, oldest first, if the actor may see the subject."""
    return timeline_of([thing.subject], actor, limit=limit)


def timeline_of(subjects: Iterable[Subject], actor: Actor, *, limit: int = 200) -> list[Line]:
    """The same over several subjects."""
    uuids: list[UUID] = [s.uuid for s in subjects if _may_look(actor, s)]
    return log.entries(subjects=uuids, limit=limit)


def history(thing: Any, actor: Actor) -> list[Line]:
    """What happened to this one object."""
    return log.entries(objects=[thing.uuid]) if _may_look(actor, thing.subject) else []


def _may_look(actor: Actor, subject: Subject) -> bool:
    reading = (
        P.INVENTORY_READ,
        P.INCIDENT_READ,
        P.REPORT_READ,
        P.CAMPAIGN_READ,
        P.AUDIT_READ,
        P.AUTHORITY_READ,
        P.DUTY_READ,
    )
    return any(actor.may(permission, subject) for permission in reading)


def record_lines(actor: Actor, *, limit: int = 200) -> list[Line]:
    """The newest lines of the whole record, without restricted subjects the actor may not see."""
    if not actor.may(P.AUDIT_READ):
        return []
    hidden = set(
        Subject.objects.filter(restricted=True)
        .exclude(uuid__in=list(actor.grants))
        .values_list("uuid", flat=True)
    )
    lines = log.entries(limit=limit + len(hidden), newest_first=True)
    return [line for line in lines if line.subject_uuid not in hidden][:limit]


def workers() -> QuerySet[WorkerBeat]:
    """Which processes said lately that they live."""
    return WorkerBeat.objects.order_by("what", "name")


def storage() -> dict[str, int]:
    """How many files are kept and how many bytes they have."""
    kept = Blob.objects.aggregate(n=Count("pk"), size=Sum("size"))
    return {"n": kept["n"], "size": kept["size"] or 0}


def notices_stuck() -> int:
    """Messages that could not be delivered."""
    return Notice.objects.filter(state="failed").count()
