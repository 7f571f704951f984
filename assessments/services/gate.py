"""The release gate: one pinned policy over all evidence of one version in one environment.

1. For each criterion take the newest evidence of its kind; say met, not met, inconclusive, stale
   or missing, with a sentence and the evidence's digest.
2. Where a criterion is not met but waivable, look for a granted waiver that excuses exactly this.
3. NO-GO if anything is left; CONDITIONAL if what was left is waived; GO if nothing was.

A decision that would say the same as the last one is not written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from assessments import queries
from assessments.models import Authorisation, GateDecision, Waiver
from assessments.policies import load
from assessments.policies.schema import Criterion, GatePolicy
from compliance import queries as ground
from compliance.actors import Actor, require
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import Deployment, Evidence, ModelVersion
from compliance.permissions import Permission
from compliance.phrase import said
from compliance.services import approval

Outcome = GateDecision.Outcome


@dataclass(frozen=True)
class Reason:
    """One criterion as the gate saw it. `status` is before, `verdict` after waivers."""

    criterion: str
    title: str
    why: str
    cite: str
    supply: str
    waivable: bool
    status: str
    verdict: str
    sentence: str
    evidence: str = ""
    """The uuid of the evidence, or nothing."""
    sha256: str = ""
    """The digest of the evidence, or nothing."""
    waiver: str = ""
    """The uuid of the waiver that excuses it, or nothing."""


@transaction.atomic
def evaluate(version: ModelVersion, environment: str, *, by: Actor) -> GateDecision:
    """Judge the version for the environment; the last decision comes back when nothing changed.

    Raises:
        NotAllowed: the actor may not ask the gate about this version.
        PolicyError: no policy judges this environment.
    """
    require(by, Permission.GATE_ASK, version.subject)
    policy = load.policy_for(environment)
    evidence = queries.evidence_asked(version, policy)
    waivers = queries.open_waivers(version, environment)
    reasons = [
        waived(judge(one, evidence.get(one.evidence), now()), waivers) for one in policy.criteria
    ]
    fresh = GateDecision(
        version=version,
        policy=policy.key,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        environment=environment,
        outcome=outcome_of(reasons),
        reasons=[asdict(reason) for reason in reasons],
        evidence_sha256=queries.evidence_sha256(version, policy, evidence),
        valid_until=valid_until(policy, evidence, reasons, waivers),
        evaluated_at=now(),
        asked_by_id=by.user_id,
    )
    last = queries.newest_decision(version, environment)
    return last if last is not None and _same(last, fresh) else _keep(fresh, by)


def _same(last: GateDecision, fresh: GateDecision) -> bool:
    said = ("policy_sha256", "evidence_sha256", "outcome", "reasons", "valid_until")
    return all(getattr(last, name) == getattr(fresh, name) for name in said)


def _keep(decision: GateDecision, by: Actor) -> GateDecision:
    decision.save()
    record(
        "decision.make",
        decision,
        by=by,
        after=decision.outcome,
        version=str(decision.version.uuid),
        environment=decision.environment,
        policy=f"{decision.policy}@{decision.policy_version}",
        policy_sha256=decision.policy_sha256,
        evidence_sha256=decision.evidence_sha256,
        unmet=[r["criterion"] for r in decision.reasons if r["verdict"] not in {"met", "waived"}],
    )
    return decision


def evaluate_everywhere(version: ModelVersion, *, by: Actor) -> list[GateDecision]:
    """Judge the version for every environment that has a policy."""
    return [evaluate(version, environment, by=by) for environment in load.environments()]


def judge(criterion: Criterion, found: Evidence | None, at: datetime) -> Reason:
    """One criterion against the newest evidence of its kind."""
    status, sentence = _status(criterion, found, at)
    return Reason(
        criterion=criterion.key,
        title=criterion.title,
        why=criterion.why,
        cite=criterion.cite,
        supply=criterion.supply.value,
        waivable=criterion.waivable,
        status=status,
        verdict=status,
        sentence=sentence,
        evidence=str(found.uuid) if found else "",
        sha256=found.sha256 if found else "",
    )


def _status(criterion: Criterion, found: Evidence | None, at: datetime) -> tuple[str, str]:
    if found is None:
        return "missing", _("No evidence of this kind was attested for this version.")
    if aged := _aged(criterion, found, at):
        return "stale", aged
    if found.status == Evidence.Status.MET:
        return _within_limits(criterion, found)
    return found.status, found.summary


def _aged(criterion: Criterion, found: Evidence, at: datetime) -> str:
    """Why the evidence is too old to count, or nothing."""
    state = ground.freshness(found, at)
    if state == "expired":
        return _("The evidence expired on %(day)s; attest it anew.") % {
            "day": f"{found.valid_until:%Y-%m-%d %H:%M} UTC"
        }
    if state == "stale":
        return _(
            "What the evidence rests on has changed since; attest it for the present manifest."
        )
    if found.collected_at + timedelta(days=criterion.freshness_days) <= at:
        return _("The evidence of %(day)s is older than the %(n)s days that the policy allows.") % {
            "day": f"{found.collected_at:%Y-%m-%d}",
            "n": criterion.freshness_days,
        }
    return ""


def _within_limits(criterion: Criterion, found: Evidence) -> tuple[str, str]:
    """The policy's own limits on the evidence's figures; a missing figure shows nothing."""
    for limit in criterion.limits:
        value = figure(found.payload, limit.figure)
        if value is None:
            return "inconclusive", _(
                "The evidence does not state %(figure)s, and the policy asks for it."
            ) % {"figure": said(limit.words, translation)}
        if not limit.holds(value):
            return "inconclusive", _(
                "The policy asks for %(limit)s; the evidence says %(value)s."
            ) % {
                "limit": said(limit.phrase, translation),
                "value": value,
            }
    return "met", found.summary


def figure(payload: Mapping[str, Any], path: str) -> Decimal | None:
    """One figure of a payload by its dotted path, or None when it is not there or not a number."""
    value: Any = payload
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def waived(reason: Reason, waivers: Sequence[Waiver]) -> Reason:
    """The reason, excused if a granted, unexpired waiver was approved for exactly this."""
    if reason.status == "met" or not reason.waivable:
        return reason
    for waiver in waivers:
        if waiver.criterion == reason.criterion and holds(waiver, reason):
            return replace(reason, verdict="waived", waiver=str(waiver.uuid))
    return reason


def holds(waiver: Waiver, reason: Reason) -> bool:
    """Whether a waiver is granted, not over, and was approved for what stands there now."""
    if waiver.state != "granted" or waiver.expires_at <= now():
        return False
    return approval.holds(waiver, "waiver", queries.waiver_sha256(waiver, asdict(reason)))


def outcome_of(reasons: Sequence[Reason]) -> Outcome:
    """What follows from the verdicts."""
    verdicts = {reason.verdict for reason in reasons}
    if verdicts <= {"met"}:
        return Outcome.GO
    return Outcome.CONDITIONAL if verdicts <= {"met", "waived"} else Outcome.NO_GO


def valid_until(
    policy: GatePolicy,
    evidence: Mapping[str, Evidence],
    reasons: Sequence[Reason],
    waivers: Sequence[Waiver],
) -> datetime | None:
    """When the first thing that lets the version pass runs out; None for a NO-GO."""
    if outcome_of(reasons) == Outcome.NO_GO:
        return None
    used = {reason.waiver for reason in reasons}
    ends = [waiver.expires_at for waiver in waivers if str(waiver.uuid) in used]
    for criterion, reason in zip(policy.criteria, reasons, strict=True):
        if reason.verdict == "met":
            found = evidence[criterion.evidence]
            ends.append(found.collected_at + timedelta(days=criterion.freshness_days))
            ends.extend([found.valid_until] if found.valid_until else [])
    return min(ends, default=None)


def covering(
    version: ModelVersion, deployment: Deployment, at: datetime | None = None
) -> Authorisation | None:
    """The authorisation under which this version serves there now, if there is one."""
    return queries.covering(version, deployment, at)
