"""What time alone changes on this floor: waivers, authorisations and decisions that ran out."""

from __future__ import annotations

from assessments.models import GateDecision
from assessments.policies import load
from assessments.services import gate, release, waiver
from compliance.actors import system
from compliance.models import ModelVersion

KEEPER = system("keeper")


def sweep() -> int:
    """End what is over, then judge every version anew that was ever judged.

    A decision that would say the same is not written again, so a quiet house stays quiet.

    Returns:
        How many new decisions were made.
    """
    waiver.expire_due()
    release.end_expired()
    before = GateDecision.objects.count()
    for version, environment in judged_before():
        gate.evaluate(version, environment, by=KEEPER)
    return GateDecision.objects.count() - before


def judged_before() -> list[tuple[ModelVersion, str]]:
    """Each registered version and environment with a decision."""
    pairs = (
        GateDecision.objects.filter(
            version__state="registered", environment__in=load.environments()
        )
        .values_list("version_id", "environment")
        .distinct()
        .order_by("version_id", "environment")
    )
    versions = ModelVersion.objects.select_related("subject", "model").in_bulk(
        {version_id for version_id, _ in pairs}
    )
    return [(versions[version_id], environment) for version_id, environment in pairs]
