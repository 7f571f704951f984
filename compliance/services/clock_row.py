"""The rows of one computation: what says the same stays, what says something else is replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from compliance.actors import Actor
from compliance.audit.log import record
from compliance.models import ClockInstance, Subject
from compliance.regimes import engine
from compliance.regimes.outcome import State, zulu
from compliance.services import digest, judging
from compliance.services.judging import Basis, Judged, Key

COUNTING = {State.RUNNING, State.OVERDUE, State.OVERDUE_IMMEDIATE}
STARTED = {*COUNTING, State.MET}
OF_A_ROW = tuple(
    field.attname
    for field in ClockInstance._meta.concrete_fields  # noqa: SLF001 - Django's documented way to a model's columns
    if field.attname not in {"id", "uuid", "replaced_by_id"}
)


def taken(key: Key, standing: dict[Key, ClockInstance]) -> ClockInstance | None:
    """The clock that this one continues: under its own key, or from before authorities were named.

    It is taken out of `standing`: what stays there is continued by nothing.
    """
    found = standing.pop(key, None)
    if found is None and key.authority:
        found = standing.pop(key._replace(authority=""), None)
    return found


class Writer:
    """Writes the rows of one computation."""

    def __init__(
        self, subject: Subject, about: Any, basis: Basis, at: datetime, reason: str, by: Actor
    ) -> None:
        self.subject, self.about, self.basis = subject, about, basis
        self.at, self.reason, self.by = at, reason, by
        self.facts_sha256 = digest.of_json(basis.as_json())

    def keep(self, judged: Judged, before: ClockInstance | None) -> ClockInstance:
        """The row that stands, if it says the same; or a new one in its place."""
        judged = self._not_excused(judged, before)
        inputs = inputs_of(judged)
        if before is not None and before.inputs_sha256 == inputs:
            self._refresh(before, judged)
            return before
        clock = ClockInstance.objects.create(**self.columns(judged, before, inputs))
        self._replaced(before, clock)
        self._said(clock, before, inputs_sha256=inputs, facts_sha256=self.facts_sha256)
        return clock

    def turns_made(self, judged: Judged, standing: dict[Key, ClockInstance]) -> list[ClockInstance]:
        """The clocks of a recurring stage whose reports were made: met, each by its own."""
        if not judged.recurs:
            return []
        found = []
        for turn, made_at in enumerate(judged.done, start=1):
            before = taken(judged.key._replace(sequence=turn), standing)
            if before is not None:
                found.append(before if before.state == State.MET else self._met(before, made_at))
        return found

    def withdraw(self, gone: ClockInstance) -> ClockInstance:
        """What no longer applies loses its dates, with the reason."""
        reason = (self.reason or _("the regime no longer applies to these facts"))[:300]
        return self._successor(
            gone,
            state=str(State.NOT_APPLICABLE),
            reason=reason,
            inputs_sha256=digest.of_json({"replaces": gone.ref, "reason": reason}),
            strict=None,
            nominal=None,
            legal_latest=None,
            target_due=None,
            earliest_if_confirmed=None,
        )

    def _met(self, before: ClockInstance, made_at: datetime) -> ClockInstance:
        met = str(State.MET)
        return self._successor(
            before,
            state=met,
            met_at=made_at,
            reason=self.reason[:300],
            inputs_sha256=digest.of_json({"replaces": before.ref, "met_at": zulu(made_at)}),
        )

    def _successor(self, before: ClockInstance, **changes: Any) -> ClockInstance:
        """A copy of a row that takes its place, as it was but for the changes."""
        columns = {name: getattr(before, name) for name in OF_A_ROW}
        columns |= {
            "computed_at": self.at,
            "next_mark_at": None,
            "facts_sha256": self.facts_sha256,
            **changes,
        }
        clock = ClockInstance.objects.create(**columns)
        self._replaced(before, clock)
        self._said(clock, before, inputs_sha256=clock.inputs_sha256)
        return clock

    def _not_excused(self, judged: Judged, before: ClockInstance | None) -> Judged:
        """A deadline that stood before it was missed is overdue, whoever classifies anew later."""
        stage = judged.stage
        if (
            before is None
            or stage.state is not State.OVERDUE_IMMEDIATE
            or before.target_due != stage.target_due
            or before.state not in {State.RUNNING, State.OVERDUE}
        ):
            return judged
        plain = engine.evaluate(judged.regime, judged.facts, self.at)
        return replace(judged, stage=plain.stage(judged.key.stage))

    def _refresh(self, before: ClockInstance, judged: Judged) -> None:
        """What time alone changes on a row that stands."""
        changes: dict[str, Any] = {}
        if before.earliest_if_confirmed != judged.stage.earliest_if_confirmed:
            changes["earliest_if_confirmed"] = judged.stage.earliest_if_confirmed
        if before.state == State.RUNNING and judged.stage.state is State.OVERDUE:
            ran_out(before, self.by)
        if changes:
            ClockInstance.objects.filter(pk=before.pk).update(**changes)

    def columns(self, judged: Judged, before: ClockInstance | None, inputs: str) -> dict[str, Any]:
        """A row that says what was judged, and keeps of the one before who is in charge."""
        stage, regime, facts = judged.stage, judged.regime, judged.facts
        triggers = [
            facts.instants[t.instant] for t in regime.triggers if t.instant in facts.instants
        ]
        is_met = stage.state is State.MET
        same_due = before is not None and before.target_due == stage.target_due
        return {
            "subject": self.subject,
            "about_kind": self.about.kind,
            "about_uuid": self.about.uuid,
            "regime": judged.key.regime,
            "regime_version": regime.version,
            "regime_sha256": regime.digest,
            "regime_title": judged.outcome.title,
            "stage": judged.key.stage,
            "sequence": judged.key.sequence,
            "authority": judged.key.authority,
            "cite": stage.cite[:200],
            "recipient": judged.recipient[:200],
            "state": str(stage.state),
            "started_at": min(triggers) if triggers and stage.state in STARTED else None,
            "strict": stage.strict,
            "nominal": stage.nominal,
            "legal_latest": stage.legal_latest,
            "target_due": stage.target_due,
            "earliest_if_confirmed": stage.earliest_if_confirmed,
            "met_at": judged.done[0] if is_met and judged.done else None,
            "zone": judging.zone_of(regime, facts),
            "trace": [line.kept() for line in stage.trace],
            "requires_counsel": bool(judged.outcome.requires_counsel),
            "facts_sha256": self.facts_sha256,
            "inputs_sha256": inputs,
            "computed_at": self.at,
            "reason": self.reason[:300],
            "owner_id": before.owner_id if before else None,
            "deputy_id": before.deputy_id if before else None,
            "warned": before.warned if before and same_due else [],
            # A clock that begins to count is looked at once: is its report begun, is it late already?
            "next_mark_at": self.at if stage.state in COUNTING else None,
        }

    def _replaced(self, before: ClockInstance | None, clock: ClockInstance) -> None:
        if before is not None:
            ClockInstance.objects.filter(pk=before.pk).update(replaced_by=clock)

    def _said(self, clock: ClockInstance, before: ClockInstance | None, **more: Any) -> None:
        record(
            "clock.compute",
            clock,
            by=self.by,
            before=before.state if before else "",
            after=clock.state,
            note=self.reason or clock.reason,
            **named(clock),
            target_due=zulu(clock.target_due),
            legal_latest=zulu(clock.legal_latest),
            **more,
        )


def named(clock: ClockInstance) -> dict[str, Any]:
    """A clock as entries of the log name it."""
    return {
        "regime": f"{clock.regime}@{clock.regime_version}",
        "stage": clock.stage,
        **({"authority": clock.authority} if clock.authority else {}),
        **({"sequence": clock.sequence} if clock.sequence > 1 else {}),
    }


def inputs_of(judged: Judged) -> str:
    """What the row rests on and says. The state is left out while it only ticks over."""
    said = judged.stage.as_json()
    if judged.stage.state in COUNTING:
        said["state"] = "counting"
    return digest.of_json(
        {
            "regime": judged.outcome.regime,
            "stage": said,
            "authority": judged.key.authority,
            "sequence": judged.key.sequence,
        }
    )


@transaction.atomic
def ran_out(clock: ClockInstance, by: Actor) -> bool:
    """A running clock is overdue now; False when somebody else found out first."""
    if not ClockInstance.objects.filter(pk=clock.pk, state="running").update(state="overdue"):
        return False
    record(
        "clock.compute",
        clock,
        by=by,
        before="running",
        after="overdue",
        **named(clock),
        target_due=zulu(clock.target_due),
    )
    clock.state = "overdue"
    return True
