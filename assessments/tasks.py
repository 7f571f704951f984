"""The first floor's work in ordinary workers. The scan itself lies behind `assessments.worker`."""

from __future__ import annotations

from celery import shared_task

from assessments.services import shard, sweep, waiver


@shared_task(name="assessments.sweep_gates", ignore_result=True)
def sweep_gates() -> None:
    """Expire what is over and judge anew what changed."""
    sweep.sweep()


@shared_task(name="assessments.follow_scans", ignore_result=True)
def follow_scans() -> None:
    """Fail scans of which the keeper gave up a shard."""
    shard.fail_with_given_up()


@shared_task(name="assessments.watch_waivers", ignore_result=True)
def watch_waivers() -> None:
    """Take the expiry of waivers into the calendar of duties."""
    waiver.watch_expiry()
