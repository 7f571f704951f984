"""What on the second floor has a state, and how it moves."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from compliance.machines import Machine, Move, State, Tone
from compliance.permissions import Permission as P  # noqa: N817 - a table of them

INBOX = Machine(
    "ingest",
    {
        "queued": State(_("waiting to be judged"), Tone.INFO),
        "running": State(_("being judged"), Tone.INFO, claimed_from="queued"),
        "quarantined": State(_("set aside: unreadable"), Tone.BAD),
    },
    {
        ("running", "quarantine"): Move("quarantined", P.SYSTEM),
        ("running", "requeue"): Move("queued", P.SYSTEM),
        ("running", "give_up"): Move("quarantined", P.SYSTEM),
        ("queued", "give_up"): Move("quarantined", P.SYSTEM),
    },
)

ALERT = Machine(
    "alert",
    {
        "open": State(_("open"), Tone.BAD),
        "acknowledged": State(_("acknowledged"), Tone.WARN),
        "in_incident": State(_("in an incident"), Tone.INFO),
        "resolved": State(_("resolved"), Tone.OK),
    },
    {
        ("open", "acknowledge"): Move("acknowledged", P.ALERT_TRIAGE, _("Acknowledge")),
        ("open", "join"): Move("in_incident", P.INCIDENT_OPEN),
        ("acknowledged", "join"): Move("in_incident", P.INCIDENT_OPEN),
        ("open", "resolve"): Move("resolved", P.ALERT_TRIAGE, _("Resolve")),
        ("acknowledged", "resolve"): Move("resolved", P.ALERT_TRIAGE, _("Resolve")),
        ("in_incident", "resolve"): Move("resolved", P.ALERT_TRIAGE, _("Resolve")),
    },
)

INCIDENT = Machine(
    "incident",
    {
        "open": State(_("open"), Tone.BAD),
        "acknowledged": State(_("acknowledged"), Tone.WARN),
        "contained": State(_("contained"), Tone.WARN),
        "resolved": State(_("resolved"), Tone.OK),
        "in_review": State(_("in review"), Tone.INFO),
        "closed": State(_("closed")),
    },
    {
        ("open", "acknowledge"): Move(
            "acknowledged", P.INCIDENT_WORK, _("Acknowledge"), person_only=True
        ),
        ("acknowledged", "contain"): Move("contained", P.INCIDENT_WORK, _("Record as contained")),
        ("contained", "resolve"): Move("resolved", P.INCIDENT_WORK, _("Resolve")),
        ("resolved", "review"): Move("in_review", P.REVIEW_WRITE, _("Start the review")),
        ("in_review", "close"): Move("closed", P.INCIDENT_WORK, _("Close")),
        ("resolved", "reopen"): Move("open", P.INCIDENT_WORK, _("Reopen")),
        ("closed", "reopen"): Move("open", P.INCIDENT_WORK, _("Reopen")),
    },
)

PAGE = Machine(
    "page",
    {
        "queued": State(_("queued"), Tone.INFO),
        "sending": State(_("sending"), Tone.INFO, claimed_from="queued"),
        "delivered": State(_("delivered"), Tone.WARN),
        "shown_only": State(_("shown here only, sent nowhere"), Tone.WARN),
        "acknowledged": State(_("acknowledged"), Tone.OK),
        "escalated": State(_("passed on to the next person"), Tone.WARN),
        "failed": State(_("failed"), Tone.BAD),
    },
    {
        ("sending", "deliver"): Move("delivered", P.SYSTEM),
        ("sending", "show"): Move("shown_only", P.SYSTEM),
        ("sending", "retry"): Move("queued", P.SYSTEM),
        ("sending", "requeue"): Move("queued", P.SYSTEM),
        ("sending", "fail"): Move("failed", P.SYSTEM),
        ("sending", "give_up"): Move("failed", P.SYSTEM),
        ("queued", "give_up"): Move("failed", P.SYSTEM),
        ("queued", "acknowledge"): Move("acknowledged", P.INCIDENT_WORK),
        ("delivered", "acknowledge"): Move("acknowledged", P.INCIDENT_WORK),
        ("shown_only", "acknowledge"): Move("acknowledged", P.INCIDENT_WORK),
        ("delivered", "escalate"): Move("escalated", P.SYSTEM),
        ("shown_only", "escalate"): Move("escalated", P.SYSTEM),
        ("failed", "escalate"): Move("escalated", P.SYSTEM),
    },
)

HOLD = Machine(
    "hold",
    {"placed": State(_("in force"), Tone.OK), "released": State(_("released"))},
    {
        ("placed", "release"): Move(
            "released", P.HOLD_RELEASE, _("Release hold"), not_the=("placed_by",)
        )
    },
)

ROLLBACK = Machine(
    "rollback",
    {
        "requested": State(_("waiting for the second person"), Tone.WARN),
        "approved": State(_("approved"), Tone.INFO),
        "executing": State(_("executing"), Tone.INFO, claimed_from="approved"),
        "executed": State(_("executed, being checked"), Tone.INFO),
        "verified": State(_("verified"), Tone.OK),
        "inconclusive": State(_("not confirmed"), Tone.WARN),
        "failed": State(_("failed"), Tone.BAD),
        "rejected": State(_("rejected")),
    },
    {
        ("requested", "approve"): Move(
            "approved", P.ROLLBACK_APPROVE, _("Approve rollback"), not_the=("requested_by",)
        ),
        ("requested", "reject"): Move(
            "rejected", P.ROLLBACK_APPROVE, _("Reject"), not_the=("requested_by",)
        ),
        ("approved", "give_up"): Move("failed", P.SYSTEM),
        ("executing", "finish"): Move("executed", P.SYSTEM),
        ("executing", "retry"): Move("approved", P.SYSTEM),
        ("executing", "requeue"): Move("approved", P.SYSTEM),
        ("executing", "fail"): Move("failed", P.SYSTEM),
        ("executing", "give_up"): Move("failed", P.SYSTEM),
        ("executed", "verify"): Move("verified", P.SYSTEM),
        ("executed", "inconclusive"): Move("inconclusive", P.SYSTEM),
        ("inconclusive", "verify"): Move("verified", P.SYSTEM),
        ("executed", "fail"): Move("failed", P.SYSTEM),
        ("inconclusive", "fail"): Move("failed", P.SYSTEM),
    },
)

REVIEW = Machine(
    "review",
    {"writing": State(_("being written"), Tone.INFO), "finished": State(_("finished"), Tone.OK)},
    {("writing", "finish"): Move("finished", P.REVIEW_WRITE, _("Finish review"))},
)

MACHINES = (INBOX, ALERT, INCIDENT, PAGE, HOLD, ROLLBACK, REVIEW)

# How bad a rule says it is, worst first.
LEVELS = {
    "critical": _("critical"),
    "high": _("high"),
    "medium": _("medium"),
    "low": _("low"),
    "informational": _("informational"),
}
