"""A regime's parts side by side: what a report must say, its kinds, its doors, other regimes, letters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from django.utils.text import slugify
from django.utils.translation import gettext as _

from compliance.regimes import answer, authorities, load
from compliance.regimes.schema import Evidence
from compliance.regimes.terms import (
    AUDIENCES,
    CHANNEL_TYPES,
    FIELD_TYPES,
    KNOWS,
    MARKED,
    RECEIPT_TYPES,
    RELATIONS,
    SENSITIVITIES,
    UNKNOWN_POLICIES,
    ChannelType,
    FieldType,
    Knows,
    ReportKind,
)
from compliance.regimes.vocabulary import STAGES
from compliance.services.report import KINDS
from compliance.views import law, shown
from compliance.views.shown import said
from compliance.views.tables import Badge

if TYPE_CHECKING:
    from compliance.regimes.authorities import Authority, Channel
    from compliance.regimes.fields import KnownKind, RequiredField
    from compliance.regimes.schema import Recipient, Regime

EUR_LEX = "https://eur-lex.europa.eu/legal-content/EN/TXT/?uri=CELEX:"
TONES = {Knows.YES: "ok", Knows.NO: "neutral", Knows.UNKNOWN: "warn"}


class FieldLine(NamedTuple):
    """One field of the report."""

    label: str
    cite: str
    anchor: str
    """Its article further down the page."""
    type: str
    options: list[str]
    stages: str
    source: str
    audience: str
    care: str
    is_marked: bool
    policy: str


class KindLine(NamedTuple):
    """One kind of report, whether the recipient knows it, and what that means here."""

    words: str
    known: Badge
    means: str
    cite: str
    learnt: str


class Door(NamedTuple):
    """How one recipient takes reports; "not known" where nobody found out."""

    name: str
    channel: str
    auth: str
    lead: str
    receipt: str
    fallback: str
    languages: str
    learnt: str


class RelationLine(NamedTuple):
    """How the regime stands to another."""

    does: str
    other: str
    url: str
    text: str
    cite: str
    learnt: str


class Letter(NamedTuple):
    """A request of an authority that the pack times."""

    basis: str
    title: str
    limits: list[str]
    cite: str
    learnt: str


def fields(regime: Regime) -> list[FieldLine]:
    """What the report must say, with how it is answered and handled."""
    return [_field(regime, each) for each in regime.fields]


def _field(regime: Regime, each: RequiredField) -> FieldLine:
    options = {} if each.type is FieldType.YES_NO else answer.options(each, regime.limbs) or {}
    kind = said(FIELD_TYPES[each.type])
    return FieldLine(
        label=said(each.label),
        cite=said(each.cite),
        anchor=slugify(law.place(said(each.cite))),
        type=f"{kind} ({said(each.unit)})" if each.unit else kind,
        options=[said(label) for label in options.values()],
        stages=_stages(regime, each),
        source=law.source_words(each),
        audience=said(AUDIENCES[each.audience]),
        care=said(SENSITIVITIES[each.sensitivity]),
        is_marked=each.sensitivity in MARKED,
        policy=said(UNKNOWN_POLICIES[each.unknown_policy]),
    )


def _stages(regime: Regime, each: RequiredField) -> str:
    if len(regime.stages) > 1 and set(each.stages) == {stage.id for stage in regime.stages}:
        return _("every report")
    return ", ".join(said(STAGES[stage]) for stage in each.stages)


def kinds(regime: Regime) -> list[KindLine]:
    """Every kind of report there is; none for a pack without reports."""
    if not regime.stages:
        return []
    stated = {each.id: each for each in regime.kinds}
    return [_kind(regime, name, stated.get(name)) for name in ReportKind]


def _kind(regime: Regime, name: ReportKind, stated: KnownKind | None) -> KindLine:
    known = regime.knows(name)
    is_found = stated is not None and known is not Knows.UNKNOWN
    return KindLine(
        words=said(KINDS[name]),
        known=Badge(said(KNOWS[known]), TONES[known]),
        means=_means(regime, name),
        cite=said(stated.cite) if stated and is_found else "",
        learnt=str(law.EVIDENCE_WORDS[stated.evidence]) if stated and is_found else "",
    )


def _means(regime: Regime, name: ReportKind) -> str:
    if regime.offers(name):
        if regime.knows(name) is Knows.UNKNOWN:
            return _("offered; ask the recipient whether it takes one")
        return _("offered")
    if name is ReportKind.WITHDRAWAL and regime.offers(ReportKind.FINAL_NON_REPORTABLE):
        return _("not offered: a final report that finds it not reportable, or a correction")
    return _("not offered: a correction, or another kind")


def doors(regime: Regime) -> list[Door]:
    """Each authority on file, with its channel; a line for those of Member States that are not."""
    return [door for each in regime.recipients for door in _doors_of(each)]


def _doors_of(each: Recipient) -> Iterator[Door]:
    for name in each.authorities:
        yield _door(authorities.get(name))
    if each.role is not None:
        for found in authorities.authorities():
            if found.role is each.role:
                yield _door(found)
    if each.role is not None or not each.authorities:
        nobody = _("not known")
        yield Door(
            name=said(each.name), channel=said(each.channel), auth=nobody, lead=nobody,
            receipt=nobody, fallback=nobody, languages=nobody,
            learnt=str(law.EVIDENCE_WORDS[each.evidence]),
        )  # fmt: skip


def _door(found: Authority) -> Door:
    channel, nobody = found.channel, _("not known")
    lead = channel.registration_lead
    return Door(
        name=said(found.name),
        channel=_channel(channel),
        auth=said(channel.auth) if channel.auth else nobody,
        lead=said(lead.words) if lead else _("none on file"),
        receipt=said(RECEIPT_TYPES[channel.receipt_type]),
        fallback=said(channel.fallback) if channel.fallback else nobody,
        languages=", ".join(found.languages) if found.languages else nobody,
        learnt=str(law.EVIDENCE_WORDS[channel.evidence]),
    )


def _channel(channel: Channel) -> str:
    """Its kind and its name, as far as they are known."""
    known = [said(CHANNEL_TYPES[channel.type])] if channel.type is not ChannelType.UNKNOWN else []
    named = [said(channel.name)] if channel.name else []
    return ": ".join([*known, *named]) or _("not known")


def relations(regime: Regime) -> list[RelationLine]:
    """How it stands to other regimes, and takes incidents together."""
    return [
        RelationLine(
            does=said(RELATIONS[each.kind]),
            other=said(load.get(each.regime).title) if each.regime else "",
            url=shown.url("compliance:regime", each.regime) if each.regime else "",
            text=said(each.text),
            cite=said(each.cite),
            learnt=str(law.EVIDENCE_WORDS[each.evidence]),
        )
        for each in regime.relations
    ]


def letters(regime: Regime) -> list[Letter]:
    """Requests of authorities that a standing pack knows the time for."""
    return [
        Letter(
            basis=said(duty.inbound),
            title=said(duty.title),
            limits=[law.date_words(rule) for rule in duty.rules],
            cite=said(duty.cite),
            learnt=str(law.EVIDENCE_WORDS[duty.evidence]),
        )
        for duty in regime.calendar_duties
        if duty.inbound
    ]


class Basis(NamedTuple):
    """An instrument the pack rests on."""

    name: str
    learnt: str
    url: str
    verified_on: object


def bases(regime: Regime) -> list[Basis]:
    """What it rests on, with the address of its text in EUR-Lex where it has one."""
    return [
        Basis(
            name=f"{said(each.instrument)}, {said(each.article)}",
            learnt=_learnt(each.evidence, said(each.source)),
            url=f"{EUR_LEX}{each.celex}" if each.celex else "",
            verified_on=each.verified_on,
        )
        for each in regime.legal_basis
    ]


def _learnt(evidence: Evidence, source: str) -> str:
    words = str(law.EVIDENCE_WORDS[evidence])
    return f"{words}: {source}" if source else words
