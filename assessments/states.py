"""What on the first floor has a state, and how it moves."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from compliance.machines import Machine, Move, State, Tone
from compliance.permissions import Permission as P  # noqa: N817 - a table of them

# What is ready stays so: its files are pinned by digest, and every scan looks at them again.
SAE = Machine(
    "sae",
    {
        "waiting": State(_("waiting to be checked"), Tone.INFO),
        "checking": State(_("being checked"), Tone.INFO, claimed_from="waiting"),
        "ready": State(_("ready"), Tone.OK),
        "refused": State(_("refused"), Tone.BAD),
    },
    {
        ("waiting", "give_up"): Move("refused", P.SYSTEM),
        ("checking", "requeue"): Move("waiting", P.SYSTEM),
        ("checking", "accept"): Move("ready", P.SYSTEM),
        ("checking", "refuse"): Move("refused", P.SYSTEM),
        ("checking", "give_up"): Move("refused", P.SYSTEM),
        ("refused", "recheck"): Move("waiting", P.WATCHLIST_WRITE, _("Check again")),
    },
)

SCAN = Machine(
    "scan",
    {
        "queued": State(_("queued"), Tone.INFO),
        "running": State(_("being prepared"), Tone.INFO, claimed_from="queued"),
        "reading": State(_("reading"), Tone.INFO),
        "read": State(_("read, to be put together"), Tone.INFO),
        "merging": State(_("being put together"), Tone.INFO, claimed_from="read"),
        "done": State(_("done"), Tone.OK),
        "failed": State(_("failed"), Tone.BAD),
        "cancelled": State(_("cancelled")),
    },
    {
        ("queued", "cancel"): Move("cancelled", P.SCAN_REQUEST, _("Cancel")),
        ("queued", "give_up"): Move("failed", P.SYSTEM),
        ("running", "cancel"): Move("cancelled", P.SCAN_REQUEST, _("Cancel")),
        ("running", "requeue"): Move("queued", P.SYSTEM),
        ("running", "split"): Move("reading", P.SYSTEM),
        ("running", "fail"): Move("failed", P.SYSTEM),
        ("running", "give_up"): Move("failed", P.SYSTEM),
        ("reading", "cancel"): Move("cancelled", P.SCAN_REQUEST, _("Cancel")),
        ("reading", "collect"): Move("read", P.SYSTEM),
        ("reading", "fail"): Move("failed", P.SYSTEM),
        ("read", "cancel"): Move("cancelled", P.SCAN_REQUEST, _("Cancel")),
        ("read", "give_up"): Move("failed", P.SYSTEM),
        ("merging", "cancel"): Move("cancelled", P.SCAN_REQUEST, _("Cancel")),
        ("merging", "requeue"): Move("read", P.SYSTEM),
        ("merging", "finish"): Move("done", P.SYSTEM),
        ("merging", "fail"): Move("failed", P.SYSTEM),
        ("merging", "give_up"): Move("failed", P.SYSTEM),
        ("failed", "retry"): Move("queued", P.SCAN_REQUEST, _("Try again")),
    },
)

# A shard is done, or its scan is over; a scan that is tried again gets fresh ones for the rest.
SHARD = Machine(
    "shard",
    {
        "queued": State(_("waiting"), Tone.NEUTRAL),
        "running": State(_("being read"), Tone.INFO, claimed_from="queued"),
        "done": State(_("read"), Tone.OK),
        "failed": State(_("failed"), Tone.BAD),
        "stopped": State(_("stopped")),
    },
    {
        ("queued", "give_up"): Move("failed", P.SYSTEM),
        ("queued", "stop"): Move("stopped", P.SYSTEM),
        ("running", "requeue"): Move("queued", P.SYSTEM),
        ("running", "finish"): Move("done", P.SYSTEM),
        ("running", "fail"): Move("failed", P.SYSTEM),
        ("running", "give_up"): Move("failed", P.SYSTEM),
        ("running", "stop"): Move("stopped", P.SYSTEM),
    },
)

CAMPAIGN = Machine(
    "campaign",
    {"open": State(_("open"), Tone.INFO), "closed": State(_("closed"), Tone.OK)},
    {("open", "close"): Move("closed", P.EVIDENCE_ATTACH, _("Close campaign"))},
)

WAIVER = Machine(
    "waiver",
    {
        "asked": State(_("waiting for two people"), Tone.WARN),
        "granted": State(_("granted"), Tone.WARN),
        "rejected": State(_("rejected"), Tone.BAD),
        "expired": State(_("expired"), Tone.STALE),
    },
    {
        ("asked", "grant"): Move(
            "granted", P.WAIVER_APPROVE, _("Grant waiver"), not_the=("asked_by",)
        ),
        ("asked", "reject"): Move("rejected", P.WAIVER_APPROVE, _("Reject waiver")),
        ("granted", "expire"): Move("expired", P.SYSTEM),
        ("asked", "expire"): Move("expired", P.SYSTEM),
    },
)

AUTHORISATION = Machine(
    "authorisation",
    {"standing": State(_("standing"), Tone.OK), "ended": State(_("ended"))},
    {("standing", "end"): Move("ended", P.GATE_DECIDE, _("End authorisation"))},
)

MACHINES = (SAE, SCAN, SHARD, CAMPAIGN, WAIVER, AUTHORISATION)
