"""Judged records in the database: kept once each, read back as the rules saw them.

What people and models said is masked and capped before it is kept; what rules derive from it
(digests, scopes, the shape of arguments, whether a credential was seen) is kept whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from compliance import hostile
from compliance.models import Deployment
from incidents.ingest import normalise, vocabulary
from incidents.ingest.spans import Value
from incidents.ingest.stitch import (
    NOTHING_CARRIED,
    Carried,
    Record,
    record_from_json,
    record_to_json,
)
from incidents.models import Event, StitchState

LONGEST_CONTENT = 500
LONGEST_VALUE = 2_000
MOST_HISTORY = 5_000


def state_of(deployment: Deployment) -> StitchState:
    """The deployment's judging state, locked until the transaction ends."""
    StitchState.objects.get_or_create(deployment=deployment)
    return StitchState.objects.select_for_update().get(deployment=deployment)


def carried_by(state: StitchState) -> Carried:
    """What the batch before left."""
    return Carried.from_json(state.carried) if state.carried else NOTHING_CARRIED


def unseen(deployment: Deployment, records: Iterable[Record]) -> list[Record]:
    """The records to judge now: new ones, and second versions that know more than the first.

    A body that a sender repeats after it was judged brings nothing new, so nothing counts twice.
    """
    found = list(records)
    known = set(
        Event.objects.filter(
            deployment=deployment, record_id__in=[record.id for record in found]
        ).values_list("record_id", flat=True)
    )
    return [record for record in found if record.revision or record.id not in known]


def keep(deployment: Deployment, records: Sequence[Record], *, received_at: datetime) -> None:
    """Write the records in bulk; a second version replaces what the first one said."""
    rows = [_event(deployment, record, received_at) for record in records]
    Event.objects.bulk_create(rows, ignore_conflicts=True)
    for record, row in zip(records, rows, strict=True):
        if record.revision:
            Event.objects.filter(deployment=deployment, record_id=record.id).update(
                record=row.record,
                model_version=row.model_version,
                weights_sha256=row.weights_sha256,
                conversation=row.conversation,
            )


def history(deployment: Deployment, *, before: datetime, reach: timedelta) -> list[Record]:
    """Judged records from `reach` before an instant, oldest first: what correlations look back on."""
    rows = Event.objects.filter(deployment=deployment, at__gte=before - reach).order_by("-at")
    return [record_of(row) for row in reversed(rows[:MOST_HISTORY])]


def record_of(event: Event) -> Record:
    """The record as it was kept."""
    return record_from_json(event.record)


def _event(deployment: Deployment, record: Record, received_at: datetime) -> Event:
    kept = replace(
        record, fields={name: _fit(name, value) for name, value in record.fields.items()}
    )
    return Event(
        deployment=deployment,
        record_id=record.id,
        at=record.at,
        name=hostile.one_line(record.name, 200),
        operation=_short(record, vocabulary.OPERATION, 60),
        model_version=hostile.one_line(record.version, 120),
        weights_sha256=weights_of(record),
        conversation=hostile.one_line(record.conversation, 120),
        record=_plain(record_to_json(kept)),
        received_at=received_at,
    )


def weights_of(record: Record) -> str:
    """The digest of the weights that the record names, or nothing when it names none."""
    said = (
        str(record.fields.get(vocabulary.WEIGHTS_SHA256, ""))
        .strip()
        .lower()
        .removeprefix("sha256:")
    )
    is_digest = len(said) == 64 and set(said) <= set("0123456789abcdef")  # noqa: PLR2004 - SHA-256 in hex
    return said if is_digest else ""


def _short(record: Record, name: str, limit: int) -> str:
    return hostile.one_line(str(record.fields.get(name, "")), limit)


def _fit(name: str, value: Value) -> Value:
    """One value as it may be kept and shown."""
    if normalise.is_content(name):
        return normalise.redact(value, limit=LONGEST_CONTENT)
    return hostile.one_line(value, LONGEST_VALUE) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """JSON's own types, for the column; numbers that JSON does not know become words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
