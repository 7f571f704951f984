"""Ask for a scan, hand it to a worker, take back what was found.

A scan is leased work: `claim` gives a fenced `ClaimedScan`, every later write names the fence, and
a worker that lost its lease writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

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
from assessments.scanner.contract import (
    Frame,
    Progress,
    Prompt,
    ScanFailed,
    ScanJob,
    ScanResult,
    WatchedLatent,
)
from assessments.services import gate, judge, picture
from assessments.states import SCAN
from compliance import lease
from compliance.actors import Actor, require, system
from compliance.audit.advance import advance
from compliance.audit.log import record
from compliance.clock import now
from compliance.hostile import clean
from compliance.models import Evidence, ModelVersion
from compliance.permissions import Permission
from compliance.queue import enqueue
from compliance.services import digest, evidence

SCANNER = system("scanner")
LEASE_SECONDS = 180.0
LONGEST_TOKEN = 120
LONGEST_PROBLEM = 2000


class ScanError(ValueError):
    """The instrument does not fit together."""


@dataclass(frozen=True)
class ClaimedScan:
    """One scan in the hands of one worker: what to do, and the fence to write back under."""

    pk: int
    fence: int
    attempts: int
    job: ScanJob


@transaction.atomic
def request(
    version: ModelVersion,
    *,
    sae: Sae,
    watchlist: WatchList,
    suite: PromptSuite,
    seed: int = 0,
    by: Actor,
) -> Scan:
    """Pin what is to be measured with what, and ring for a scan worker.

    Raises:
        NotAllowed: the actor may not ask for scans of this version.
        ScanError: the watch-list belongs to another autoencoder.
    """
    require(by, Permission.SCAN_REQUEST, version.subject)
    if watchlist.sae_id != sae.pk:
        raise ScanError(
            f"Watch-list {watchlist} names latents of {watchlist.sae}, not of {sae}; choose one made for {sae}."
        )
    made = Scan.objects.create(
        version=version,
        sae=sae,
        watchlist=watchlist,
        suite=suite,
        seed=seed,
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
    )
    enqueue(Scan.TASK, made.pk, queue=Scan.QUEUE)
    return made


def claim(pk: int) -> ClaimedScan | None:
    """Take one waiting scan, or None when another worker has it."""
    row = lease.claim(
        Scan,
        pk,
        waiting="queued",
        running="running",
        seconds=LEASE_SECONDS,
        changes={"started_at": now(), "stage": "", "n_done": 0, "n_total": 0},
    )
    return ClaimedScan(row.pk, row.fence, row.attempts, job_of(row)) if row is not None else None


def job_of(scan: Scan) -> ScanJob:
    """What the scanner is asked, from what was pinned on the row."""
    return ScanJob(
        model_path=scan.version.location,
        model_sha256=scan.version.weights_sha256,
        sae_path=scan.sae.location,
        sae_sha256=scan.sae.sha256,
        hook_name=scan.sae.hook_name,
        watchlist=tuple(WatchedLatent.from_json(raw) for raw in scan.watchlist.latents),
        prompts=tuple(Prompt.from_json(raw) for raw in scan.suite.prompts),
        suite_sha256=scan.suite.sha256,
        seed=scan.seed,
    )


def beat(claimed: ClaimedScan, progress: Progress) -> bool:
    """Prolong the lease and write how far it is; False when the scan was cancelled or taken away."""
    row = Scan(pk=claimed.pk, fence=claimed.fence)
    return lease.beat(
        row,
        seconds=LEASE_SECONDS,
        stage=progress.stage.value,
        n_done=progress.done,
        n_total=progress.total,
        tokens_per_second=progress.tokens_per_second or None,
    )


@transaction.atomic
def finish(claimed: ClaimedScan, result: ScanResult) -> Scan:
    """Write everything that was found, attest it, and let the gate judge: one transaction.

    Raises:
        TransitionRefused: the scan was cancelled or its lease went to another worker.
    """
    scan = Scan.objects.select_related("version__subject", "watchlist", "suite").get(pk=claimed.pk)
    result_sha256 = digest.of_json(result.to_record())
    advance(
        scan,
        SCAN,
        "finish",
        by=SCANNER,
        fence=claimed.fence,
        changes={
            **lease.free(),
            "ended_at": now(),
            "coverage": result.coverage.to_json() if result.coverage else None,
            "run": result.run.to_json(),
            "result_sha256": result_sha256,
            "problem": "",
        },
        result_sha256=result_sha256,
        n_findings=len(result.findings),
        n_suppressed=len(result.suppressed()),
    )
    _keep_rows(scan, result)
    _attest(scan, result, load.scan_criteria())
    gate.evaluate_everywhere(scan.version, by=SCANNER)
    return scan


@transaction.atomic
def fail(claimed: ClaimedScan, error: ScanFailed) -> Scan:
    """Write why it failed. What may pass by itself is tried again later, a few times."""
    scan = Scan.objects.select_related("version__subject").get(pk=claimed.pk)
    problem = clean(str(error), LONGEST_PROBLEM)
    again = not error.permanent and claimed.attempts < Scan.MOST_ATTEMPTS
    later: dict[str, Any] = (
        {"next_try_at": lease.retry_at(claimed.attempts)} if again else {"ended_at": now()}
    )
    advance(
        scan,
        SCAN,
        "requeue" if again else "fail",
        by=SCANNER,
        fence=claimed.fence,
        note=problem,
        changes={**lease.free(), **later, "problem": problem},
        permanent=error.permanent,
    )
    return scan


@transaction.atomic
def cancel(scan: Scan, *, by: Actor, note: str = "") -> Scan:
    """Stop it. A running worker hears of it at its next beat and writes nothing more."""
    advance(scan, SCAN, "cancel", by=by, note=note, changes={**lease.free(), "ended_at": now()})
    return scan


@transaction.atomic
def retry(scan: Scan, *, by: Actor) -> Scan:
    """A person asks to try a failed scan again."""
    advance(
        scan,
        SCAN,
        "retry",
        by=by,
        changes={"attempts": 0, "problem": "", "next_try_at": None, "ended_at": None},
    )
    enqueue(Scan.TASK, scan.pk, queue=Scan.QUEUE)
    return scan


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
    hidden = judge.judge_suppression(result.suppression, criteria)
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
        by=SCANNER,
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
        by=SCANNER,
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
        "result_sha256": scan.result_sha256,
        "instrument": {
            "sae": result.run.sae_sha256,
            "watchlist": result.run.watchlist_sha256,
            "suite": result.run.suite_sha256,
            "code": result.run.code_sha256,
            "hook_name": result.run.hook_name,
        },
        "coverage": result.coverage.to_record() if result.coverage else {},
        "n_prompts": result.run.n_prompts,
        "n_pairs": result.run.n_pairs,
        "criteria": {"version": criteria.version, "sha256": criteria.sha256},
    }


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
