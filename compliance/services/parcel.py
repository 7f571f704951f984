"""What goes out: the approved bytes of one filing, and the proof that they are still those."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from compliance.filing.base import FilingError, FilingPackage, idempotency_key
from compliance.machines import TransitionRefused
from compliance.models import ClockInstance, Filing, Report
from compliance.services import blob
from compliance.services import report as reports

ARRIVED = ("acknowledged", "superseded")
"""States of a filing that its recipient has acknowledged, then or before a later one."""


def package(filing: Filing) -> FilingPackage:
    """The bytes that go out, checked against their digests while they are read.

    Raises:
        TransitionRefused: the report has no paper.
        FileStoreError: the stored bytes are gone or were changed.
    """
    report = filing.report
    if report.pdf is None or report.twin is None:
        raise TransitionRefused(_("Report %(uuid)s has no paper to send.") % {"uuid": report.uuid})
    replaced = earlier(report)
    return FilingPackage(
        filing=filing.uuid,
        recipient=report.recipient or "internal",
        pdf=blob.read(report.pdf),
        twin=blob.read(report.twin),
        simulation=report.is_simulation,
        supersedes=replaced.uuid if replaced else None,
    )


def earlier(report: Report) -> Filing | None:
    """The filing that the recipient has of what this report replaces."""
    if report.supersedes is None:
        return None
    sent = report.supersedes.filings.filter(state__in=ARRIVED)
    found: Filing | None = sent.order_by("-pk").first()
    return found


def check_unchanged(filing: Filing, packed: FilingPackage) -> None:
    """Refuse to send anything but what was approved and, from the first attempt on, what was sent.

    Raises:
        FilingError: report or paper changed since; permanent.
    """
    report = filing.report
    current = reports.current_sha256(report)
    if not filing.report_sha256 == report.approved_sha256 == current:
        raise FilingError(
            _("The report changed after it was approved for filing; nothing was sent."),
            permanent=True,
        )
    if filing.key and filing.key != idempotency_key(packed):
        raise FilingError(
            _("The paper is another than the one that was filed; nothing was sent."),
            permanent=True,
        )


def clock_of(report: Report) -> ClockInstance | None:
    """The clock that stands for the report's stage; that of its authority before others."""
    standing = ClockInstance.objects.filter(
        about_uuid=report.about_uuid, regime=report.regime, stage=report.stage, replaced_by=None
    )
    found = sorted(
        standing.order_by("target_due", "pk"),
        key=lambda clock: (clock.authority != report.authority, clock.sequence != report.sequence),
    )
    return found[0] if found else None


def target_of(filing: Filing) -> datetime | None:
    """When the filing is due, if its stage counts."""
    clock = clock_of(filing.report)
    return clock.target_due if clock else None
