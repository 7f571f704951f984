"""Scans: the list, asking for one, one in full, and two side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from assessments import queries
from assessments.forms.scans import ScanForm
from assessments.forms.waivers import ReasonForm
from assessments.services import picture, scan
from assessments.services import suite as suites
from assessments.services.scan import ScanError
from assessments.states import SCAN
from assessments.views import measured, shown
from compliance import queries as ground
from compliance.actors import Actor, require
from compliance.charts.spec import Chart
from compliance.permissions import Permission
from compliance.services import strip
from compliance.views.http import actor, fetch, page
from compliance.views.shown import badge, entries
from compliance.views.tables import Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from assessments.models import Scan
    from assessments.scanner.contract import ScanResult

PERCENT = 100

SCANS = Table(
    caption=gettext_lazy("Scans"),
    name="scans",
    columns=(
        Column(
            "reference",
            gettext_lazy("Reference"),
            value=shown.reference,
            kind=Kind.REFERENCE,
            url=lambda row: reverse("assessments:scan", args=[row.uuid]),
        ),
        Column("version", gettext_lazy("Model version"), value=lambda row: str(row.version)),
        Column(
            "state", gettext_lazy("State"), value=shown.scan_badge, kind=Kind.BADGE, sort="state"
        ),
        Column("watchlist", gettext_lazy("Watch-list"), value=lambda row: str(row.watchlist)),
        Column("suite", gettext_lazy("Suite"), value=lambda row: str(row.suite)),
        Column("requested_at", gettext_lazy("Asked"), kind=Kind.TIME, sort="requested_at"),
        Column("ended_at", gettext_lazy("Ended"), kind=Kind.TIME, sort="ended_at"),
        Column("result_sha256", gettext_lazy("Result"), kind=Kind.DIGEST, shown=False),
    ),
    filters=(
        Filter(
            "state", gettext_lazy("State"), [(key, one.label) for key, one in SCAN.states.items()]
        ),
    ),
    search=("version__model__name", "version__name", "watchlist__name", "suite__name"),
    order=("-id",),
    empty=Empty(
        gettext_lazy("No scan yet."),
        gettext_lazy("A scan reads watched latents of one version on a suite of prompts."),
        cast("str", reverse_lazy("assessments:scan_request")),
        gettext_lazy("Ask for a scan"),
    ),
)


@require_safe
def scans(request: HttpRequest) -> HttpResponse:
    """All scans that the reader may see."""
    require(actor(request), Permission.SCAN_READ)
    table = SCANS.page(queries.scans_for(actor(request)), request)
    may_scan = actor(request).may(Permission.SCAN_REQUEST)
    return page(request, "assessments/scans.html", {"table": table, "may_scan": may_scan})


@require_http_methods(["GET", "POST"])
def scan_request(request: HttpRequest) -> HttpResponse:
    """Choose what is to be measured with what."""
    who = actor(request)
    require(who, Permission.SCAN_REQUEST)
    form = ScanForm(who, request.POST or None, initial={"version": request.GET.get("version", "")})
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            made = scan.request_together(
                asked["version"],
                watchlists=asked["watchlists"],
                suite=asked["suite"],
                seed=asked["seed"],
                by=who,
            )
            return redirect("assessments:scan", uuid=made[0].uuid)
        except ScanError as error:
            form.add_error(None, str(error))
    has_instruments = queries.watchlists_for(who).exists() and queries.suites_for(who).exists()
    return page(
        request, "assessments/scan_request.html", {"form": form, "has_instruments": has_instruments}
    )


@require_safe
def scan_page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One scan: the answer, the reason, the data."""
    found = fetch(queries.scans_for(actor(request)), uuid=uuid)
    context = scan_context(found, actor(request), is_hidden=found.suite.is_hidden)
    return page(request, "assessments/scan.html", context)


@require_POST
def scan_reveal(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The tokens of a hidden suite's prompts, this once; that they were read is written down."""
    who = actor(request)
    found = fetch(queries.scans_for(who), uuid=uuid)
    require(who, Permission.SCAN_REQUEST, found.suite.subject)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        context = {**scan_context(found, who, is_hidden=True), "reveal_form": form}
        return page(request, "assessments/scan.html", context, status=422)
    suites.reveal(found.suite, reason=form.cleaned_data["reason"], where=found.ref, by=who)
    answer = page(request, "assessments/scan.html", scan_context(found, who))
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def scan_progress(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """How far it is, asked for every two seconds; the whole page once it is over."""
    found = fetch(queries.scans_for(actor(request)), uuid=uuid)
    shards = queries.shards_of(found)
    may, with_shards = may_cancel(found, actor(request)), "shards" in request.GET
    context = {
        "scan": found,
        "progress": shown.progress_card(found, shards, may_cancel=may, with_shards=with_shards),
        "shards": shown.shard_rows(shards) if with_shards else None,
    }
    answer = page(request, "assessments/_progress.html", context)
    if shown.is_over(found):
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
def scan_cancel(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Stop it."""
    found = fetch(queries.scans_for(actor(request)), uuid=uuid)
    scan.cancel(found, by=actor(request), note=request.POST.get("reason", ""))
    return redirect("assessments:scan", uuid=uuid)


@require_POST
def scan_retry(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Try a failed one again."""
    found = fetch(queries.scans_for(actor(request)), uuid=uuid)
    scan.retry(found, by=actor(request))
    return redirect("assessments:scan", uuid=uuid)


@require_POST
def scan_repeat(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Run a finished one again, to see whether it agrees."""
    who = actor(request)
    found = fetch(queries.scans_for(who), uuid=uuid)
    try:
        made = scan.repeat(found, by=who)
    except ScanError as error:
        messages.error(request, str(error))
        return redirect("assessments:scan", uuid=uuid)
    return redirect("assessments:scan", uuid=made.uuid)


@require_safe
def compare(request: HttpRequest, uuid: UUID, other: UUID) -> HttpResponse:
    """Two scans with the same instrument, side by side on one scale."""
    who = actor(request)
    left = fetch(queries.scans_for(who).filter(state="done"), uuid=uuid)
    right = fetch(queries.comparable_scans(who, left), uuid=other)
    context = {
        "sides": [side(left), side(right)],
        "rates": list(paired_rates(left, right)),
        "seen": seen_rows(left, right),
        "chart": side_by_side(left, right),
        "has_chart": True,
        "crumbs": [
            {"label": _("Scans"), "url": reverse("assessments:scans")},
            {"label": shown.reference(left), "url": reverse("assessments:scan", args=[left.uuid])},
            {"label": _("Comparison"), "url": ""},
        ],
    }
    return page(request, "assessments/compare.html", context)


def may_cancel(found: Scan, who: Actor) -> bool:
    """Whether the reader could stop it now."""
    return "cancel" in SCAN.verbs(found, who)


def scan_context(found: Scan, who: Actor, *, is_hidden: bool = False) -> dict[str, Any]:
    """Everything the page of one scan shows; of a hidden suite without a word of its prompts."""
    result = scan.result_of(found)
    cards, latents = token_rows(found, result, is_hidden=is_hidden)
    summaries, tests = queries.summaries_of(found), queries.tests_of(found)
    shards = queries.shards_of(found)
    may = may_cancel(found, who)
    return {
        "scan": found,
        "reference": shown.reference(found),
        "state": badge(SCAN, found.state),
        "strip": strip.of(found.version),
        "is_over": shown.is_over(found),
        "progress": shown.progress_card(found, shards, may_cancel=may, with_shards=True),
        "shards": shown.shard_rows(shards),
        "may_retry": "retry" in SCAN.verbs(found, who),
        "evidence": [(e, shown.CRITERION_VERDICTS[e.status]) for e in queries.evidence_of(found)],
        "concerns": shown.concern_rows(summaries),
        "rate_chart": picture.summaries_chart(summaries),
        "concern_tests": shown.test_rows(tests, "concern", "control"),
        "latent_tests": shown.test_rows(tests, "latent"),
        "ratio_chart": picture.suppression_chart([_figures(test) for test in tests]),
        "findings": cards,
        "n_findings": found.findings.count(),
        "latents": latents,
        "is_hidden": is_hidden,
        "reveal_form": ReasonForm() if is_hidden and suites.may_reveal(found.suite, who) else None,
        "coverage": shown.coverage_facts(found.coverage) if found.coverage else [],
        **measured_context(found, result, who),
        "facts": shown.run_facts(found, shards),
        "together": [together_row(each, found) for each in queries.asked_together(who, found)],
        "others": queries.comparable_scans(who, found)[:6] if found.state == "done" else [],
        "history": entries(ground.history(found, who)),
        "has_chart": found.state == "done",
        "crumbs": [
            {"label": _("Scans"), "url": reverse("assessments:scans")},
            {"label": shown.reference(found), "url": ""},
        ],
    }


class Beside(NamedTuple):
    """One of several scans that were asked at once."""

    scan: Scan
    state: Any
    verdicts: list[Any]
    is_this: bool


def together_row(each: Scan, found: Scan) -> Beside:
    """One of them, as the page of `found` lists it."""
    verdicts = [shown.CRITERION_VERDICTS[e.status] for e in queries.evidence_of(each)]
    return Beside(each, badge(SCAN, each.state), verdicts, each.pk == found.pk)


def token_rows(
    found: Scan, result: ScanResult | None, *, is_hidden: bool
) -> tuple[list[shown.FindingCard], list[measured.LatentRow]]:
    """What shows tokens: findings, and each latent's strongest."""
    cards = shown.finding_cards(list(found.findings.order_by("concern", "-activation")))
    latents = measured.latent_rows(result) if result else []
    if is_hidden:
        cards = [card._replace(frames=shown.blank(card.frames)) for card in cards]
        latents = [row._replace(frames=shown.blank(row.frames)) for row in latents]
    return cards, latents


def measured_context(found: Scan, result: ScanResult | None, who: Actor) -> dict[str, Any]:
    """What the whole result says, once it is there."""
    return {
        "check": measured.check_card(result.self_check) if result and result.self_check else None,
        "contexts": measured.context_rows(result.coverage) if result else [],
        "agreement": measured.agreement_card(found),
        "may_repeat": found.state == "done"
        and who.may(Permission.SCAN_REQUEST, found.version.subject),
        "repetitions": queries.scans_for(who).filter(repeats=found).order_by("-id"),
    }


class _figures:  # noqa: N801 - it reads as a function: the figures of a stored test
    """A stored test with its row's figures as attributes."""

    def __init__(self, test: Any) -> None:
        self.scope: str = test.scope
        self.key: str = test.key
        self.ratio: float = test.row["ratio"]
        self.ratio_low: float = test.row["ratio_low"]
        self.ratio_high: float = test.row["ratio_high"]


def side(found: Scan) -> dict[str, Any]:
    """One half of a comparison."""
    tests = queries.tests_of(found)
    return {
        "scan": found,
        "reference": shown.reference(found),
        "url": reverse("assessments:scan", args=[found.uuid]),
        "strip": strip.of(found.version),
        "tests": shown.test_rows(tests, "concern", "control"),
        "evidence": [(e, shown.CRITERION_VERDICTS[e.status]) for e in queries.evidence_of(found)],
    }


class RateRow(NamedTuple):
    """One concern's hit rates in both scans under both frames."""

    concern: str
    left: shown.ConcernRow
    right: shown.ConcernRow | None
    change: str
    """Of the rate under deployment, in percentage points; empty where it is not on both sides."""


def paired_rates(left: Scan, right: Scan) -> Iterator[RateRow]:
    """Each concern of the first scan, with what the second says of it."""
    rows = {row.concern: row for row in shown.concern_rows(queries.summaries_of(right))}
    for row in shown.concern_rows(queries.summaries_of(left)):
        other = rows.get(row.concern)
        yield RateRow(row.concern, row, other, points(row, other))


def points(one: shown.ConcernRow, other: shown.ConcernRow | None) -> str:
    """By how many percentage points the rate under deployment differs, signed."""
    if one.deployment is None or other is None or other.deployment is None:
        return ""
    change = PERCENT * (other.deployment.hit_rate - one.deployment.hit_rate)
    return _("%(n)s points") % {"n": f"{change:+.1f}"}


def side_by_side(left: Scan, right: Scan) -> Chart | None:
    """Both scans' ratios in one chart, so that the scale is one; each concern's two together."""
    rows = [
        (test.key, f"{picture.concern_label(test.key)}, {found.version.name}", _figures(test))
        for found in (left, right)
        for test in queries.tests_of(found)
    ]
    rows.sort(key=lambda row: row[0])
    return picture.ratio_chart([(label, figures) for _key, label, figures in rows])


class SeenRow(NamedTuple):
    """One figure of coverage in both scans."""

    label: str
    left: str
    right: str


def seen_rows(left: Scan, right: Scan) -> list[SeenRow]:
    """How much of each version the instrument sees; a difference in findings may be one of these."""
    if not left.coverage or not right.coverage:
        return []
    there = {label: figure for label, figure, _meaning in shown.coverage_facts(right.coverage)}
    return [
        SeenRow(label, figure, there.get(label, "\N{EN DASH}"))
        for label, figure, _meaning in shown.coverage_facts(left.coverage)
    ]
