"""The ground floor's work, by name. Each task fetches nothing and decides nothing."""

from __future__ import annotations

from celery import shared_task

from compliance.services import audit_export, deadline, notice, printing, submission


@shared_task(name="compliance.send_notice")
def send_notice(pk: int) -> None:
    """Send one message of the outbox."""
    notice.send(pk)


@shared_task(name="compliance.send_filing")
def send_filing(pk: int) -> None:
    """Send one filing to its recipient."""
    submission.send(pk)


@shared_task(name="compliance.render_document")
def render_document(pk: int) -> None:
    """Make the paper of one document."""
    printing.render(pk)


@shared_task(name="compliance.export_audit")
def export_audit(pk: int) -> None:
    """Pack one export of the record."""
    audit_export.pack(pk)


@shared_task(name="compliance.recompute_clocks")
def recompute_clocks() -> None:
    """Turn running clocks that ran out into overdue ones; once a day, see what came into force."""
    deadline.tick(by=deadline.TIMEKEEPER)
    deadline.recount_waiting(by=deadline.TIMEKEEPER)
