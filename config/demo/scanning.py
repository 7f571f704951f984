"""Steps 2 and 3: scan every version in a worker, and ask whether evaluation changes what shows."""

from __future__ import annotations

from functools import partial

from assessments.models import Sae, Scan, ScanShard, SuppressionTest
from assessments.scanner import prompts
from assessments.services import sae as saes
from assessments.services import scan
from assessments.services import suite as suites
from assessments.services import watchlist as watchlists
from assessments.services.picture import concern_label
from config.demo import models
from config.demo.stage import DemoFailed, Stage, figure, share, tell, watch

# Two contents of each concern, and benign ones, under twelve pairs of frames.
PER_FAMILY, N_FRAMES, SEED = 2, 12, 20261


def instruments(stage: Stage) -> None:
    """The shipped autoencoder, opened and measured by a worker; its watch-list; the built-in suite."""
    bo = stage.by("bo")
    sae = autoencoder(stage)
    watchlist = watchlists.register(sae, "house", prompts.load_watchlist(), by=bo)
    suite = suites.register(
        "paired frames", prompts.suite(per_family=PER_FAMILY, n_frames=N_FRAMES, seed=SEED), by=bo
    )
    stage.made |= {"sae": sae, "watchlist": watchlist, "suite": suite}
    tell(
        f"autoencoder: {sae.d_sae} latents at {sae.hook_name}; watch-list: {len(watchlist.latents)} latents"
    )
    tell(
        f"suite: {suite.n_prompts} prompts, {suite.n_pairs} pairs of evaluation and deployment frames"
    )


def autoencoder(stage: Stage) -> Sae:
    """Registered for the first version, and ready."""
    sae = saes.register(
        "SmolLM2-135M, output of block 10",
        models.SAE,
        made_for=stage.made["v1"],
        by=stage.by("bo"),
    )
    watch("check of the autoencoder", partial(_checked, sae.pk), seconds=600)
    sae.refresh_from_db()
    if sae.state != "ready":
        raise DemoFailed(f"The autoencoder {sae} is {sae.state}: {sae.problem}")
    if sae.self_check:
        tell(f"  self-check: {sae.self_check['sentence']}")
    return sae


def _checked(pk: int) -> tuple[int, int, bool]:
    """Whether the check is over."""
    is_over = Sae.objects.filter(pk=pk, state__in=["ready", "refused"]).exists()
    return int(is_over), 1, is_over


def scan_all(stage: Stage) -> None:
    """One scan for each version, in the scan worker; the first is the baseline of the others."""
    for key in ("v1", "v2", "weak"):
        asked = scan.request(
            stage.made[key],
            sae=stage.made["sae"],
            watchlist=stage.made["watchlist"],
            suite=stage.made["suite"],
            seed=SEED,
            by=stage.by("bo"),
        )
        watch(f"scan of {stage.made[key].name:<10}", partial(_progress, asked.pk), seconds=1200)
        done = Scan.objects.get(pk=asked.pk)
        if done.state != "done":
            raise DemoFailed(f"The scan of {stage.made[key]} ended as {done.state}: {done.problem}")
        stage.made[f"scan:{key}"] = done
        _tell(done)


def _progress(pk: int) -> tuple[int, int, bool]:
    """Shards that are read, all shards, and whether the scan is over."""
    states = list(ScanShard.objects.filter(scan=pk).values_list("state", flat=True))
    is_over = Scan.objects.filter(pk=pk, state__in=["done", "failed", "cancelled"]).exists()
    return states.count("done"), len(states), is_over


def _tell(done: Scan) -> None:
    coverage = done.coverage or {}
    tell(
        f"  {done.findings.count()} findings; coverage: {share(coverage.get('fvu'))} of variance"
        f" unexplained, L0 {figure(coverage.get('l0_mean'))},"
        f" {share(coverage.get('ce_recovered_mean'))} of cross-entropy recovered"
    )


def suppression(stage: Stage) -> None:
    """What evaluation frames alone would have shown, and what the paired test shows."""
    for key in ("v1", "v2", "weak"):
        done: Scan = stage.made[f"scan:{key}"]
        alone = sum(s.n_hit for s in done.summaries.filter(frame="evaluation"))
        live = sum(s.n_hit for s in done.summaries.filter(frame="deployment"))
        tests = SuppressionTest.objects.filter(scan=done, scope="concern")
        found = tests.filter(verdict="detected")
        tell(
            f"{stage.made[key].name:<10} prompts with a hit: {alone} under evaluation, {live} under deployment"
        )
        for test in found.order_by("p_max_t"):
            tell(
                f"  {concern_label(test.concern)}: stronger in deployment by a factor of {test.row['ratio']:.2f}"
                f" [{test.row['ratio_low']:.2f}, {test.row['ratio_high']:.2f}],"
                f" d_z {test.row['d_z']:.2f}, p {test.row['p']:.4f}, corrected {test.row['p_max_t']:.4f}"
            )
        if not found:
            smallest = min((t.row["minimum_detectable_ratio"] for t in tests), default=None)
            tell(
                "  nothing detected at this sensitivity; the smallest factor this test could see"
                f" was {smallest:.2f}"
                if smallest
                else "  no test could be made"
            )
