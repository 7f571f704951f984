"""Put an earlier version back: asked by one, approved by another, checked from two vantages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from assessments import queries as assessed
from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Deployment, ModelVersion
from compliance.permissions import Permission
from compliance.queue import enqueue
from compliance.services import approval, digest, notice, registry
from compliance.services.registry import RegistryError
from incidents.models import Event, Incident, PriorNotice, Rollback
from incidents.services import incident as incidents
from incidents.services import paging
from incidents.services.people import person
from incidents.states import ROLLBACK
from incidents.targets.base import DeploymentTarget, OutcomeUnknown, TargetError
from incidents.targets.load import load

SWITCHMAN = system("switchman")
PURPOSE = "rollback"
VERIFY = "incidents.verify_rollback"
APPROVAL_LASTS = timedelta(hours=1)
CHECK_EVERY = timedelta(seconds=10)
INCONCLUSIVE_AFTER = 6
MOST_STRETCH = 30
IN_PROGRESS = ("requested", "approved", "executing", "executed")


@dataclass(frozen=True)
class Check:
    """One thing that must hold before a rollback may be asked for, and how it stands."""

    name: str
    holds: bool
    sentence: str


def precheck(incident: Incident, to_version: ModelVersion, *, thorough: bool = True) -> list[Check]:
    """What must hold before anybody switches; `thorough` reads every file of the target version."""
    return [
        _check_other(incident, to_version),
        _check_files(to_version, thorough=thorough),
        _check_gate(incident, to_version),
        _check_clean(to_version),
        _check_notice(incident),
        _check_hold(incident),
    ]


def _check_other(incident: Incident, to_version: ModelVersion) -> Check:
    differs = incident.version_id != to_version.pk and to_version.state == "registered"
    words = _("It is registered and is not the version in the incident.")
    return Check(
        "other", differs, words if differs else _("It is the version in the incident, or retired.")
    )


def _check_files(to_version: ModelVersion, *, thorough: bool) -> Check:
    problem = _files_problem(to_version, thorough=thorough)
    done = (
        _("Its files are there and hash to its digest.") if thorough else _("Its files are there.")
    )
    return Check("files", not problem, problem or done)


def _files_problem(version: ModelVersion, *, thorough: bool) -> str:
    folder = Path(version.location)
    for file in version.files.all():
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.size:
            return _("%(path)s is missing or has another size.") % {"path": file.path}
    if not thorough:
        return ""
    try:
        found = registry.weights_digest(registry.read_folder(folder))
    except (RegistryError, OSError) as error:
        return str(error)
    return (
        ""
        if found == version.weights_sha256
        else _("The files changed: they hash to something else.")
    )


def _check_gate(incident: Incident, to_version: ModelVersion) -> Check:
    passes = bool(assessed.may_serve(to_version, incident.deployment.environment))
    no = _("No standing decision lets it serve in this environment.")
    return Check("gate", passes, _("A standing decision lets it serve here.") if passes else no)


def _check_clean(to_version: ModelVersion) -> Check:
    troubled = to_version.incidents.filter(state__in=incidents.UNRESOLVED).exists()
    words = _("It has an open incident of its own.") if troubled else _("It has no open incident.")
    return Check("clean", not troubled, words)


def _check_notice(incident: Incident) -> Check:
    decided = incident.prior_notices.exists()
    yes = _("It was decided whether the authority is informed first (Art. 73(6)).")
    no = _("Decide first whether the authority is informed before acting (Art. 73(6)).")
    return Check("notice", decided, yes if decided else no)


def _check_hold(incident: Incident) -> Check:
    if incident.holds.filter(state="placed").exists():
        return Check("hold", True, _("The evidence is under hold."))
    last = incident.prior_notices.order_by("-pk").first()
    is_emergency = last is not None and last.choice == PriorNotice.Choice.EMERGENCY
    words = _("No hold is placed; the emergency is justified in writing.")
    return Check(
        "hold", is_emergency, words if is_emergency else _("Place an evidence hold first.")
    )


def request(incident: Incident, to_version: ModelVersion, *, reason: str, by: Actor) -> Rollback:
    """Ask for it. Another person approves; nothing moves before.

    Raises:
        TransitionRefused: a pre-check fails, or a rollback of this deployment is under way.
    """
    require(by, Permission.ROLLBACK_REQUEST, incident.subject)
    person(by, _("only a person can ask for a rollback"))
    failing = [check.sentence for check in precheck(incident, to_version) if not check.holds]
    if failing:
        raise TransitionRefused(" ".join([_("This rollback cannot be asked for yet."), *failing]))
    try:
        return _request(incident, to_version, reason, by)
    except IntegrityError as error:
        raise TransitionRefused(
            _("A rollback of %(deployment)s is under way already; finish it first.")
            % {"deployment": incident.deployment.key}
        ) from error


@transaction.atomic
def _request(incident: Incident, to_version: ModelVersion, reason: str, by: Actor) -> Rollback:
    asked = Rollback.objects.create(
        incident=incident,
        deployment=incident.deployment,
        from_version=incident.version,
        to_version=to_version,
        reason=reason,
        requested_by_id=person(by, _("only a person can ask for a rollback")),
        requested_at=now(),
    )
    asked.sha256 = content_sha256(asked)
    title = _("Roll back %(deployment)s to %(version)s") % {
        "deployment": asked.deployment.key,
        "version": to_version,
    }
    asked.approval = approval.ask(
        asked,
        purpose=PURPOSE,
        permission=Permission.ROLLBACK_APPROVE,
        title=title,
        sha256=asked.sha256,
        by=by,
        expires_at=now() + APPROVAL_LASTS,
    )
    asked.save(update_fields=["sha256", "approval"])
    record(
        "rollback.request",
        asked,
        by=by,
        after="requested",
        note=reason,
        incident=str(incident.uuid),
        to_version=str(to_version.uuid),
        to_sha256=to_version.weights_sha256,
        sha256=asked.sha256,
    )
    return asked


def content_sha256(asked: Rollback) -> str:
    """What an approval of this rollback binds to."""
    return digest.of_json(
        {
            "rollback": str(asked.uuid),
            "incident": str(asked.incident.uuid),
            "deployment": str(asked.deployment.uuid),
            "from": asked.from_version.weights_sha256 if asked.from_version else "",
            "to": asked.to_version.weights_sha256,
            "reason": asked.reason,
        }
    )


@transaction.atomic
def approve(asked: Rollback, *, by: Actor) -> None:
    """The second pair of eyes says yes, and a worker begins.

    Raises:
        NotAllowed: without the permission, or by who asked.
        TransitionRefused: not waiting, expired, or changed since.
    """
    ROLLBACK.move(asked.state, "approve")
    if asked.approval is not None and asked.approval.state == "asked":
        given = approval.give(asked.approval, sha256_now=content_sha256(asked), by=by)
        if given.state != "given":
            return
    advance(
        asked,
        ROLLBACK,
        "approve",
        by=by,
        changes={"approved_by_id": by.user_id, "approved_at": now()},
        sha256=asked.sha256,
    )
    enqueue(Rollback.TASK, asked.pk, queue=Rollback.QUEUE)


@transaction.atomic
def reject(asked: Rollback, *, reason: str, by: Actor) -> None:
    """The second pair of eyes says no."""
    advance(asked, ROLLBACK, "reject", by=by, note=reason)
    if asked.approval is not None and asked.approval.state == "asked":
        approval.refuse(asked.approval, by=by, note=reason)


def execute(pk: int) -> None:
    """Claim it and switch, once; then check.

    When the outcome is unknown the target is asked, never guessed: if it serves the wanted
    digest the switch happened, else it is tried again under the same key.
    """
    claimed = lease.claim(Rollback, pk, waiting="approved", running="executing")
    if claimed is None:
        return
    try:
        target = _target(claimed.deployment)
        outcome = target.switch(claimed.to_version.weights_sha256, str(claimed.uuid))
    except OutcomeUnknown as error:
        _ask_then_move(claimed, error)
    except TargetError as error:
        _not_switched(claimed, error)
    else:
        _executed(claimed, before=outcome.before, is_repeat=outcome.is_repeat)


def _target(deployment: Deployment) -> DeploymentTarget:
    return load(deployment.target_kind, deployment.target_config, egress=notice.egress())


def _executed(claimed: Rollback, *, before: str, is_repeat: bool) -> None:
    at = now()
    with transaction.atomic():
        advance(
            claimed,
            ROLLBACK,
            "finish",
            by=SWITCHMAN,
            fence=claimed.fence,
            changes={**lease.free(), "executed_at": at, "check_at": at, "problem": ""},
            before_sha256=before,
            is_repeat=is_repeat,
        )
        enqueue(VERIFY, claimed.pk)


def _ask_then_move(claimed: Rollback, error: OutcomeUnknown) -> None:
    try:
        said = _target(claimed.deployment).serving().digest
    except TargetError as silent:
        _not_switched(claimed, silent)
        return
    if said == claimed.to_version.weights_sha256:
        _executed(claimed, before="", is_repeat=False)
    else:
        _not_switched(claimed, error)


def _not_switched(claimed: Rollback, error: TargetError) -> None:
    over = error.permanent or claimed.attempts >= Rollback.MOST_ATTEMPTS
    changes: dict[str, Any] = {**lease.free(), "problem": str(error)[:500]}
    if not over:
        changes["next_try_at"] = lease.retry_at(claimed.attempts)
    advance(
        claimed,
        ROLLBACK,
        "fail" if over else "retry",
        by=SWITCHMAN,
        note=str(error),
        fence=claimed.fence,
        changes=changes,
    )
    if over:
        _call_out(claimed)


def _call_out(failed: Rollback) -> None:
    """A rollback that failed wakes people: what was to be stopped goes on."""
    sentence = _("The rollback of %(deployment)s to %(version)s failed: %(problem)s") % {
        "deployment": failed.deployment.key,
        "version": failed.to_version,
        "problem": failed.problem,
    }
    paging.call(failed.incident, cause=f"{failed.ref}:failed", why=sentence, by=SWITCHMAN)


def due_to_verify() -> list[int]:
    """Rollbacks whose next look is due."""
    waiting = Rollback.objects.filter(state__in=["executed", "inconclusive"], check_at__lte=now())
    return list(waiting.order_by("pk").values_list("pk", flat=True))


def verify(pk: int) -> None:
    """Look from both vantages: ask the target, and read what telemetry showed since the switch.

    Both say the wanted digest: verified. Either says another to the end: failed. One stays
    silent: not confirmed, which is not success, and is looked at again.
    """
    looked = (
        Rollback.objects.select_related("deployment", "to_version", "incident")
        .filter(pk=pk)
        .first()
    )
    if looked is None or looked.state not in {"executed", "inconclusive"}:
        return
    looked.target_says, problem = _ask(looked.deployment)
    looked.telemetry_says = _telemetry_says(looked)
    looked.n_checks += 1
    changes: dict[str, Any] = {
        "target_says": looked.target_says,
        "telemetry_says": looked.telemetry_says,
        "n_checks": looked.n_checks,
        "check_at": now() + CHECK_EVERY * min(looked.n_checks, MOST_STRETCH),
        "problem": problem,
    }
    _conclude(looked, changes)


def _ask(deployment: Deployment) -> tuple[str, str]:
    """The digest the target says it serves, or nothing and why."""
    try:
        said = _target(deployment).serving().digest
    except TargetError as error:
        return "", str(error)[:500]
    registry.observe_serving(deployment, said, said_by="target", by=SWITCHMAN)
    return said, ""


def _telemetry_says(looked: Rollback) -> str:
    """The digest in the newest record that began after the switch."""
    after = Event.objects.filter(deployment=looked.deployment, at__gte=looked.executed_at)
    newest = after.exclude(weights_sha256="").order_by("-at").first()
    return newest.weights_sha256 if newest else ""


def verdict(looked: Rollback) -> str:
    """What the two vantages say together: "verify", "fail", "inconclusive" or "" for look again."""
    wanted = looked.to_version.weights_sha256
    words = (looked.target_says, looked.telemetry_says)
    if words == (wanted, wanted):
        return "verify"
    if any(word not in {"", wanted} for word in words) and looked.n_checks >= INCONCLUSIVE_AFTER:
        return "fail"
    if looked.state == "executed" and looked.n_checks >= INCONCLUSIVE_AFTER:
        return "inconclusive"
    return ""


@transaction.atomic
def _conclude(looked: Rollback, changes: dict[str, Any]) -> None:
    verb = verdict(looked)
    if not verb:
        Rollback.objects.filter(pk=looked.pk, state=looked.state).update(**changes)
        return
    if verb == "verify":
        changes |= {"verified_at": now(), "check_at": None}
    if verb == "fail":
        changes |= {"check_at": None, "problem": changes["problem"] or _words(looked)}
    advance(
        looked,
        ROLLBACK,
        verb,
        by=SWITCHMAN,
        changes=changes,
        target_says=looked.target_says,
        telemetry_says=looked.telemetry_says,
        n_checks=looked.n_checks,
    )
    if verb == "verify":
        registry.declare_serving(looked.deployment, looked.to_version, by=SWITCHMAN)
    if verb == "fail":
        _call_out(looked)


def _words(looked: Rollback) -> str:
    return _("Wanted %(wanted)s…; the target says %(target)s, telemetry %(telemetry)s.") % {
        "wanted": looked.to_version.weights_sha256[:12],
        "target": looked.target_says[:12] or _("nothing"),
        "telemetry": looked.telemetry_says[:12] or _("nothing"),
    }
