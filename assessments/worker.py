"""THE DOOR: the one module of the house that may open the scanner's torch side.

`celery -A config worker -I assessments.worker -Q scans -P solo` registers it; no other process
knows more of it than its name. One process serves one device, or several as one where a model is too
large for any of them.
"""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from typing import Any, Self, TypeVar

import torch
from celery import shared_task
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection

from assessments.scanner import depth, examination, merging, run, shards, working
from assessments.scanner.contract import Cancelled, Progress, ScanFailed, ScanResult, Stage
from assessments.scanner.examined import Examined
from assessments.services import sae, scan, shard
from compliance.machines import TransitionRefused
from compliance.services import digest

log = logging.getLogger(__name__)
BEAT_SECONDS = 1.0
BEATS_A_LEASE = 4
LONGEST_SILENCE = 1800.0
"""Seconds after which work that told nothing counts as stuck, and its lease may run out."""
DEVICE: str = settings.STRATA_SCAN_DEVICE

try:
    DEVICES = depth.devices(DEVICE)
except ScanFailed as wrong:
    raise ImproperlyConfigured(f"STRATA_SCAN_DEVICE: {wrong}") from wrong
if DEVICE != "cpu" and (DEVICES[-1].index or 0) >= torch.cuda.device_count():
    raise ImproperlyConfigured(
        f"STRATA_SCAN_DEVICE is {DEVICE}, and torch {torch.__version__} finds "
        f"{torch.cuda.device_count()} such devices here."
    )

Found = TypeVar("Found")


@cache
def reader_sha256() -> str:
    """How this process reads: the scanner's code, the libraries and the kind of device."""
    libraries = {name: version(name) for name in working.LIBRARIES}
    return digest.of_json(
        {
            "code": merging.code_sha256(),
            "python": platform.python_version(),
            "libraries": libraries,
            "device": DEVICE,
        }
    )


@shared_task(name="assessments.run_scan", ignore_result=True)
def run_scan(scan_id: int) -> None:
    """Claim one scan, check it and split it into shards."""
    claimed = scan.claim(scan_id, device=DEVICE)
    if claimed is None:
        return
    with Held(lambda _progress, _seconds: scan.beat(claimed)):
        do(
            f"scan {scan_id}",
            partial(plans, claimed),
            finish=lambda found: scan.split(claimed, found, reader_sha256=reader_sha256()),
            fail=partial(scan.fail, claimed),
        )


def plans(claimed: scan.ClaimedScan) -> list[dict[str, Any]]:
    """The shards of a scan, as they are kept."""
    run.check(claimed.job)
    return [each.to_json() for each in shards.split(claimed.job)]


@shared_task(name="assessments.work_shard", ignore_result=True)
def work_shard(shard_id: int) -> None:
    """Claim one shard, read it, hand back its part."""
    claimed = shard.claim(shard_id, device=DEVICE)
    if claimed is None:
        return
    with Held(lambda progress, seconds: shard.beat(claimed, progress, seconds=seconds)) as held:
        do(
            f"shard {shard_id}",
            partial(part, claimed, held.report),
            finish=lambda found: shard.finish(claimed, found, seconds=held.seconds),
            fail=lambda error: shard.fail(claimed, error, seconds=held.seconds),
        )


def part(claimed: shard.ClaimedShard, report: Callable[[Progress], bool]) -> bytes:
    """What comes of a shard, as it is kept."""
    expect_reader(claimed.reader_sha256)
    wanted = shards.Shard.from_json(claimed.plan)
    return shard.pack(working.work(claimed.job, wanted, report).to_json())


@shared_task(name="assessments.merge_scan", ignore_result=True)
def merge_scan(scan_id: int) -> None:
    """Claim one scan that is read, put its parts together, hand back what was found."""
    claimed = scan.claim_merge(scan_id)
    if claimed is None:
        return
    with Held(lambda _progress, _seconds: scan.beat(claimed)):
        do(
            f"scan {scan_id}",
            partial(merged, claimed),
            finish=partial(scan.finish, claimed),
            fail=partial(scan.fail, claimed),
        )


def merged(claimed: scan.ClaimedScan) -> ScanResult:
    """The result of a scan from its parts."""
    expect_reader(claimed.reader_sha256)
    parts = [shards.Part.from_json(raw) for raw in shard.parts(claimed.pk)]
    return merging.merge(claimed.job, parts)


@shared_task(name="assessments.check_sae", ignore_result=True)
def check_sae(sae_id: int) -> None:
    """Claim one registered autoencoder, open it, hand back what it is."""
    claimed = sae.claim(sae_id)
    if claimed is None:
        return
    with Held(lambda _progress, _seconds: sae.beat(claimed)) as held:
        do(
            f"autoencoder {sae_id}",
            partial(examined, claimed, held.report),
            finish=lambda found: sae.accept(claimed, found, sae.published_card(claimed.path)),
            fail=partial(sae.refuse, claimed),
        )


def examined(claimed: sae.ClaimedSae, report: Callable[[Progress], bool]) -> Examined:
    """What lies there; links that came since it was registered are refused too."""
    try:
        sae.expect_inside(claimed.path)
        model = None
        if claimed.model_path:
            model = examination.ModelToTry(claimed.model_path, claimed.model_sha256, DEVICE)
        return examination.examine(
            claimed.path,
            name=claimed.layout,
            model=model,
            alive=lambda: shards.tell(report, Progress(Stage.LOADING, 0, 1)),
        )
    except sae.SaeError as error:
        raise ScanFailed(str(error), permanent=True) from error
    except OSError as error:
        message = f"{claimed.path.name} could not be read: {error}"
        raise ScanFailed(message, permanent=False) from error


def expect_reader(wanted: str) -> None:
    """One scan is read in one way, or its record would not be true.

    Raises:
        ScanFailed: this worker has other code, libraries or device than the one that split it.
    """
    if wanted != reader_sha256():
        message = (
            f"expected a worker with scanner code, libraries and device of digest {wanted[:12]}, "
            f"came one of {reader_sha256()[:12]}; bring all scan workers to the same version and "
            "device, then try again"
        )
        raise ScanFailed(message, permanent=True)


def do(
    what: str,
    work: Callable[[], Found],
    *,
    finish: Callable[[Found], object],
    fail: Callable[[ScanFailed], object],
) -> None:
    """Do claimed work and hand back what came of it; what breaks unforeseen may be tried again."""
    try:
        found = work()
    except Cancelled as stopped:
        log.info("%s: %s", what, stopped)
    except ScanFailed as error:
        hand_back(what, partial(fail, error))
    except Exception as error:
        log.exception("%s broke", what)
        broke = ScanFailed(f"{type(error).__name__}: {error}", permanent=False)
        hand_back(what, partial(fail, broke))
    else:
        hand_back(what, partial(finish, found))


def hand_back(what: str, write: Callable[[], object]) -> None:
    """Write the outcome, unless somebody stopped the work or took it over meanwhile."""
    try:
        write()
    except TransitionRefused as refused:
        log.info("%s: what came of it is not wanted any more: %s", what, refused)


class Held:
    """A lease while its work is done: reports go in, beats go out.

    A thread beats too, for work that reports nothing for minutes, such as loading a large model.
    """

    def __init__(self, beat: Callable[[Progress | None, float], bool]) -> None:
        """Not beating yet.

        Args:
            beat: prolongs the lease; is told progress, if there is any, and the seconds so far.
        """
        self.beat = beat
        self.began = self.heard = time.monotonic()
        self.told = self.began - BEAT_SECONDS
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._go_on, name="lease", daemon=True)

    def __enter__(self) -> Self:
        """Begin to beat."""
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Beat no more."""
        self.over.set()
        self.thread.join()

    @property
    def seconds(self) -> float:
        """Device time since the work was claimed: of several devices, all count."""
        return (time.monotonic() - self.began) * len(DEVICES)

    def report(self, progress: Progress) -> bool:
        """What the scanner tells: at most one beat a second, and False when it shall stop."""
        self.heard = at = time.monotonic()
        if at - self.told < BEAT_SECONDS and progress.done < progress.total:
            return True
        self.told = at
        return self._beat(progress)

    def _beat(self, progress: Progress | None) -> bool:
        try:
            return self.beat(progress, self.seconds)
        except Error as error:
            # A locked or restarting database: the next beat comes soon.
            log.warning("the lease was not prolonged: %s", error)
            return True

    def _go_on(self) -> None:
        every = settings.STRATA_SCAN_LEASE_SECONDS / BEATS_A_LEASE
        while not self.over.wait(every) and time.monotonic() - self.heard < LONGEST_SILENCE:
            self._beat(None)
            connection.close()
