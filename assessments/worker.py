"""THE DOOR: the one module of the house that may open the scanner's torch side.

`celery -A config worker -I assessments.worker -Q scans -P solo` registers it; no other process
knows more of it than its name.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from celery import shared_task

from assessments.scanner import run as scanner
from assessments.scanner.contract import Cancelled, Progress, ScanFailed, ScanResult
from assessments.services import scan
from compliance.machines import TransitionRefused

log = logging.getLogger(__name__)
BEAT_SECONDS = 1.0


@shared_task(name="assessments.run_scan", ignore_result=True)
def run_scan(scan_id: int) -> None:
    """Claim one scan, run it, hand back what was found."""
    claimed = scan.claim(scan_id)
    if claimed is None:
        return
    try:
        result = attempt(claimed)
    except Cancelled as stopped:
        log.info("scan %s: %s", scan_id, stopped)
    except ScanFailed as error:
        hand_back(scan_id, partial(scan.fail, claimed, error))
    else:
        hand_back(scan_id, partial(scan.finish, claimed, result))


def attempt(claimed: scan.ClaimedScan) -> ScanResult:
    """Run the job; whatever breaks unforeseen may be tried again."""
    try:
        return scanner.run(claimed.job, report=heartbeat(claimed))
    except (Cancelled, ScanFailed):
        raise
    except Exception as error:
        log.exception("scan %s broke", claimed.pk)
        raise ScanFailed(f"{type(error).__name__}: {error}", permanent=False) from error


def heartbeat(claimed: scan.ClaimedScan) -> Callable[[Progress], bool]:
    """What the scanner reports to: at most one write a second, and False when it shall stop."""
    last = -BEAT_SECONDS

    def report(progress: Progress) -> bool:
        nonlocal last
        at = time.monotonic()
        if at - last < BEAT_SECONDS and progress.done < progress.total:
            return True
        last = at
        return scan.beat(claimed, progress)

    return report


def hand_back(scan_id: int, write: Callable[[], object]) -> None:
    """Write the outcome, unless somebody cancelled the scan or took it over meanwhile."""
    try:
        write()
    except TransitionRefused as refused:
        log.info("scan %s: the result is not wanted any more: %s", scan_id, refused)
