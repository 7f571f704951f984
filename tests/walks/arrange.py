"""What has no page: run in a process of the house's own settings, answering JSON."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from assessments.scanner.contract import Family, WatchedLatent
from assessments.scanner.prompts import suite
from assessments.services import instrument
from compliance.actors import system
from compliance.clock import now
from compliance.models import ModelVersion, User
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
    sae = instrument.register_sae("Tiny autoencoder", Path(sae_folder), by=MAKER)
    watched = [
        WatchedLatent(0, Family.CYBER, "drawn at random", 0.01),
        WatchedLatent(20, Family.DECEPTION, "drawn at random", 0.01),
    ]
    instrument.register_watchlist(sae, "tiny", watched, by=MAKER)
    instrument.register_suite("small pairs", suite(per_family=1, n_frames=6), by=MAKER)


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
