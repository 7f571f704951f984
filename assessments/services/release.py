"""Let a version serve at a deployment, on the evidence of one decision, for as long as it holds."""

from __future__ import annotations

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from assessments.models import Authorisation, GateDecision
from assessments.services import gate
from assessments.states import AUTHORISATION
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.machines import TransitionRefused
from compliance.models import Deployment, ModelVersion
from compliance.permissions import NotAllowed, Permission
from compliance.phrase import said
from compliance.states import DEPLOYMENT, VERSION

KEEPER = system("keeper")


@transaction.atomic
def authorise(
    deployment: Deployment, version: ModelVersion, *, by: Actor, note: str = ""
) -> Authorisation:
    """A person lets the version serve there. It ends when the first thing it rests on runs out.

    Raises:
        NotAllowed: without the permission, or not a person.
        TransitionRefused: the gate says NO-GO, another system's version, or either is retired.
    """
    require(by, Permission.GATE_DECIDE, version.subject)
    if by.user_id is None:
        raise NotAllowed(
            _("%(who)s is not a person; a release needs a person's decision.") % {"who": by.label}
        )
    _require_fit(deployment, version)
    decision = gate.evaluate(version, deployment.environment, by=by)
    if decision.outcome == GateDecision.Outcome.NO_GO:
        raise TransitionRefused(_no_go(decision))
    for older in standing(deployment, version):
        advance(older, AUTHORISATION, "end", by=by, note=_("replaced by a newer authorisation"))
    given = Authorisation.objects.create(
        version=version,
        deployment=deployment,
        decision=decision,
        given_by_id=by.user_id,
        given_at=now(),
        expires_at=decision.valid_until,
    )
    record(
        "authorisation.give",
        given,
        by=by,
        after="standing",
        note=note,
        version=str(version.uuid),
        deployment=str(deployment.uuid),
        decision=str(decision.uuid),
        outcome=decision.outcome,
        evidence_sha256=decision.evidence_sha256,
    )
    return given


def standing(deployment: Deployment, version: ModelVersion) -> list[Authorisation]:
    """What was given and has not been ended, for this version at this deployment."""
    return list(deployment.authorisations.filter(version=version, state="standing"))


@transaction.atomic
def end(authorisation: Authorisation, *, by: Actor, note: str) -> None:
    """The version may serve there no more."""
    advance(authorisation, AUTHORISATION, "end", by=by, note=note)


def end_expired() -> int:
    """End what ran out by itself; the sweep calls it."""
    over = Authorisation.objects.filter(state="standing", expires_at__lte=now())
    ended = 0
    for authorisation in over.select_related("version__subject"):
        end(authorisation, by=KEEPER, note=_("what it rested on ran out"))
        ended += 1
    return ended


def _require_fit(deployment: Deployment, version: ModelVersion) -> None:
    if deployment.system_id != version.model.system_id:
        raise TransitionRefused(
            _(
                "%(version)s does not belong to the system of %(deployment)s; choose a version of that system."
            )
            % {"version": version, "deployment": deployment}
        )
    if deployment.state != "active" or version.state != "registered":
        raise TransitionRefused(
            _(
                "%(deployment)s is %(state)s and %(version)s is %(standing)s; expected an active deployment and a registered version."
            )
            % {
                "deployment": deployment,
                "state": DEPLOYMENT.states[deployment.state].label,
                "version": version,
                "standing": VERSION.states[version.state].label,
            }
        )


def _no_go(decision: GateDecision) -> str:
    left = [
        said(r["title"], translation)
        for r in decision.reasons
        if r["verdict"] not in {"met", "waived"}
    ]
    return _(
        "The gate says NO-GO for %(version)s in %(environment)s: %(left)s. Supply what is missing,"
        " or have it waived where the policy allows."
    ) % {
        "version": decision.version,
        "environment": _(decision.environment),
        "left": ", ".join(left),
    }
