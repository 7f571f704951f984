"""Watch-lists: the list, one number, all numbers of a name, what changed, import and revision."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from assessments import queries
from assessments.forms.instruments import DropForm, WatchListForm
from assessments.policies import load
from assessments.scanner.contract import Trust, WatchedLatent
from assessments.scanner.recalls import said_alike
from assessments.services import difference, watchlist_file
from assessments.services import watchlist as watchlists
from assessments.services.picture import concern_label
from assessments.views.instruments import (
    before_each,
    crumbs,
    figure,
    flat,
    head_action,
    offered,
    person,
    same_name,
    tabs,
)
from assessments.views.measured import share_words
from compliance import queries as ground
from compliance.actors import require
from compliance.machines import Tone
from compliance.permissions import Permission
from compliance.views.form_page import sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods
from compliance.views.shown import Fact, entries
from compliance.views.tables import Badge, Column, Empty, Kind, Table

if TYPE_CHECKING:
    from django.http import HttpRequest

    from assessments.models import WatchList
    from assessments.scanner.contract import Calibration, Recall
    from assessments.services.difference import Change, ListDifference
    from compliance.actors import Actor

HERE = "assessments:watchlists"

TRUST = {
    Trust.AUTOMATIC: Badge(gettext_lazy("automatic"), Tone.WARN),
    Trust.HUMAN: Badge(gettext_lazy("human"), Tone.INFO),
    Trust.CAUSAL: Badge(gettext_lazy("causal"), Tone.OK),
}
FIELDS = {
    "concern": gettext_lazy("concern"),
    "why": gettext_lazy("why"),
    "threshold": gettext_lazy("threshold"),
    "evidence": gettext_lazy("evidence"),
    "trust": gettext_lazy("trust"),
    "calibration": gettext_lazy("calibration"),
    "recall": gettext_lazy("recall"),
}


class LatentRow(NamedTuple):
    """One watched latent as the page shows it."""

    latent: int
    concern: str
    why: str
    threshold: str
    trust: Badge
    calibration: str
    recall: str
    role: Badge
    evidence: list[tuple[str, str]]


class ChangeRow(NamedTuple):
    """One latent that is on both lists and not the same."""

    latent: int
    concern: str
    before: str
    after: str
    what: str


class NumberRow(NamedTuple):
    """One number of a name, and what it changed."""

    watchlist: WatchList
    n_latents: int
    changes: str
    by: str
    against_url: str


class Silence(StrEnum):
    """What it says of a concern that none of its latents rose."""

    CLEARS = "clears"
    """What its latents find together is counted, and it is enough."""
    SINGLE = "single"
    """Together nothing is counted; a single latent is shown to find enough."""
    NOTHING = "nothing"
    """It may signal, never clear."""


SILENCES = {
    Silence.CLEARS: Badge(gettext_lazy("may signal and clear"), Tone.OK),
    Silence.SINGLE: Badge(gettext_lazy("single latents may clear"), Tone.INFO),
    Silence.NOTHING: Badge(gettext_lazy("may signal, never clear"), Tone.WARN),
}


class ConcernRow(NamedTuple):
    """One concern of a watch-list: what its latents find together."""

    concern: str
    latents: str
    found: str
    false_positives: str
    silence: Silence
    role: Badge


def floor() -> float:
    """The share of positive controls that has to be found."""
    return float(load.scan_criteria().least_recall)


def concern_rows(found: WatchList) -> list[ConcernRow]:
    """Each concern that is watched, and what silence about it says."""
    by_concern: dict[str, list[WatchedLatent]] = {}
    for latent in watchlists.latents_of(found):
        by_concern.setdefault(latent.concern, []).append(latent)
    return [_concern_row(concern, latents) for concern, latents in sorted(by_concern.items())]


def _concern_row(concern: str, latents: list[WatchedLatent]) -> ConcernRow:
    together = said_alike(latents)
    if together is not None:
        silence = Silence.CLEARS if together.may_clear(floor()) else Silence.NOTHING
    else:
        is_single = any(each.may_clear(floor()) for each in latents)
        silence = Silence.SINGLE if is_single else Silence.NOTHING
    return ConcernRow(
        concern=concern_label(concern),
        latents=", ".join(str(each.index) for each in latents),
        found=share_words(together.found) if together else "",
        false_positives=share_words(together.false_positives) if together else "",
        silence=silence,
        role=SILENCES[silence],
    )


def role_badge(found: WatchList) -> Badge:
    """What its silence may say, in a word."""
    silences = [row.silence for row in concern_rows(found)]
    n_clear = silences.count(Silence.CLEARS)
    if n_clear in {0, len(silences)}:
        return SILENCES[max(silences, key=[Silence.NOTHING, Silence.SINGLE, Silence.CLEARS].index)]
    words = {"k": n_clear, "n": len(silences)}
    return Badge(_("clears %(k)s of %(n)s concerns") % words, Tone.INFO)


def role_sentence(found: WatchList) -> str:
    """The same in a sentence, with the figure that decides and the concerns it speaks of."""
    rows = concern_rows(found)
    clear = ", ".join(row.concern for row in rows if row.silence is Silence.CLEARS)
    words = {"floor": f"{floor():.0%}", "concerns": clear}
    if not clear and any(row.silence is Silence.SINGLE for row in rows):
        said = _(
            "It may signal. What its latents find together was not counted for just these; single latents that are shown to find at least %(floor)s of positive controls may clear alone."
        )
    elif not clear:
        said = _(
            "It may signal, never clear: of no concern is it shown that its latents together find at least %(floor)s of positive controls."
        )
    elif all(row.silence is Silence.CLEARS for row in rows):
        said = _(
            "It may signal and clear: of each concern it is shown that its latents together find at least %(floor)s of positive controls."
        )
    else:
        said = _(
            "It may signal every concern below. Its silence clears these alone, for it is shown to find at least %(floor)s of their positive controls: %(concerns)s."
        )
    return said % words


LISTS = Table(
    caption=gettext_lazy("Watch-lists"),
    name="watchlists",
    columns=(
        Column(
            "name",
            gettext_lazy("Name and number"),
            value=str,
            url=lambda row: reverse("assessments:watchlist", args=[row.uuid]),
            sort="name",
        ),
        Column("role", gettext_lazy("What its silence says"), value=role_badge, kind=Kind.BADGE),
        Column("n", gettext_lazy("Latents"), value=lambda row: len(row.latents), kind=Kind.NUMBER),
        Column(
            "sae",
            gettext_lazy("Autoencoder"),
            value="sae.name",
            sort="sae__name",
        ),
        Column("registered_at", gettext_lazy("Registered"), kind=Kind.TIME, sort="registered_at"),
        Column("sha256", gettext_lazy("Digest"), kind=Kind.DIGEST),
    ),
    search=("name", "sae__name", "sha256"),
    order=("-id",),
    empty=Empty(
        gettext_lazy("No watch-list is registered."),
        gettext_lazy("It names the latents that matter, why, and from which activation on."),
        cast("str", reverse_lazy("assessments:watchlist_import")),
        gettext_lazy("Import a watch-list"),
    ),
)


@require_safe
def watchlists_page(request: HttpRequest) -> HttpResponse:
    """The newest number of every name."""
    who = actor(request)
    require(who, Permission.SCAN_READ)
    context = {
        "table": offered(LISTS, who, Permission.WATCHLIST_WRITE).page(
            queries.newest_watchlists_for(who), request
        ),
        "floor": floor(),
        "tabs": tabs(HERE),
        "action": head_action(
            who,
            Permission.WATCHLIST_WRITE,
            _("Import a watch-list"),
            reverse("assessments:watchlist_import"),
            "upload",
        ),
    }
    return page(request, "assessments/watchlists.html", context)


@require_safe
def watchlist(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One number: each latent, why it is watched, how far it is to be trusted."""
    who = actor(request)
    found = fetch(queries.watchlists_for(who), uuid=uuid)
    numbers = same_name(queries.watchlists_for(who), found)
    context = {
        "watchlist": found,
        "newest": numbers[0] if numbers[0] != found else None,
        "n_numbers": len(numbers),
        "role": role_badge(found),
        "sentence": role_sentence(found),
        "concerns": concern_rows(found),
        "facts": facts(found),
        "latents": [latent_row(each) for each in watchlists.latents_of(found)],
        "may_revise": who.may(Permission.WATCHLIST_WRITE, found.subject),
        "history": entries(ground.history(found, who)),
        "crumbs": crumbs(HERE, (str(found), "")),
    }
    return page(request, "assessments/watchlist.html", context)


def facts(found: WatchList) -> list[Fact]:
    """What pins it."""
    sae_url = reverse("assessments:sae", args=[found.sae.uuid])
    return [
        Fact(_("Digest"), found.sha256, "digest"),
        Fact(_("Autoencoder"), found.sae.name, "link", sae_url),
        Fact(_("Autoencoder digest"), found.sae.sha256, "digest"),
        Fact(_("Number"), str(found.number)),
        Fact(_("Registered"), found.registered_at, "time"),
        Fact(_("Registered by"), person(found)),
        Fact(_("Reason"), found.reason),
    ]


def latent_row(latent: WatchedLatent) -> LatentRow:
    """One latent in words."""
    clears = latent.may_clear(floor())
    return LatentRow(
        latent=latent.index,
        concern=concern_label(latent.concern),
        why=latent.why,
        threshold=figure(latent.threshold),
        trust=TRUST[latent.trust],
        calibration=calibration_words(latent.calibration, latent.threshold),
        recall=recall_words(latent.recall, latent.threshold),
        role=Badge(_("may clear"), Tone.OK) if clears else Badge(_("may signal"), Tone.NEUTRAL),
        evidence=list(flat(latent.evidence)),
    )


def calibration_words(found: Calibration | None, threshold: float) -> str:
    """How often it is wrong on benign prompts; empty where nobody measured."""
    if found is None:
        return ""
    if found.threshold != threshold:
        return _("measured at %(other)s, so it says nothing of this threshold") % {
            "other": figure(found.threshold)
        }
    return _("wrong on %(share)s; the true rate is below %(bound)s") % {
        "share": share_words(found.false_positives),
        "bound": f"{found.rate_bound:.1%}",
    }


def recall_words(found: Recall | None, threshold: float) -> str:
    """How many positive controls it finds; empty where nobody measured."""
    if found is None:
        return ""
    if found.threshold != threshold:
        return _("measured at %(other)s, so it says nothing of this threshold") % {
            "other": figure(found.threshold)
        }
    return _("finds %(share)s") % {"share": share_words(found.found)}


@require_safe
def watchlist_numbers(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """All numbers of a name, the newest first, each with what it changed."""
    who = actor(request)
    found = fetch(queries.watchlists_for(who), uuid=uuid)
    numbers = same_name(queries.watchlists_for(who), found)
    context = {
        "watchlist": found,
        "numbers": [number_row(one, before) for one, before in before_each(numbers)],
        "crumbs": crumbs(HERE, (str(found), _url(found)), (_("All numbers"), "")),
    }
    return page(request, "assessments/watchlist_numbers.html", context)


def number_row(found: WatchList, before: WatchList | None) -> NumberRow:
    """One number beside the one before it."""
    against = ""
    if before is not None:
        against = reverse("assessments:watchlist_difference", args=[before.uuid, found.uuid])
    return NumberRow(
        watchlist=found,
        n_latents=len(found.latents),
        changes=change_words(found, before),
        by=person(found),
        against_url=against,
    )


def change_words(found: WatchList, before: WatchList | None) -> str:
    """What a number changed, counted."""
    if before is None:
        return _("the first number")
    if before.sae_id != found.sae_id:
        return _("made for another autoencoder")
    changed = _difference(before, found)
    return _("%(added)s added, %(removed)s dropped, %(changed)s changed") % {
        "added": len(changed.added),
        "removed": len(changed.removed),
        "changed": len(changed.changed),
    }


def _difference(before: WatchList, after: WatchList) -> ListDifference:
    return difference.of_watchlists(watchlists.latents_of(before), watchlists.latents_of(after))


def _url(found: WatchList) -> str:
    return reverse("assessments:watchlist", args=[found.uuid])


@require_safe
def watchlist_difference(request: HttpRequest, uuid: UUID, other: UUID) -> HttpResponse:
    """What changed from one number to another of the same name."""
    rows = queries.watchlists_for(actor(request))
    before = fetch(rows, uuid=uuid)
    after = fetch(rows.filter(name=before.name), uuid=other)
    changed = _difference(before, after)
    is_same_sae = before.sae_id == after.sae_id
    context = {
        "before": before,
        "after": after,
        "is_same_sae": is_same_sae,
        "changed": changed if is_same_sae else None,
        "added": [latent_row(each) for each in changed.added],
        "removed": [latent_row(each) for each in changed.removed],
        "moved": [change_row(each) for each in changed.changed],
        "crumbs": crumbs(
            HERE,
            (str(after), _url(after)),
            (_("All numbers"), reverse("assessments:watchlist_numbers", args=[after.uuid])),
            (_("What changed"), ""),
        ),
    }
    return page(request, "assessments/watchlist_difference.html", context)


def change_row(change: Change) -> ChangeRow:
    """One latent's thresholds before and after, and what else is new about it."""
    others = [str(FIELDS.get(name, name)) for name in change.what if name != "threshold"]
    return ChangeRow(
        latent=change.after.index,
        concern=concern_label(change.after.concern),
        before=figure(change.before.threshold),
        after=figure(change.after.threshold) if change.is_moved else _("the same"),
        what=", ".join(others),
    )


@form_methods
def watchlist_import(request: HttpRequest) -> HttpResponse:
    """Take in a list that the scanner, or somebody, wrote."""
    who = actor(request)
    require(who, Permission.WATCHLIST_WRITE)
    form = WatchListForm(
        who, sent(request), request.FILES or None, initial={"sae": request.GET.get("sae", "")}
    )
    if form.is_valid():
        asked = form.cleaned_data
        try:
            made = watchlists.register(
                asked["sae"],
                asked["name"],
                asked["listed"].latents,
                reason=asked["reason"],
                by=who,
            )
        except watchlists.WatchListError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Registered %s.") % made)
            return redirect("assessments:watchlist", uuid=made.uuid)
    context = {"form": form, "crumbs": crumbs(HERE, (_("Import"), "")), "back": reverse(HERE)}
    return page(
        request, "assessments/watchlist_import.html", context, status=422 if form.errors else 200
    )


@form_methods
def watchlist_revise(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """A new number from this one: which latents to drop, and why."""
    who = actor(request)
    found = fetch(queries.watchlists_for(who), uuid=uuid)
    require(who, Permission.WATCHLIST_WRITE, found.subject)
    form = DropForm(found, sent(request))
    if form.is_valid():
        try:
            made = _revised(found, form, who)
        except watchlists.WatchListError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Registered %s.") % made)
            return redirect("assessments:watchlist", uuid=made.uuid)
    dropped = set(form.data.getlist("drop")) if form.is_bound else set()  # type: ignore[attr-defined]
    latents = [
        (latent_row(each), str(each.index) in dropped) for each in watchlists.latents_of(found)
    ]
    context = {
        "watchlist": found,
        "form": form,
        "latents": latents,
        "crumbs": crumbs(HERE, (str(found), _url(found)), (_("New number"), "")),
    }
    return page(
        request, "assessments/watchlist_revise.html", context, status=422 if form.errors else 200
    )


def _revised(found: WatchList, form: DropForm, who: Actor) -> WatchList:
    return watchlists.drop(
        found, set(form.cleaned_data["drop"]), reason=form.cleaned_data["reason"], by=who
    )


@require_safe
def watchlist_json(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The list as a file that can be imported elsewhere."""
    found = fetch(queries.watchlists_for(actor(request)), uuid=uuid)
    answer = HttpResponse(watchlist_file.write(found), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="watchlist-{found.uuid}.json"'
    return answer
