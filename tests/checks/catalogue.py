"""Every check, in the scorecard's order."""

from __future__ import annotations

from tests.checks import calls, clocks, crash, crowd, failing, people
from tests.checks.outcome import Check

CHECKS = (
    Check("F01", "72 hours across every change of clocks", clocks.seventy_two_hours),
    Check("F02", "the reference's cases", clocks.vectors),
    Check("F03", "a machine whose clock is wrong", clocks.skewed),
    Check("F04", "everything stopped across three marks", clocks.stopped),
    Check("F05", "a worker killed at each step of a filing, the recipient failing", crash.matrix),
    Check("F05b", "the sandbox failing in every way", failing.every_way),
    Check("F05c", "many filings at once", crowd.thousand),
    Check("F05d", "the database killed while filings go out", failing.restarted),
    Check("F06", "the recipient down for 71 h 50 min of 72 h", failing.down_for_three_days),
    Check("F07", "one byte changed after approval", people.one_byte),
    Check("F08", "one's own report approved", people.own_approval),
    Check("F09", "waits between tries", people.waits),
    Check("F10", "one Idempotency-Key, fifty callers at once", calls.fifty),
    Check("F11", "a receipt that does not come", failing.no_receipt),
    Check("F12", "a schedule that hangs on no hour", clocks.schedule),
)
