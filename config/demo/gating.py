"""Step 4: the gate judges; missing evidence is supplied; two people waive the one reason left."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db import transaction

from assessments.models import GateDecision
from assessments.services import campaign, gate, release, waiver
from assessments.views.shown import CRITERION_VERDICTS
from compliance.clock import now
from compliance.egress import Egress, Policy
from compliance.ids import uuid7
from compliance.models import Evidence, ModelVersion
from compliance.services import evidence, registry
from config.demo import neighbours, registering
from config.demo.stage import DemoFailed, Stage, moment, tell, told
from incidents.services import event, paging
from incidents.targets.base import DeploymentTarget
from incidents.targets.load import load

# A red-team record is a record: this one is the scenario's, and its detail says so.
N_ATTEMPTS = 40
# The one reason that stays open for the first version, and why a canary may run all the same.
GROUNDS = {
    "sae_scan": "The watch-list may signal and never clear: it finds the concerns in the words it was found on,"
    " and too few of them in others. Its silence is not counted; the canary rests on the paired test, the"
    " red-team record and the monitoring.",
}


def first_look(stage: Stage) -> None:
    """Both versions as they stand: the planted one, and the first with evidence missing."""
    for key in ("v2", "v1"):
        _tell(gate.evaluate(stage.made[key], "canary", by=stage.by("ada")))


def _tell(decision: GateDecision) -> None:
    tell(f"{decision.version.name} for {decision.environment}: {decision.get_outcome_display()}")
    for reason in decision.reasons:
        if reason["verdict"] != "met":
            verdict = CRITERION_VERDICTS[reason["verdict"]].label
            tell(f"  {verdict}: {told(reason['title'])}: {reason['sentence'][:220]}")


def target_of(stage: Stage) -> DeploymentTarget:
    """The canary's deployment target, as Strata reaches it."""
    if stage.ports is None:
        raise DemoFailed("The neighbours are not running.")
    policy = Policy(hosts=frozenset({f"127.0.0.1:{stage.ports.target}"}), loopback=True)
    token = (neighbours.folder(stage.var) / "target" / "token").read_text().strip()
    config = {"url": f"http://127.0.0.1:{stage.ports.target}", "token": token}
    return load("http", config, egress=Egress(policy))


def supply(stage: Stage) -> None:
    """Rota measured, a drill walked against the target, a red-team record, a review."""
    found = paging.attest_rota(stage.made["v1"], by=stage.by("bo"))
    _found(found)
    _drill(stage, stage.made["v1"])
    _red_team(stage, stage.made["v1"])
    _review(stage, stage.made["v1"])


@transaction.atomic
def release_to_canary(stage: Stage) -> None:
    """Register, attest, waive and authorise as one act, so that nobody sees a half-made canary."""
    registering.canary(stage)
    found = event.attest_readiness(stage.made["v1"], stage.made["canary"], by=stage.by("bo"))
    _found(found)
    waive(stage)
    authorise(stage)


def _found(made: Evidence) -> None:
    tell(f"{evidence.name(made.what)}: {made.get_status_display()}: {made.summary}")


def _drill(stage: Stage, version: ModelVersion) -> None:
    """Walk the way back for real: away to the release candidate, back, and ask what serves."""
    target, began = target_of(stage), time.monotonic()
    target.switch(stage.made["weak"].weights_sha256, str(uuid7()))
    target.switch(version.weights_sha256, str(uuid7()))
    seconds = time.monotonic() - began
    says = target.serving().digest
    met = says == version.weights_sha256
    evidence.attest(
        version,
        "rollback_drill",
        layer=3,
        status="met" if met else "not_met",
        summary=(
            f"Away and back in {seconds:.2f} s. Asked afterwards, the target serves {says[:12]}…,"
            f" {'as wanted' if met else 'which was not wanted'}."
        ),
        payload={
            "seconds": f"{seconds:.3f}",
            "target_says": says,
            "wanted": version.weights_sha256,
        },
        source="manual",
        valid_until=now() + timedelta(days=90),
        by=stage.by("bo"),
    )
    tell(
        f"{evidence.name('rollback_drill')}: walked in {seconds:.2f} s, target asked: {'agrees' if met else 'DISAGREES'}"
    )


def _red_team(stage: Stage, version: ModelVersion) -> None:
    bo = stage.by("bo")
    opened = campaign.start(
        version,
        "Help desk, first campaign",
        scope="Tickets that carry instructions; requests for credentials. Scenario record of the demo.",
        by=bo,
    )
    campaign.invite(opened, stage.people["dee"], by=bo)
    campaign.add_finding(
        opened,
        "Repeats the handbook's section numbers wrongly when pressed",
        concern="deception",
        severity="low",
        detail="Scenario record of the demo: stated here to show the form, not measured.",
        by=stage.by("dee"),
    )
    campaign.close(
        opened,
        n_attempts=N_ATTEMPTS,
        conclusion="No attempt led to a tool call outside the manifest. Scenario record of the demo.",
        by=bo,
    )
    stage.made["campaign"] = opened
    tell(
        f"{evidence.name('red_team')}: {N_ATTEMPTS} attempts, one low finding (scenario record), by Bo and Dee"
    )


def _review(stage: Stage, version: ModelVersion) -> None:
    """A review from outside the team: Cy's, and a record of the scenario like the campaign."""
    conclusion = (
        "Cy, who is not of the team, read scans, campaign and drill and has no objection to a canary."
        " Scenario record of the demo."
    )
    evidence.attest(
        version,
        "independent_review",
        layer=1,
        status="met",
        summary=conclusion,
        payload={"conclusion": conclusion},
        source="manual",
        valid_until=now() + timedelta(days=90),
        by=stage.by("ada"),
    )
    tell(f"{evidence.name('independent_review')}: by Cy (scenario record)")


def waive(stage: Stage) -> None:
    """Bo asks to waive what remains, Ada and Rae grant, for fourteen days and the canary alone."""
    v1 = stage.made["v1"]
    decision = gate.evaluate(v1, "canary", by=stage.by("ada"))
    open_reasons = [r for r in decision.reasons if r["verdict"] not in {"met", "waived"}]
    if unforeseen := {r["criterion"] for r in open_reasons} ^ set(GROUNDS):
        raise DemoFailed(f"Expected {', '.join(GROUNDS)} to be open; differs: {unforeseen}.")
    for reason in open_reasons:
        asked = waiver.ask(
            decision,
            reason["criterion"],
            reason=GROUNDS[reason["criterion"]],
            conditions="Canary only; ends by itself.",
            expires_at=now() + timedelta(days=13),
            by=stage.by("bo"),
        )
        for name in ("ada", "rae"):
            asked = waiver.approve(asked, by=stage.by(name))
        tell(
            f"waiver for “{reason['title']}”: asked by Bo, granted by Ada and Rae until {moment(asked.expires_at)}"
        )
        decision = gate.evaluate(v1, "canary", by=stage.by("ada"))
    _tell(decision)
    if decision.outcome != GateDecision.Outcome.CONDITIONAL:
        raise DemoFailed(f"Expected CONDITIONAL for the canary, came {decision.outcome}.")


def authorise(stage: Stage) -> None:
    """Ada authorises the first version on the canary, and it is declared to serve there."""
    given = release.authorise(stage.made["canary"], stage.made["v1"], by=stage.by("ada"))
    registry.declare_serving(stage.made["canary"], stage.made["v1"], by=stage.by("ada"))
    tell(
        f"authorised on evidence {given.decision.evidence_sha256[:16]}…, until {moment(given.expires_at)}"
    )
    planted = gate.evaluate(stage.made["v2"], "canary", by=stage.by("ada"))
    if planted.outcome != GateDecision.Outcome.NO_GO:
        raise DemoFailed(f"Expected NO-GO for the planted version, came {planted.outcome}.")
