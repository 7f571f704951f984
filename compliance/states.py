"""What on the ground floor has a state, and how it moves."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from compliance.machines import Machine, Move, State, Tone
from compliance.permissions import Permission as P  # noqa: N817 - a table of them

VERSION = Machine(
    "version",
    {"registered": State(_("registered"), Tone.INFO), "retired": State(_("retired"))},
    {("registered", "retire"): Move("retired", P.INVENTORY_WRITE, _("Retire"))},
)

DEPLOYMENT = Machine(
    "deployment",
    {"active": State(_("active"), Tone.OK), "ended": State(_("ended"))},
    {("active", "end"): Move("ended", P.DEPLOYMENT_MANAGE, _("End deployment"))},
)

# Who may approve stands on each request; the approvals room asks it before it moves.
APPROVAL = Machine(
    "approval",
    {
        "asked": State(_("waiting for approval"), Tone.WARN),
        "given": State(_("approved"), Tone.OK),
        "refused": State(_("refused"), Tone.BAD),
        "void": State(_("void: the content changed"), Tone.STALE),
    },
    {
        ("asked", "give"): Move("given", None),
        ("asked", "refuse"): Move("refused", None),
        ("asked", "void"): Move("void", None),
        ("given", "void"): Move("void", None),
    },
)

REPORT = Machine(
    "report",
    {
        "drafting": State(_("drafting"), Tone.INFO),
        "review": State(_("waiting for the second person"), Tone.WARN),
        "approved": State(_("approved"), Tone.OK),
        "filing": State(_("filing"), Tone.INFO),
        "filed": State(_("filed"), Tone.OK),
        "acknowledged": State(_("acknowledged"), Tone.OK),
        "superseded": State(_("superseded")),
        "not_reportable": State(_("closed as not reportable")),
    },
    {
        ("drafting", "submit"): Move("review", P.REPORT_DRAFT, _("Submit for approval")),
        ("drafting", "close"): Move(
            "not_reportable",
            P.REPORT_APPROVE,
            _("Close as not reportable"),
            not_the=("drafted_by",),
        ),
        ("review", "return"): Move("drafting", P.REPORT_APPROVE, _("Return for changes")),
        ("review", "approve"): Move(
            "approved", P.REPORT_APPROVE, _("Approve"), not_the=("drafted_by", "revised_by")
        ),
        ("approved", "reopen"): Move("drafting", P.REPORT_DRAFT, _("Reopen for changes")),
        ("approved", "file"): Move("filing", P.REPORT_FILE, _("File"), person_only=True),
        ("filing", "sent"): Move("filed", P.SYSTEM),
        ("filing", "rejected"): Move("drafting", P.SYSTEM),
        ("filed", "acknowledge"): Move("acknowledged", P.SYSTEM),
        ("filed", "supersede"): Move("superseded", P.REPORT_DRAFT, _("Supersede")),
        ("acknowledged", "supersede"): Move("superseded", P.REPORT_DRAFT, _("Supersede")),
    },
)

FILING = Machine(
    "filing",
    {
        "queued": State(_("queued"), Tone.INFO),
        "sending": State(_("sending"), Tone.INFO, claimed_from="queued"),
        "acknowledged": State(_("receipt received"), Tone.OK),
        "rejected": State(_("rejected"), Tone.BAD),
        "unknown": State(_("outcome unknown"), Tone.WARN),
        "needs_human": State(_("needs a person"), Tone.BAD),
    },
    {
        ("queued", "give_up"): Move("needs_human", P.SYSTEM),
        ("sending", "retry"): Move("queued", P.SYSTEM),
        ("sending", "requeue"): Move("unknown", P.SYSTEM),
        ("sending", "receive"): Move("acknowledged", P.SYSTEM),
        ("sending", "reject"): Move("rejected", P.SYSTEM),
        ("sending", "lose"): Move("unknown", P.SYSTEM),
        ("sending", "give_up"): Move("needs_human", P.SYSTEM),
        ("unknown", "resend"): Move("queued", P.REPORT_FILE, _("Ask again with the same key")),
        ("unknown", "receive"): Move("acknowledged", P.REPORT_FILE, _("Enter the receipt")),
        ("needs_human", "resend"): Move("queued", P.REPORT_FILE, _("Try again")),
        ("needs_human", "receive"): Move("acknowledged", P.REPORT_FILE, _("Enter the receipt")),
    },
)

_WORK_STATES = {
    "queued": State(_("queued"), Tone.INFO),
    "running": State(_("being made"), Tone.INFO, claimed_from="queued"),
    "ready": State(_("ready"), Tone.OK),
    "failed": State(_("failed"), Tone.BAD),
}
_WORK_MOVES = {
    ("running", "finish"): Move("ready", P.SYSTEM),
    ("running", "requeue"): Move("queued", P.SYSTEM),
    ("running", "fail"): Move("failed", P.SYSTEM),
    ("running", "give_up"): Move("failed", P.SYSTEM),
    ("queued", "give_up"): Move("failed", P.SYSTEM),
}

DOCUMENT = Machine(
    "document",
    _WORK_STATES,
    {**_WORK_MOVES, ("failed", "retry"): Move("queued", P.DOCUMENT_DRAFT, _("Try again"))},
)

EXPORT = Machine(
    "export",
    _WORK_STATES,
    {**_WORK_MOVES, ("failed", "retry"): Move("queued", P.AUDIT_EXPORT, _("Try again"))},
)

NOTICE = Machine(
    "notice",
    {
        "queued": State(_("queued"), Tone.INFO),
        "sending": State(_("sending"), Tone.INFO, claimed_from="queued"),
        "delivered": State(_("delivered"), Tone.OK),
        "shown_only": State(_("shown here only, sent nowhere"), Tone.WARN),
        "failed": State(_("failed"), Tone.BAD),
    },
    {
        ("sending", "deliver"): Move("delivered", P.SYSTEM),
        ("sending", "show"): Move("shown_only", P.SYSTEM),
        ("sending", "requeue"): Move("queued", P.SYSTEM),
        ("sending", "retry"): Move("queued", P.SYSTEM),
        ("sending", "fail"): Move("failed", P.SYSTEM),
        ("sending", "give_up"): Move("failed", P.SYSTEM),
        ("queued", "give_up"): Move("failed", P.SYSTEM),
    },
)

MACHINES = (VERSION, DEPLOYMENT, APPROVAL, REPORT, FILING, DOCUMENT, EXPORT, NOTICE)
