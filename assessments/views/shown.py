"""From rows to what the components need: progress, tokens, concerns, tests, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments.scanner.contract import Frame, Stage, Verdict
from assessments.services import progress
from assessments.services.picture import concern_label
from assessments.states import SCAN, SHARD
from compliance.machines import Tone
from compliance.views.shown import Fact, badge, kind_name, page_of
from compliance.views.tables import Badge

if TYPE_CHECKING:
    from assessments.models import (
        ConcernSummary,
        Finding,
        GateDecision,
        Scan,
        ScanShard,
        SuppressionTest,
    )
    from assessments.services.progress import ScanProgress

STEPS = 9
MOST_FINDINGS = 24
HIDDEN = " \N{BULLET}\N{BULLET}\N{BULLET}"

STAGES = {
    "": gettext_lazy("waiting for a scan worker"),
    Stage.LOADING.value: gettext_lazy("loading and checking digests"),
    Stage.COVERAGE.value: gettext_lazy("measuring coverage on held-out text"),
    Stage.READING.value: gettext_lazy("reading the prompts"),
    Stage.TESTING.value: gettext_lazy("testing evaluation against deployment"),
}
SHARD_KINDS = {"coverage": gettext_lazy("coverage"), "prompts": gettext_lazy("prompts")}
FRAMES = {
    Frame.EVALUATION.value: gettext_lazy("under evaluation"),
    Frame.DEPLOYMENT.value: gettext_lazy("under deployment"),
    Frame.NONE.value: gettext_lazy("without a frame"),
}
TEST_VERDICTS = {
    Verdict.DETECTED.value: Badge(gettext_lazy("weaker under evaluation"), Tone.BAD),
    Verdict.NOT_DETECTED.value: Badge(
        gettext_lazy("not detected at this sensitivity"), Tone.NEUTRAL
    ),
    Verdict.TOO_FEW_TEMPLATES.value: Badge(gettext_lazy("too few templates to tell"), Tone.WARN),
}
CRITERION_VERDICTS = {
    "met": Badge(gettext_lazy("met"), Tone.OK),
    "not_met": Badge(gettext_lazy("not met"), Tone.BAD),
    "inconclusive": Badge(gettext_lazy("inconclusive"), Tone.WARN),
    "stale": Badge(gettext_lazy("stale"), Tone.STALE),
    "missing": Badge(gettext_lazy("missing"), "blind"),
    "waived": Badge(gettext_lazy("waived"), Tone.WARN),
}
OUTCOMES = {
    "go": Badge(gettext_lazy("GO"), Tone.OK),
    "conditional": Badge(gettext_lazy("CONDITIONAL"), Tone.WARN),
    "no_go": Badge(gettext_lazy("NO-GO"), Tone.BAD),
}


class Token(NamedTuple):
    """One token, shaded."""

    text: str
    step: int
    value_text: str


class TokenFrame(NamedTuple):
    """A text under one frame."""

    label: object
    max_text: str
    tokens: list[Token]


class FindingCard(NamedTuple):
    """One latent on one content, under one or both frames."""

    title: str
    where: str
    frames: list[TokenFrame]
    scale_text: str
    only_one: bool


class ShardRow(NamedTuple):
    """One piece of a scan."""

    number: int
    what: Any
    state: Badge
    done: str
    worker: str
    tries: int
    speed: str
    problem: str


class ConcernRow(NamedTuple):
    """One concern under both frames."""

    concern: str
    evaluation: ConcernSummary | None
    deployment: ConcernSummary | None


class TestRow(NamedTuple):
    """One paired test, in words and figures."""

    label: str
    scope: str
    figures: dict[str, Any]
    verdict: Badge


def reference(thing: Any) -> str:
    """A short name of a thing that has none: the end of its uuid."""
    return f"{kind_name(thing.kind)} …{str(thing.uuid)[-8:]}"


def scan_badge(scan: Scan) -> Badge:
    """The scan's state."""
    return badge(SCAN, scan.state)


def outcome_badge(decision: GateDecision) -> Badge:
    """What the gate concluded."""
    return OUTCOMES[decision.outcome]


def is_over(scan: Scan) -> bool:
    """Whether nobody works on it any more, unless a person asks again."""
    return progress.is_over(scan)


def progress_card(
    scan: Scan, shards: Sequence[ScanShard], *, may_cancel: bool = False, with_shards: bool = False
) -> dict[str, Any]:
    """What the progress component needs; it survives reload, the figures lie on the shards.

    Args:
        scan: whose progress.
        shards: its pieces.
        may_cancel: whether the reader could stop it.
        with_shards: whether the page shows the shards too, and asks for them again.
    """
    found = progress.of(scan, shards)
    state = scan_badge(scan)
    poll_url = reverse("assessments:scan_progress", args=[scan.uuid])
    return {
        "id": f"scan-{scan.uuid}",
        "what": _("Scan of %(version)s: %(stage)s")
        % {
            "version": scan.version,
            "stage": state.label if is_over(scan) else STAGES[found.stage],
        },
        "done": found.n_done,
        "total": found.n_total,
        "unit": _("prompts"),
        "rate_text": speed(found.tokens_per_second),
        "left_text": _left(found),
        "notes": spent_notes(found),
        "is_over": is_over(scan),
        "outcome": state.label,
        "tone": state.tone,
        "poll_url": f"{poll_url}?shards=1" if with_shards else poll_url,
        "cancel_url": reverse("assessments:scan_cancel", args=[scan.uuid]) if may_cancel else "",
    }


def speed(tokens_per_second: float | None) -> str:
    """Tokens a second in words; empty when nothing is being read."""
    if not tokens_per_second:
        return ""
    return _("%(n)s tokens a second") % {"n": f"{tokens_per_second:.0f}"}


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return _("%(h)d h %(m)02d min") % {"h": hours, "m": minutes}
    if minutes:
        return _("%(m)d min %(s)02d s") % {"m": minutes, "s": whole % 60}
    return _("%(s)d s") % {"s": whole}


def _left(found: ScanProgress) -> str:
    if found.seconds_left is None:
        return _("time left: not known yet")
    return _("about %(time)s left") % {"time": duration(found.seconds_left)}


def spent_notes(found: ScanProgress) -> list[str]:
    """Device time and, where the installation knows what an hour costs, money."""
    if not found.shards:
        return []
    so_far, expected = found.device_seconds, found.device_seconds_expected
    notes = [_spent(_("device time"), duration(so_far), expected and duration(expected))]
    cost = found.cost()
    if cost is not None:
        priced = [value and f"{value} {cost.currency}" for value in (cost.so_far, cost.expected)]
        notes.append(_spent(_("cost"), priced[0], priced[1]))
    return notes


def _spent(what: str, so_far: Any, expected: Any) -> str:
    words = {"what": what, "so_far": so_far, "expected": expected}
    if expected:
        return _("%(what)s: %(so_far)s so far, about %(expected)s in all") % words
    return _("%(what)s: %(so_far)s so far, in all not known yet") % words


def shard_rows(shards: Iterable[ScanShard]) -> list[ShardRow]:
    """The pieces of a scan as a table."""
    return [
        ShardRow(
            number=row.number,
            what=SHARD_KINDS.get(row.what, row.what),
            state=badge(SHARD, row.state),
            done=f"{progress.n_read(row)}/{row.n_total}" if row.n_total else "",
            worker=row.worker,
            tries=row.attempts,
            speed=speed(row.tokens_per_second),
            problem=row.problem,
        )
        for row in shards
    ]


def concern_rows(summaries: Iterable[ConcernSummary]) -> list[ConcernRow]:
    """Evaluation and deployment side by side."""
    cells: dict[str, dict[str, ConcernSummary]] = {}
    for row in summaries:
        cells.setdefault(row.concern, {})[row.frame] = row
    return [
        ConcernRow(
            concern_label(concern),
            frames.get(Frame.EVALUATION.value),
            frames.get(Frame.DEPLOYMENT.value),
        )
        for concern, frames in cells.items()
    ]


def test_rows(tests: Iterable[SuppressionTest], *scopes: str) -> list[TestRow]:
    """The paired tests of these scopes."""
    return [
        TestRow(_test_label(test), test.scope, test.row, TEST_VERDICTS[test.verdict])
        for test in tests
        if test.scope in scopes
    ]


def _test_label(test: SuppressionTest) -> str:
    if test.scope == "latent":
        return _("latent %(key)s (%(concern)s)") % {
            "key": test.key,
            "concern": concern_label(test.concern),
        }
    if test.scope == "control":
        return _("control: benign prompts")
    return concern_label(test.concern)


def finding_cards(findings: Sequence[Finding]) -> list[FindingCard]:
    """Findings of the same latent on the same content, both frames together, on one scale."""
    together: dict[tuple[str, int, str, str], dict[str, Finding]] = {}
    for found in findings:
        key = (found.concern, found.latent, found.template_id, found.content_id or found.prompt_id)
        together.setdefault(key, {})[found.frame] = found
    return [_finding_card(frames) for frames in list(together.values())[:MOST_FINDINGS]]


def _finding_card(frames: dict[str, Finding]) -> FindingCard:
    ordered = [frames[name] for name in FRAMES if name in frames]
    first = ordered[0]
    highest = max(found.activation for found in ordered)
    return FindingCard(
        title=_("%(concern)s, latent %(latent)s")
        % {"concern": concern_label(first.concern), "latent": first.latent},
        where=_("prompt %(prompt)s, family %(family)s, threshold %(threshold)s")
        % {
            "prompt": first.content_id or first.prompt_id,
            "family": concern_label(first.family),
            "threshold": f"{first.threshold:.3g}",
        },
        frames=[_token_frame(found, highest) for found in ordered],
        scale_text=_("darkest: %(n)s") % {"n": f"{highest:.3g}"},
        only_one=len(ordered) == 1 and first.frame != Frame.NONE.value,
    )


def _token_frame(found: Finding, highest: float) -> TokenFrame:
    window = found.window
    tokens = [
        Token(text, step(value, highest), f"{value:.3g}")
        for text, value in zip(window["tokens"], window["activations"], strict=True)
    ]
    return TokenFrame(FRAMES.get(found.frame, found.frame), f"{found.activation:.3g}", tokens)


def blank(frames: Iterable[TokenFrame]) -> list[TokenFrame]:
    """The same shades without the words: prompts of a hidden suite are not read along the way."""
    return [
        frame._replace(tokens=[token._replace(text=HIDDEN) for token in frame.tokens])
        for frame in frames
    ]


def step(value: float, highest: float) -> int:
    """The shade of a token: 0 for silence, 9 for the highest of the card."""
    if value <= 0 or highest <= 0:
        return 0
    return min(STEPS, max(1, round(STEPS * value / highest)))


def coverage_facts(coverage: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the instrument sees: name, figure, and what it means for what could be missed."""
    return [
        (
            _("Variance unexplained"),
            f"{coverage['fvu']:.1%}",
            _(
                "This share of what the model computes at the read point is invisible to the autoencoder."
            ),
        ),
        (
            _("Cross-entropy recovered, against mean ablation"),
            f"{coverage['ce_recovered_mean']:.1%}",
            _(
                "How much of the model's prediction survives when only what the autoencoder sees is kept."
            ),
        ),
        (
            _("Cross-entropy recovered, against zero ablation"),
            f"{coverage['ce_recovered_zero']:.1%}",
            _("The kinder of the two comparisons; shown because others publish it."),
        ),
        (
            _("Latents active on a token"),
            _("mean %(mean)s, median %(median)s, 95th percentile %(p95)s")
            % {
                "mean": f"{coverage['l0_mean']:.1f}",
                "median": f"{coverage['l0_median']:.0f}",
                "p95": f"{coverage['l0_p95']:.0f}",
            },
            _("More active latents mean that each says less by itself."),
        ),
        (
            _("Latents that never fired on this text"),
            f"{coverage['dead_share']:.1%}",
            _("A concern that only such a latent would carry would not have been seen."),
        ),
        (
            _("Tokens measured"),
            str(coverage["n_tokens"]),
            _(
                "Position 0, special tokens and %(n)s tokens of massive activation are not among them."
            )
            % {"n": coverage["n_massive"]},
        ),
    ]


def run_facts(scan: Scan, shards: Sequence[ScanShard]) -> list[Fact]:
    """What was run, so that it can be run again."""
    run = scan.run or {}
    return [
        Fact(_("Version"), str(scan.version), "link", page_of("version", scan.version.uuid)),
        Fact(_("Weights"), scan.version.weights_sha256, "digest"),
        Fact(_("Autoencoder"), str(scan.sae), "link", page_of("sae", scan.sae.uuid)),
        Fact(_("Autoencoder digest"), scan.sae.sha256, "digest"),
        Fact(
            _("Watch-list"), str(scan.watchlist), "link", page_of("watchlist", scan.watchlist.uuid)
        ),
        Fact(_("Watch-list digest"), scan.watchlist.sha256, "digest"),
        Fact(_("Prompt suite"), str(scan.suite), "link", page_of("suite", scan.suite.uuid)),
        Fact(_("Suite digest"), scan.suite.sha256, "digest"),
        Fact(_("Read point"), scan.sae.hook_name),
        Fact(_("Seed"), str(scan.seed)),
        *_ran(run),
        *(_took(progress.of(scan, shards)) if is_over(scan) else []),
        Fact(_("Result digest"), scan.result_sha256, "digest"),
        Fact(_("Asked by"), scan.requested_by.name if scan.requested_by else _("the system")),
        Fact(_("Asked at"), scan.requested_at, "time"),
        Fact(_("Ended at"), scan.ended_at, "time"),
    ]


def _took(found: ScanProgress) -> list[Fact]:
    if not found.shards:
        return []
    cost = found.cost()
    money = [Fact(_("Cost"), f"{cost.so_far} {cost.currency}")] if cost else []
    return [
        Fact(_("Shards"), str(sum(found.shards.values()))),
        Fact(_("Device time"), duration(found.device_seconds)),
        *money,
    ]


def _ran(run: dict[str, Any]) -> list[Fact]:
    if not run:
        return []
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    return [
        Fact(_("Scanner code"), run["code_sha256"], "digest"),
        Fact(_("Computed in"), f"{run['dtype']}, {run['device']}"),
        Fact(_("Libraries"), versions),
        Fact(
            _("Took"),
            _("%(n)s s, %(t)s tokens") % {"n": f"{run['seconds']:.1f}", "t": run["n_tokens"]},
        ),
        Fact(_("Pairs dropped"), str(run["n_pairs_dropped"])),
        Fact(
            _("Change when read alone"),
            _("%(n)s thresholds") % {"n": f"{run['batch_deviation']:.2g}"},
        ),
    ]
