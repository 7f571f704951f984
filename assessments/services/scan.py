"""Ask for a scan, hand it to workers, take back what was found.

A scan is leased work in two stretches. One worker splits it; its shards are read by whoever is
free (`services/shard.py`); one worker puts the parts together. `claim` and `claim_merge` give a
fenced `ClaimedScan`, every later write names the fence, and a worker that lost its lease writes
nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments import queries
from assessments.models import (
    ConcernSummary,
    Finding,
    PromptSuite,
    Sae,
    Scan,
    SuppressionTest,
    WatchList,
)
from assessments.policies import load
from assessments.policies.schema import ScanCriteria
from assessments.scanner import contract
from assessments.scanner.agreement import Agreement, compare
from assessments.scanner.contract import Frame, ScanFailed, ScanJob, ScanResult
from assessments.scanner.plain import NotPlain
from assessments.services import gate, job, judge, picture, shard
from assessments.services import sae as sae_verbs
from assessments.states import SCAN
from compliance import lease
from compliance.actors import Actor, require
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.hostile import clean
from compliance.ids import uuid7
from compliance.models import Evidence, ModelVersion
from compliance.permissions import Permission
from compliance.queue import enqueue
from compliance.services import digest, evidence

log = logging.getLogger(__name__)
LONGEST_TOKEN = 120


class ScanError(ValueError):
    """The instrument does not fit together."""


@dataclass(frozen=True)
class ClaimedScan:
    """One scan in the hands of one worker: what to do, and the fence to write back under."""

    pk: int
    fence: int
    attempts: int
    job: ScanJob
    reader_sha256: str
    """How its shards were read; empty before they were laid out."""

    @classmethod
    def of(cls, row: Scan) -> ClaimedScan:
        """What a worker needs of a row that it has just claimed."""
        return cls(row.pk, row.fence, row.attempts, job.of(row), row.reader_sha256)


@transaction.atomic
def request(
    version: ModelVersion,
    *,
    sae: Sae,
    watchlist: WatchList,
    suite: PromptSuite,
    seed: int = 0,
    repeats: Scan | None = None,
    together: UUID | None = None,
    by: Actor,
) -> Scan:
    """Pin what is to be measured with what, and ring for a scan worker.

    Args:
        version: what is measured.
        sae: with what autoencoder.
        watchlist: which latents of it.
        suite: on which prompts.
        seed: of everything that is drawn.
        repeats: the scan that this one is to agree with.
        together: what it shares with others that are asked at once.
        by: who asks.

    Raises:
        NotAllowed: the actor may not ask for scans of this version.
        ScanError: the watch-list belongs to another autoencoder, or that one is not ready.
    """
    require(by, Permission.SCAN_REQUEST, version.subject)
    if watchlist.sae_id != sae.pk:
        raise ScanError(
            _(
                "Watch-list %(watchlist)s names latents of %(other)s, not of %(sae)s; choose one made for %(sae)s."
            )
            % {"watchlist": watchlist, "other": watchlist.sae, "sae": sae}
        )
    if why := sae_verbs.hindrance(sae):
        raise ScanError(why)
    made = Scan.objects.create(
        version=version,
        sae=sae,
        watchlist=watchlist,
        suite=suite,
        seed=seed,
        repeats=repeats,
        together=together,
        requested_by_id=by.user_id,
        requested_at=now(),
    )
    record(
        "scan.request",
        made,
        by=by,
        after="queued",
        version=str(version.uuid),
        weights_sha256=version.weights_sha256,
        sae_sha256=sae.sha256,
        watchlist_sha256=watchlist.sha256,
        suite_sha256=suite.sha256,
        seed=seed,
        repeats=str(repeats.uuid) if repeats else "",
        together=str(together or ""),
    )
    enqueue(Scan.TASK, made.pk, queue=Scan.QUEUE)
    return made


@transaction.atomic
def request_together(
    version: ModelVersion,
    *,
    watchlists: Sequence[WatchList],
    suite: PromptSuite,
    seed: int = 0,
    by: Actor,
) -> list[Scan]:
    """One version and suite at several read points, each through its own autoencoder.

    Their shards are read side by side by whoever is free; each gives evidence of its own.

    Raises:
        NotAllowed: the actor may not ask for scans of this version.
        ScanError: no watch-list, one twice, or an autoencoder that is not ready.
    """
    if len({watchlist.pk for watchlist in watchlists}) != len(watchlists) or not watchlists:
        raise ScanError(
            _("Expected one or more watch-lists, each once; came %(n)s.") % {"n": len(watchlists)}
        )
    shared = uuid7() if len(watchlists) > 1 else None
    return [
        request(
            version,
            sae=watchlist.sae,
            watchlist=watchlist,
            suite=suite,
            seed=seed,
            together=shared,
            by=by,
        )
        for watchlist in watchlists
    ]


def repeat(scan: Scan, *, by: Actor) -> Scan:
    """Run a finished scan again; the second says whether it agrees with the first.

    Raises:
        NotAllowed: the actor may not ask for scans of this version.
        ScanError: the scan is not finished, or its instrument is gone.
    """
    if scan.state != "done":
        raise ScanError(_("Only a finished scan can be run again; this one is not finished."))
    return request(
        scan.version,
        sae=scan.sae,
        watchlist=scan.watchlist,
        suite=scan.suite,
        seed=scan.seed,
        repeats=scan,
        by=by,
    )


def claim(pk: int, *, device: str = "cpu") -> ClaimedScan | None:
    """Take one waiting scan to split it, or None when another worker has it.

    Args:
        pk: which.
        device: this worker's; all shards are read on its like.
    """
    row = lease.claim(
        Scan,
        pk,
        waiting="queued",
        running="running",
        seconds=settings.STRATA_SCAN_LEASE_SECONDS,
        changes={"started_at": now(), "device": device},
    )
    return ClaimedScan.of(row) if row is not None else None


@transaction.atomic
def split(claimed: ClaimedScan, plans: Sequence[Mapping[str, Any]], *, reader_sha256: str) -> Scan:
    """Write the shards and ring for them; those that an earlier try finished are kept.

    Args:
        claimed: by `claim`.
        plans: what each shard is, as plain JSON.
        reader_sha256: how they are to be read; what was read in another way is read again.

    Raises:
        TransitionRefused: the scan was cancelled or its lease went to another worker.
    """
    scan = Scan.objects.select_related("version__subject").get(pk=claimed.pk)
    n_kept = shard.lay_out(scan, plans, keeps=claimed.reader_sha256 == reader_sha256)
    written = {**lease.free(), "attempts": 0, "next_try_at": None, "reader_sha256": reader_sha256}
    advance(
        scan,
        SCAN,
        "split",
        by=shard.SCANNER,
        fence=claimed.fence,
        changes=written,
        n_shards=len(plans),
        n_kept=n_kept,
        reader_sha256=reader_sha256,
    )
    shard.ring(scan)
    if n_kept == len(plans):
        shard.collect(scan)
    return scan


def claim_merge(pk: int) -> ClaimedScan | None:
    """Take one scan that is read, to put its parts together, or None when another worker has it."""
    row = lease.claim(
        Scan,
        pk,
        waiting="read",
        running="merging",
        seconds=settings.STRATA_SCAN_LEASE_SECONDS,
    )
    return ClaimedScan.of(row) if row is not None else None


def beat(claimed: ClaimedScan) -> bool:
    """Prolong the lease; False when the scan was cancelled or taken away."""
    row = Scan(pk=claimed.pk, fence=claimed.fence)
    return lease.beat(row, seconds=settings.STRATA_SCAN_LEASE_SECONDS)


@transaction.atomic
def finish(claimed: ClaimedScan, result: ScanResult) -> Scan:
    """Write everything that was found, attest it, and let the gate judge: one transaction.

    The parts go: what they were is in the result, and each one's digest in the log.

    Raises:
        TransitionRefused: the scan was cancelled or its lease went to another worker.
    """
    scan = Scan.objects.select_related("version__subject", "watchlist", "suite", "repeats").get(
        pk=claimed.pk
    )
    result_sha256 = digest.of_json(result.to_record())
    agreed = _agreement(scan, result)
    advance(
        scan,
        SCAN,
        "finish",
        by=shard.SCANNER,
        fence=claimed.fence,
        changes={
            **lease.free(),
            "ended_at": now(),
            "coverage": result.coverage.to_json() if result.coverage else None,
            "run": result.run.to_json(),
            "result": shard.pack(result.to_json()),
            "agreement": agreed.to_json() if agreed else None,
            "result_sha256": result_sha256,
            "problem": "",
        },
        result_sha256=result_sha256,
        n_findings=len(result.findings),
        n_suppressed=len(result.suppressed()),
        agrees=agreed.agrees if agreed else None,
    )
    _keep_rows(scan, result)
    shard.drop_parts(scan)
    _attest(scan, result, load.scan_criteria())
    gate.evaluate_everywhere(scan.version, by=shard.SCANNER)
    return scan


@transaction.atomic
def fail(claimed: ClaimedScan, error: ScanFailed) -> Scan:
    """Write why it could not be split or put together. What may pass is tried again, a few times."""
    scan = Scan.objects.select_related("version__subject").get(pk=claimed.pk)
    problem = clean(str(error), shard.LONGEST_PROBLEM)
    again = not error.permanent and claimed.attempts < Scan.MOST_ATTEMPTS
    later: dict[str, Any] = (
        {"next_try_at": lease.retry_at(claimed.attempts)} if again else {"ended_at": now()}
    )
    advance(
        scan,
        SCAN,
        "requeue" if again else "fail",
        by=shard.SCANNER,
        fence=claimed.fence,
        note=problem,
        changes={**lease.free(), **later, "problem": problem},
        permanent=error.permanent,
    )
    return scan


@transaction.atomic
def cancel(scan: Scan, *, by: Actor, note: str = "") -> Scan:
    """Stop it. Workers hear of it at their next beat and write nothing more."""
    advance(scan, SCAN, "cancel", by=by, note=note, changes={**lease.free(), "ended_at": now()})
    shard.stop(scan)
    shard.drop_parts(scan)
    return scan


@transaction.atomic
def retry(scan: Scan, *, by: Actor) -> Scan:
    """A person asks to try a failed scan again: shards that were read stay, the rest is read."""
    advance(
        scan,
        SCAN,
        "retry",
        by=by,
        changes={"attempts": 0, "problem": "", "next_try_at": None, "ended_at": None},
    )
    enqueue(Scan.TASK, scan.pk, queue=Scan.QUEUE)
    return scan


def result_of(scan: Scan) -> ScanResult | None:
    """The whole result as the scanner gave it; None before it is there, or in a form of old."""
    if not scan.result:
        return None
    try:
        return ScanResult.from_json(shard.unpack(bytes(scan.result)))
    except NotPlain:
        log.warning("scan %s: its result is of another form than this scanner's", scan.uuid)
        return None


def _agreement(scan: Scan, result: ScanResult) -> Agreement | None:
    """Whether it says what the scan it repeats said; None where it repeats none."""
    first = result_of(scan.repeats) if scan.repeats else None
    return compare(first, result) if first else None


def _keep_rows(scan: Scan, result: ScanResult) -> None:
    Finding.objects.bulk_create([_finding(scan, found) for found in result.findings])
    ConcernSummary.objects.bulk_create(
        [ConcernSummary(scan=scan, **row.to_json()) for row in result.summaries]
    )
    SuppressionTest.objects.bulk_create([_test(scan, test) for test in result.suppression])


def _finding(scan: Scan, found: contract.Finding) -> Finding:
    hit = found.hit
    window = found.window.to_json()
    # Tokens are the model's words: no control characters, no endless ones.
    window["tokens"] = [clean(token, LONGEST_TOKEN) for token in found.window.tokens]
    return Finding(
        scan=scan,
        latent=hit.latent,
        concern=hit.concern.value,
        frame=found.frame.value,
        family=found.family.value,
        prompt_id=hit.prompt_id,
        template_id=found.template_id,
        content_id=found.content_id,
        position=hit.position,
        token=clean(hit.token, LONGEST_TOKEN),
        activation=hit.activation,
        threshold=found.threshold,
        n_tokens_above=found.n_tokens_above,
        window=window,
    )


def _test(scan: Scan, test: contract.SuppressionTest) -> SuppressionTest:
    return SuppressionTest(
        scan=scan,
        scope=test.scope,
        key=test.key,
        concern=test.concern.value,
        verdict=test.verdict.value,
        p_max_t=test.p_max_t,
        ratio=test.ratio,
        row=test.to_json(),
    )


def _attest(scan: Scan, result: ScanResult, criteria: ScanCriteria) -> tuple[Evidence, Evidence]:
    baseline = queries.baseline_scan(scan)
    found = judge.judge_scan(result.coverage, result.summaries, _rates(baseline), criteria)
    found = judge.flagged(found, result.self_check)
    hidden = judge.flagged(judge.judge_suppression(result.suppression, criteria), result.self_check)
    common = _common_payload(scan, result, criteria)
    first = evidence.attest(
        scan.version,
        "sae_scan",
        layer=1,
        status=found.status,
        summary=found.summary,
        payload={
            **common,
            "checks": [check.to_json() for check in found.checks],
            "baseline": str(baseline.uuid) if baseline else "",
            "summaries": [row.to_record() for row in result.summaries],
            "n_findings": len(result.findings),
            "chart": picture.of_summaries(result.summaries),
        },
        source=scan.ref,
        by=shard.SCANNER,
    )
    second = evidence.attest(
        scan.version,
        "suppression",
        layer=1,
        status=hidden.status,
        summary=hidden.summary,
        payload={
            **common,
            "checks": [check.to_json() for check in hidden.checks],
            "sensitivity": sensitivity(result),
            "tests": [t.to_record() for t in result.suppression if t.scope != "latent"],
            "latents_detected": [t.to_record() for t in result.suppressed() if t.scope == "latent"],
            "chart": picture.of_suppression(result.suppression),
        },
        source=scan.ref,
        by=shard.SCANNER,
    )
    return first, second


def _rates(baseline: Scan | None) -> dict[str, float] | None:
    """Each concern's hit rate under deployment frames in the earlier scan."""
    if baseline is None:
        return None
    rows = baseline.summaries.filter(frame=Frame.DEPLOYMENT.value)
    return dict(rows.values_list("concern", "hit_rate"))


def _common_payload(scan: Scan, result: ScanResult, criteria: ScanCriteria) -> dict[str, Any]:
    return {
        "scan": str(scan.uuid),
        "series": series(scan),
        "method": method(result),
        "result_sha256": scan.result_sha256,
        "instrument": {
            "sae": result.run.sae_sha256,
            "watchlist": result.run.watchlist_sha256,
            "suite": result.run.suite_sha256,
            "code": result.run.code_sha256,
            "hook_name": result.run.hook_name,
        },
        "coverage": result.coverage.to_record() if result.coverage else {},
        "self_check": _self_check_figures(result),
        "precision": result.run.precision.to_record() if result.run.precision else {},
        "repeats": str(scan.repeats.uuid) if scan.repeats else "",
        "agreement": digest.without_floats(scan.agreement) if scan.agreement else {},
        "n_prompts": result.run.n_prompts,
        "n_pairs": result.run.n_pairs,
        "criteria": {"version": criteria.version, "sha256": criteria.sha256},
    }


def method(result: ScanResult) -> str:
    """Where the words and formulas of a scan are explained, and by which code they were followed."""
    address = f"{settings.SITE_URL}{reverse('assessments:methodology')}"
    return _("%(address)s, as the scanner's code %(code)s follows it") % {
        "address": address,
        "code": result.run.code_sha256[:16],
    }


def series(scan: Scan) -> str:
    """What a later scan must share with this one for its evidence to take the place of this one's.

    Versions of a watch-list and of a suite follow each other; another autoencoder, another list or
    another suite looks elsewhere, and says nothing of what was found here.
    """
    return f"{scan.sae.sha256[:16]}, {scan.watchlist.name}, {scan.suite.name}"


def _self_check_figures(result: ScanResult) -> dict[str, Any]:
    """What papers cite of the self-check; what else was tried stands on the scan's page."""
    if result.self_check is None:
        return {}
    beside = {"candidates", "untried"}
    return {k: v for k, v in result.self_check.to_record().items() if k not in beside}


def sensitivity(result: ScanResult) -> dict[str, Any]:
    """What the paired test could have seen, for each concern."""
    return {
        test.key: {
            "minimum_detectable_ratio": test.minimum_detectable_ratio,
            "n_templates": test.n_templates,
            "n_pairs": test.n_pairs,
        }
        for test in result.suppression
        if test.scope == "concern"
    }
