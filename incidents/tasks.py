"""The second floor's work, by name. Each task fetches nothing and decides nothing."""

from __future__ import annotations

from celery import shared_task

from incidents.services import event, filing_alarm, paging, review, rollback, serving, warning


@shared_task(name="incidents.judge_batch", ignore_result=True)
def judge_batch(pk: int) -> None:
    """Judge one accepted body."""
    event.judge(pk)


@shared_task(name="incidents.send_page", ignore_result=True)
def send_page(pk: int) -> None:
    """Call one person through one channel."""
    paging.send(pk)


@shared_task(name="incidents.escalate_due", ignore_result=True)
def escalate_due() -> None:
    """Climb the ladder where nobody answered."""
    paging.escalate_due()


@shared_task(name="incidents.ring_deadlines", ignore_result=True)
def ring_deadlines() -> None:
    """Warn of deadlines that come near."""
    warning.ring()


@shared_task(name="incidents.ring_filings", ignore_result=True)
def ring_filings() -> None:
    """Call people for filings that do not get through by themselves."""
    filing_alarm.ring()


@shared_task(name="incidents.watch_silence", ignore_result=True)
def watch_silence() -> None:
    """Raise alerts for deployments that went silent, and read replays that ended."""
    event.watch_silence()
    review.collect_due()


@shared_task(name="incidents.watch_serving", ignore_result=True)
def watch_serving() -> None:
    """Ask targets what they serve, check it, and look again at rollbacks that wait."""
    serving.watch()
    for pk in rollback.due_to_verify():
        rollback.verify(pk)


@shared_task(name="incidents.execute_rollback", ignore_result=True)
def execute_rollback(pk: int) -> None:
    """Switch one deployment back."""
    rollback.execute(pk)


@shared_task(name="incidents.verify_rollback", ignore_result=True)
def verify_rollback(pk: int) -> None:
    """Look at one executed rollback from both vantages."""
    rollback.verify(pk)
