"""When a standing duty is due next: by its pinned pack, or by the rule that a person set.

A rule says `how`:
- "pack": the pinned pack counts, from `anchors` (milestone to instant);
- "every": from the day `first`, every `amount` of `unit`, from the `schedule` or from when it was
  `last_done`;
- "once": on the day `first`;
- "lead": `amount` `unit` before the day `first`, neither end counted, by the strictest of `calendars`;
- "at": at the instant `due`, which something else on record has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from compliance.phrase import Phrase
from compliance.regimes import load, standing
from compliance.regimes.calendars import calendar
from compliance.regimes.counting import Period, Unit, add_months, day_end, local_date
from compliance.regimes.schema import CalendarDuty, Regime

MOST_ROUNDS = 400
_DAY = timedelta(days=1)


class Next(NamedTuple):
    """One date with the reasons that led to it."""

    due: datetime
    trace: tuple[Phrase, ...]


def pinned(key: str, version: str) -> tuple[Regime, CalendarDuty] | None:
    """The pack and the duty in it that a key names; none where no pack stands behind it.

    Raises:
        UnknownRegime: no pack of this key and version is on file.
        KeyError: the pack has no such duty.
    """
    if not version:
        return None
    pack_key, _, duty_id = key.partition(":")
    pack = load.get(f"{pack_key}@{version}")
    return pack, pack.calendar_duty(duty_id)


def next_dates(
    rule: Mapping[str, Any],
    *,
    key: str,
    version: str,
    zone: str,
    done: Sequence[datetime] = (),
    n: int = 1,
) -> list[Next]:
    """The next dates, the earliest first; none while they cannot be counted, or when all is done.

    Args:
        rule: see above.
        key: of the duty.
        version: of the pack, or empty.
        zone: in which a house rule counts its days.
        done: when it was done before, or was found not to be needed.
        n: how many of a duty that recurs.

    Raises:
        FactsError: an anchor is unknown or names no zone.
    """
    if rule.get("how") == "pack":
        return _by_pack(rule, key, version, done, n)
    if rule.get("how") == "every":
        return _rounds(rule, ZoneInfo(zone), done, n)
    if done:
        return []
    if rule.get("how") == "at":
        return [Next(datetime.fromisoformat(rule["due"]), (_FOUND,))]
    if rule.get("how") == "lead":
        return [_lead(rule, ZoneInfo(zone))]
    day = date.fromisoformat(rule["first"])
    return [Next(day_end(day, ZoneInfo(zone)), (Phrase("Once, on %(day)s.", day=str(day)),))]


_FOUND = Phrase("The date that stands on record for it.")


def _by_pack(
    rule: Mapping[str, Any], key: str, version: str, done: Sequence[datetime], n: int
) -> list[Next]:
    found = pinned(key, version)
    if found is None:
        return []
    pack, asked = found
    anchors = standing.read_anchors(rule.get("anchors", {}))
    return [
        Next(each.due, each.trace)
        for each in standing.next_dues(pack, asked, anchors, done=list(done), n=n)
    ]


def _rounds(
    rule: Mapping[str, Any], zone: ZoneInfo, done: Sequence[datetime], n: int
) -> list[Next]:
    first, amount, unit = date.fromisoformat(rule["first"]), int(rule["amount"]), Unit(rule["unit"])
    from_last = rule.get("counts_from") == "last_done" and done
    start = local_date(max(done), zone) if from_last else first
    skip = 1 if from_last else len(done)
    days = [_step(start, amount * k, unit) for k in range(skip, min(skip + n, MOST_ROUNDS))]
    words = Phrase(
        "Every %(period)s, counted from %(start)s.",
        period=Period(amount, unit).words,
        start=str(start),
    )
    return [Next(day_end(day, zone), (words,)) for day in days]


def _step(start: date, amount: int, unit: Unit) -> date:
    if unit is Unit.MONTH:
        return add_months(start, amount)
    return start + timedelta(weeks=amount) if unit is Unit.WEEK else start + timedelta(days=amount)


def _lead(rule: Mapping[str, Any], zone: ZoneInfo) -> Next:
    """Clear days before a day: the last day of the period is the day before the earliest end."""
    start, amount, unit = date.fromisoformat(rule["first"]), int(rule["amount"]), Unit(rule["unit"])
    if unit is Unit.BUSINESS_DAY:
        ends = [calendar(name).nth_working_before(start, amount) for name in rule["calendars"]]
        day = min(ends) - _DAY
    else:
        day = _step(start, -amount, unit) - _DAY
    words = Phrase(
        "%(period)s before %(start)s, as clear days: neither end is counted.",
        period=Period(amount, unit).words,
        start=str(start),
    )
    return Next(day_end(day, zone), (words,))


def milestones(key: str, version: str) -> Iterator[str]:
    """The names of the milestones that can date a duty of a pack."""
    found = pinned(key, version)
    if found is not None:
        yield from dict.fromkeys(str(r.anchor) for r in found[1].rules if r.anchor is not None)
