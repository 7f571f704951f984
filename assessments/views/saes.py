"""Autoencoders: the list, registering one, and what is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from django.contrib import messages
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from assessments import queries
from assessments.forms.instruments import SaeForm
from assessments.scanner.contract import CheckStatus
from assessments.services import sae as saes
from assessments.states import SAE
from assessments.views.instruments import crumbs, figure, flat, head_action, offered, person, tabs
from assessments.views.measured import CHECKS
from compliance import queries as ground
from compliance.actors import require
from compliance.machines import Tone
from compliance.permissions import Permission
from compliance.views.form_page import form_page, sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods
from compliance.views.shown import Fact, badge, entries, page_of
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from assessments.models import Sae
    from compliance.actors import Actor

HERE = "assessments:instruments"
CANDIDATES_SHOWN = 6

VARIANTS = {
    "as_declared": gettext_lazy("as declared"),
    "with_b_in": gettext_lazy("with the decoder's bias taken off the input"),
    "without_b_in": gettext_lazy("without anything taken off the input"),
    "with_input_scale": gettext_lazy("with the input scaled"),
    "without_input_scale": gettext_lazy("without a scale of the input"),
    "with_layer_norm": gettext_lazy("with each token normalised"),
    "without_norm": gettext_lazy("without tokens normalised"),
}


class Measure(NamedTuple):
    """One figure, as declared and as measured."""

    label: object
    declared: str
    measured: str


class Candidate(NamedTuple):
    """One way to read it, and how well it fits."""

    where: str
    variant: object
    l0: str
    fvu: str


def use_badge(row: Sae) -> Badge | None:
    """Whether anybody can scan with it; None while nobody knows."""
    if row.state != "ready":
        return None
    if row.not_evidence:
        return Badge(_("no evidence"), Tone.BAD)
    if row.unreadable:
        return Badge(_("encodes only"), Tone.WARN)
    if row.self_check and row.self_check["status"] == CheckStatus.DISAGREES.value:
        return Badge(_("does not read as declared"), Tone.WARN)
    return Badge(_("can be scanned with"), Tone.OK)


SAES = Table(
    caption=gettext_lazy("Autoencoders"),
    name="saes",
    columns=(
        Column(
            "name",
            gettext_lazy("Name"),
            url=lambda row: reverse("assessments:sae", args=[row.uuid]),
            sort="name",
        ),
        Column(
            "state",
            gettext_lazy("State"),
            value=lambda row: badge(SAE, row.state),
            kind=Kind.BADGE,
            sort="state",
        ),
        Column("use", gettext_lazy("Use"), value=use_badge, kind=Kind.BADGE),
        Column("hook_name", gettext_lazy("Read point"), sort="hook_name"),
        Column(
            "d_sae",
            gettext_lazy("Latents"),
            value=lambda row: row.d_sae or None,
            kind=Kind.NUMBER,
            sort="d_sae",
        ),
        Column("architecture", gettext_lazy("Architecture"), sort="architecture"),
        Column("layout", gettext_lazy("Layout"), sort="layout", shown=False),
        Column("registered_at", gettext_lazy("Registered"), kind=Kind.TIME, sort="registered_at"),
        Column("sha256", gettext_lazy("Digest"), kind=Kind.DIGEST),
    ),
    filters=(
        Filter(
            "state", gettext_lazy("State"), [(key, one.label) for key, one in SAE.states.items()]
        ),
    ),
    search=("name", "hook_name", "sha256"),
    order=("-id",),
    empty=Empty(
        gettext_lazy("No autoencoder is registered."),
        gettext_lazy(
            "It rewrites what the model computes at one point as a few active latents; without one nothing can be scanned."
        ),
        cast("str", reverse_lazy("assessments:sae_new")),
        gettext_lazy("Register an autoencoder"),
    ),
)


@require_safe
def saes_page(request: HttpRequest) -> HttpResponse:
    """All autoencoders that the reader may see."""
    who = actor(request)
    require(who, Permission.SCAN_READ)
    action = head_action(
        who,
        Permission.WATCHLIST_WRITE,
        _("Register an autoencoder"),
        reverse("assessments:sae_new"),
        "plus",
    )
    context = {
        "table": offered(SAES, who, Permission.WATCHLIST_WRITE).page(
            queries.saes_for(who), request
        ),
        "tabs": tabs(HERE),
        "action": action,
    }
    return page(request, "assessments/saes.html", context)


@form_methods
def sae_new(request: HttpRequest) -> HttpResponse:
    """Say where one lies; a worker opens it."""
    who = actor(request)
    require(who, Permission.WATCHLIST_WRITE)
    form = SaeForm(who, sent(request))
    if form.is_valid():
        try:
            made = saes.register(**form.cleaned_data, by=who)
        except saes.SaeError as error:
            form.add_error("path", str(error))
        else:
            return redirect("assessments:sae", uuid=made.uuid)
    return form_page(
        request,
        form,
        title=_("Register an autoencoder"),
        verb=_("Register and check"),
        back=reverse(HERE),
        lead=_(
            "A scan worker opens the files, reads every weight and says what they are. Until then nobody can scan with them."
        ),
        crumbs=crumbs(HERE),
    )


@require_safe
def sae(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One autoencoder: whether it can be used, what it is, what was declared and what was measured."""
    who = actor(request)
    found = fetch(queries.saes_for(who), uuid=uuid)
    context = {
        "sae": found,
        "state": badge(SAE, found.state),
        "use": use_badge(found),
        "progress": progress_card(found),
        "may_recheck": "recheck" in SAE.verbs(found, who),
        "twin": found.same_as,
        "measures": measures(found),
        "check": found.self_check,
        "check_badge": CHECKS[CheckStatus(found.self_check["status"])]
        if found.self_check
        else None,
        "candidates": candidates(found),
        "facts": facts(found, who),
        "card": list(flat(found.card)),
        "watchlists": queries.newest_watchlists_for(who).filter(sae=found),
        "may_import": found.state == "ready" and who.may(Permission.WATCHLIST_WRITE, found.subject),
        "history": entries(ground.history(found, who)),
        "crumbs": crumbs(HERE, (found.name, "")),
    }
    return page(request, "assessments/sae.html", context)


@require_safe
def sae_progress(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Whether the check goes on, asked for every two seconds; the whole page once it is over."""
    found = fetch(queries.saes_for(actor(request)), uuid=uuid)
    answer = page(request, "components/progress.html", {"progress": progress_card(found)})
    if saes.is_over(found):
        answer["HX-Refresh"] = "true"
    return answer


@require_POST
def sae_recheck(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Look at a refused one again."""
    found = fetch(queries.saes_for(actor(request)), uuid=uuid)
    saes.recheck(found, by=actor(request))
    messages.success(request, _("A worker will look at it again."))
    return redirect("assessments:sae", uuid=uuid)


def progress_card(found: Sae) -> dict[str, Any]:
    """What the progress component needs; there is no telling how long it takes."""
    state = badge(SAE, found.state)
    return {
        "id": f"sae-{found.uuid}",
        "what": _("%(sae)s: %(state)s") % {"sae": found.name, "state": state.label},
        "total": 0,
        "is_over": saes.is_over(found),
        "outcome": state.label,
        "tone": state.tone,
        "poll_url": reverse("assessments:sae_progress", args=[found.uuid]),
    }


def measures(found: Sae) -> list[Measure]:
    """What its makers say beside what was measured, as far as either is known."""
    declared, check = found.declared, found.self_check or {}
    rows = [
        (_("Latents active on a token (L0)"), declared.get("l0"), check.get("l0")),
        (_("Share of variance unexplained (FVU)"), declared.get("fvu"), check.get("fvu")),
        (_("The same with every latent held at its mean"), None, check.get("frozen_fvu")),
        (_("Share of latents that never fired"), None, check.get("dead_share")),
    ]
    return [
        Measure(label, figure(said), figure(measured))
        for label, said, measured in rows
        if (said, measured) != (None, None)
    ]


def candidates(found: Sae) -> list[Candidate]:
    """The ways to read it that were tried, best first."""
    scored = (found.self_check or {}).get("candidates", [])
    return [
        Candidate(
            where=" \N{RIGHTWARDS ARROW} ".join(
                filter(None, [each["hook_name"], each["hook_name_out"]])
            ),
            variant=VARIANTS.get(each["variant"], each["variant"]),
            l0=figure(each["l0"]),
            fvu=figure(each["fvu"]),
        )
        for each in scored[:CANDIDATES_SHOWN]
    ]


def facts(found: Sae, who: Actor) -> list[Fact]:
    """What it is, as far as it is known."""
    declared = found.declared
    return [
        Fact(_("Digest"), found.sha256, "digest"),
        Fact(_("Layout"), found.layout or _("not known yet")),
        Fact(_("Read point"), found.hook_name),
        *([Fact(_("Rebuilds"), found.hook_name_out)] if found.hook_name_out else []),
        Fact(_("Architecture"), found.architecture),
        Fact(_("Width of the model there"), str(found.d_in or "")),
        Fact(_("Latents"), str(found.d_sae or "")),
        *made_for(found, who),
        Fact(_("Model, as declared"), declared.get("model_name") or ""),
        Fact(_("Trained as, as declared"), declared.get("trained_as") or ""),
        Fact(_("Tokens trained on, as declared"), str(declared.get("n_tokens") or "")),
        Fact(_("Files"), found.location),
        Fact(_("Registered"), found.registered_at, "time"),
        Fact(_("Registered by"), person(found)),
        Fact(_("Checked"), found.checked_at, "time"),
    ]


def made_for(found: Sae, who: Actor) -> list[Fact]:
    """The version it was made for, where one is named and the reader may see it."""
    if found.made_for is None:
        return [Fact(_("Made for"), _("no version was named"))]
    version = found.made_for
    if not ground.versions_for(who).filter(pk=version.pk).exists():
        return []
    return [Fact(_("Made for"), str(version), "link", page_of("version", version.uuid))]
