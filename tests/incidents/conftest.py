"""A canary that serves another version than the one authorised, at a real local target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from compliance import loopback
from compliance.models import Deployment, ModelVersion
from compliance.services import registry
from incidents.models import Incident
from incidents.targets.local import LocalTarget
from tests import factories
from tests.incidents import cast


@dataclass
class Stage:
    """Everything a rollback needs."""

    deployment: Deployment
    good: ModelVersion
    bad: ModelVersion
    target: LocalTarget
    incident: Incident | None = None


@pytest.fixture
def stage(ada, bo, rae, as_actor, settings, tmp_path: Path) -> Iterator[Stage]:
    """The good version is authorised and declared; the target serves the bad one."""
    ai_system = factories.make_system()
    good, bad = factories.make_version(ai_system), factories.make_version(ai_system)
    for version in (good, bad):
        factories.make_manifest(version, tools=["search_docs"], prompt_sha256s=["a" * 64])
    target = LocalTarget.at(tmp_path / "target", serving=bad.weights_sha256)
    with loopback.serving(target.answer) as address:
        settings.STRATA_EGRESS = [urlsplit(address).netloc]
        deployment = factories.make_deployment(
            ai_system,
            environment="canary",
            target_kind="http",
            target_config={"url": address, "token": target.token},
        )
        cast.authorise(deployment, good, as_actor(ada))
        registry.declare_serving(deployment, good, by=cast.MAKER)
        yield Stage(deployment, good, bad, target)


@pytest.fixture
def burning(stage: Stage) -> Stage:
    """The same with an incident open on the bad version."""
    stage.incident = cast.opened(stage.deployment, stage.bad)
    return stage
