"""What the engine is asked about one incident, and what it answers for each clock.

1. The facts that a person recorded, together with what recipients acknowledged.
2. The regimes, each in the version that a started clock keeps.
3. For a recipient of which every Member State has its own: one answer for each authority, by its
   zone, its holidays and what was submitted to it.
4. For a stage that recurs: which of its reports is next, and when each earlier one was made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from compliance.models import Filing, Report
from compliance.regimes import authorities, engine, load
from compliance.regimes.authorities import Authority
from compliance.regimes.facts import Facts, instant
from compliance.regimes.outcome import Applies, RegimeOutcome, StageOutcome, State, zulu
from compliance.regimes.schema import Regime, Stage, ZoneSource

# A regime that does not apply leaves its reason with the classification and no clock.
KEPT = {Applies.APPLIES, Applies.FACTS_NEEDED, Applies.NOT_IN_FORCE, Applies.CONTESTED}
TAKEN = ("acknowledged", "superseded")
"""Filings that reached their recipient; a later correction takes nothing back of that."""


class Key(NamedTuple):
    """What tells the clocks of one incident apart."""

    regime: str
    stage: str
    authority: str = ""
    sequence: int = 1


@dataclass(frozen=True, slots=True)
class Basis:
    """All that a computation rests on, as it is kept with its clocks."""

    facts: Facts
    states: tuple[str, ...] = ()
    """The Member States concerned, by ISO code, where a person named them."""
    learnt_at: datetime | None = None
    """When the organisation came to the classification that counts, if it classified anew."""

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Basis:
        """As `as_json` wrote it.

        Raises:
            FactsError: A fact is no longer known.
        """
        facts = dict(kept)
        states, learnt = facts.pop("member_states", ()), facts.pop("learnt_at", None)
        return cls(
            Facts.from_json(facts), tuple(states), instant("learnt_at", learnt) if learnt else None
        )

    @classmethod
    def kept(cls, kept: Mapping[str, Any]) -> Basis:
        """The same, quickly, for rows of our own: every question was answered when they were written."""
        learnt = kept.get("learnt_at")
        return cls(
            Facts.kept(kept),
            tuple(kept.get("member_states", ())),
            datetime.fromisoformat(learnt) if learnt else None,
        )

    def as_json(self) -> dict[str, Any]:
        """The facts without submissions, which are read where they are kept."""
        facts = self.facts.as_json()
        del facts["submitted"]
        if self.states:
            facts["member_states"] = list(self.states)
        if self.learnt_at is not None:
            facts["learnt_at"] = zulu(self.learnt_at)
        return facts


class Sent(NamedTuple):
    """One submission that a recipient acknowledged."""

    regime: str
    stage: str
    authority: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """The engine's answer for one clock."""

    key: Key
    outcome: RegimeOutcome
    stage: StageOutcome
    regime: Regime
    facts: Facts
    """As they were read for this clock's authority, submissions included."""
    recipient: str
    done: tuple[datetime, ...]
    """When the stage was submitted to this authority, in order."""

    @property
    def recurs(self) -> bool:
        """Whether a report of this stage is followed by another."""
        return self.regime.stage(self.key.stage).repeats_until is not None


def sent(about_uuid: UUID) -> list[Sent]:
    """What recipients acknowledged, oldest first. Of a stage that recurs each turn counts once."""
    return sent_by([about_uuid]).get(about_uuid, [])


def sent_by(abouts: Collection[UUID]) -> dict[UUID, list[Sent]]:
    """The same of many incidents, in one query; an incident of which nothing was sent is absent."""
    rows = (
        Filing.objects.filter(report__about_uuid__in=abouts, state__in=TAKEN, sent_at__isnull=False)
        .exclude(report__what=Report.What.WITHDRAWAL)
        .select_related("report")
        .order_by("sent_at", "pk")
    )
    turns: set[tuple[UUID, Key]] = set()
    kept: dict[UUID, list[Sent]] = {}
    for filing in rows:
        about = filing.report
        turn = about.about_uuid, Key(about.regime, about.stage, about.authority, about.sequence)
        if filing.sent_at is not None and not (turn in turns and _recurs(about)):
            said = Sent(about.regime, about.stage, about.authority, filing.sent_at)
            kept.setdefault(about.about_uuid, []).append(said)
        turns.add(turn)
    return kept


def _recurs(report: Report) -> bool:
    try:
        stage = load.get(f"{report.regime}@{report.regime_version}").stage(report.stage)
    except (KeyError, load.UnknownRegime):
        return False
    return stage.repeats_until is not None


def judge(
    basis: Basis, submissions: Iterable[Sent], pins: Mapping[str, str], at: datetime
) -> Iterator[Judged]:
    """Every stage of every regime that applies or may apply, for each authority.

    Args:
        basis: what a person recorded.
        submissions: what recipients acknowledged.
        pins: the version by regime that its started clocks keep.
        at: the instant to judge states at.

    Raises:
        UnknownAuthority: a Member State's code that nobody knows.
        UnknownRegime: a pin names a version that nobody has.
    """
    known = list(submissions)
    plain = with_submissions(basis.facts, known)
    outcomes = engine.evaluate_all(plain, at, pinned=pins, learnt_at=basis.learnt_at)
    for outcome in outcomes:
        if outcome.applies in KEPT:
            yield from _of_regime(outcome, plain, basis, known, at)


def _of_regime(
    outcome: RegimeOutcome, plain: Facts, basis: Basis, known: list[Sent], at: datetime
) -> Iterator[Judged]:
    regime = load.get(outcome.regime)
    answers: dict[str, tuple[RegimeOutcome, Facts]] = {"": (outcome, plain)}
    for stage in regime.stages:
        for place, authority in enumerate(routes(regime, stage, basis.states)):
            if authority.id not in answers:
                facts = for_authority(basis.facts, regime, authority, known, is_first=place == 0)
                judged = engine.evaluate(regime, facts, at, learnt_at=basis.learnt_at)
                answers[authority.id] = (judged, facts)
            yield from _one(regime, stage, authority.id, authority.name, *answers[authority.id])
        if not routes(regime, stage, basis.states):
            yield from _one(regime, stage, "", _named(regime, stage), *answers[""])


def _one(
    regime: Regime,
    stage: Stage,
    authority: str,
    recipient: str,
    outcome: RegimeOutcome,
    facts: Facts,
) -> Iterator[Judged]:
    found = outcome.stage(stage.id)
    done = facts.submissions(regime.key, stage.id)
    turn = 1
    if stage.repeats_until is not None:
        turn = max(len(done), 1) if found.state is State.MET else len(done) + 1
    key = Key(regime.key, str(stage.id), authority, turn)
    yield Judged(key, outcome, found, regime, facts, recipient, done)


def routes(regime: Regime, stage: Stage, states: tuple[str, ...]) -> tuple[Authority, ...]:
    """The authorities that each take a report of this stage; none where no Member State is named.

    Raises:
        UnknownAuthority: a Member State's code that nobody knows.
    """
    recipient = regime.recipient(str(stage.id))
    if recipient is None or recipient.role is None or not states:
        return ()
    return authorities.routed(recipient, states)


def _named(regime: Regime, stage: Stage) -> str:
    recipient = regime.recipient(str(stage.id))
    return recipient.name if recipient is not None else stage.recipient or ""


def for_authority(
    facts: Facts, regime: Regime, authority: Authority, known: list[Sent], *, is_first: bool
) -> Facts:
    """The facts by an authority's zone and holidays, with what was submitted to it.

    `known` is what was submitted under any regime; `is_first` that it is the first one named. What was submitted before anybody named the authorities went to the first of them.
    """
    ours = {authority.id, ""} if is_first else {authority.id}
    mine = with_submissions(facts, [each for each in known if each.authority in ours])
    if regime.zone_source is not ZoneSource.RECIPIENT:
        return mine
    return replace(
        mine,
        recipient_zone=authority.zone or facts.recipient_zone,
        calendar=authority.calendar or facts.calendar,
    )


def with_submissions(facts: Facts, known: Iterable[Sent]) -> Facts:
    """The facts together with what recipients acknowledged: later stages count from it."""
    submitted = {name: list(moments) for name, moments in facts.submitted.items()}
    for each in known:
        submitted.setdefault(f"{each.regime}:{each.stage}", []).append(each.at)
    return replace(facts, submitted={name: tuple(each) for name, each in submitted.items()})


def zone_of(regime: Regime, facts: Facts) -> str:
    """Whose clock on the wall this regime reads."""
    if regime.zone_source is ZoneSource.FIXED:
        return regime.zone
    return facts.recipient_zone or regime.zone
