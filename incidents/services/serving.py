"""What serves where, whether it may, and what the rules may know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import Max
from django.utils.translation import gettext as _

from assessments import queries as assessed
from compliance.actors import Actor, system
from compliance.clock import now
from compliance.models import Deployment, ModelVersion, ServingRecord
from compliance.phrase import Phrase
from compliance.services import notice, registry
from incidents.models import Alert, StitchState
from incidents.rules.facts import DeploymentFacts, Facts
from incidents.services import alert
from incidents.targets.base import TargetError
from incidents.targets.load import load

RULE_KEY = "strata.served-without-authorisation"
RULE_VERSION = "1"
WATCHMAN = system("watchman")
# Whose word is heard first: what was observed counts before what was declared.
SAID_BY = ("telemetry", "target", "declared")


class Seen(NamedTuple):
    """A digest that serves, by whose word, and the version it is, if anybody registered it."""

    sha256: str
    said_by: str
    record: ServingRecord
    version: ModelVersion | None


def authorised(deployment: Deployment, at: datetime) -> list[ModelVersion]:
    """The versions that a standing decision lets serve here now."""
    digests = assessed.authorised_sha256s(deployment, at)
    return list(ModelVersion.objects.filter(weights_sha256__in=digests).order_by("pk"))


def facts(deployments: Iterable[Deployment], at: datetime) -> Facts:
    """What the registry knows of these deployments at this moment, as rules ask for it."""
    return Facts(at, {each.key: _facts_of(each, at) for each in deployments})


def _facts_of(deployment: Deployment, at: datetime) -> DeploymentFacts:
    allowed = authorised(deployment, at)
    declared = allowed[-1] if allowed else deployment.serves
    manifest = declared.manifests.order_by("-number").first() if declared else None
    state = StitchState.objects.filter(deployment=deployment).first()
    first = deployment.servings.filter(said_by="declared").order_by("id").first()
    is_active = deployment.state == "active"
    # Without any authorisation what was declared is the yardstick of the digest; that the
    # decision lacks is said by `check`, once and by its own name.
    yardstick = allowed or ([declared] if declared is not None else [])
    return DeploymentFacts(
        key=deployment.key,
        model=str(declared.model.name) if declared else "",
        version=str(declared.name) if declared else "",
        risk_tier=deployment.system.risk_class,
        in_production=deployment.environment == Deployment.Environment.PRODUCTION,
        tools=frozenset(manifest.tools) if manifest else None,
        scopes=frozenset(manifest.data_scopes) if manifest else None,
        prompt_sha256s=frozenset(manifest.prompt_sha256s) if manifest else None,
        weights_sha256s=frozenset(each.weights_sha256 for each in yardstick) or None,
        untrusted_tools=frozenset(manifest.untrusted_tools) if manifest else None,
        external_tools=frozenset(manifest.external_tools) if manifest else None,
        last_seen_at=state.last_seen_at if state else None,
        expected_since=first.at if first and is_active else None,
    )


def seen(deployment: Deployment) -> list[Seen]:
    """What serves by each word there is, what was observed before what was declared."""
    return seen_by_deployment([deployment])[deployment.pk]


def seen_by_deployment(deployments: Iterable[Deployment]) -> dict[int, list[Seen]]:
    """The same of many, by the deployment's primary key, in a fixed number of queries."""
    found: dict[int, list[Seen]] = {each.pk: [] for each in deployments}
    records = _newest_words(found)
    registered = _registered(each.weights_sha256 for each in records if each.version is None)
    for each in records:
        version = each.version or registered.get(each.weights_sha256)
        found[each.deployment_id].append(Seen(each.weights_sha256, each.said_by, each, version))
    return found


def _newest_words(deployments: Iterable[int]) -> list[ServingRecord]:
    """The newest record of each who said what serves, in the order of `SAID_BY`."""
    newest = (
        ServingRecord.objects.filter(deployment__in=list(deployments), said_by__in=SAID_BY)
        .values("deployment", "said_by")
        .annotate(newest=Max("pk"))
        .values("newest")
    )
    records = ServingRecord.objects.filter(pk__in=newest).select_related("version__model")
    return sorted(records, key=lambda each: SAID_BY.index(each.said_by))


def _registered(sha256s: Iterable[str]) -> dict[str, ModelVersion]:
    """Versions by digest; of several with the same weights the first that was registered."""
    versions = ModelVersion.objects.filter(weights_sha256__in=set(sha256s)).select_related("model")
    return {each.weights_sha256: each for each in versions.order_by("-pk")}


def check(deployment: Deployment, *, by: Actor = WATCHMAN) -> list[Alert]:
    """Raise “served without authorisation” for each digest that serves without a covering decision."""
    at = now()
    allowed = assessed.authorised_sha256s(deployment, at)
    unlawful = [each for each in seen(deployment) if each.sha256 not in allowed]
    return [_raise(deployment, each, by) for each in unlawful if deployment.state == "active"]


def _level(deployment: Deployment, each: Seen) -> str:
    """Critical when something else serves than was declared; high when only the decision lacks."""
    declared = deployment.serves
    is_other = declared is not None and each.sha256 != declared.weights_sha256
    return "critical" if is_other or each.version is None else "high"


def _raise(deployment: Deployment, each: Seen, by: Actor) -> Alert:
    fingerprint = hashlib.sha256(f"{RULE_KEY}|{deployment.uuid}|{each.sha256}".encode()).hexdigest()
    name = str(each.version) if each.version else _("a version that nobody registered")
    sign = alert.Sign(
        rule_key=RULE_KEY,
        rule_version=RULE_VERSION,
        rule_sha256=hashlib.sha256(f"{RULE_KEY}@{RULE_VERSION}".encode()).hexdigest(),
        level=_level(deployment, each),
        title=_("Served without authorisation: %(version)s on %(deployment)s")
        % {"version": name, "deployment": deployment.key},
        fingerprint=fingerprint,
        fields={"strata.weights.sha256": each.sha256, "said_by": each.said_by, "version": name},
        record_ids=(f"serving:{each.record.pk}",),
        count=1,
        first_at=each.record.at,
        last_at=each.record.at,
        expected=Phrase("a version with a standing authorisation on current evidence"),
        runbook="served-without-authorisation",
    )
    return alert.raise_from(sign, deployment, observed_sha256=each.sha256, by=by)


def ask_target(deployment: Deployment) -> str:
    """What the target says it serves; noted in the registry.

    Raises:
        TargetError: there is no target, or it does not answer.
    """
    target = load(deployment.target_kind, deployment.target_config, egress=notice.egress())
    said = target.serving().digest
    registry.observe_serving(deployment, said, said_by="target", by=WATCHMAN)
    return said


def watch() -> int:
    """Ask every target what it serves and check what was seen; how many alerts stand for it."""
    n_alerts = 0
    for deployment in Deployment.objects.filter(state="active").select_related("system", "subject"):
        if deployment.target_kind != "null":
            _ask_quietly(deployment)
        n_alerts += len(check(deployment))
    return n_alerts


def _ask_quietly(deployment: Deployment) -> None:
    try:
        ask_target(deployment)
    except TargetError:
        # A target that does not answer is shown on its page; telemetry is the other vantage.
        return
