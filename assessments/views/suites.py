"""Prompt suites: the list, one number, all numbers of a name, what changed, import and export.

The texts of a hidden suite are on no page. Whoever may scan with it may have them shown, for a
reason that stands in the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from assessments import queries
from assessments.forms.instruments import SensitivityForm, SuiteForm, TakeOutForm
from assessments.forms.waivers import ReasonForm
from assessments.scanner.contract import Prompt
from assessments.scanner.prompts import pairs
from assessments.services import difference, suite_file
from assessments.services import suite as suites
from assessments.services.picture import concern_label
from assessments.services.suite import Sensitivity
from assessments.views.instruments import (
    before_each,
    crumbs,
    head_action,
    offered,
    person,
    same_name,
    tabs,
)
from assessments.views.shown import FRAMES
from compliance import queries as ground
from compliance.actors import require
from compliance.machines import Tone
from compliance.permissions import Permission
from compliance.views.form_page import sent
from compliance.views.http import actor, fetch, page
from compliance.views.inventory import form_methods
from compliance.views.shown import Fact, entries
from compliance.views.tables import Badge, Column, Empty, Filter, Kind, Table

if TYPE_CHECKING:
    from django.http import HttpRequest

    from assessments.models import PromptSuite
    from assessments.services.difference import SuiteDifference
    from compliance.actors import Actor

HERE = "assessments:suites"
CONTENTS_SHOWN = 60
SAMPLE = 8
TONES = {
    Sensitivity.PUBLIC: Tone.NEUTRAL,
    Sensitivity.INTERNAL: Tone.NEUTRAL,
    Sensitivity.SENSITIVE: Tone.WARN,
    Sensitivity.HAZARDOUS: Tone.BAD,
}
TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


class Standing(NamedTuple):
    """One frame that a content stands under."""

    frame: object
    template: str
    system: str


class Content(NamedTuple):
    """One user's turn, with every frame it stands under."""

    family: str
    text: str
    standings: list[Standing]


class CountRow(NamedTuple):
    """How many prompts of one family or frame there were and are."""

    what: object
    key: object
    before: int
    after: int


class NumberRow(NamedTuple):
    """One number of a name, and what it changed."""

    suite: PromptSuite
    sensitivity: Badge
    changes: str
    by: str
    against_url: str


def class_badge(row: PromptSuite) -> Badge:
    """How sensitive its texts are."""
    sensitivity = Sensitivity(row.sensitivity)
    return Badge(sensitivity.label, TONES[sensitivity])


SUITES = Table(
    caption=gettext_lazy("Prompt suites"),
    name="suites",
    columns=(
        Column(
            "name",
            gettext_lazy("Name and number"),
            value=str,
            url=lambda row: reverse("assessments:suite", args=[row.uuid]),
            sort="name",
        ),
        Column(
            "sensitivity",
            gettext_lazy("Class of the content"),
            value=class_badge,
            kind=Kind.BADGE,
            sort="sensitivity",
        ),
        Column("n_prompts", gettext_lazy("Prompts"), kind=Kind.NUMBER, sort="n_prompts"),
        Column("n_pairs", gettext_lazy("Pairs"), kind=Kind.NUMBER, sort="n_pairs"),
        Column("registered_at", gettext_lazy("Registered"), kind=Kind.TIME, sort="registered_at"),
        Column("sha256", gettext_lazy("Digest"), kind=Kind.DIGEST),
    ),
    filters=(
        Filter(
            "sensitivity",
            gettext_lazy("Class of the content"),
            [(each.value, each.label) for each in Sensitivity],
        ),
    ),
    search=("name", "sha256"),
    order=("-id",),
    empty=Empty(
        gettext_lazy("No prompt suite is registered."),
        gettext_lazy(
            "A suite is a pinned set of prompts, best in pairs under evaluation and deployment frames."
        ),
        cast("str", reverse_lazy("assessments:suite_import")),
        gettext_lazy("Import a suite"),
    ),
)


@require_safe
def suites_page(request: HttpRequest) -> HttpResponse:
    """The newest number of every name."""
    who = actor(request)
    require(who, Permission.SCAN_READ)
    context = {
        "table": offered(SUITES, who, Permission.WATCHLIST_WRITE).page(
            queries.newest_suites_for(who), request
        ),
        "tabs": tabs(HERE),
        "action": head_action(
            who,
            Permission.WATCHLIST_WRITE,
            _("Import a suite"),
            reverse("assessments:suite_import"),
            "upload",
        ),
    }
    return page(request, "assessments/suites.html", context)


@require_safe
def suite(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """One number: its prompts, content by content, unless they are hidden."""
    found = fetch(queries.suites_for(actor(request)), uuid=uuid)
    prompts = () if found.is_hidden else suites.prompts_of(found)
    return page(request, "assessments/suite.html", context_of(found, actor(request), prompts))


def context_of(
    found: PromptSuite, who: Actor, prompts: Sequence[Prompt], **forms: Any
) -> dict[str, Any]:
    """Everything the page of one suite shows; without prompts it says that they are hidden."""
    numbers = same_name(queries.suites_for(who).defer("prompts"), found)
    may_write = who.may(Permission.WATCHLIST_WRITE, found.subject)
    may_take_out = not found.is_hidden or suites.may_reveal(found, who)
    return {
        "suite": found,
        "sensitivity": class_badge(found),
        "newest": numbers[0] if numbers[0] != found else None,
        "n_numbers": len(numbers),
        "is_hidden": not prompts,
        "contents": contents(prompts),
        "n_contents": len({prompt.text for prompt in prompts}),
        "n_shown": CONTENTS_SHOWN,
        "reveal_form": ReasonForm() if found.is_hidden and suites.may_reveal(found, who) else None,
        "take_out_form": TakeOutForm(is_hidden=found.is_hidden, auto_id="out_%s")
        if may_take_out
        else None,
        "class_form": SensitivityForm(
            initial={"sensitivity": found.sensitivity}, auto_id="class_%s"
        )
        if may_write
        else None,
        "facts": facts(found),
        "history": entries(ground.history(found, who)),
        "crumbs": crumbs(HERE, (str(found), "")),
        **forms,
    }


def facts(found: PromptSuite) -> list[Fact]:
    """What pins it."""
    return [
        Fact(_("Digest"), found.sha256, "digest"),
        Fact(_("Number"), str(found.number)),
        Fact(_("Prompts"), str(found.n_prompts)),
        Fact(_("Pairs"), str(found.n_pairs)),
        Fact(_("Class of the content"), class_badge(found).label),
        Fact(_("Registered"), found.registered_at, "time"),
        Fact(_("Registered by"), person(found)),
        Fact(_("Reason"), found.reason),
    ]


def contents(prompts: Iterable[Prompt], most: int = CONTENTS_SHOWN) -> list[Content]:
    """Each content once, with the frames it stands under."""
    found: dict[str, Content] = {}
    for prompt in prompts:
        row = found.setdefault(prompt.text, Content(concern_label(prompt.family), prompt.text, []))
        frame = FRAMES.get(prompt.frame, prompt.frame)
        row.standings.append(Standing(frame, prompt.template_id, prompt.system))
    return list(found.values())[:most]


@require_POST
def suite_reveal(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The hidden texts, this once; that they were read is written down."""
    who = actor(request)
    found = fetch(queries.suites_for(who), uuid=uuid)
    require(who, Permission.SCAN_REQUEST, found.subject)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        context = context_of(found, who, (), reveal_form=form)
        return page(request, "assessments/suite.html", context, status=422)
    prompts = suites.reveal(found, reason=form.cleaned_data["reason"], by=who)
    context = context_of(found, who, prompts, reveal_form=None)
    return unkept(page(request, "assessments/suite.html", context))


def unkept(answer: HttpResponse) -> HttpResponse:
    """An answer that no browser may keep."""
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
def suite_take_out(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The prompts as a file; that they left is written down."""
    who = actor(request)
    found = fetch(queries.suites_for(who), uuid=uuid)
    if found.is_hidden:
        require(who, Permission.SCAN_REQUEST, found.subject)
    form = TakeOutForm(request.POST, is_hidden=found.is_hidden, auto_id="out_%s")
    if not form.is_valid():
        prompts = () if found.is_hidden else suites.prompts_of(found)
        context = context_of(found, who, prompts, take_out_form=form)
        return page(request, "assessments/suite.html", context, status=422)
    asked = form.cleaned_data
    prompts = suites.take_out(found, form=asked["form"], reason=asked["reason"], by=who)
    answer = HttpResponse(
        suite_file.write(prompts, asked["form"]), content_type=TYPES[asked["form"]]
    )
    name = f"suite-{found.uuid}.{asked['form']}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return unkept(answer)


@require_POST
def suite_classify(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Say anew how sensitive the texts are."""
    who = actor(request)
    found = fetch(queries.suites_for(who), uuid=uuid)
    require(who, Permission.WATCHLIST_WRITE, found.subject)
    form = SensitivityForm(request.POST, auto_id="class_%s")
    if form.is_valid():
        try:
            suites.classify(
                found,
                Sensitivity(form.cleaned_data["sensitivity"]),
                reason=form.cleaned_data["reason"],
                by=who,
            )
        except suites.SuiteError as error:
            form.add_error("sensitivity", str(error))
        else:
            messages.success(
                request, _("The class is “%(label)s” now.") % {"label": class_badge(found).label}
            )
            return redirect("assessments:suite", uuid=uuid)
    prompts = () if found.is_hidden else suites.prompts_of(found)
    context = context_of(found, who, prompts, class_form=form)
    return page(request, "assessments/suite.html", context, status=422)


@require_safe
def suite_numbers(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """All numbers of a name, the newest first, each with what it changed."""
    who = actor(request)
    found = fetch(queries.suites_for(who), uuid=uuid)
    numbers = same_name(queries.suites_for(who), found)
    context = {
        "suite": found,
        "numbers": [number_row(one, before) for one, before in before_each(numbers)],
        "crumbs": crumbs(HERE, (str(found), _url(found)), (_("All numbers"), "")),
    }
    return page(request, "assessments/suite_numbers.html", context)


def number_row(found: PromptSuite, before: PromptSuite | None) -> NumberRow:
    """One number beside the one before it."""
    if before is None:
        return NumberRow(found, class_badge(found), _("the first number"), person(found), "")
    changed = _difference(before, found)
    return NumberRow(
        suite=found,
        sensitivity=class_badge(found),
        changes=change_words(changed),
        by=person(found),
        against_url=reverse("assessments:suite_difference", args=[before.uuid, found.uuid]),
    )


def change_words(changed: SuiteDifference) -> str:
    """What became of the prompts, counted."""
    return _("%(added)s added, %(removed)s dropped, %(changed)s changed, %(same)s the same") % {
        "added": changed.n_added,
        "removed": changed.n_removed,
        "changed": changed.n_changed,
        "same": changed.n_same,
    }


def _difference(before: PromptSuite, after: PromptSuite) -> SuiteDifference:
    return difference.of_suites(suites.prompts_of(before), suites.prompts_of(after))


def _url(found: PromptSuite) -> str:
    return reverse("assessments:suite", args=[found.uuid])


@require_safe
def suite_difference(request: HttpRequest, uuid: UUID, other: UUID) -> HttpResponse:
    """What changed from one number to another of the same name, counted; no text is shown."""
    rows = queries.suites_for(actor(request))
    before = fetch(rows, uuid=uuid)
    after = fetch(rows.filter(name=before.name), uuid=other)
    changed = _difference(before, after)
    context = {
        "before": before,
        "after": after,
        "changes": change_words(changed),
        "counts": count_rows(changed),
        "crumbs": crumbs(
            HERE,
            (str(after), _url(after)),
            (_("All numbers"), reverse("assessments:suite_numbers", args=[after.uuid])),
            (_("What changed"), ""),
        ),
    }
    return page(request, "assessments/suite_difference.html", context)


def count_rows(changed: SuiteDifference) -> list[CountRow]:
    """The counts in words."""
    kinds = {"family": _("family"), "frame": _("frame")}
    return [
        CountRow(
            what=kinds[each.what],
            key=FRAMES.get(each.key, each.key) if each.what == "frame" else concern_label(each.key),
            before=each.before,
            after=each.after,
        )
        for each in changed.counts
    ]


@form_methods
def suite_import(request: HttpRequest) -> HttpResponse:
    """Bring prompts, look at what they come to, then register them."""
    who = actor(request)
    require(who, Permission.WATCHLIST_WRITE)
    form = SuiteForm(sent(request), request.FILES or None)
    context: dict[str, Any] = {"form": form, "back": reverse(HERE)}
    if form.is_valid():
        if form.was_seen and (made := _registered(request, form, who)) is not None:
            return redirect("assessments:suite", uuid=made.uuid)
        if not form.errors:
            context["preview"] = preview(form)
            form.put("seen", form.sha256)
    context["crumbs"] = crumbs(HERE, (_("Import"), ""))
    return page(
        request, "assessments/suite_import.html", context, status=422 if form.errors else 200
    )


def _registered(request: HttpRequest, form: SuiteForm, who: Actor) -> PromptSuite | None:
    asked = form.cleaned_data
    try:
        made = suites.register(
            asked["name"],
            asked["prompts"],
            sensitivity=Sensitivity(asked["sensitivity"]),
            reason=asked["reason"],
            by=who,
        )
    except suites.SuiteError as error:
        form.add_error(None, str(error))
        return None
    messages.success(request, _("Registered %s.") % made)
    return made


def preview(form: SuiteForm) -> dict[str, Any]:
    """What these prompts come to, and what would change by them."""
    asked = form.cleaned_data
    prompts: tuple[Prompt, ...] = asked["prompts"]
    last = suites.newest(asked["name"])
    changed = difference.of_suites(suites.prompts_of(last) if last else (), prompts)
    return {
        "n_prompts": len(prompts),
        "n_pairs": len(pairs(prompts)),
        "sha256": form.sha256,
        "last": last,
        "is_same": last is not None and last.sha256 == form.sha256,
        "number": last.number + 1 if last else 1,
        "changes": change_words(changed) if last else "",
        "counts": count_rows(changed),
        "sample": contents(prompts, SAMPLE),
    }
