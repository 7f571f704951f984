"""The regimes as a lawyer reads them: each version article by article, with its worked cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.http import Http404
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from compliance import queries
from compliance.actors import require
from compliance.permissions import Permission
from compliance.phrase import Phrase
from compliance.regimes import load
from compliance.regimes.schema import Status
from compliance.regimes.terms import LATE_RULES
from compliance.regimes.vocabulary import (
    ENTITIES,
    INSTANTS,
    LIMBS,
    MILESTONES,
    PREDICATES,
    STAGES,
)
from compliance.services import wording
from compliance.views import law, regime_tables, shown
from compliance.views.form_page import Crumb
from compliance.views.http import actor, page
from compliance.views.shown import STATE_WORDS, said
from compliance.views.tables import Badge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import Promise

    from compliance.actors import Actor
    from compliance.regimes.schema import GoldenCase, Regime, Stage

STATUS_WORDS: dict[Status, tuple[Promise, str]] = {
    Status.IN_FORCE: (_("in force"), "ok"),
    Status.FORMALLY_APPLICABLE: (_("formally applicable"), "info"),
    Status.ENACTED_NOT_EFFECTIVE: (_("enacted, not yet effective"), "neutral"),
    Status.PROPOSED: (_("proposed"), "neutral"),
    Status.CONTESTED: (_("contested"), "warn"),
    Status.REPEALED: (_("repealed"), "neutral"),
}
STATUS_MEANS: dict[Status, Promise] = {
    Status.IN_FORCE: _("Its clocks count from the first day of its validity."),
    Status.FORMALLY_APPLICABLE: _(
        "It applies on paper; the dates on which its clocks really start are below."
    ),
    Status.ENACTED_NOT_EFFECTIVE: _(
        "It is law, and nothing counts down before its first day of validity."
    ),
    Status.PROPOSED: _("It is no law. It never counts down and is here to be read."),
    Status.CONTESTED: _("Its validity is disputed. It never counts down until that is settled."),
    Status.REPEALED: _("It is law no longer, and is here to be read."),
}
DATE_WORDS: dict[str, Promise] = {
    "state": _("state"),
    "target_due": _("target"),
    "strict": _("strict"),
    "nominal": _("nominal"),
    "legal_latest": _("latest arguable date, confirm with counsel"),
}


class StageLine(NamedTuple):
    """One stage at a glance."""

    title: str
    limits: list[str]
    recipient: str
    late: str
    is_incomplete_allowed: bool
    cite: str


class WorkedCase(NamedTuple):
    """A worked case: what is given, and what must come of it."""

    name: str
    given: list[tuple[str, str]]
    comes_to: list[tuple[str, str]]


@require_safe
def regimes(request: HttpRequest) -> HttpResponse:
    """Which regimes this installation knows, and how each stands as law."""
    require(actor(request), Permission.REPORT_READ)
    context = {
        "groups": [
            (_("Incidents start these"), [_row(each) for each in load.current()]),
            (_("These stand in the calendar"), [_row(each) for each in load.standing()]),
        ],
        "crumbs": [Crumb(_("Duties"), shown.url("compliance:duties")), Crumb(_("Regimes"))],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/regimes.html", context)


def _row(regime: Regime) -> dict[str, Any]:
    others = [each for each in load.versions(regime.key) if each.version != regime.version]
    return {
        "regime": regime,
        "status": status(regime.status),
        "needs_counsel": bool(regime.requires_counsel),
        "others": [(each, status(each.status)) for each in others],
        "parts": [
            *(stage.title for stage in regime.stages),
            *(duty.title for duty in regime.calendar_duties),
        ],
    }


@require_safe
def regime(request: HttpRequest, key: str, version: str = "") -> HttpResponse:
    """One version of a regime, article by article, with how each statement was learnt."""
    who = actor(request)
    require(who, Permission.REPORT_READ)
    try:
        found = load.get(f"{key}@{version}" if version else key)
    except load.UnknownRegime as error:
        raise Http404 from error
    before = _before(found)
    context = {
        "regime": found,
        "is_changed": _is_changed(found, who),
        "status": status(found.status),
        "means": STATUS_MEANS[found.status],
        "evidence": law.EVIDENCE_WORDS[found.evidence],
        "stages": [_stage(found, each) for each in found.stages],
        "articles": law.articles(found),
        "cases": list(_cases(found)),
        "before": before,
        "changed": law.changed(found, before) if before else ([], []),
        "bases": regime_tables.bases(found),
        "fields": regime_tables.fields(found),
        "kinds": regime_tables.kinds(found),
        "doors": regime_tables.doors(found),
        "relations": regime_tables.relations(found),
        "letters": regime_tables.letters(found),
        "versions": [(each, status(each.status)) for each in load.versions(found.key)],
        "crumbs": [
            Crumb(_("Duties"), shown.url("compliance:duties")),
            Crumb(_("Regimes"), shown.url("compliance:regimes")),
            Crumb(said(found.title)),
        ],
        "nav_current": "compliance:duties",
    }
    return page(request, "compliance/regime.html", context)


def _is_changed(found: Regime, who: Actor) -> bool:
    """Whether what the reader may see keeps this version with other bytes than it has now."""
    return any(
        rows.filter(regime=found.key, regime_version=found.version)
        .exclude(regime_sha256__in=["", found.digest])
        .exists()
        for rows in (queries.reports_for(who), queries.clocks_for(who))
    )


def status(of: Status) -> Badge:
    """How a regime stands as law."""
    label, tone = STATUS_WORDS[of]
    return Badge(str(label), tone)


def _before(found: Regime) -> Regime | None:
    """The version that this one supersedes, or the one made before it."""
    versions = load.versions(found.key)
    if found.supersedes:
        return load.get(f"{found.key}@{found.supersedes}")
    place = versions.index(found)
    return versions[place - 1] if place else None


def _stage(found: Regime, stage: Stage) -> StageLine:
    recipient = found.recipient(str(stage.id))
    return StageLine(
        title=said(stage.title),
        limits=[law.rule_words(rule, found) for rule in stage.rules],
        recipient=said(recipient.name) if recipient else _now("nobody outside the house"),
        late=said(LATE_RULES[stage.late_rule]),
        is_incomplete_allowed=stage.accepts_incomplete,
        cite=said(stage.cite),
    )


def _cases(found: Regime) -> Iterator[WorkedCase]:
    """The cases that the pack is tested with, in words."""
    for case in found.tests:
        given = [(_now("Looked at"), _value(case.at)), *_given(case)]
        yield WorkedCase(said(case.name), given, list(_comes_to(found, case)))
    for standing in found.standing_tests:
        anchors = [(_word(name), _value(value)) for name, value in standing.anchors.items()]
        due = [(_word(name), _value(value)) for name, value in standing.expect.items()]
        yield WorkedCase(said(standing.name), anchors, due)


def _given(case: GoldenCase) -> Iterator[tuple[str, str]]:
    for name, value in case.facts.items():
        if isinstance(value, bool) and name in PREDICATES:
            known = PREDICATES[name]
            yield _now("Fact"), said(known.says if value else known.denies)
        elif name == "submitted" and isinstance(value, dict):
            for stage, at in value.items():
                words = _now("Submitted: %(stage)s") % {"stage": _word(str(stage))}
                yield words, _value(at)
        else:
            yield _word(name), _value(value)


def _comes_to(found: Regime, case: GoldenCase) -> Iterator[tuple[str, str]]:
    for stage, expected in case.expect.items():
        title = said(found.stage(stage).title)
        yield title, "; ".join(_dates(expected))


def _dates(expected: Mapping[str, str]) -> Iterator[str]:
    for name, value in expected.items():
        if name not in DATE_WORDS:
            continue
        word = DATE_WORDS[name]
        said_value = str(STATE_WORDS.get(value, value)) if name == "state" else _value(value)
        yield f"{word}: {said_value}"


WORDS: dict[str, object] = {
    **INSTANTS,
    **STAGES,
    **ENTITIES,
    **{str(name): words for name, words in MILESTONES.items()},
    "due": _("Due"),
    "latest": _("Latest arguable date, confirm with counsel"),
    "slipped": _("With an interim report at the latest"),
    "then": _("The next time"),
    "done": _("Done"),
    "limbs": _("Harm"),
    "recipient_zone": _("Zone of the recipient"),
    "calendar": _("Holidays of"),
    "entity": _("Kind of organisation"),
    "annual_revenue_usd": _("Annual revenue in US dollars"),
    "training_flop": _("Training compute in operations"),
}


def _word(name: str) -> str:
    """A fact's name in words; a name without words as it stands, its underlines taken out."""
    known = WORDS.get(name)
    if known is None:
        return capfirst(name.replace("_", " "))
    return capfirst(said(known) if isinstance(known, Phrase) else str(known))


def _value(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(each) for each in value) or _now("none")
    if isinstance(value, bool):
        return _now("yes") if value else _now("no")
    text = str(value)
    if text in LIMBS or text in ENTITIES:
        return said(LIMBS[text] if text in LIMBS else ENTITIES[text])  # type: ignore[index]
    if text == "null":
        return _now("none")
    return wording.instants(text, timezone.get_current_timezone_name(), has_seconds=False)
