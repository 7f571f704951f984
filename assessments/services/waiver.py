"""Let one unmet criterion pass for a while. Who asks is never among those who grant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from assessments import queries
from assessments.models import GateDecision, Waiver
from assessments.policies import load
from assessments.services import gate
from assessments.states import WAIVER
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now, stamp
from compliance.machines import TransitionRefused
from compliance.permissions import NotAllowed, Permission
from compliance.phrase import said
from compliance.services import approval, duty, duty_watch

PURPOSE = "waiver"
KEEPER = system("keeper")
WAIVER_KEY = "house:waiver"


class WaiverError(ValueError):
    """What was asked cannot be waived, or not like this."""


@transaction.atomic
def ask(
    decision: GateDecision,
    criterion: str,
    *,
    reason: str,
    expires_at: datetime,
    conditions: str = "",
    by: Actor,
) -> Waiver:
    """Ask two others to let one criterion pass until a day.

    Raises:
        NotAllowed: without the permission, or not a person.
        WaiverError: met already, not waivable here, no reason, or it would end too late.
        TransitionRefused: one is asked or granted already, or the decision is not the newest.
    """
    require(by, Permission.WAIVER_REQUEST, decision.version.subject)
    if by.user_id is None:
        raise NotAllowed(
            _("%(who)s is not a person; only a person can ask for a waiver.") % {"who": by.label}
        )
    unmet = _unmet_reason(decision, criterion)
    _check_words(decision, reason, expires_at)
    _refuse_second(decision, criterion)
    made = Waiver(
        version=decision.version,
        decision=decision,
        criterion=criterion,
        environment=decision.environment,
        reason=reason.strip(),
        conditions=conditions.strip(),
        asked_by_id=by.user_id,
        asked_at=now(),
        expires_at=expires_at,
    )
    made.sha256 = queries.waiver_sha256(made, unmet)
    made.save()
    made.approval = approval.ask(
        made,
        purpose=PURPOSE,
        permission=Permission.WAIVER_APPROVE,
        title=_("%(version)s, %(environment)s: %(criterion)s")
        % {
            "version": decision.version,
            "environment": _(decision.environment),
            "criterion": said(unmet["title"], translation),
        },
        sha256=made.sha256,
        needed=load.policy_for(decision.environment).waiver_people,
        by=by,
        expires_at=expires_at,
    )
    made.save(update_fields=["approval"])
    record(
        "waiver.ask",
        made,
        by=by,
        after="asked",
        words={"reason": made.reason, "conditions": made.conditions},
        criterion=criterion,
        environment=made.environment,
        decision=str(decision.uuid),
        sha256=made.sha256,
        expires_at=stamp(made.expires_at),
    )
    return made


@transaction.atomic
def approve(waiver: Waiver, *, by: Actor) -> Waiver:
    """One person's yes; with the last one needed the waiver is granted and the gate judges anew.

    Raises:
        NotAllowed: without the permission, not a person, or the asker.
        TransitionRefused: no longer open, or what it excuses has changed since it was asked.
    """
    if waiver.state != "asked" or waiver.approval is None:
        WAIVER.move(waiver.state, "grant")
        raise TransitionRefused(_("This waiver was never put to anybody; ask for it again."))
    request = approval.give(waiver.approval, sha256_now=sha256_now(waiver), by=by)
    if request.state == "given":
        advance(waiver, WAIVER, "grant", by=by, sha256=waiver.sha256, criterion=waiver.criterion)
        gate.evaluate(waiver.version, waiver.environment, by=KEEPER)
    return waiver


@transaction.atomic
def reject(waiver: Waiver, *, by: Actor, note: str) -> Waiver:
    """A no, with its reason; one is enough."""
    if not note.strip():
        raise WaiverError(_("Say why the waiver is rejected; the asker will read it."))
    if waiver.approval is not None and waiver.approval.state == "asked":
        approval.refuse(waiver.approval, by=by, note=note)
    advance(waiver, WAIVER, "reject", by=by, note=note)
    return waiver


def sha256_now(waiver: Waiver) -> str:
    """The digest of the waiver over what the gate sees at this moment."""
    policy = load.policy_for(waiver.environment)
    criterion = policy.criterion(waiver.criterion)
    found = queries.evidence_asked(waiver.version, policy).get(criterion.evidence)
    reason = gate.judge(criterion, found, now())
    return queries.waiver_sha256(waiver, {"status": reason.status, "sha256": reason.sha256})


def expire_due() -> int:
    """Waivers whose day has come; the sweep calls it, and judges the gates after."""
    over = Waiver.objects.filter(state__in=["asked", "granted"], expires_at__lte=now())
    expired = 0
    for waiver in over.select_related("version__subject"):
        advance(waiver, WAIVER, "expire", by=KEEPER, criterion=waiver.criterion)
        expired += 1
    return expired


def watch_expiry() -> int:
    """Keep the ends of granted waivers in the calendar of duties; how many there are.

    A criterion is asked for anew only when its waiver no longer fits what the gate sees: then the
    newest is followed, and the older end says nothing any more.
    """
    rows = Waiver.objects.filter(state="granted", expires_at__gt=now()).order_by("pk")
    newest = {
        (each.version_id, each.environment, each.criterion): each
        for each in rows.select_related("version__subject", "asked_by")
    }
    return duty_watch.follow_only(
        WAIVER_KEY,
        [
            duty_watch.Expiry(
                key=WAIVER_KEY,
                about_kind=waiver.kind,
                about_uuid=waiver.uuid,
                place=waiver.subject,
                due=waiver.expires_at,
                title=str(duty.TITLES[WAIVER_KEY]),
                owner=waiver.asked_by,
            )
            for waiver in newest.values()
        ],
    )


def _unmet_reason(decision: GateDecision, criterion: str) -> dict[str, Any]:
    newest = queries.newest_decision(decision.version, decision.environment)
    if newest is None or newest.pk != decision.pk:
        raise TransitionRefused(
            _("The gate has judged anew since; open the newest decision and ask there.")
        )
    found: dict[str, Any] | None = next(
        (r for r in decision.reasons if r["criterion"] == criterion), None
    )
    if found is None or found["verdict"] in {"met", "waived"}:
        raise WaiverError(
            _("There is nothing to waive in “%(criterion)s”: it is met, waived or not asked for.")
            % {"criterion": criterion}
        )
    if not found["waivable"]:
        raise WaiverError(
            _(
                "“%(criterion)s” cannot be waived for %(environment)s: the policy does not allow it. Supply the evidence."
            )
            % {
                "criterion": said(found["title"], translation),
                "environment": _(decision.environment),
            }
        )
    return found


def _check_words(decision: GateDecision, reason: str, expires_at: datetime) -> None:
    if not reason.strip():
        raise WaiverError(_("A waiver needs a reason that the two people who grant it can judge."))
    days = load.policy_for(decision.environment).waiver_days
    latest = now() + timedelta(days=days)
    if not now() < expires_at <= latest:
        raise WaiverError(
            _(
                "A waiver for %(environment)s ends in the future and within %(days)s days, by %(latest)s UTC; it was asked until %(expires_at)s."
            )
            % {
                "environment": _(decision.environment),
                "days": days,
                "latest": f"{latest:%Y-%m-%d %H:%M}",
                "expires_at": f"{expires_at:%Y-%m-%d %H:%M}",
            }
        )


def _refuse_second(decision: GateDecision, criterion: str) -> None:
    standing = queries.open_waivers(decision.version, decision.environment)
    for waiver in standing:
        # A granted waiver that no longer fits what the gate sees may be asked for anew.
        if waiver.criterion == criterion and waiver.state == "asked":
            raise TransitionRefused(
                _("%(name)s has asked for this waiver already; it waits for two people.")
                % {"name": waiver.asked_by.name}
            )
