"""Clocks: computed from a person's facts, kept with the rule that led to them, never edited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor, system
from compliance.audit.log import record
from compliance.clock import now
from compliance.models import ClockInstance, Filing, Subject
from compliance.regimes import engine, load
from compliance.regimes.facts import Facts
from compliance.regimes.outcome import Applies, RegimeOutcome, StageOutcome, State, zulu
from compliance.regimes.schema import Regime, Stage, ZoneSource
from compliance.services import digest

# A regime that does not apply leaves its reason with the classification and no clock.
KEPT = {Applies.APPLIES, Applies.FACTS_NEEDED, Applies.NOT_IN_FORCE, Applies.CONTESTED}
COUNTING = {State.RUNNING, State.OVERDUE, State.OVERDUE_IMMEDIATE}
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
    reason: str = "",
    by: Actor,
    at: datetime | None = None,
) -> list[ClockInstance]:
    """Compute every stage of every regime for `about`; write what differs from what stands.

    A stage whose inputs and result are as before keeps its row. Otherwise a new row replaces it,
    and both stay readable.

    Returns:
        The clocks that stand now, one for each stage that applies or may apply.
    """
    moment = at or now()
    standing = {(clock.regime, clock.stage): clock for clock in standing_for(about.uuid)}
    known = with_submissions(facts, about.uuid)
    result = []
    for outcome in engine.evaluate_all(known, moment):
        if outcome.applies not in KEPT:
            continue
        for stage in _shown(outcome):
            before = standing.pop((outcome.key, str(stage.id)), None)
            result.append(_keep(subject, about, outcome, stage, before, known, moment, reason, by))
    for gone in standing.values():
        if gone.state != State.NOT_APPLICABLE:
            _withdraw(gone, moment, reason or _("the regime no longer applies to these facts"), by)
    standing_for(about.uuid).update(facts=as_json(facts), checked_at=moment)
    return result


def standing_for(about_uuid: UUID) -> Any:
    """The clocks that nothing has replaced."""
    return ClockInstance.objects.filter(about_uuid=about_uuid, replaced_by=None)


def with_submissions(facts: Facts, about_uuid: UUID) -> Facts:
    """The facts together with what recipients acknowledged: later stages count from it."""
    submitted = {name: list(moments) for name, moments in facts.submitted.items()}
    acknowledged = Filing.objects.filter(report__about_uuid=about_uuid, state="acknowledged")
    for filing in acknowledged.select_related("report"):
        if filing.sent_at is not None:
            name = f"{filing.report.regime}:{filing.report.stage}"
            submitted.setdefault(name, []).append(filing.sent_at)
    return replace(facts, submitted={name: tuple(each) for name, each in submitted.items()})


def as_json(facts: Facts) -> dict[str, Any]:
    """The facts in the form that `Facts.from_json` reads again, without submissions."""
    return {
        **{str(name): zulu(moment) for name, moment in facts.instants.items()},
        "limbs": [str(limb) for limb in facts.limbs],
        "recipient_zone": facts.recipient_zone,
        "calendar": facts.calendar,
        "entity": facts.entity,
        "predicates": dict(facts.predicates),
    }


@transaction.atomic
def recount(about: About, *, reason: str, by: Actor) -> list[ClockInstance]:
    """Compute again from the facts that stand: something was submitted, or time has passed."""
    last = standing_for(about.uuid).select_related("subject").first()
    if last is None or not last.facts:
        return []
    facts = Facts.from_json(last.facts)
    return compute(last.subject, about, facts, reason=reason, by=by)


def _shown(outcome: RegimeOutcome) -> Iterable[StageOutcome]:
    return [stage for stage in outcome.stages if stage.state is not State.NOT_APPLICABLE]


def _keep(
    subject: Subject,
    about: Any,
    outcome: RegimeOutcome,
    stage: StageOutcome,
    before: ClockInstance | None,
    facts: Facts,
    at: datetime,
    reason: str,
    by: Actor,
) -> ClockInstance:
    inputs = _inputs(outcome, stage)
    if before is not None and before.inputs_sha256 == inputs:
        return before
    regime = load.get(outcome.regime)
    started = [facts.instants[t.instant] for t in regime.triggers if t.instant in facts.instants]
    clock = ClockInstance.objects.create(
        subject=subject,
        about_kind=about.kind,
        about_uuid=about.uuid,
        regime=outcome.key,
        regime_version=regime.version,
        regime_sha256=regime.digest,
        regime_title=outcome.title,
        stage=str(stage.id),
        cite=stage.cite[:200],
        recipient=_recipient_name(regime, stage),
        state=str(stage.state),
        started_at=min(started) if started and stage.state in {*COUNTING, State.MET} else None,
        strict=stage.strict,
        nominal=stage.nominal,
        legal_latest=stage.legal_latest,
        target_due=stage.target_due,
        zone=zone_of(regime, facts),
        trace=[line.kept() for line in stage.trace],
        inputs_sha256=inputs,
        computed_at=at,
        reason=reason[:300],
        warned=before.warned
        if before is not None and before.target_due == stage.target_due
        else [],
    )
    if before is not None:
        ClockInstance.objects.filter(pk=before.pk).update(replaced_by=clock)
    record(
        "clock.compute",
        clock,
        by=by,
        before=before.state if before else "",
        after=clock.state,
        note=reason,
        regime=outcome.regime,
        stage=clock.stage,
        target_due=zulu(clock.target_due),
        legal_latest=zulu(clock.legal_latest),
        inputs_sha256=inputs,
    )
    return clock


def _inputs(outcome: RegimeOutcome, stage: StageOutcome) -> str:
    """What the row rests on and says. The state is left out while it only ticks over."""
    said = stage.as_json()
    if stage.state in COUNTING:
        said["state"] = "counting"
    return digest.of_json({"regime": outcome.regime, "stage": said})


def zone_of(regime: Regime, facts: Facts) -> str:
    """Whose clock on the wall this regime reads."""
    if regime.zone_source is ZoneSource.FIXED:
        return regime.zone
    return facts.recipient_zone or regime.zone


def _recipient_name(regime: Regime, stage: StageOutcome) -> str:
    names = {recipient.id: recipient.name for recipient in regime.recipients}
    return names.get(stage.recipient or "", stage.recipient or "")


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


def _withdraw(gone: ClockInstance, at: datetime, reason: str, by: Actor) -> None:
    fresh = ClockInstance.objects.get(pk=gone.pk)
    fresh.pk = None
    fresh._state.adding = True  # noqa: SLF001 - Django's documented way to copy a row
    fresh.uuid = ClockInstance._meta.get_field("uuid").get_default()  # noqa: SLF001
    fresh.state, fresh.reason, fresh.computed_at = str(State.NOT_APPLICABLE), reason[:300], at
    fresh.inputs_sha256 = digest.of_json({"replaces": gone.ref, "reason": fresh.reason})
    fresh.strict = fresh.nominal = fresh.legal_latest = fresh.target_due = None
    fresh.save()
    ClockInstance.objects.filter(pk=gone.pk).update(replaced_by=fresh)
    record(
        "clock.compute",
        fresh,
        by=by,
        before=gone.state,
        after=fresh.state,
        note=reason,
        regime=f"{gone.regime}@{gone.regime_version}",
        stage=gone.stage,
    )


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
    if ClockInstance.objects.filter(pk=clock.pk).exclude(state="met").update(state="met"):
        record(
            "clock.compute",
            clock,
            by=by,
            before=clock.state,
            after="met",
            regime=f"{clock.regime}@{clock.regime_version}",
            stage=clock.stage,
            met_at=zulu(at),
        )
        clock.state = "met"


def tick(at: datetime | None = None, *, by: Actor) -> int:
    """Running clocks whose target has passed become overdue. Costs the due ones alone."""
    moment = at or now()
    due = ClockInstance.objects.filter(replaced_by=None, state="running", target_due__lt=moment)
    return sum(_overdue(clock, by) for clock in due)


@transaction.atomic
def _overdue(clock: ClockInstance, by: Actor) -> bool:
    if not ClockInstance.objects.filter(pk=clock.pk, state="running").update(state="overdue"):
        return False
    record(
        "clock.compute",
        clock,
        by=by,
        before="running",
        after="overdue",
        regime=f"{clock.regime}@{clock.regime_version}",
        stage=clock.stage,
        target_due=zulu(clock.target_due),
    )
    return True


def recount_waiting(at: datetime | None = None, *, by: Actor) -> int:
    """Once a day compute again what waits for a date: a regime may have come into force."""
    moment = at or now()
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = ClockInstance.objects.filter(
        replaced_by=None, state=State.NOT_IN_FORCE, checked_at__lt=midnight
    ).values_list("about_kind", "about_uuid")
    abouts = {About(kind, uuid) for kind, uuid in waiting}
    for about in abouts:
        recount(about, reason=_("a day has passed"), by=by)
    return len(abouts)


@transaction.atomic
def warn(clock: ClockInstance, mark: str, *, by: Actor) -> bool:
    """Note that the warning at `mark` was rung; False when it was rung before."""
    current = ClockInstance.objects.select_for_update().get(pk=clock.pk)
    if mark in current.warned:
        return False
    current.warned = [*current.warned, mark]
    current.save(update_fields=["warned"])
    record(
        "clock.warn",
        current,
        by=by,
        mark=mark,
        stage=current.stage,
        regime=f"{current.regime}@{current.regime_version}",
    )
    return True
