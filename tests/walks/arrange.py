"""What has no page: run in a process of the house's own settings, answering JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db.models import Model

from assessments.models import ConcernSummary, Sae, Scan, WatchList
from assessments.scanner.contract import Family, WatchedLatent
from assessments.scanner.prompts import suite
from assessments.services import job, sae, scan, watchlist
from assessments.services import suite as suites
from compliance.actors import system
from compliance.audit import log
from compliance.clock import now
from compliance.models import AISystem, ModelVersion, User
from compliance.services import evidence, registry
from incidents.services import paging

MAKER = system("tests")
MEASURED = {"sae_scan": "Scan", "suppression": "Paired test"}


def simulated_system(name: str) -> str:
    """A provider's high-risk system on the German market, of which everything is a simulation."""
    entity = registry.register_entity(f"{name} Provider", "DE", by=MAKER)
    made = registry.register_system(
        entity,
        name,
        intended_purpose="Sorts applications for apprenticeships.",
        risk_class="high",
        eu_role="provider",
        zone="Europe/Berlin",
        member_states=["DE"],
        facts={"simulation": True},
        by=MAKER,
    )
    return str(made.uuid)


def instruments(sae_folder: str) -> None:
    """A tiny autoencoder, two watched latents and a small paired suite."""
    tiny = ready_sae(Path(sae_folder))
    watched = [
        WatchedLatent(0, Family.CYBER, "drawn at random", 0.01),
        WatchedLatent(20, Family.DECEPTION, "drawn at random", 0.01),
    ]
    watchlist.register(tiny, "tiny", watched, by=MAKER)
    suites.register("small pairs", suite(per_family=1, n_frames=6), by=MAKER)


def ready_sae(folder: Path) -> Sae:
    """A registered autoencoder, checked here or by the scan worker that runs beside."""
    from assessments.worker import check_sae

    made = sae.register("Tiny autoencoder", folder, by=MAKER)
    until = time.monotonic() + 120
    while made.state in {"waiting", "checking"} and time.monotonic() < until:
        check_sae(made.pk)
        time.sleep(0.2)
        made.refresh_from_db()
    assert made.state == "ready", made.problem
    return made


def scan_asked(model_folder: str, sae_folder: str) -> dict[str, Any]:
    """A scan of a tiny version with a suite of several shards, and what it will have to find."""
    instruments(sae_folder)
    desk = AISystem.objects.get(uuid=simulated_system("Shard desk"))
    model = registry.register_model(desk, "Tiny", by=MAKER)
    version = registry.register_version(model, "1.0.0", Path(model_folder), by=MAKER)
    asked = _asked(
        version=version,
        sae=Sae.objects.get(),
        watchlist=WatchList.objects.get(),
        suite=suites.register("pairs", suite(per_family=4, n_frames=12), by=MAKER),
    )
    return {"uuid": asked, "alone": _scan_alone(Scan.objects.get(uuid=asked))}


def scan_asked_again(uuid: str) -> str:
    """Another scan with the very same instrument."""
    like = Scan.objects.get(uuid=uuid)
    return _asked(version=like.version, sae=like.sae, watchlist=like.watchlist, suite=like.suite)


def _asked(**pinned: Any) -> str:
    return str(scan.request(**pinned, seed=7, by=MAKER).uuid)


def scan_outcome(uuid: str) -> dict[str, Any]:
    """Everything that a finished scan left, but for times; and what the log says of its shards."""
    done = Scan.objects.get(uuid=uuid)
    lines = log.entries(objects=done.shards.values_list("uuid", flat=True), limit=1000)
    return {
        "found": _found(done.findings.order_by("id"), done.summaries.order_by("id"),
                        done.suppression.order_by("id"), done.coverage, done.run),
        "n_evidence": done.version.evidence.filter(source=done.ref).count(),
        "log": Counter(line.action for line in lines),
    }  # fmt: skip


def _scan_alone(asked: Scan) -> dict[str, Any]:
    """What the scanner finds with the same job in one process, but for times."""
    from assessments.scanner import run

    found = run.run(job.of(asked))
    return _found(
        [scan._finding(asked, each) for each in found.findings],
        [ConcernSummary(scan=asked, **row.to_json()) for row in found.summaries],
        [scan._test(asked, test) for test in found.suppression],
        found.coverage.to_json() if found.coverage else None,
        found.run.to_json(),
    )


def _found(
    findings: Iterable[Model], summaries: Iterable[Model], tests: Iterable[Model],
    coverage: Any, run: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    timeless = {key: run[key] for key in run if key not in {"seconds", "tokens_per_second"}}
    rows = {"findings": findings, "summaries": summaries, "suppression": tests}
    plain = {name: [_columns(row) for row in each] for name, each in rows.items()}
    return {**plain, "coverage": coverage, "run": timeless}


def _columns(row: Model) -> dict[str, Any]:
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: getattr(row, name) for name in names if name not in {"id", "uuid", "scan_id"}}


def measured(version: str) -> None:
    """The two kinds of evidence that only a scan may bring, stated for a version of no weights."""
    for what, name in MEASURED.items():
        evidence.attest(
            ModelVersion.objects.get(uuid=version),
            what,
            layer=1,
            status="met",
            summary=f"{name}, stated for this walk.",
            payload={"coverage": {"fvu": "0.05"}},
            source="manual",
            by=MAKER,
        )


def ladder(first: str, second: str, *, wait_seconds: int) -> None:
    """Two people on call this month; the second is called after seconds, where the page has minutes."""
    for rung, email in ((1, first), (2, second)):
        paging.set_step(rung, wait_seconds=wait_seconds, channels=["email"], by=MAKER)
        paging.add_shift(
            User.objects.get(email=email),
            starts_at=now() - timedelta(hours=1),
            ends_at=now() + timedelta(days=31),
            rung=rung,
            by=MAKER,
        )
