"""Reviews: the account, its lessons, and what replaying each of them measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from assessments import queries as assessed
from assessments.services.picture import concern_label
from assessments.services.suite import SuiteError
from compliance.actors import Actor
from compliance.permissions import Permission
from compliance.views.http import actor, fetch, page
from compliance.views.tables import Badge
from incidents import queries
from incidents.forms import PairForm, ReviewForm, RuleForm
from incidents.rules.schema import RuleError
from incidents.services import review as reviews
from incidents.services import rule as rules
from incidents.views import shown
from incidents.views.shown import Fact

if TYPE_CHECKING:
    from incidents.models import Lesson, Review

CAUGHT = {
    True: Badge(_("would have caught it"), "ok"),
    False: Badge(_("would not have caught it"), "bad"),
    None: Badge(_("could not be measured"), "warn"),
}
MEASURED = {
    "concern": _("Concern"),
    "first_at": _("First at"),
    "first_record": _("First record"),
    "highest_deployment": _("Highest, framed as deployment"),
    "highest_evaluation": _("Highest, framed as an evaluation"),
    "n_hit_deployment": _("Hits, framed as deployment"),
    "n_hit_evaluation": _("Hits, framed as an evaluation"),
    "n_matches": _("Matches"),
    "n_records": _("Records"),
}
KINDS = {"first_at": "time", "first_record": "code"}


@require_GET
def review(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The account and its lessons."""
    found = fetch(queries.reviews_for(actor(request)), uuid=uuid)
    return page(request, "incidents/review.html", _page(found, actor(request)), "lessons")


def _page(found: Review, by: Actor, **forms: Form) -> dict[str, Any]:
    may_write = by.may(Permission.REVIEW_WRITE, found.subject) and found.state == "writing"
    return {
        "review": found,
        "incident": found.incident,
        "state": shown.state_badge(found),
        "lessons": [_lesson(each, by) for each in found.lessons.order_by("pk")],
        "may_write": may_write,
        "form": ReviewForm(initial={"summary": found.summary, "causes": found.causes}),
        "rule_form": RuleForm(),
        "pair_form": PairForm(suites=assessed.suites_for(by)),
        **forms,
        "waits": any(each.scan_ref and not each.replay for each in found.lessons.all()),
        "facts": _facts(found),
        "crumbs": [
            {"label": _("Respond"), "url": shown.url("incidents:respond")},
            {
                "label": found.incident.reference,
                "url": shown.url("incidents:incident", found.incident.uuid),
            },
        ],
        "nav_current": "incidents:respond",
    }


def _lesson(lesson: Lesson, by: Actor) -> dict[str, Any]:
    rule = reviews.rule_of(lesson)
    return {
        "lesson": lesson,
        "badge": CAUGHT[lesson.replay.get("caught")] if lesson.replay else None,
        "measured": [
            (MEASURED.get(name, name), value, KINDS.get(name, "text"))
            for name, value in _measured(lesson)
        ],
        "rule": rule,
        "rule_url": shown.url("incidents:rule", rule.uuid) if rule else "",
        "scan_url": f"/r/{lesson.scan_ref.replace(':', '/')}" if lesson.scan_ref else "",
        "may_activate": rule is not None
        and not rule.active
        and by.may(Permission.RULE_WRITE, rule.subject),
    }


def _measured(lesson: Lesson) -> list[tuple[str, Any]]:
    """What the replay measured, as a reader wants it; the scan has a button of its own."""
    measured = sorted(lesson.replay.get("measured", {}).items())
    return [
        (name, _shown(name, value))
        for name, value in measured
        if name != "scan" and value not in (None, "")
    ]


def _shown(name: str, value: Any) -> Any:
    if name == "concern":
        return concern_label(value)
    if name == "first_at":
        return parse_datetime(str(value))
    return f"{float(value):.3g}" if name.startswith("highest_") else str(value)


def _facts(found: Review) -> list[Fact]:
    return [
        Fact(
            _("Incident"),
            found.incident.reference,
            url=shown.url("incidents:incident", found.incident.uuid),
        ),
        Fact(_("Version"), str(found.incident.version) if found.incident.version else ""),
        Fact(_("Started by"), found.started_by.name),
        Fact(_("Started"), found.started_at, "time"),
        Fact(_("Finished"), found.finished_at, "time"),
    ]


def _back(uuid: UUID) -> HttpResponse:
    return redirect("incidents:review", uuid=uuid)


@require_POST
def write(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Save the account."""
    found = fetch(queries.reviews_for(actor(request)), uuid=uuid)
    form = ReviewForm(request.POST)
    if not form.is_valid():
        return _again(request, found, form=form)
    reviews.write(found, **form.cleaned_data, by=actor(request))
    return _back(uuid)


def _again(request: HttpRequest, found: Review, **forms: Form) -> HttpResponse:
    context = _page(found, actor(request), **forms)
    return page(request, "incidents/review.html", context, status=422)


@require_POST
def add_rule(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Add a detection rule."""
    found = fetch(queries.reviews_for(actor(request)), uuid=uuid)
    form = RuleForm(request.POST)
    if form.is_valid():
        try:
            reviews.add_rule(found, **form.cleaned_data, by=actor(request))
        except RuleError as error:
            form.add_error("source", str(error))
        else:
            return _back(uuid)
    return _again(request, found, rule_form=form)


@require_POST
def add_pair(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Add a prompt pair."""
    found = fetch(queries.reviews_for(actor(request)), uuid=uuid)
    form = PairForm(request.POST, suites=assessed.suites_for(actor(request)))
    if form.is_valid():
        try:
            reviews.add_prompt_pair(found, **form.cleaned_data, by=actor(request))
        except SuiteError as error:
            form.add_error(None, str(error))
        else:
            return _back(uuid)
    return _again(request, found, pair_form=form)


@require_POST
def replay(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Measure whether a lesson would have caught the incident."""
    lesson = fetch(queries.lessons_for(actor(request)), uuid=uuid)
    reviews.replay(lesson, by=actor(request))
    if lesson.scan_ref and not lesson.replay:
        messages.info(request, _now("A scan of this pair was asked for; its result appears here."))
    return _back(lesson.review.uuid)


@require_POST
def finish(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The account is complete."""
    found = fetch(queries.reviews_for(actor(request)), uuid=uuid)
    reviews.finish(found, by=actor(request))
    return _back(uuid)


@require_POST
def activate_rule(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """From now on the rule judges."""
    found = fetch(queries.rules_for(actor(request)), uuid=uuid)
    rules.activate(found, by=actor(request))
    return redirect("incidents:rule", uuid=uuid)
