"""Clocks: computed from a person's facts, kept with the rule that led to them, never edited.

A recomputation that comes to something else adds a row, and the one before stays readable. What time
alone changes (a clock that runs out, a warning that was rung) is written on the row that stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, system
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import ClockInstance, Subject
from compliance.regimes import load
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import State, zulu
from compliance.regimes.schema import Stage
from compliance.regimes.vocabulary import Instant
from compliance.services import clock_row, judging, marks
from compliance.services.clock_row import COUNTING
from compliance.services.judging import Basis, Judged, Key

TIMEKEEPER = system("timekeeper")


class About(NamedTuple):
    """What a clock is about, when this storey knows it by reference alone."""

    kind: str
    uuid: UUID


@transaction.atomic
def compute(
    subject: Subject,
    about: Any,
    facts: Facts,
    *,
    states: Sequence[str] = (),
    learnt_at: datetime | None = None,
    reason: str = "",
    by: Actor,
    at: datetime | None = None,
) -> list[ClockInstance]:
    """Compute every stage of every regime for `about`; write what differs from what stands.

    A stage whose inputs and result are as before keeps its row. Otherwise a new row replaces it,
    and both stay readable. A regime of which a clock has started is judged by the version that the
    clock keeps; a newer one judges what is triggered after it.

    Args:
        subject: the place in the access map.
        about: what it is about, with `kind` and `uuid`.
        facts: what a person recorded.
        states: the Member States concerned, by ISO code: where each has an authority of its own,
            each gets a clock of its own.
        learnt_at: when a later classification was made. What was past by then is due at once.
        reason: why it is computed, in words.
        by: who asks for it.
        at: the instant to judge by, instead of now.

    Returns:
        The clocks that stand now, one for each stage, authority and turn that applies or may.

    Raises:
        UnknownAuthority: a Member State's code that nobody knows.
        UnknownRegime: a clock keeps a version that is no longer on file.
    """
    moment = at or now()
    # Of two computations at once, the second must see what the first one wrote.
    Subject.objects.select_for_update().get(pk=subject.pk)
    basis = Basis(facts, tuple(states), learnt_at)
    standing = {key_of(clock): clock for clock in standing_for(about.uuid)}
    writer = clock_row.Writer(subject, about, basis, moment, reason, by)
    submissions = judging.sent(about.uuid)
    result = []
    for judged in judging.judge(basis, submissions, pins(standing.values()), moment):
        result += writer.turns_made(judged, standing)
        if judged.stage.state is not State.NOT_APPLICABLE and not _is_over(judged):
            before = clock_row.taken(judged.key, standing)
            result.append(writer.keep(judged, before))
    for gone in standing.values():
        if gone.state != State.NOT_APPLICABLE:
            writer.withdraw(gone)
    standing_for(about.uuid).update(facts=basis.as_json(), checked_at=moment)
    return result


def _is_over(judged: Judged) -> bool:
    """A recurring stage that came to its end has no further turn."""
    return judged.recurs and judged.stage.state is State.MET


def key_of(clock: ClockInstance) -> Key:
    """What tells a clock from the others of its incident."""
    return Key(clock.regime, clock.stage, clock.authority, clock.sequence)


def standing_for(about_uuid: UUID, authority: str | None = None) -> Any:
    """The clocks that nothing has replaced; of one authority, where one is named."""
    standing = ClockInstance.objects.filter(about_uuid=about_uuid, replaced_by=None)
    return standing if authority is None else standing.filter(authority=authority)


def pins(clocks: Iterable[ClockInstance]) -> dict[str, str]:
    """The version by regime that started clocks keep, the oldest clock's first."""
    found: dict[str, str] = {}
    for clock in sorted(clocks, key=lambda clock: clock.pk):
        if clock.started_at is not None and clock.state != State.NOT_APPLICABLE:
            found.setdefault(clock.regime, clock.regime_version)
    return found


def pinned_for(about_uuid: UUID) -> dict[str, str]:
    """The same for everything that stands about one incident."""
    return pins(standing_for(about_uuid))


@transaction.atomic
def recount(
    about: About,
    *,
    reason: str,
    by: Actor,
    instants: Mapping[Instant, datetime | None] | None = None,
    at: datetime | None = None,
) -> list[ClockInstance]:
    """Compute again from the facts that stand: something was submitted, or time has passed.

    Args:
        about: which incident.
        reason: why, in words.
        by: who asks for it.
        instants: what the world brought since, such as the end of the incident; None takes it back.
        at: the instant to judge by, instead of now.
    """
    last = standing_for(about.uuid).select_related("subject").order_by("-checked_at").first()
    if last is None or not last.facts:
        return []
    basis = Basis.from_json(last.facts)
    facts = basis.facts
    if instants:
        merged = {**facts.instants, **instants}
        kept = {name: moment for name, moment in merged.items() if moment is not None}
        facts = replace(facts, instants=kept)
    return compute(
        last.subject,
        about,
        facts,
        states=basis.states,
        learnt_at=basis.learnt_at,
        reason=reason,
        by=by,
        at=at,
    )


def stage_title(clock: ClockInstance) -> str:
    """The stage in the pinned regime's words: a phrase."""
    stage = _pinned(clock)
    return stage.title if stage else clock.stage


def cite(clock: ClockInstance) -> str:
    """What the clock rests on, as the pinned regime cites it: a phrase."""
    stage = _pinned(clock)
    known = (stage.cite, *(rule.cite for rule in stage.rules)) if stage else ()
    return next((each for each in known if each == clock.cite), clock.cite)


def _pinned(clock: ClockInstance) -> Stage | None:
    try:
        return load.get(f"{clock.regime}@{clock.regime_version}").stage(clock.stage)
    except (KeyError, load.UnknownRegime):
        return None


def is_late(clock: ClockInstance, at: datetime) -> bool:
    """Past the latest instant that the law can be read to allow; a clock without dates never is."""
    limit = clock.legal_latest or clock.target_due
    if limit is None:
        return False
    # Hours end with their last instant; days end before the midnight that is stored.
    return at > limit if clock.nominal is None else at >= limit


@transaction.atomic
def meet(clock: ClockInstance, *, at: datetime, by: Actor) -> None:
    """The stage was submitted: the clock stops, and stays readable as it stood."""
    rows = ClockInstance.objects.filter(pk=clock.pk).exclude(state="met")
    if rows.update(state="met", met_at=at, next_mark_at=None):
        record(
            "clock.compute",
            clock,
            by=by,
            before=clock.state,
            after="met",
            **clock_row.named(clock),
            met_at=zulu(at),
        )
        clock.state, clock.met_at, clock.next_mark_at = "met", at, None


def tick(at: datetime | None = None, *, by: Actor) -> int:
    """Running clocks whose target has passed become overdue. Costs the due ones alone."""
    moment = at or now()
    due = ClockInstance.objects.filter(replaced_by=None, state="running", target_due__lt=moment)
    return sum(clock_row.ran_out(clock, by) for clock in due)


def recount_waiting(at: datetime | None = None, *, by: Actor) -> int:
    """Once a day compute again what waits for a date: a regime may have come into force."""
    moment = at or now()
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = ClockInstance.objects.filter(
        replaced_by=None, state=State.NOT_IN_FORCE, checked_at__lt=midnight
    ).values_list("about_kind", "about_uuid")
    abouts = {About(kind, uuid) for kind, uuid in waiting}
    for about in abouts:
        recount(about, reason=_("a day has passed"), by=by, at=at)
    return len(abouts)


def to_look_at(at: datetime) -> Any:
    """Clocks that stand and have a mark that has come, the oldest first. Costs those alone."""
    rows = ClockInstance.objects.filter(replaced_by=None, next_mark_at__lte=at)
    return rows.select_related("subject", "owner", "deputy").order_by("next_mark_at", "pk")


def looked(clock: ClockInstance, at: datetime) -> None:
    """The clock was looked at; its next mark, if there is one, brings it back."""
    following = marks.next_at(clock, at) if clock.state in COUNTING else None
    ClockInstance.objects.filter(pk=clock.pk, next_mark_at=clock.next_mark_at).update(
        next_mark_at=following
    )
    clock.next_mark_at = following


@transaction.atomic
def warn(clock: ClockInstance, mark: str, *, by: Actor) -> bool:
    """Note that the warning at `mark` was rung; False when it was rung before."""
    current = ClockInstance.objects.select_for_update().get(pk=clock.pk)
    if mark in current.warned:
        return False
    current.warned = [*current.warned, mark]
    current.save(update_fields=["warned"])
    clock.warned = current.warned
    record("clock.warn", current, by=by, mark=mark, **clock_row.named(current))
    return True
