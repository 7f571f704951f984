"""Every clock that stands, judged again: after a calendar was corrected, or to be sure.

1. Rows are read in the order they were written, a few columns of many at once.
2. The facts are read once for each incident, and dated once for each regime and authority, by the
   engine's way without words.
3. What comes to what stands is left alone. Incidents with a clock that comes to something else are
   computed in full, so that every change has its row, its rule and its entry in the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Max, TextField
from django.db.models.functions import Cast

from compliance.actors import Actor
from compliance.clock import now
from compliance.models import ClockInstance
from compliance.regimes import load
from compliance.regimes.facts import Facts
from compliance.regimes.fast import Plan, StageDates
from compliance.regimes.outcome import State
from compliance.services import deadline, judging
from compliance.services.clock_row import COUNTING
from compliance.services.judging import Basis, Sent

AT_ONCE = 5_000
COLUMNS = (
    "pk", "about_kind", "about_uuid", "regime", "regime_version", "stage", "authority", "sequence",
    "state", "strict", "nominal", "legal_latest", "target_due",
)  # fmt: skip
SETTLED = (State.MET, State.NOT_APPLICABLE)
"""A clock that was met or withdrawn is no longer counted by itself."""


class Row(NamedTuple):
    """What is read of one clock."""

    pk: int
    about_kind: str
    about_uuid: UUID
    regime: str
    regime_version: str
    stage: str
    authority: str
    sequence: int
    state: str
    strict: datetime | None
    nominal: datetime | None
    legal_latest: datetime | None
    target_due: datetime | None
    facts: str
    """As they are stored; many rows share them, so they are parsed once."""


class Done(NamedTuple):
    """What one pass came to."""

    judged: int
    changed: int
    """How many incidents were computed anew."""


def everything(
    *, reason: str, by: Actor, at: datetime | None = None, part: int = 0, parts: int = 1
) -> Done:
    """Judge every clock that stands; only what changed is written.

    Args:
        reason: why, for the record.
        by: who asks for it.
        at: the instant to judge by, instead of now.
        part: which of the parts this process does, from 0.
        parts: into how many equal stretches of rows the work is cut.
    """
    moment = at or now()
    last = ClockInstance.objects.aggregate(last=Max("pk"))["last"] or 0
    judge = Judge(moment)
    n_rows, changed = 0, dict[UUID, str]()
    for rows in _chunks(last * part // parts, last * (part + 1) // parts):
        n_rows += len(rows)
        changed |= {row.about_uuid: row.about_kind for row in judge.differing(rows)}
    for uuid, kind in changed.items():
        deadline.recount(deadline.About(kind, uuid), reason=reason, by=by, at=at)
    return Done(n_rows, len(changed))


def _chunks(after: int, until: int) -> Iterator[list[Row]]:
    """Standing clocks of a stretch of rows, in the order they were written.

    What was replaced, and what has no facts, is passed over here and not in the query: asked for
    what stands, a database takes the board's index, and goes through all of it for every stretch.
    """
    asked = ClockInstance.objects.annotate(kept=Cast("facts", TextField())).order_by("pk")
    while after < until:
        found = asked.filter(pk__gt=after, pk__lte=min(after + AT_ONCE, until))
        read = found.values_list("replaced_by_id", *COLUMNS, "kept")
        yield [Row._make(values[1:]) for values in read if values[0] is None and values[-1] != "{}"]
        after += AT_ONCE


class Judge:
    """Judges rows at one instant; what rows share is worked out once."""

    def __init__(self, at: datetime) -> None:
        """Nothing is known yet."""
        self.at = at
        self._plans: dict[tuple[str, str], Plan] = {}

    def differing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The clocks that come to something else than they say."""
        found = list(rows)
        sent = judging.sent_by({row.about_uuid for row in found})
        basis, facts, about = Basis(Facts()), Facts(), None
        answers: dict[tuple[str, str], dict[str, StageDates]] = {}
        for row in found:
            if row.about_uuid != about:
                about, answers = row.about_uuid, {}
                basis = Basis.kept(json.loads(row.facts))
                known = sent.get(row.about_uuid, [])
                facts = judging.with_submissions(basis.facts, known) if known else basis.facts
            key = row.regime, row.authority
            if key not in answers:
                mine = self._facts(row, basis, facts, sent.get(row.about_uuid, []))
                dated = self._plan(row).dates(mine, basis.learnt_at)
                answers[key] = {each.id: each for each in dated}
            if differs(row, answers[key].get(row.stage)):
                yield row

    def _plan(self, row: Row) -> Plan:
        key = row.regime, row.regime_version
        if key not in self._plans:
            regime = load.get(f"{row.regime}@{row.regime_version}")
            self._plans[key] = Plan(regime, self.at, assume_scope=False)
        return self._plans[key]

    def _facts(self, row: Row, basis: Basis, facts: Facts, known: list[Sent]) -> Facts:
        """The incident's facts, by the zone and holidays of the clock's authority if it has one."""
        if not row.authority:
            return facts
        regime = self._plan(row).regime
        routed = judging.routes(regime, regime.stage(row.stage), basis.states)
        for place, authority in enumerate(routed):
            if authority.id == row.authority:
                return judging.for_authority(
                    basis.facts, regime, authority, known, is_first=place == 0
                )
        return facts


def differs(row: Row, found: StageDates | None) -> bool:
    """Whether a clock comes to something else than it says. Time alone makes no difference."""
    if row.state in SETTLED:
        return False
    if found is None:
        return True
    same_state = row.state == found.state or (row.state in COUNTING and found.state in COUNTING)
    return not same_state or (
        row.target_due != found.target_due
        or row.strict != found.strict
        or row.nominal != found.nominal
        or row.legal_latest != found.legal_latest
    )
