"""What pages and the upper storey read from the first floor, each filtered by who asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Exists, Model, OuterRef, Prefetch, Q, QuerySet

from assessments.models import (
    Authorisation,
    Campaign,
    CampaignFinding,
    ConcernSummary,
    Finding,
    GateDecision,
    PromptSuite,
    Sae,
    Scan,
    ScanShard,
    SuppressionTest,
    Waiver,
    WatchList,
)
from assessments.policies import load
from assessments.policies.schema import GatePolicy, PolicyError
from assessments.states import SCAN
from compliance import queries as ground
from compliance.actors import Actor
from compliance.clock import now, stamp
from compliance.models import Deployment, Evidence, ModelVersion, Subject
from compliance.permissions import Permission as P  # noqa: N817 - a table of them
from compliance.services import digest

T = TypeVar("T", bound=Model)
PASSING = (GateDecision.Outcome.GO, GateDecision.Outcome.CONDITIONAL)


def _visible(actor: Actor, permission: P) -> QuerySet[Subject]:
    visible: QuerySet[Subject] = Subject.objects.visible_to(actor, permission)
    return visible


def saes_for(actor: Actor) -> QuerySet[Sae]:
    """Sparse autoencoders, whatever became of them."""
    rows = Sae.objects.filter(subject__in=_visible(actor, P.SCAN_READ))
    return rows.select_related("made_for__model", "registered_by", "same_as").order_by("-id")


def ready_saes_for(actor: Actor) -> QuerySet[Sae]:
    """Those whose latents are known."""
    return saes_for(actor).filter(state="ready")


def watchlists_for(actor: Actor) -> QuerySet[WatchList]:
    """Watch-lists, all numbers."""
    rows = WatchList.objects.filter(subject__in=_visible(actor, P.SCAN_READ))
    return rows.select_related("sae", "subject", "registered_by").order_by("-id")


def newest_watchlists_for(actor: Actor) -> QuerySet[WatchList]:
    """The highest number of each name."""
    return _newest(watchlists_for(actor), WatchList)


def scannable_watchlists_for(actor: Actor) -> QuerySet[WatchList]:
    """Those that can be scanned with: their autoencoder is ready, evidence, and can be read."""
    rows = watchlists_for(actor).filter(sae__state="ready")
    return rows.filter(sae__not_evidence="", sae__unreadable="")


def suites_for(actor: Actor) -> QuerySet[PromptSuite]:
    """Prompt suites, all numbers."""
    rows = PromptSuite.objects.filter(subject__in=_visible(actor, P.SCAN_READ))
    return rows.select_related("subject", "registered_by").order_by("-id")


def newest_suites_for(actor: Actor) -> QuerySet[PromptSuite]:
    """The highest number of each name, without the prompts themselves."""
    return _newest(suites_for(actor), PromptSuite).defer("prompts")


def _newest(rows: QuerySet[T], model: type[T]) -> QuerySet[T]:
    later: QuerySet[T] = model._default_manager.filter(  # noqa: SLF001 - Django's public name
        name=OuterRef("name"), number__gt=OuterRef("number")
    )
    return rows.filter(~Exists(later))


def scans_for(actor: Actor) -> QuerySet[Scan]:
    """Scans of visible versions."""
    visible = _visible(actor, P.SCAN_READ)
    return (
        Scan.objects.filter(version__subject__in=visible)
        .select_related("version__model__system", "version__subject", "sae", "watchlist", "suite")
        .select_related("requested_by")
        .defer("result")
    )


def open_scans_for(actor: Actor) -> QuerySet[Scan]:
    """Scans that wait or are being worked on, oldest first, with their shards."""
    is_over = Q(state__in=[*SCAN.ends(), "failed"])
    slim = Prefetch("shards", queryset=_slim_shards())
    return scans_for(actor).exclude(is_over).order_by("id").prefetch_related(slim)


def shards_of(scan: Scan) -> list[ScanShard]:
    """The pieces of a scan, without what is to be read and what came of it."""
    return list(_slim_shards().filter(scan=scan))


def _slim_shards() -> QuerySet[ScanShard]:
    return ScanShard.objects.defer("plan", "part").order_by("number")


def findings_for(actor: Actor) -> QuerySet[Finding]:
    """Findings of visible scans."""
    return Finding.objects.filter(scan__in=scans_for(actor)).select_related("scan__version__model")


def campaigns_for(actor: Actor) -> QuerySet[Campaign]:
    """Campaigns: by role, or by a grant on the campaign itself."""
    visible = _visible(actor, P.CAMPAIGN_READ)
    return Campaign.objects.filter(subject__in=visible).select_related(
        "version__model", "subject", "opened_by"
    )


def campaign_findings_for(actor: Actor) -> QuerySet[CampaignFinding]:
    """What visible campaigns found."""
    return CampaignFinding.objects.filter(campaign__in=campaigns_for(actor)).select_related("by")


def decisions_for(actor: Actor) -> QuerySet[GateDecision]:
    """Gate decisions about visible versions."""
    visible = _visible(actor, P.DECISION_READ)
    return GateDecision.objects.filter(version__subject__in=visible).select_related(
        "version__model", "version__subject", "asked_by"
    )


def authorisations_for(actor: Actor) -> QuerySet[Authorisation]:
    """Authorisations of visible versions."""
    visible = _visible(actor, P.DECISION_READ)
    return Authorisation.objects.filter(version__subject__in=visible).select_related(
        "version__model", "deployment", "decision", "given_by"
    )


def waivers_for(actor: Actor) -> QuerySet[Waiver]:
    """Waivers for visible versions."""
    visible = _visible(actor, P.DECISION_READ)
    return Waiver.objects.filter(version__subject__in=visible).select_related(
        "version__model", "version__subject", "decision", "asked_by", "approval"
    )


def judged_versions_for(actor: Actor) -> QuerySet[ModelVersion]:
    """Versions whose decisions the actor may read: the gate's pages stand under this right."""
    visible = _visible(actor, P.DECISION_READ)
    return ModelVersion.objects.filter(subject__in=visible).select_related(
        "model__system", "subject"
    )


def newest_decision(version: ModelVersion, environment: str) -> GateDecision | None:
    """The last thing that the gate concluded for this version in this environment."""
    return version.decisions.filter(environment=environment).order_by("-id").first()


def newest_decisions(actor: Actor, limit: int = 10) -> list[GateDecision]:
    """The newest decisions, one a version and environment."""
    seen: set[tuple[int, str]] = set()
    kept = []
    for decision in decisions_for(actor).order_by("-id")[: limit * 10]:
        if (key := (decision.version_id, decision.environment)) not in seen:
            seen.add(key)
            kept.append(decision)
    return kept[:limit]


def evidence_asked(version: ModelVersion, policy: GatePolicy) -> dict[str, Evidence]:
    """The newest evidence of each kind that the policy asks for."""
    wanted = {criterion.evidence for criterion in policy.criteria}
    newest = ground.newest_evidence(version)
    return {what: found for what, found in newest.items() if what in wanted}


def evidence_sha256(
    version: ModelVersion, policy: GatePolicy, evidence: Mapping[str, Evidence]
) -> str:
    """What a decision binds to: the evidence, the policy, and what the version is declared to do."""
    manifest = ground.newest_manifest(version)
    return digest.of_json(
        {
            "version": version.weights_sha256,
            "policy": policy.sha256,
            "manifest": manifest.sha256 if manifest else "",
            "evidence": sorted(found.sha256 for found in evidence.values()),
        }
    )


def rests_on_current(decision: GateDecision) -> bool:
    """Whether evidence, policy and manifest are still those that the decision saw."""
    try:
        policy = load.policy_for(decision.environment)
    except PolicyError:
        return False
    asked = evidence_asked(decision.version, policy)
    return decision.evidence_sha256 == evidence_sha256(decision.version, policy, asked)


def standing_decision(
    version: ModelVersion, environment: str, at: datetime | None = None
) -> GateDecision | None:
    """The newest decision, if it lets the version pass and what it rests on still holds."""
    decision = newest_decision(version, environment)
    if decision is None or decision.outcome not in PASSING:
        return None
    if decision.valid_until is not None and decision.valid_until <= (at or now()):
        return None
    return decision if rests_on_current(decision) else None


def may_serve(version: ModelVersion, environment: str, at: datetime | None = None) -> bool:
    """Whether the gate lets this version serve in this environment now."""
    return version.state == "registered" and standing_decision(version, environment, at) is not None


def covering(
    version: ModelVersion, deployment: Deployment, at: datetime | None = None
) -> Authorisation | None:
    """The authorisation under which this version serves there: standing, unexpired, and current."""
    standing = deployment.authorisations.filter(_standing(at), version=version)
    found: Authorisation | None = (
        standing.select_related("decision__version", "version").order_by("-id").first()
    )
    return found if found is not None and rests_on_current(found.decision) else None


def _standing(at: datetime | None) -> Q:
    """Given, not ended, and not expired at this moment."""
    moment = at or now()
    alive = Q(expires_at=None) | Q(expires_at__gt=moment)
    return alive & Q(state="standing", given_at__lte=moment)


def authorised_sha256s(deployment: Deployment, at: datetime | None = None) -> frozenset[str]:
    """The digests of all weights that may serve at this deployment now."""
    return authorised_by_deployment([deployment], at)[deployment.pk]


def authorised_by_deployment(
    deployments: Iterable[Deployment], at: datetime | None = None
) -> dict[int, frozenset[str]]:
    """The digests that may serve now, by the deployment's primary key, in a fixed number of queries.

    Of several authorisations of one version at one deployment the newest decides, as `covering`.
    """
    rows = list(deployments)
    standing = (
        Authorisation.objects.filter(_standing(at), deployment__in=rows)
        .select_related("decision__version", "version")
        .prefetch_related("decision__version__manifests", _slim_evidence())
        .order_by("id")
    )
    newest = {(each.deployment_id, each.version_id): each for each in standing}
    found: dict[int, set[str]] = {row.pk: set() for row in rows}
    for each in newest.values():
        if rests_on_current(each.decision):
            found[each.deployment_id].add(each.version.weights_sha256)
    return {pk: frozenset(digests) for pk, digests in found.items()}


def _slim_evidence() -> Prefetch[str, QuerySet[Evidence], str]:
    """What a decision's digest is made of; payloads may be large and stay where they are."""
    slim = Evidence.objects.only("version", "what", "series", "status", "sha256")
    return Prefetch("decision__version__evidence", queryset=slim)


def open_waivers(version: ModelVersion, environment: str) -> list[Waiver]:
    """Waivers asked or granted for this version there, newest first."""
    asked = version.waivers.filter(environment=environment, state__in=["asked", "granted"])
    return list(asked.select_related("asked_by", "approval", "version").order_by("-id"))


def waiver_sha256(waiver: Waiver, reason: Mapping[str, Any]) -> str:
    """What people approve when they grant a waiver: its words, its end, and what it excuses."""
    return digest.of_json(
        {
            "version": waiver.version.weights_sha256,
            "environment": waiver.environment,
            "criterion": waiver.criterion,
            "excuses": {"status": reason["status"], "evidence": reason["sha256"]},
            "reason": waiver.reason,
            "conditions": waiver.conditions,
            "expires_at": stamp(waiver.expires_at),
        }
    )


def baseline_scan(scan: Scan) -> Scan | None:
    """The newest finished scan of the previous version with the very same instrument."""
    if scan.version.previous_id is None:
        return None
    same = Scan.objects.filter(
        version_id=scan.version.previous_id,
        state="done",
        sae_id=scan.sae_id,
        watchlist__sha256=scan.watchlist.sha256,
        suite__sha256=scan.suite.sha256,
    )
    return same.order_by("-id").first()


def asked_together(actor: Actor, scan: Scan) -> QuerySet[Scan]:
    """All scans that were asked at once with this one, itself among them; none if it was alone."""
    if scan.together is None:
        return Scan.objects.none()
    return scans_for(actor).filter(together=scan.together).order_by("pk")


def comparable_scans(actor: Actor, scan: Scan) -> QuerySet[Scan]:
    """Other finished scans with the same autoencoder, watch-list and suite."""
    return (
        scans_for(actor)
        .filter(
            state="done",
            sae_id=scan.sae_id,
            watchlist__sha256=scan.watchlist.sha256,
            suite__sha256=scan.suite.sha256,
        )
        .exclude(pk=scan.pk)
        .order_by("-id")
    )


def summaries_of(scan: Scan) -> list[ConcernSummary]:
    """Every concern under every frame."""
    return list(scan.summaries.order_by("concern", "frame"))


def tests_of(scan: Scan) -> list[SuppressionTest]:
    """The paired tests: concerns, then the control, then latents by strength."""
    order = {"concern": 0, "control": 1, "latent": 2}
    rows: Iterable[SuppressionTest] = scan.suppression.all()
    return sorted(rows, key=lambda row: (order.get(row.scope, 9), -(row.ratio or 0.0), row.key))


def evidence_of(scan: Scan) -> list[Evidence]:
    """What the scan attested."""
    return list(scan.version.evidence.filter(source=scan.ref).order_by("id"))


def campaigns_of(version: ModelVersion, actor: Actor) -> QuerySet[Campaign]:
    """The campaigns against one version that the actor may see."""
    return campaigns_for(actor).filter(version=version).order_by("-id")
