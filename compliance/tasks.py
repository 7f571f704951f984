"""The ground floor's work, by name. Each task fetches nothing and decides nothing."""

from __future__ import annotations

from celery import shared_task

from compliance.services import (
    audit_export,
    authority_request,
    deadline,
    duty_watch,
    notice,
    printing,
    release_watch,
    submission,
    time_stamp,
    timekeeping,
)


@shared_task(name="compliance.send_notice")
def send_notice(pk: int) -> None:
    """Send one message of the outbox."""
    notice.send(pk)


@shared_task(name="compliance.send_filing")
def send_filing(pk: int) -> None:
    """Send one filing to its recipient."""
    submission.send(pk)


@shared_task(name="compliance.reconcile_filings")
def reconcile_filings() -> None:
    """Ask recipients about filings whose outcome or receipt is open."""
    submission.reconcile_due()


@shared_task(name="compliance.ask_time_stamp")
def ask_time_stamp(pk: int) -> None:
    """Ask the time-stamping authority over one package or receipt."""
    time_stamp.carry_out(pk)


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
    at = timekeeping.moment()
    deadline.tick(at, by=deadline.TIMEKEEPER)
    deadline.recount_waiting(at, by=deadline.TIMEKEEPER)


@shared_task(name="compliance.sweep_calendar")
def sweep_calendar() -> None:
    """Tell people of duties and requests of authorities that fall due."""
    at = timekeeping.moment()
    duty_watch.sweep(at)
    authority_request.sweep(at)


@shared_task(name="compliance.watch_expiry")
def watch_expiry() -> None:
    """Take the ends of retention and the expiry of evidence into the calendar."""
    duty_watch.watch()


@shared_task(name="compliance.sweep_releases")
def sweep_releases() -> None:
    """Where nobody approves in time: deputies, the incomplete report, a standing authorisation."""
    release_watch.sweep(timekeeping.moment())
