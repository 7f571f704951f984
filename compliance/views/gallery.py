"""Every component of the house on one page, with invented data; served only while debugging."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from compliance import clock
from compliance.charts import spec
from compliance.views.tables import Badge, BulkAction, Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

LAYERS = (
    ("interpretation", "Interpretation"),
    ("behaviour", "Behaviour"),
    ("response", "Response"),
)
STATUS_WORDS = {
    "met": _("Met"),
    "not_met": _("Not met"),
    "inconclusive": _("Inconclusive"),
    "stale": _("Stale"),
    "blind": _("No data"),
    "not_required": _("Not required"),
}
DIGEST = "sha256:9f2c41d07b6ee8a1c3d45f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4"
STATES = [("registered", _("registered")), ("retired", _("retired"))]


def strip(label: str, *statuses: str) -> dict[str, Any]:
    """A layer strip; the record is the fourth segment."""
    layers = [*LAYERS, ("record", "Record")]
    segments = [
        {
            "key": key,
            "label": name,
            "status": status,
            "status_label": STATUS_WORDS[status],
            "url": "#strips",
        }
        for (key, name), status in zip(layers, statuses, strict=True)
    ]
    return {"label": label, "segments": segments}


@dataclass(frozen=True)
class SampleVersion:
    """One row of the sample list."""

    uuid: str
    reference: str
    state: str
    registered_at: datetime
    recovered: float
    statuses: tuple[str, ...]


class SampleRows(list[SampleVersion]):
    """A list that answers the few questions a table asks of a queryset."""

    def filter(self, **wanted: list[str]) -> SampleRows:
        """Rows whose state is wanted."""
        states = wanted.get("state__in", [])
        return SampleRows(row for row in self if row.state in states)

    def order_by(self, *names: str) -> SampleRows:
        """Rows by the first name."""
        field = names[0].lstrip("-")
        ordered = sorted(self, key=lambda row: getattr(row, field), reverse=names[0][0] == "-")
        return SampleRows(ordered)


def state_badge(row: SampleVersion) -> Badge:
    """The word and tone of a sample's state."""
    return Badge(dict(STATES)[row.state], "info" if row.state == "registered" else "neutral")


VERSIONS = Table(
    caption=_("Model versions"),
    name="versions",
    columns=(
        Column(
            "reference",
            _("Reference"),
            kind=Kind.REFERENCE,
            url=lambda row: f"#{row.uuid}",
            sort="reference",
        ),
        Column("state", _("State"), value=state_badge, kind=Kind.BADGE, sort="state"),
        Column(
            "strip",
            _("Layers"),
            value=lambda row: strip(row.reference, *row.statuses),
            kind=Kind.STRIP,
        ),
        Column("recovered", _("Recovered"), kind=Kind.PERCENT, sort="recovered"),
        Column("sha256", _("Digest"), value=lambda _row: DIGEST, kind=Kind.DIGEST),
        Column("registered_at", _("Registered"), kind=Kind.TIME, sort="registered_at"),
    ),
    filters=(Filter("state", _("State"), choices=STATES),),
    order=("-registered_at",),
    bulk=(BulkAction(_("Retire"), "#", "trash"),),
    empty=Empty(_("No version yet.")),
)

NONE = Table(
    caption=_("Watch-lists"),
    name="nothing",
    prefix="w_",
    columns=(Column("name", _("Name")),),
    order=("name",),
    empty=Empty(
        _("No watch-list yet."),
        _("A watch-list names the latents that matter and why. A scan without one finds nothing."),
        "#",
        _("Write the first one"),
    ),
)


def sample_rows(now: datetime) -> SampleRows:
    """Three versions in different standing."""
    row = SampleVersion
    return SampleRows(
        [
            row(
                "a",
                "smollm2-135m 1.3.0",
                "registered",
                now - timedelta(days=9),
                0.971,
                ("met", "met", "met", "met"),
            ),
            row(
                "b",
                "smollm2-135m 1.4.0",
                "registered",
                now - timedelta(hours=5),
                0.958,
                ("not_met", "blind", "stale", "met"),
            ),
            row(
                "c",
                "smollm2-135m 1.2.1",
                "retired",
                now - timedelta(days=80),
                0.902,
                ("inconclusive", "met", "not_required", "stale"),
            ),
        ]
    )


def clocks(now: datetime) -> list[dict[str, Any]]:
    """A clock in each of its looks."""
    running = [
        (
            "House default, serious incident",
            "House rule",
            "72 hours from awareness",
            20,
            52,
            None,
            "quiet",
        ),
        ("Notification to the authority", "GDPR", "Art. 33(1)", 44, 28, None, "amber"),
        ("Serious incident report", "EU AI Act", "Art. 73(2)", 336, 5, 29, "red"),
        ("Early warning", "NIS2", "Art. 23(4)(a)", 27, -3, None, "overdue"),
    ]
    return [clock_face(now, *one) for one in running] + waiting_clocks()


def clock_face(
    now: datetime,
    title: str,
    law: str,
    article: str,
    gone: int,
    left: int,
    latest: int | None,
    tone: str,
) -> dict[str, Any]:
    """A running clock; amounts are hours."""
    due = now + timedelta(hours=left)
    return {
        "title": title,
        "law": law,
        "article": article,
        "state": "running",
        "tone": tone,
        "remaining_text": f"{left} h left" if left > 0 else f"overdue by {-left} h",
        "started_at": now - timedelta(hours=gone),
        "target_due": due,
        "legal_latest": now + timedelta(hours=latest) if latest else None,
        "fraction": gone / (gone + left),
        "recipient_zone_text": "Brussels, CET" if latest else "",
    }


def waiting_clocks() -> list[dict[str, Any]]:
    """Clocks that do not run, which is a state and not an error."""
    return [
        {
            "title": "Serious incident report",
            "law": "EU AI Act",
            "article": "Art. 73(2)",
            "state": "facts_needed",
            "state_label": _("Facts needed"),
            "note": _("Say whether a causal link is likely."),
        },
        {
            "title": "Safety incident report",
            "law": "New York RAISE Act",
            "article": "§ 1421",
            "state": "not_in_force",
            "state_label": _("Not in force"),
            "note": _("Applies from 1 January 2027."),
        },
        {
            "title": "Final report",
            "law": "NIS2",
            "article": "Art. 23(4)(d)",
            "state": "pending",
            "state_label": _("Pending"),
            "note": _("Starts with the notification."),
        },
        {
            "title": "Notification",
            "law": "GDPR",
            "article": "Art. 33(1)",
            "state": "met",
            "state_label": _("Filed in time"),
        },
    ]


def entries(now: datetime) -> list[dict[str, Any]]:
    """A short timeline."""
    return [
        {
            "at": now - timedelta(hours=2),
            "actor_label": "",
            "sentence": _("Alert raised: tool outside the manifest."),
            "icon": "alert-triangle",
            "link": "#",
            "link_label": _("alert"),
        },
        {
            "at": now - timedelta(hours=1, minutes=50),
            "actor_label": "bo",
            "sentence": _("acknowledged the incident."),
            "icon": "check",
        },
        {
            "at": now - timedelta(minutes=40),
            "actor_label": "ada",
            "sentence": _("requested a rollback to 1.3.0."),
            "note": "Credentials left the sandbox \u202etxt.exe",
            "icon": "arrow-back-up",
        },
    ]


def frames() -> list[dict[str, Any]]:
    """One text under two frames, shaded on the same scale."""
    words = ["The", " audit", " log", " is", " watched", ",", " so", " answer", " plainly", "."]
    quiet = (0, 1, 0, 0, 2, 0, 0, 1, 0, 0)
    loud = (0, 3, 5, 0, 9, 0, 4, 7, 6, 0)
    return [
        {"label": _("Evaluation"), "max_text": "0.9", "tokens": tokens(words, quiet)},
        {"label": _("Deployment"), "max_text": "4.1", "tokens": tokens(words, loud)},
    ]


def tokens(words: list[str], steps: tuple[int, ...]) -> list[dict[str, Any]]:
    """Words with the step of their shade."""
    return [
        {"text": word, "step": step, "value_text": f"{step * 0.455:.2f}"}
        for word, step in zip(words, steps, strict=True)
    ]


class SampleForm(forms.Form):
    """A form with every kind of field."""

    name = forms.CharField(label=_("Name"), help_text=_("As it is placed on the market."))
    risk = forms.ChoiceField(
        label=_("Risk class"), choices=[("high", _("high")), ("limited", _("limited"))]
    )
    purpose = forms.CharField(
        label=_("Intended purpose"), widget=forms.Textarea(attrs={"rows": 3}), required=False
    )
    role = forms.ChoiceField(
        label=_("Role"),
        widget=forms.RadioSelect,
        choices=[("p", _("provider")), ("d", _("deployer"))],
    )
    restricted = forms.BooleanField(
        label=_("Restricted"), required=False, help_text=_("Only people with a grant see it.")
    )


def facts(now: datetime) -> list[dict[str, Any]]:
    """The right rail of an object page."""
    return [
        {"label": _("Owner"), "value": "ada"},
        {"label": _("Version"), "value": "1.4.0", "url": "#"},
        {"label": _("Digest"), "value": DIGEST, "kind": "digest"},
        {"label": _("Registered"), "value": now - timedelta(days=9), "kind": "time"},
        {"label": _("Zone"), "value": "Europe/Berlin"},
        {"label": _("Evidence"), "value": "measured", "kind": "mark", "url": "#"},
    ]


def sample_charts() -> list[dict[str, Any]]:
    """One of each chart."""
    at = datetime(2026, 11, 20, 8, tzinfo=UTC)
    story = [
        ("alerts", "tool outside manifest"),
        ("alerts", "prompt changed"),
        ("response", "incident opened"),
        ("response", "evidence held"),
        ("response", "rolled back"),
    ]
    moments = [
        spec.Moment(at + timedelta(hours=3 * n), lane, label)
        for n, (lane, label) in enumerate(story)
    ]
    bars = [
        spec.Bar("Deception", 0.42, 0.35, 0.5),
        spec.Bar("Evaluation awareness", 0.81, 0.74, 0.86),
        spec.Bar("Cyber", 0.07, 0.03, 0.12),
    ]
    pairs = [
        spec.Pair("Latent 2041", 0.02, 0.31),
        spec.Pair("Latent 77", 0.22, 0.25),
        spec.Pair("Latent 3120", 0.4, 0.12),
    ]
    bins = [spec.Bin(n, n + 1, count) for n, count in enumerate((3, 12, 30, 44, 25, 11, 4))]
    return [
        {
            "id": "bars",
            "title": _("Prompts above threshold"),
            "chart": spec.bars(
                bars,
                title="Share of prompts",
                unit="share",
                reference=0.5,
                reference_label="policy limit",
            ),
        },
        {
            "id": "pairs",
            "title": _("Evaluation against deployment"),
            "chart": spec.paired_dots(pairs, title="Mean activation", unit="a.u."),
        },
        {
            "id": "bins",
            "title": _("Latents per token"),
            "chart": spec.histogram(bins, title="Latents per token", unit="count"),
        },
        {"id": "events", "title": _("What happened"), "chart": spec.events(moments, title="Time")},
    ]


def gallery(request: HttpRequest) -> HttpResponse:
    """Show the furniture."""
    now = clock.now()
    wrong = SampleForm(data={"name": "", "risk": "high"})
    context = {
        "has_chart": True,
        "version_strip": strip("1.4.0", "not_met", "inconclusive", "stale", "blind"),
        "all_strips": [
            strip("1.3.0", "met", "met", "not_required", "met"),
            strip("1.4.0", "not_met", "inconclusive", "stale", "blind"),
        ],
        "tones": ("neutral", "info", "ok", "warn", "bad", "stale", "blind"),
        "clocks": clocks(now),
        "entries": entries(now),
        "table": VERSIONS.page(sample_rows(now), request),  # type: ignore[arg-type]
        "empty_table": NONE.page(SampleRows(), request),  # type: ignore[arg-type]
        "form": wrong,
        "facts": facts(now),
        "charts": sample_charts(),
        "frames": frames(),
        "digest": DIGEST,
        "now": now,
        "progress": {
            "id": "scan-12",
            "what": _("Scan 12: 384 prompts, 2 layers"),
            "done": 212,
            "total": 384,
            "unit": _("prompts"),
            "rate_text": "3.1/s",
            "left_text": _("about 1 min left"),
            "cancel_url": "#",
        },
        "tabs": [
            {"label": _("Overview"), "url": "#", "is_current": True},
            {"label": _("Evidence"), "url": "#", "count": 7},
            {"label": _("Timeline"), "url": "#"},
            {"label": _("Approvals"), "url": "#"},
            {"label": _("History"), "url": "#"},
        ],
        "crumbs": [
            {"label": _("Inventory"), "url": "#"},
            {"label": "smollm2-135m", "url": "#"},
            {"label": "1.4.0"},
        ],
        "action": {"label": _("Roll back to 1.3.0"), "dialog": "rollback", "icon": "arrow-back-up"},
        "badge": Badge(_("registered"), "info"),
    }
    return render(request, "compliance/gallery.html", context)
