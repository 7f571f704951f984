"""What the registry knows of a deployment, in the form rules ask for it.

A list that nobody declared is None, not empty: a rule that needs it is then *blind*, which is
reported, instead of silent or forever alarmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from incidents.ingest.spans import Value

Listed: TypeAlias = frozenset[str] | None

# The names a rule may write between %…% or under `registry:`, and the fact each stands for.
LISTS: Final = {
    "approved_tools": "tools",
    "approved_scopes": "scopes",
    "approved_prompts": "prompt_sha256s",
    "authorised_weights": "weights_sha256s",
    "untrusted_tools": "untrusted_tools",
    "external_tools": "external_tools",
}


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """One registered deployment: what it was authorised to be and do.

    Attributes:
        key: what its telemetry calls it (`service.name`), or what its token is bound to.
        tools, scopes, prompt_sha256s: the behaviour manifest of the authorised version.
        weights_sha256s: digests of the versions authorised to be served here.
        untrusted_tools: tools that bring in text nobody vouches for.
        external_tools: tools that carry something out of the house.
        last_seen_at: the newest record judged so far.
        expected_since: from when telemetry was owed; None when none is.
    """

    key: str
    model: str = ""
    version: str = ""
    risk_tier: str = ""
    in_production: bool = False
    tools: Listed = None
    scopes: Listed = None
    prompt_sha256s: Listed = None
    weights_sha256s: Listed = None
    untrusted_tools: Listed = None
    external_tools: Listed = None
    last_seen_at: datetime | None = None
    expected_since: datetime | None = None

    def listed(self, name: str) -> Listed:
        """The list a rule calls by this name; None when it was never declared."""
        found: Listed = getattr(self, LISTS[name])
        return found

    def fields(self) -> dict[str, Value]:
        """What is added to every record of this deployment."""
        return {
            "strata.deployment.key": self.key,
            "strata.deployment.registered": True,
            "strata.deployment.in_production": self.in_production,
            "strata.model.id": self.model,
            "strata.model.version": self.version,
            "strata.model.risk_tier": self.risk_tier,
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one moment: that moment, and the deployments by key."""

    at: datetime
    deployments: Mapping[str, DeploymentFacts] = field(default_factory=dict)

    def listed(self, deployment: str, name: str) -> Listed:
        """The list of this name for this deployment; None when either is unknown."""
        known = self.deployments.get(deployment)
        return known.listed(name) if known else None

    def fields(self, deployment: str) -> dict[str, Value]:
        """What is added to a record; of an unknown deployment, only that it is unknown."""
        known = self.deployments.get(deployment)
        if known:
            return known.fields()
        return {"strata.deployment.key": deployment, "strata.deployment.registered": False}
