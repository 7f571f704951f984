"""What scans measure with: autoencoders with their cards, watch-lists with their evidence, suites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from assessments import queries
from assessments.services.picture import concern_label
from assessments.views.shown import FRAMES
from compliance import queries as ground
from compliance.actors import require
from compliance.permissions import Permission
from compliance.views.http import actor, fetch, page
from compliance.views.shown import Fact, entries

PAIRS_SHOWN = 60


@require_safe
def instruments(request: HttpRequest) -> HttpResponse:
    """Everything there is to measure with."""
    who = actor(request)
    require(who, Permission.SCAN_READ)
    context = {
        "saes": queries.saes_for(who),
        "watchlists": queries.watchlists_for(who),
        "suites": queries.suites_for(who),
    }
    return page(request, "assessments/instruments.html", context)


@require_safe
def sae(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One autoencoder with its card."""
    who = actor(request)
    found = fetch(queries.saes_for(who), uuid=uuid)
    facts = [
        Fact(_("Digest"), found.sha256, "digest"),
        Fact(_("Read point"), found.hook_name),
        Fact(_("Architecture"), found.architecture),
        Fact(_("Width of the model there"), str(found.d_in)),
        Fact(_("Latents"), str(found.d_sae)),
        Fact(_("Registered"), found.registered_at, "time"),
    ]
    context = {
        "sae": found,
        "facts": facts,
        "card": list(flat(found.card)),
        "watchlists": queries.watchlists_for(who).filter(sae=found),
        "history": entries(ground.history(found, who)),
        "crumbs": crumbs(found.name),
    }
    return page(request, "assessments/sae.html", context)


@require_safe
def watchlist(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One watch-list: each latent, why it is watched, and on what evidence."""
    who = actor(request)
    found = fetch(queries.watchlists_for(who), uuid=uuid)
    facts = [
        Fact(_("Digest"), found.sha256, "digest"),
        Fact(
            _("Autoencoder"),
            found.sae.name,
            "link",
            reverse("assessments:sae", args=[found.sae.uuid]),
        ),
        Fact(_("Number"), str(found.number)),
        Fact(_("Registered"), found.registered_at, "time"),
    ]
    context = {
        "watchlist": found,
        "facts": facts,
        "latents": [latent_row(raw) for raw in found.latents],
        "crumbs": crumbs(str(found)),
    }
    return page(request, "assessments/watchlist.html", context)


@require_safe
def suite(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One suite: its prompts, pair by pair."""
    found = fetch(queries.suites_for(actor(request)), uuid=uuid)
    facts = [
        Fact(_("Digest"), found.sha256, "digest"),
        Fact(_("Number"), str(found.number)),
        Fact(_("Prompts"), str(found.n_prompts)),
        Fact(_("Pairs"), str(found.n_pairs)),
        Fact(_("Registered"), found.registered_at, "time"),
    ]
    context = {
        "suite": found,
        "facts": facts,
        "contents": contents(found.prompts),
        "n_shown": PAIRS_SHOWN,
        "crumbs": crumbs(str(found)),
    }
    return page(request, "assessments/suite.html", context)


def crumbs(name: str) -> list[dict[str, str]]:
    """Where these pages stand."""
    return [
        {"label": _("Instruments"), "url": reverse("assessments:instruments")},
        {"label": name, "url": ""},
    ]


def flat(card: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """A card's figures as name and value, nested names joined."""
    for key, value in card.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, dict):
            yield from flat(value, f"{name}: ")
        else:
            yield name, str(value)


def latent_row(raw: dict[str, Any]) -> dict[str, Any]:
    """One watched latent as the page shows it."""
    return {
        "index": raw["index"],
        "concern": concern_label(raw["concern"]),
        "why": raw["why"],
        "threshold": f"{raw['threshold']:.3g}",
        "evidence": list(flat(raw.get("evidence", {}))),
    }


def contents(prompts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each content once, with the templates it stands under."""
    found: dict[str, dict[str, Any]] = {}
    for raw in prompts:
        row = found.setdefault(
            raw["text"],
            {"text": raw["text"], "family": concern_label(raw["family"]), "systems": []},
        )
        frame = FRAMES.get(raw["frame"], raw["frame"])
        row["systems"].append((frame, raw["template_id"], raw["system"]))
    return list(found.values())[:PAIRS_SHOWN]
