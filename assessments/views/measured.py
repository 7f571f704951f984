"""What the whole result of a scan says beyond its findings: self-check, latents, agreement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from assessments.scanner.contract import CheckStatus, Family, Stratum
from assessments.services.picture import concern_label
from assessments.views import shown
from compliance.machines import Tone
from compliance.views.tables import Badge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assessments.models import Scan
    from assessments.scanner.contract import (
        CandidateScore,
        Coverage,
        LatentStatistics,
        MatchedControls,
        ScanResult,
        SelfCheck,
        Share,
    )

CHECKS = {
    CheckStatus.AGREES: Badge(gettext_lazy("reads as declared"), Tone.OK),
    CheckStatus.DISAGREES: Badge(gettext_lazy("does not read as declared"), Tone.BAD),
    CheckStatus.NOTHING_DECLARED: Badge(gettext_lazy("nothing is declared"), Tone.WARN),
    CheckStatus.UNUSABLE: Badge(gettext_lazy("unusable on this model"), Tone.BAD),
}
MOST_DIFFERENCES = 8
MOST_CANDIDATES = 4
HIGH_PERCENT = 99


class CheckCard(NamedTuple):
    """Whether the autoencoder was read right."""

    badge: Badge
    sentence: str
    figures: list[tuple[str, str, str]]
    """What, as measured here, as its makers declare."""
    candidates: list[tuple[str, str]]
    does_not_transfer: bool


def check_card(found: SelfCheck) -> CheckCard:
    """The self-check as the page shows it."""
    unknown = _("not declared")
    return CheckCard(
        badge=CHECKS[found.status],
        sentence=found.sentence,
        figures=[
            (
                _("Latents active on a token"),
                f"{found.l0:.1f}",
                unknown if found.declared_l0 is None else f"{found.declared_l0:.1f}",
            ),
            (
                _("Variance unexplained"),
                _("encodes only") if found.fvu is None else f"{found.fvu:.1%}",
                unknown if found.declared_fvu is None else f"{found.declared_fvu:.1%}",
            ),
        ],
        candidates=[candidate(each) for each in found.candidates[:MOST_CANDIDATES]],
        does_not_transfer=found.transfers is False,
    )


def candidate(score: CandidateScore) -> tuple[str, str]:
    """A read point that was tried: its name, and how the autoencoder fits there."""
    point = f"{score.hook_name} → {score.hook_name_out}" if score.hook_name_out else score.hook_name
    fvu = _("encodes only") if score.fvu is None else f"{score.fvu:.1%}"
    return point, _("%(variant)s: L0 %(l0)s, variance unexplained %(fvu)s") % {
        "variant": score.variant.replace("_", " "),
        "l0": f"{score.l0:.1f}",
        "fvu": fvu,
    }


class LatentRow(NamedTuple):
    """One watched latent on the prompts of its concern and on benign ones."""

    latent: int
    concern: str
    threshold: str
    on_its_own: list[tuple[str, str]]
    """Under which frame, and the share of prompts above the threshold."""
    on_benign: list[tuple[str, str]]
    mean: str
    high: str
    """Between what the 99th percentile of its tokens lies."""
    highest: str
    frames: list[shown.TokenFrame]
    """Its strongest token, in context."""
    scale_text: str
    controls: str


def latent_rows(result: ScanResult) -> list[LatentRow]:
    """Each watched latent once, in the order of the watch-list."""
    by_latent: dict[tuple[int, Family], list[LatentStatistics]] = {}
    for each in result.latents:
        if each.stratum is Stratum.CONTENT:
            by_latent.setdefault((each.latent, each.concern), []).append(each)
    controls = {each.latent: each for each in result.controls}
    return [
        latent_row(rows, controls.get(latent)) for (latent, _concern), rows in by_latent.items()
    ]


def latent_row(rows: list[LatentStatistics], control: MatchedControls | None) -> LatentRow:
    """One latent from its figures in every kind of prompt."""
    first = rows[0]
    own = [row for row in rows if row.family is first.concern]
    strongest = max(rows, key=lambda row: row.highest)
    percentiles = [each for row in own for each in row.quantiles if each.percent == HIGH_PERCENT]
    return LatentRow(
        latent=first.latent,
        concern=concern_label(first.concern.value),
        threshold=f"{first.threshold:.3g}",
        on_its_own=list(shares(own)),
        on_benign=list(shares(row for row in rows if row.family is Family.BENIGN)),
        mean=f"{max((row.mean for row in own), default=0):.3g}",
        high=between(percentiles),
        highest=f"{strongest.highest:.3g}",
        frames=[token_frame(strongest)] if strongest.strongest else [],
        scale_text=_("darkest: %(n)s") % {"n": f"{strongest.highest:.3g}"},
        controls=control_words(control),
    )


def between(quantiles: list[Any]) -> str:
    """The widest span of some quantiles, as their bins bound them."""
    if not quantiles:
        return _("not measured")
    low, high = min(each.low for each in quantiles), max(each.high for each in quantiles)
    return _("%(low)s to %(high)s") % {"low": f"{low:.3g}", "high": f"{high:.3g}"}


def shares(rows: Any) -> Iterator[tuple[str, str]]:
    """Share of prompts above the threshold, with its exact interval, frame by frame."""
    for row in rows:
        yield str(shown.FRAMES[row.frame.value]), share_words(row.prompts_above)


def share_words(share: Share) -> str:
    """So many of so many, and between what the rate lies."""
    return _("%(share)s (%(hits)s of %(n)s; %(low)s to %(high)s)") % {
        "share": f"{share.share:.0%}",
        "hits": share.n_hit,
        "n": share.n,
        "low": f"{share.low:.0%}",
        "high": f"{share.high:.0%}",
    }


def token_frame(row: LatentStatistics) -> shown.TokenFrame:
    """The strongest token of one kind of prompt, shaded."""
    peak = row.strongest[0]
    highest = max(peak.window.activations)
    tokens = [
        shown.Token(text, shown.step(value, highest), f"{value:.3g}")
        for text, value in zip(peak.window.tokens, peak.window.activations, strict=True)
    ]
    label = _("prompt %(prompt)s") % {"prompt": peak.prompt_id}
    return shown.TokenFrame(label, f"{peak.activation:.3g}", tokens)


def control_words(control: MatchedControls | None) -> str:
    """How it stands among random latents that fire as often."""
    if control is None:
        return ""
    return ngettext(
        "stronger on its concern than %(percent)s %% of %(n)s random latent that fires as often",
        "stronger on its concern than %(percent)s %% of %(n)s random latents that fire as often",
        len(control.controls),
    ) % {"percent": f"{control.percentile:.0f}", "n": len(control.controls)}


class AgreementCard(NamedTuple):
    """Whether a repeated scan says what the first one said."""

    badge: Badge
    first: str
    first_url: str
    words: str
    differences: list[str]
    n_more: int
    conditions: list[str]


def agreement_card(scan: Scan) -> AgreementCard | None:
    """For a finished scan that repeats another; None for all others."""
    if scan.repeats is None or scan.state != "done":
        return None
    name = shown.reference(scan.repeats)
    url = reverse("assessments:scan", args=[scan.repeats.uuid])
    raw = scan.agreement
    if raw is None:
        words = _("The first scan kept no whole result, so the two cannot be compared.")
        return AgreementCard(Badge(_("cannot be compared"), Tone.WARN), name, url, words, [], 0, [])
    shown_differences = raw["differences"][:MOST_DIFFERENCES]
    return AgreementCard(
        badge=Badge(_("agrees"), Tone.OK) if raw["agrees"] else Badge(_("disagrees"), Tone.BAD),
        first=name,
        first_url=url,
        words=_(
            "%(n)s values compared; the largest difference of a measured figure is %(largest)s,"
            " %(tolerance)s is allowed."
        )
        % {
            "n": raw["n_compared"],
            "largest": f"{raw['largest_difference']:.1g}",
            "tolerance": f"{raw['tolerance']:.1g}",
        },
        differences=shown_differences,
        n_more=raw["n_differences"] - len(shown_differences),
        conditions=raw["conditions"],
    )


def context_rows(coverage: Coverage | None) -> list[tuple[str, str, str, str]]:
    """Each kind of prompt: its name, variance unexplained with interval, L0, and tokens."""
    if coverage is None:
        return []
    return [
        (
            str(shown.FRAMES.get(each.context, each.context)),
            _("%(fvu)s (%(low)s to %(high)s)")
            % {
                "fvu": f"{each.fvu:.1%}",
                "low": f"{max(each.fvu_interval.low, 0):.1%}",
                "high": f"{each.fvu_interval.high:.1%}",
            },
            f"{each.l0_mean:.1f}",
            str(each.n_tokens),
        )
        for each in coverage.contexts
    ]
