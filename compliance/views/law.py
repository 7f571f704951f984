"""A regime in words: every statement of a pack under its article, with what it makes the system do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from compliance.regimes import load
from compliance.regimes.counting import Kind
from compliance.regimes.schema import Evidence, Stage
from compliance.regimes.terms import (
    CAUSATIONS,
    KNOWS,
    LATE_RULES,
    RELATIONS,
    Direction,
    Knows,
    LateRule,
)
from compliance.regimes.vocabulary import ENTITIES, INSTANTS, LIMBS, MILESTONES, PREDICATES, STAGES
from compliance.services import wording
from compliance.services.report import KINDS
from compliance.views.shown import said

if TYPE_CHECKING:
    from django.utils.functional import Promise

    from compliance.phrase import Phrase
    from compliance.regimes.fields import RequiredField
    from compliance.regimes.schema import (
        Anchor,
        CalendarDuty,
        DateRule,
        Regime,
        Retention,
        Rule,
    )

EVIDENCE_WORDS: dict[Evidence, Promise] = {
    Evidence.PRIMARY: gettext_lazy("read in the law's own text"),
    Evidence.SECONDARY: gettext_lazy("known from secondary sources"),
    Evidence.MEMORY: gettext_lazy("not checked against a source yet"),
    Evidence.HOUSE: gettext_lazy("a rule of the house, no law"),
}
KIND_WORDS: dict[Kind, Promise] = {
    Kind.ELAPSED: gettext_lazy("hours run on without a break"),
    Kind.EU_1182_HOURS: gettext_lazy("hours as Regulation 1182/71 counts them"),
    Kind.EU_1182_DAYS: gettext_lazy("days as Regulation 1182/71 counts them"),
    Kind.CALENDAR_NO_ROLL: gettext_lazy("calendar days; weekends and holidays move nothing"),
    Kind.US_DAYS: gettext_lazy("calendar days, the day of the event left out"),
    Kind.BUSINESS_DAYS: gettext_lazy("working days of the authority"),
    Kind.DORA: gettext_lazy(
        "as Delegated Regulation 2025/301 counts; reliefs move only the latest"
    ),
}
RECORD_WORDS: dict[str, Promise] = {
    "breach_register": gettext_lazy("the register of breaches"),
    "incident_file": gettext_lazy("the file of the incident"),
    "system_logs": gettext_lazy("the system's logs"),
    "technical_documentation": gettext_lazy("the technical documentation"),
    "unredacted_framework": gettext_lazy("the framework without redactions"),
}
FROM_WORDS: dict[str, Promise] = {
    "device.last_placed_on_market_at": gettext_lazy("the last device placed on the market"),
    "framework.published_at": gettext_lazy("the publication of the framework"),
    "incident.closed_at": gettext_lazy("the closing of the incident"),
    "later of document date and incident date": gettext_lazy(
        "the date of the document or of the incident, whichever is later"
    ),
    "log.created_at": gettext_lazy("the making of the log"),
    "model.placed_on_market_at": gettext_lazy("the placing of the model on the market"),
    "system.placed_on_market_at": gettext_lazy("the placing of the system on the market"),
}
SOURCE_WORDS: dict[str, Promise] = {
    "incident": gettext_lazy("filled from the incident's records"),
    "monitoring": gettext_lazy("filled from what was observed"),
    "organisation": gettext_lazy("filled from the register"),
    "review": gettext_lazy("filled from the review"),
    "rollback": gettext_lazy("filled from the rollback"),
    "version": gettext_lazy("filled from the version's record"),
    "fixed": gettext_lazy("fixed text"),
    "report": gettext_lazy("stated by whoever drafts the report"),
    "filing": gettext_lazy("filled from the filing"),
    "recipient": gettext_lazy("follows from the recipient"),
}
# The place in an instrument that carries a duty: an article, a measure, a section.
PLACE = re.compile(
    r"(Art\.|Arts\.|Measures?|Appendix|Appendices|§§?|Annex|Recital)\s?[\dIVXa-z.]*\d*[a-z]?"
)
NUMBER = re.compile(r"(\d+)")
PERIOD = re.compile(r"P(\d+)([YMD])\Z")


class Statement(NamedTuple):
    """One sentence of a pack: what it does, in words, where it stands, how it was learnt."""

    does: str
    says: str
    cite: str
    evidence: Evidence

    @property
    def learnt(self) -> str:
        """How the sentence was learnt, in words."""
        return str(EVIDENCE_WORDS[self.evidence])


class Article(NamedTuple):
    """One article with everything it makes the system do."""

    place: str
    statements: list[Statement]


def articles(regime: Regime) -> list[Article]:
    """The pack article by article, in the order of the numbers."""
    found: dict[str, list[Statement]] = {}
    for each in statements(regime):
        found.setdefault(place(each.cite), []).append(each)
    return [Article(name, found[name]) for name in sorted(found, key=_in_order)]


def changed(regime: Regime, before: Regime) -> tuple[list[Statement], list[Statement]]:
    """What a version says that the one before it did not, and what it no longer says."""
    now, then = list(statements(regime)), list(statements(before))
    return [each for each in now if each not in then], [each for each in then if each not in now]


def place(cite: str) -> str:
    """The article that a citation rests on, without its paragraphs; the whole where it has none."""
    found = PLACE.search(cite)
    return cite[: found.end()].rstrip(" ,.") if found else cite


def _in_order(name: str) -> list[tuple[int, int, str]]:
    parts = NUMBER.split(name)
    return [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in parts]


def statements(regime: Regime) -> Iterator[Statement]:
    """Every statement of a pack, in the order of its parts."""
    yield from _scope(regime)
    yield from _starts(regime)
    for stage in regime.stages:
        yield from _stage(regime, stage)
    yield from _recipients(regime)
    yield from _fields(regime)
    yield from _relations(regime)
    yield from _keeping(regime)
    yield from _standing(regime)


def _scope(regime: Regime) -> Iterator[Statement]:
    binds = _("Decides whether it applies")
    for start in regime.applicability:
        words = _("Where this holds, it applies from %(day)s: %(fact)s")
        told = {"day": wording.day(start.starts_on), "fact": _fact(start.predicate, start.expected)}
        yield Statement(binds, words % told, said(start.cite), start.evidence)
    for condition in regime.scope:
        facts = [_fact(each, condition.expected) for each in condition.any_of]
        words = _("Asks, and applies only if: %(facts)s")
        told = {"facts": _(" Or: ").join(facts)}
        yield Statement(binds, words % told, said(condition.cite), condition.evidence)
    for each in regime.exclusions:
        limit = _limbs(each.limit_to) or _("nothing")
        words = _("%(fact)s Then only this stays reportable: %(limit)s.")
        told = {"fact": _fact(each.predicate, True), "limit": limit}
        yield Statement(_("Leaves out"), words % told, said(each.cite), each.evidence)
    for remark in regime.remarks:
        told = {"fact": _fact(remark.predicate, remark.expected), "text": said(remark.text)}
        words = _("%(fact)s The reader is told: %(text)s") % told
        yield Statement(_("Says beside the answer"), words, said(remark.cite), remark.evidence)


def _starts(regime: Regime) -> Iterator[Statement]:
    for each in regime.triggers:
        words = _("The clock starts with %(instant)s: %(standard)s.")
        told = {"instant": said(INSTANTS[each.instant]), "standard": said(each.standard)}
        yield Statement(_("Starts the clock"), words % told, said(each.cite), each.evidence)
    for limb in regime.limbs:
        words = _("%(title)s: %(definition)s How close the system must be: %(causation)s.")
        told = {
            "title": said(limb.title),
            "definition": said(limb.definition),
            "causation": _(" or ").join(said(CAUSATIONS[each]) for each in limb.causation),
        }
        yield Statement(_("Defines a harm"), words % told, said(limb.cite), limb.evidence)
    for dispute in regime.challenges:
        words = f"{said(dispute.instrument)}: {said(dispute.text)}"
        yield Statement(_("Is disputed"), words, said(dispute.cite), dispute.evidence)


def _stage(regime: Regime, stage: Stage) -> Iterator[Statement]:
    for rule in stage.rules:
        words = f"{said(stage.title)}: {rule_words(rule, regime)}"
        yield Statement(_("Sets a deadline"), words, said(rule.cite), rule.evidence)
    evidence = stage.rules[0].evidence if stage.rules else regime.evidence
    if stage.soft_duty:
        words = _("%(stage)s: %(duty)s. The deadline is the outer limit of it.")
        told = {"stage": said(stage.title), "duty": said(stage.soft_duty)}
        yield Statement(_("Asks for haste"), words % told, said(stage.cite), evidence)
    if stage.accepts_incomplete:
        words = _("%(stage)s: an incomplete report is accepted and completed later.")
        told = {"stage": said(stage.title)}
        yield Statement(_("Allows"), words % told, said(stage.cite), evidence)
    if stage.late_rule is not LateRule.NONE:
        words = f"{said(stage.title)}: {said(LATE_RULES[stage.late_rule])}"
        cite = said(stage.late_cite or stage.cite)
        yield Statement(_("If it is late"), words, cite, evidence)


def rule_words(rule: Rule, regime: Regime) -> str:
    """One way of counting, as a sentence."""
    anchor = anchor_words(rule.anchor, regime)
    if rule.period is None:
        words = _("no number of days, from %(anchor)s") % {"anchor": anchor}
    else:
        told = {
            "period": said(rule.period.words),
            "anchor": anchor,
            "kind": KIND_WORDS[rule.kind],
        }
        words = _("%(period)s from %(anchor)s; %(kind)s") % told
    parts = [words]
    if rule.limbs:
        parts.append(_("if the harm is: %(limbs)s") % {"limbs": _limbs(rule.limbs)})
    if rule.entities:
        kinds = ", ".join(said(ENTITIES.get(each, each)) for each in rule.entities)
        parts.append(_("for: %(entities)s") % {"entities": kinds})
    parts += [_fact(name, expected).rstrip(".") for name, expected in rule.when]
    return f"{'; '.join(parts)}."


def anchor_words(anchor: Anchor, regime: Regime) -> str:
    """What a stage counts from; of several triggers the earliest that was recorded."""
    if anchor.submission_of is not None:
        words = _("the submission of %(stage)s")
        return words % {"stage": said(STAGES[anchor.submission_of])}
    if anchor.instant is not None:
        return said(INSTANTS[anchor.instant])
    triggers = [said(INSTANTS[each.instant]) for each in regime.triggers]
    if len(triggers) == 1:
        return triggers[0]
    return _("the earliest of: %(triggers)s") % {"triggers": ", ".join(triggers)}


def _recipients(regime: Regime) -> Iterator[Statement]:
    sends = _("Sends to")
    cite = regime.legal_basis[0].article if regime.legal_basis else regime.title
    for each in regime.recipients:
        stages = [stage for stage in regime.stages if stage.recipient == each.id]
        about = said(stages[0].cite) if stages else said(cite)
        parts = [said(each.name), said(each.routing), said(each.channel)]
        words = "; ".join(part for part in parts if part)
        if each.per_state:
            words = _("%(words)s; one report to each Member State concerned") % {"words": words}
        yield Statement(sends, f"{capfirst(words)}.", about, each.evidence)
    if regime.admission:
        told = said(regime.admission.text)
        does = _("Is printed on the report")
        yield Statement(does, told, said(regime.admission.cite), regime.admission.evidence)
    for form in regime.templates:
        version = _("version unknown") if form.version == "unknown" else form.version
        words = f"{said(form.name)}, {version}"
        word = _("binding") if form.is_binding else _("not binding")
        yield Statement(_("Names a form"), f"{words} ({word}).", said(form.cite), form.evidence)
    for kind in regime.kinds:
        if kind.known is not Knows.UNKNOWN:
            words = f"{said(KINDS[kind.id])}: {said(KNOWS[kind.known])}."
            yield Statement(_("Tells kinds of report"), words, said(kind.cite), kind.evidence)


def _fields(regime: Regime) -> Iterator[Statement]:
    for each in regime.fields:
        words = _("%(label)s (%(stages)s; %(source)s)")
        told = {
            "label": said(each.label),
            "stages": ", ".join(said(STAGES[stage]) for stage in each.stages),
            "source": source_words(each),
        }
        yield Statement(_("Must be reported"), words % told, said(each.cite), each.evidence)


def source_words(field: RequiredField) -> str:
    """Where the report finds what a field asks for."""
    return str(SOURCE_WORDS.get(field.source.partition(".")[0], SOURCE_WORDS["report"]))


def _keeping(regime: Regime) -> Iterator[Statement]:
    for each in regime.retention:
        words = _("%(record)s at least %(period)s from %(start)s.")
        told = {
            "record": capfirst(str(RECORD_WORDS.get(each.record_class, each.record_class))),
            "period": _period(each),
            "start": FROM_WORDS.get(each.counted_from, each.counted_from),
        }
        yield Statement(_("Keeps"), words % told, said(each.cite), each.evidence)


def _period(kept: Retention) -> str:
    found = PERIOD.match(kept.min_period)
    if found is None:
        return kept.min_period
    n = int(found[1])
    words = {
        "Y": ngettext("%(n)s year", "%(n)s years", n),
        "M": ngettext("%(n)s month", "%(n)s months", n),
        "D": ngettext("%(n)s day", "%(n)s days", n),
    }
    return words[found[2]] % {"n": n}


def _relations(regime: Regime) -> Iterator[Statement]:
    for each in regime.relations:
        other = said(load.get(each.regime).title) if each.regime else ""
        words = f"{other}: {said(each.text)}" if other else said(each.text)
        yield Statement(said(RELATIONS[each.kind]), words, said(each.cite), each.evidence)


def _standing(regime: Regime) -> Iterator[Statement]:
    for each in regime.duties:
        yield Statement(_("Asks of the house"), said(each.text), said(each.cite), each.evidence)
    for duty in regime.calendar_duties:
        words = f"{said(duty.title)}: {said(duty.text)}"
        does = _("Stands in the calendar")
        yield Statement(does, words, said(duty.cite), duty.evidence)
        yield from _dates(duty)


def _dates(duty: CalendarDuty) -> Iterator[Statement]:
    for rule in duty.rules:
        words = f"{said(duty.title)}: {date_words(rule)}"
        yield Statement(_("Sets a date"), words, said(rule.cite), rule.evidence)


def date_words(rule: DateRule) -> str:
    """One way of dating a standing duty, as a sentence."""
    if rule.on is not None:
        return _("on %(day)s.") % {"day": wording.day(rule.on)}
    anchor = said(MILESTONES[rule.anchor]) if rule.anchor else ""
    if rule.period is None:
        return _("with %(anchor)s.") % {"anchor": anchor}
    told = {"period": said(rule.period.words), "anchor": anchor}
    if rule.direction is Direction.BEFORE:
        return _("%(period)s before %(anchor)s.") % told
    return _("%(period)s after %(anchor)s.") % told


def _fact(predicate: str, expected: bool) -> str:  # noqa: FBT001 - the value a pack expects
    known = PREDICATES.get(predicate)
    if known is None:
        return predicate
    return said(known.says if expected else known.denies)


def _limbs(limbs: Iterable[Phrase | str]) -> str:
    return ", ".join(said(LIMBS[each]) for each in limbs)  # type: ignore[index]
