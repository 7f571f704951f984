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
        "withdrawn": State(_("withdrawn by a later report")),
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
        # A standing authorisation stands in for the second person, and then for the one who files.
        ("review", "release"): Move("approved", P.SYSTEM),
        ("approved", "reopen"): Move("drafting", P.REPORT_DRAFT, _("Reopen for changes")),
        ("approved", "file"): Move("filing", P.REPORT_FILE, _("File"), person_only=True),
        ("approved", "dispatch"): Move("filing", P.SYSTEM),
        ("filing", "sent"): Move("filed", P.SYSTEM),
        ("filing", "rejected"): Move("drafting", P.SYSTEM),
        ("filed", "acknowledge"): Move("acknowledged", P.SYSTEM),
        ("filed", "supersede"): Move("superseded", P.REPORT_DRAFT, _("Supersede")),
        ("acknowledged", "supersede"): Move("superseded", P.REPORT_DRAFT, _("Supersede")),
        ("filed", "withdraw"): Move("withdrawn", P.SYSTEM),
        ("acknowledged", "withdraw"): Move("withdrawn", P.SYSTEM),
    },
)

FILING = Machine(
    "filing",
    {
        "queued": State(_("queued"), Tone.INFO),
        "sending": State(_("sending"), Tone.INFO, claimed_from="queued"),
        "awaiting": State(_("taken in, receipt to come"), Tone.WARN),
        "acknowledged": State(_("receipt received"), Tone.OK),
        "superseded": State(_("superseded by a later filing")),
        "rejected": State(_("rejected"), Tone.BAD),
        "unknown": State(_("outcome unknown"), Tone.WARN),
        "needs_human": State(_("needs a person"), Tone.BAD),
    },
    {
        ("queued", "give_up"): Move("needs_human", P.SYSTEM),
        ("queued", "receive"): Move("acknowledged", P.SYSTEM),
        ("sending", "retry"): Move("queued", P.SYSTEM),
        ("sending", "requeue"): Move("unknown", P.SYSTEM),
        ("sending", "await"): Move("awaiting", P.SYSTEM),
        ("sending", "receive"): Move("acknowledged", P.SYSTEM),
        ("sending", "reject"): Move("rejected", P.SYSTEM),
        ("sending", "lose"): Move("unknown", P.SYSTEM),
        ("sending", "give_up"): Move("needs_human", P.SYSTEM),
        # What was taken in, and what nobody knows of, is asked about; it is never sent blindly.
        ("awaiting", "reconcile"): Move("queued", P.SYSTEM),
        ("awaiting", "receive"): Move("acknowledged", P.REPORT_FILE, _("Enter the receipt")),
        ("awaiting", "reject"): Move("rejected", P.SYSTEM),
        ("awaiting", "give_up"): Move("needs_human", P.SYSTEM),
        ("unknown", "reconcile"): Move("queued", P.SYSTEM),
        ("unknown", "resend"): Move("queued", P.REPORT_FILE, _("Ask again with the same key")),
        ("unknown", "receive"): Move("acknowledged", P.REPORT_FILE, _("Enter the receipt")),
        ("unknown", "reject"): Move("rejected", P.SYSTEM),
        ("unknown", "give_up"): Move("needs_human", P.SYSTEM),
        ("needs_human", "resend"): Move("queued", P.REPORT_FILE, _("Try again")),
        ("needs_human", "receive"): Move("acknowledged", P.REPORT_FILE, _("Enter the receipt")),
        ("needs_human", "reject"): Move("rejected", P.REPORT_FILE, _("Enter the rejection")),
        ("acknowledged", "supersede"): Move("superseded", P.SYSTEM),
    },
)

# Whether the second person's yes is there stands with the approval; the service asks it first.
RELEASE = Machine(
    "release",
    {
        "asked": State(_("waiting for the second person"), Tone.WARN),
        "given": State(_("given"), Tone.WARN),
        "refused": State(_("refused"), Tone.BAD),
        "taken_back": State(_("taken back")),
        "revoked": State(_("revoked"), Tone.STALE),
        "expired": State(_("expired"), Tone.STALE),
    },
    {
        ("asked", "give"): Move(
            "given", P.RELEASE_APPROVE, _("Authorise unattended filing"), not_the=("asked_by",)
        ),
        ("asked", "refuse"): Move("refused", P.RELEASE_APPROVE, _("Refuse"), person_only=True),
        ("asked", "take_back"): Move("taken_back", P.RELEASE_ASK, _("Take back"), person_only=True),
        ("asked", "expire"): Move("expired", P.SYSTEM),
        ("given", "revoke"): Move("revoked", P.RELEASE_APPROVE, _("Revoke"), person_only=True),
        ("given", "expire"): Move("expired", P.SYSTEM),
    },
)

DUTY = Machine(
    "duty",
    {
        "active": State(_("standing"), Tone.OK),
        "paused": State(_("paused"), Tone.WARN),
        "ended": State(_("ended")),
    },
    {
        ("active", "pause"): Move("paused", P.DUTY_MANAGE, _("Pause"), person_only=True),
        ("active", "end"): Move("ended", P.DUTY_MANAGE, _("End duty")),
        ("paused", "resume"): Move("active", P.DUTY_MANAGE, _("Resume"), person_only=True),
        ("paused", "end"): Move("ended", P.DUTY_MANAGE, _("End duty")),
    },
)

OCCURRENCE = Machine(
    "occurrence",
    {
        "open": State(_("to be done"), Tone.INFO),
        "overdue": State(_("overdue"), Tone.BAD),
        "done": State(_("done"), Tone.OK),
        "waived": State(_("not needed this time")),
    },
    {
        ("open", "lapse"): Move("overdue", P.SYSTEM),
        ("open", "complete"): Move("done", P.DUTY_WORK, _("Enter as done"), person_only=True),
        ("open", "waive"): Move("waived", P.DUTY_MANAGE, _("Not needed"), person_only=True),
        ("overdue", "complete"): Move("done", P.DUTY_WORK, _("Enter as done"), person_only=True),
        ("overdue", "waive"): Move("waived", P.DUTY_MANAGE, _("Not needed"), person_only=True),
    },
)

AUTHORITY_REQUEST = Machine(
    "authority_request",
    {
        "open": State(_("to be answered"), Tone.INFO),
        "overdue": State(_("overdue"), Tone.BAD),
        "answered": State(_("answered"), Tone.OK),
        "closed": State(_("closed")),
    },
    {
        ("open", "lapse"): Move("overdue", P.SYSTEM),
        ("open", "answer"): Move(
            "answered", P.AUTHORITY_WORK, _("Enter as answered"), person_only=True
        ),
        ("open", "close"): Move("closed", P.AUTHORITY_WORK, _("Close"), person_only=True),
        # A period that the authority prolonged: the date has not passed after all.
        ("overdue", "prolong"): Move(
            "open", P.AUTHORITY_WORK, _("Enter a longer period"), person_only=True
        ),
        ("overdue", "answer"): Move(
            "answered", P.AUTHORITY_WORK, _("Enter as answered"), person_only=True
        ),
        ("overdue", "close"): Move("closed", P.AUTHORITY_WORK, _("Close"), person_only=True),
        ("answered", "reopen"): Move(
            "open", P.AUTHORITY_WORK, _("Reopen for further questions"), person_only=True
        ),
        ("answered", "close"): Move("closed", P.AUTHORITY_WORK, _("Close"), person_only=True),
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

# A filing never waits for its time-stamps, whatever becomes of them.
TIME_STAMP = Machine(
    "time_stamp",
    {
        "queued": State(_("waiting"), Tone.INFO),
        "asking": State(_("being asked for"), Tone.INFO, claimed_from="queued"),
        "stamped": State(_("time-stamped"), Tone.OK),
        "refused": State(_("no time-stamp"), Tone.BAD),
    },
    {
        ("asking", "keep"): Move("stamped", P.SYSTEM),
        ("asking", "retry"): Move("queued", P.SYSTEM),
        ("asking", "requeue"): Move("queued", P.SYSTEM),
        ("asking", "refuse"): Move("refused", P.SYSTEM),
        ("asking", "give_up"): Move("refused", P.SYSTEM),
        ("queued", "give_up"): Move("refused", P.SYSTEM),
        ("refused", "ask_again"): Move("queued", P.REPORT_FILE, _("Ask for it again")),
    },
)

MACHINES = (
    VERSION,
    DEPLOYMENT,
    APPROVAL,
    REPORT,
    FILING,
    RELEASE,
    DUTY,
    OCCURRENCE,
    AUTHORITY_REQUEST,
    DOCUMENT,
    EXPORT,
    NOTICE,
    TIME_STAMP,
)
