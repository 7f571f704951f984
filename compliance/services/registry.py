"""What there is: entities, systems, models, versions, manifests, deployments."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import (
    AIModel,
    AISystem,
    BehaviourManifest,
    Deployment,
    LegalEntity,
    ModelFile,
    ModelVersion,
    ServingRecord,
)
from compliance.permissions import Permission
from compliance.services import digest, fact, subject
from compliance.states import DEPLOYMENT, VERSION

CHUNK = 1 << 20
REFUSED_ENDINGS = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".h5", ".keras"}


class RegistryError(ValueError):
    """What was to be registered does not fit what is there."""


class FileDigest(NamedTuple):
    """One file of a version: path within the folder, bytes, hex SHA-256."""

    path: str
    size: int
    sha256: str


@transaction.atomic
def register_entity(
    name: str, country: str, *, facts: Mapping[str, Any] | None = None, by: Actor
) -> LegalEntity:
    """One legal person of the organisation."""
    require(by, Permission.INVENTORY_WRITE)
    entity = LegalEntity.objects.create(
        subject=subject.make("entity", name), name=name, country=country, facts=dict(facts or {})
    )
    fact.begin(entity, by=by)
    record("entity.register", entity, by=by, words={"name": name}, country=country)
    return entity


@transaction.atomic
def register_system(
    entity: LegalEntity,
    name: str,
    *,
    intended_purpose: str,
    risk_class: str = AISystem.RiskClass.UNKNOWN,
    eu_role: str = AISystem.Role.PROVIDER,
    zone: str = "Europe/Berlin",
    member_states: Iterable[str] = (),
    facts: Mapping[str, Any] | None = None,
    owner_id: int | None = None,
    by: Actor,
) -> AISystem:
    """What is placed on the market. Its reference is given here and never reused."""
    require(by, Permission.INVENTORY_WRITE)
    system = AISystem.objects.create(
        subject=subject.make("system", name),
        entity=entity,
        reference=f"SYS-{AISystem.objects.count() + 1:04d}",
        name=name,
        intended_purpose=intended_purpose,
        risk_class=risk_class,
        eu_role=eu_role,
        zone=zone,
        member_states=sorted(member_states),
        facts=dict(facts or {}),
        owner_id=owner_id or by.user_id,
    )
    fact.begin(system, by=by)
    record(
        "system.register",
        system,
        by=by,
        words={"name": name},
        entity=str(entity.uuid),
        risk_class=risk_class,
        role=eu_role,
    )
    return system


@transaction.atomic
def register_model(
    system: AISystem,
    name: str,
    *,
    base: str = "",
    licence: str = "",
    facts: Mapping[str, Any] | None = None,
    by: Actor,
) -> AIModel:
    """A line of versions under one name."""
    require(by, Permission.INVENTORY_WRITE, system.subject)
    model = AIModel.objects.create(
        system=system, name=name, base=base, licence=licence, facts=dict(facts or {})
    )
    fact.begin(model, by=by)
    record("model.register", model, by=by, words={"name": name})
    return model


def size_of(folder: Path) -> int:
    """The bytes that registering this folder would have to read."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def read_folder(folder: Path, report: Callable[[int], None] | None = None) -> list[FileDigest]:
    """Every file below `folder` with its digest, sorted by path.

    Args:
        folder: where the files lie.
        report: told the bytes of each piece as it is read.

    Raises:
        RegistryError: no such folder, no files, a link, or a format that can run code.
    """
    if not folder.is_dir():
        raise RegistryError(
            _("%(folder)s is not a folder; give the folder that holds the model's files.")
            % {"folder": folder}
        )
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_symlink() or p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise RegistryError(
                _("%(name)s is a link; put the file itself into the folder.") % {"name": name}
            )
        if path.suffix.lower() in REFUSED_ENDINGS:
            raise RegistryError(
                _("%(name)s can hold code that runs when it is read; convert it to safetensors.")
                % {"name": name}
            )
        found.append(_digest_file(path, name, report))
    if not found:
        raise RegistryError(
            _("%(folder)s holds no files; expected safetensors, config and tokenizer.")
            % {"folder": folder}
        )
    return found


def _digest_file(path: Path, name: str, report: Callable[[int], None] | None = None) -> FileDigest:
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            size += len(chunk)
            if report is not None:
                report(len(chunk))
    return FileDigest(name, size, sha.hexdigest())


def weights_digest(files: Iterable[FileDigest]) -> str:
    """The version's identity: SHA-256 over what `sha256sum` prints for its files, by path."""
    lines = (f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda f: f.path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def register_version(
    model: AIModel,
    name: str,
    folder: Path,
    *,
    origin: str = "",
    previous: ModelVersion | None = None,
    report: Callable[[int], None] | None = None,
    by: Actor,
) -> ModelVersion:
    """Register the files of a folder as a version; the same files give the same version back.

    The files are read outside the transaction: a large model must not hold the write lock.
    """
    require(by, Permission.INVENTORY_WRITE, model.subject)
    files = read_folder(folder, report)
    weights = weights_digest(files)
    known = ModelVersion.objects.filter(weights_sha256=weights).first()
    if known is not None:
        return known
    with transaction.atomic():
        version = ModelVersion.objects.create(
            subject=subject.make("version", f"{model.name} {name}"),
            model=model,
            name=name,
            weights_sha256=weights,
            location=str(folder),
            origin=origin,
            previous=previous,
            registered_by_id=by.user_id,
            registered_at=now(),
        )
        ModelFile.objects.bulk_create([ModelFile(version=version, **f._asdict()) for f in files])
        record(
            "version.register",
            version,
            by=by,
            after="registered",
            words={"name": f"{model.name} {name}"},
            weights_sha256=weights,
            n_files=len(files),
            model=str(model.uuid),
        )
    return version


@transaction.atomic
def retire_version(version: ModelVersion, *, by: Actor, note: str) -> None:
    """It may serve no more."""
    advance(version, VERSION, "retire", by=by, note=note)


@transaction.atomic
def declare_manifest(
    version: ModelVersion,
    *,
    tools: Iterable[str],
    external_tools: Iterable[str] = (),
    untrusted_tools: Iterable[str] = (),
    data_scopes: Iterable[str] = (),
    prompt_sha256s: Iterable[str] = (),
    rates: Mapping[str, int] | None = None,
    by: Actor,
) -> BehaviourManifest:
    """What the version is declared to use. Evidence that rested on an older one goes stale.

    Args:
        version: whose behaviour.
        tools: every tool it may call.
        external_tools: those that carry data out.
        untrusted_tools: those that bring in what strangers wrote.
        data_scopes: prefixes or globs of the data it may touch.
        prompt_sha256s: digests of the system prompts it was assessed with.
        rates: the most calls an hour, by tool.
        by: who declares.
    """
    require(by, Permission.INVENTORY_WRITE, version.subject)
    content = {
        "tools": sorted(tools),
        "external_tools": sorted(external_tools),
        "untrusted_tools": sorted(untrusted_tools),
        "data_scopes": sorted(data_scopes),
        "prompt_sha256s": sorted(prompt_sha256s),
        "rates": dict(rates or {}),
    }
    last = version.manifests.order_by("-number").first()
    manifest = BehaviourManifest.objects.create(
        version=version,
        number=last.number + 1 if last else 1,
        sha256=digest.of_json(content),
        declared_by_id=by.user_id,
        declared_at=now(),
        **content,
    )
    record(
        "manifest.declare",
        manifest,
        by=by,
        number=manifest.number,
        sha256=manifest.sha256,
        version=str(version.uuid),
    )
    return manifest


@transaction.atomic
def register_deployment(
    system: AISystem,
    key: str,
    environment: str,
    *,
    zone: str = "Europe/Berlin",
    target_kind: str = "null",
    target_config: Mapping[str, Any] | None = None,
    by: Actor,
) -> Deployment:
    """Where versions of this system serve. `key` is what telemetry calls it (service.name)."""
    require(by, Permission.DEPLOYMENT_MANAGE, system.subject)
    deployment = Deployment.objects.create(
        subject=subject.make("deployment", key),
        system=system,
        key=key,
        environment=environment,
        zone=zone,
        target_kind=target_kind,
        target_config=dict(target_config or {}),
    )
    record(
        "deployment.register",
        deployment,
        by=by,
        after="active",
        words={"key": key},
        environment=environment,
        system=str(system.uuid),
    )
    return deployment


@transaction.atomic
def declare_serving(deployment: Deployment, version: ModelVersion, *, by: Actor) -> None:
    """Say that the deployment now serves this version. Whether it may is the gate's business.

    Raises:
        TransitionRefused: the deployment is ended.
    """
    require(by, Permission.DEPLOYMENT_MANAGE, deployment.subject)
    if deployment.state != "active":
        raise TransitionRefused(
            _("%(key)s is %(state)s; only an active deployment serves.")
            % {"key": deployment.key, "state": DEPLOYMENT.states[deployment.state].label}
        )
    deployment.serves = version
    deployment.save(update_fields=["serves"])
    _note_serving(deployment, version, version.weights_sha256, said_by="declared")
    record(
        "deployment.declare",
        deployment,
        by=by,
        version=str(version.uuid),
        weights_sha256=version.weights_sha256,
    )


@transaction.atomic
def observe_serving(
    deployment: Deployment, weights_sha256: str, *, said_by: str, by: Actor
) -> ModelVersion | None:
    """Note a digest that telemetry or the target reported, once for each change.

    Returns:
        The version with that digest, or None when nobody registered it.
    """
    version = ModelVersion.objects.filter(weights_sha256=weights_sha256).first()
    last = deployment.servings.filter(said_by=said_by).order_by("-id").first()
    if last is None or last.weights_sha256 != weights_sha256:
        _note_serving(deployment, version, weights_sha256, said_by=said_by)
        record(
            "deployment.observe",
            deployment,
            by=by,
            said_by=said_by,
            weights_sha256=weights_sha256,
            version=str(version.uuid) if version else None,
        )
    return version


def _note_serving(
    deployment: Deployment, version: ModelVersion | None, weights: str, *, said_by: str
) -> None:
    ServingRecord.objects.create(
        deployment=deployment, version=version, weights_sha256=weights, said_by=said_by, at=now()
    )


@transaction.atomic
def end_deployment(deployment: Deployment, *, by: Actor, note: str) -> None:
    """It serves no more."""
    advance(deployment, DEPLOYMENT, "end", by=by, note=note)
