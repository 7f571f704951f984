"""One piece of evidence: what it says, on what it rests, and whether that still stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from compliance import queries
from compliance.actors import require
from compliance.charts.spec import Chart, ChartTable
from compliance.forms.inventory import AttestForm, as_json
from compliance.permissions import Permission
from compliance.services import evidence as hub
from compliance.views import shown
from compliance.views.form_page import Crumb, form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods, model_crumbs
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from compliance.models import Evidence

    Text = str | _StrPromise

STATUS_TONES = {"met": "ok", "not_met": "bad", "inconclusive": "warn"}
FRESHNESS_WORDS: dict[str, Text] = {
    "fresh": _("current"),
    "stale": _("stale: what it rests on has changed"),
    "expired": _("expired"),
}
LAYER_WORDS: dict[int, Text] = {
    1: _("Interpretation"),
    2: _("Behaviour"),
    3: _("Response"),
    4: _("Record"),
}
STATUS_WORDS = dict(queries.EVIDENCE_STATUSES)
CHECK_WORDS: dict[str, Text] = {
    "what": _("figure"),
    "expected": _("expected"),
    "came": _("came"),
    "status": _("status"),
}
BASIS_WORDS: dict[str, Text] = {"version": _("Version"), "manifest": _("Behaviour manifest")}
SOURCE_WORDS: dict[str, Text] = {"manual": _("entered by hand")}
SOURCES = frozenset(
    {"scan", "campaign", "deployment", "decision", "incident", "rollback", "review"}
)


class Finding(NamedTuple):
    """One piece of evidence as a list shows it."""

    evidence: Evidence
    status: Badge
    freshness: Badge | None
    """None while it is current: only what deserves a second look is marked."""
    url: str


class Ground(NamedTuple):
    """One digest that the evidence rests on, and what the same thing hashes to now."""

    label: Any
    then: str
    now: str | None
    """None where this floor cannot recompute it."""

    @property
    def is_moved(self) -> bool:
        """Whether it changed since."""
        return self.now is not None and self.now != self.then


def status_badge(found: Evidence) -> Badge:
    """Met, not met or inconclusive."""
    return Badge(found.get_status_display(), STATUS_TONES[found.status])


def freshness_badge(found: Evidence) -> Badge:
    """Whether it still stands, in a word."""
    state = queries.freshness(found)
    return Badge(FRESHNESS_WORDS[state], "ok" if state == "fresh" else "stale")


def findings(rows: Iterable[Evidence]) -> list[Finding]:
    """Evidence for a list, by layer and kind."""
    ordered = sorted(rows, key=lambda one: (one.layer, one.what))
    return [
        Finding(
            one,
            status_badge(one),
            None if queries.freshness(one) == "fresh" else freshness_badge(one),
            shown.url("compliance:evidence", one.uuid),
        )
        for one in ordered
    ]


def mark(found: Evidence) -> str:
    """Measured by an instrument of this house, or attested by a person."""
    return "attested" if found.source == "manual" else "measured"


EVIDENCE = Table(
    caption=_("Evidence"),
    name="evidence",
    columns=(
        Column("what", _("Kind"), kind=Kind.REFERENCE, sort="what", value=lambda row: hub.name(row.what),
               url=lambda row: shown.url("compliance:evidence", row.uuid)),
        Column("layer", _("Layer"), value=lambda row: LAYER_WORDS[row.layer], sort="layer"),
        Column("status", _("Result"), value=status_badge, kind=Kind.BADGE, sort="status"),
        Column("freshness", _("Standing"), value=freshness_badge, kind=Kind.BADGE),
        Column("summary", _("What was found")),
        Column("mark", _("Provenance"), value=mark, kind=Kind.PROVENANCE),
        Column("collected_at", _("Collected"), kind=Kind.TIME, sort="collected_at"),
        Column("valid_until", _("Valid until"), kind=Kind.TIME, sort="valid_until", shown=False),
        Column("sha256", _("Digest"), kind=Kind.DIGEST, shown=False),
    ),
    filters=(
        Filter("layer", _("Layer"), choices=[(str(number), word) for number, word in LAYER_WORDS.items()]),
        Filter("status", _("Result"), choices=queries.EVIDENCE_STATUSES),
    ),
    search=("what", "summary"),
    order=("-collected_at", "-pk"),
    empty=Empty(
        _("No evidence yet."),
        _("Without evidence every layer is blind: no data is not a good sign. Scan it, or attest what was done by hand."),
    ),
)  # fmt: skip


@require_safe
def evidence(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One piece of evidence, whole."""
    who = actor(request)
    found = fetch(queries.evidence_for(who).select_related("version__model__system"), uuid=uuid)
    standing = {queries.series_of(one): one for one in queries.standing_evidence(found.version)}
    newest = standing[queries.series_of(found)]
    state = queries.freshness(found)
    drawn = chart_of(found)
    context = {
        "evidence": found,
        "version": found.version,
        "crumbs": [
            *model_crumbs(found.version.model),
            Crumb(found.version.name, shown.url("compliance:version", found.version.uuid)),
            Crumb(hub.name(found.what)),
        ],
        "badge": status_badge(found),
        "freshness": freshness_badge(found),
        "is_fresh": state == "fresh",
        "newest": newest if newest != found else None,
        "chart": drawn,
        "has_chart": drawn is not None,
        "checks": _checks(found),
        "payload": as_json(_without_drawn(found)),
        "grounds": grounds(found),
        "facts": _facts(found),
        "entries": shown.entries(queries.history(found, who)),
    }
    return page(request, "compliance/evidence.html", context)


def chart_of(found: Evidence) -> Chart | None:
    """The chart that the payload carries, if it carries one that can be read."""
    carried = found.payload.get("chart")
    if not isinstance(carried, dict) or not carried.get("spec"):
        return None
    try:
        spec = json.loads(carried["spec"]) if isinstance(carried["spec"], str) else carried["spec"]
        table = carried["table"]
        rows = tuple(tuple(str(cell) for cell in row) for row in table["rows"])
        return Chart(spec, str(carried["alt"]), ChartTable(tuple(map(str, table["heads"])), rows))
    except (ValueError, KeyError, TypeError):
        return None


def _checks(found: Evidence) -> list[list[tuple[str, str]]]:
    """The criteria it was judged by, where its maker named them."""
    listed = found.payload.get("checks")
    if not isinstance(listed, list):
        return []
    return [
        [(str(CHECK_WORDS.get(key, key)), _said(value)) for key, value in one.items()]
        for one in listed
        if isinstance(one, dict)
    ]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return _now("yes") if value else _now("no")
    if value in STATUS_WORDS:
        return str(STATUS_WORDS[value])
    return "" if value is None else str(value)


def _without_drawn(found: Evidence) -> dict[str, Any]:
    """The payload less the specification of the chart, which is shown as a chart."""
    return {key: value for key, value in found.payload.items() if key != "chart"}


def grounds(found: Evidence) -> list[Ground]:
    """Each digest in the basis beside what that thing hashes to now."""
    manifest = found.version.manifests.order_by("-number").first()
    current = {
        "version": found.version.weights_sha256,
        "manifest": manifest.sha256 if manifest else "",
    }
    return [
        Ground(BASIS_WORDS.get(key, key), digest, current.get(key))
        for key, digest in sorted(found.basis.items())
    ]


def _facts(found: Evidence) -> list[shown.Fact]:
    by = found.attested_by.name if found.attested_by else _now("the installation")
    kind, _colon, uuid = found.source.partition(":")
    source_url = shown.page_of(kind, uuid) if kind in SOURCES and uuid else ""
    return [
        shown.Fact(
            _("Version"),
            str(found.version),
            url=shown.url("compliance:version", found.version.uuid),
        ),
        shown.Fact(_("Layer"), LAYER_WORDS[found.layer]),
        shown.Fact(_("Provenance"), mark(found), "mark", source_url),
        shown.Fact(_("Source"), SOURCE_WORDS.get(kind) or shown.kind_name(kind), url=source_url),
        shown.Fact(_("Attested by"), by),
        shown.Fact(_("Collected"), found.collected_at, "time"),
        shown.Fact(
            _("Valid until"),
            found.valid_until or _now("no end"),
            "time" if found.valid_until else "text",
        ),
        shown.Fact(_("Digest"), found.sha256, "digest"),
    ]


@form_methods
def attest(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A person vouches for something that was done by hand, with reason and end."""
    who = actor(request)
    found = fetch(queries.versions_for(who), uuid=uuid)
    require(who, Permission.EVIDENCE_ATTACH, found.subject)
    form = AttestForm(sent(request))
    if form.is_valid():
        entered = form.cleaned_data
        made = hub.attest(
            found,
            entered["what"],
            layer=form.layer,
            status=entered["status"],
            summary=entered["summary"],
            payload={"reason": entered["reason"]},
            source="manual",
            valid_until=entered["valid_until"],
            by=who,
        )
        messages.success(request, _now("Attested. It stands in the record under your name."))
        return redirect("compliance:evidence", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Attest evidence"),
        verb=_("Attest under my name"),
        back=shown.url("compliance:version", found.uuid),
        lead=_now(
            "About %s. What is attested is never changed; a newer attestation of its kind replaces it."
        )
        % found,
        crumbs=[
            *model_crumbs(found.model),
            Crumb(found.name, shown.url("compliance:version", found.uuid)),
        ],
    )
