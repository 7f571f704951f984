"""Every check, in the scorecard's order."""

from __future__ import annotations

from tests.checks import calls, crash, crowd, failing
from tests.checks.outcome import Check

CHECKS = (
    Check("F05", "a worker killed at each step of a filing, the recipient failing", crash.matrix),
    Check("F05b", "the sandbox failing in every way", failing.every_way),
    Check("F05c", "a thousand filings at once", crowd.thousand),
    Check("F05d", "the database killed while filings go out", failing.restarted),
    Check("F06", "the recipient down for 71 h 50 min of 72 h", failing.down_for_three_days),
    Check("F10", "one Idempotency-Key, fifty callers at once", calls.fifty),
    Check("F11", "a receipt that does not come", failing.no_receipt),
)
