"""Make things as the house makes them: by calling its services."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from compliance.actors import system
from compliance.models import AISystem, BehaviourManifest, Deployment, ModelVersion
from compliance.services import registry

MAKER = system("tests")
_count = itertools.count(1)


def make_system(name: str = "") -> AISystem:
    """A provider and its system."""
    n = next(_count)
    entity = registry.register_entity(f"Provider {n}", "DE", by=MAKER)
    return registry.register_system(
        entity, name or f"Assistant {n}", intended_purpose="Answers questions.", by=MAKER
    )


def make_version(
    ai_system: AISystem | None = None, *, name: str = "", files: dict[str, bytes] | None = None
) -> ModelVersion:
    """A version from real files in a folder of their own."""
    n = next(_count)
    folder = Path(tempfile.mkdtemp(prefix="strata-version-"))
    for path, data in (files or {"model.safetensors": f"weights {n}".encode()}).items():
        (folder / path).write_bytes(data)
    model = registry.register_model(ai_system or make_system(), f"Model {n}", by=MAKER)
    return registry.register_version(model, name or f"1.{n}.0", folder, by=MAKER)


def make_manifest(version: ModelVersion, **what: list[str]) -> BehaviourManifest:
    """A manifest that declares one tool unless told otherwise."""
    declared = {"tools": ["search_docs"], "data_scopes": ["docs/*"], **what}
    return registry.declare_manifest(version, by=MAKER, **declared)  # type: ignore[arg-type]


def make_deployment(
    ai_system: AISystem | None = None, *, environment: str = "production", **more: object
) -> Deployment:
    """A deployment without a target."""
    return registry.register_deployment(
        ai_system or make_system(),
        f"deployment-{next(_count)}",
        environment,
        by=MAKER,
        **more,  # type: ignore[arg-type]
    )
