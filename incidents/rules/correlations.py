"""Several records that together mean more than each: counts in a time, and orders of events."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from incidents.rules.matching import members, text_of
from incidents.rules.schema import Correlation, Gathering
from incidents.rules.views import Hit, View


class Step(NamedTuple):
    """One record, and the place in the rule's list of the base rule it meets."""

    view: View
    place: int


class Found(NamedTuple):
    """The groups that met the rule, and how many records found no room."""

    hits: list[Hit]
    n_dropped: int


def find(body: Correlation, steps: Sequence[Sequence[View]], *, most_keys: int) -> Found:
    """Every place where a new record completes what the rule describes.

    Args:
        body: the correlation.
        steps: for each of its base rules, in order, the records that meet it.
        most_keys: how many groups are followed; records of further ones are counted as dropped.
    """
    groups, n_dropped = _groups(body, steps, most_keys)
    gather = {
        Gathering.EVENT_COUNT: _counted,
        Gathering.VALUE_COUNT: _counted,
        Gathering.TEMPORAL: _together,
        Gathering.TEMPORAL_ORDERED: _ordered,
    }[body.gathering]
    hits = [hit for group in groups.values() for hit in gather(body, group)]
    return Found(hits, n_dropped)


def _groups(
    body: Correlation, steps: Sequence[Sequence[View]], most_keys: int
) -> tuple[Mapping[tuple[str, ...], list[Step]], int]:
    """The records by deployment and grouping values, each group in order of time.

    Two deployments never share a group, even if they name a conversation alike.
    """
    groups: dict[tuple[str, ...], list[Step]] = defaultdict(list)
    n_dropped = 0
    for place, views in enumerate(steps):
        for view in views:
            values = [view.fields.get(name) for name in body.group_by]
            if any(value is None for value in values):
                continue
            key = (view.deployment, *(text_of(value) for value in values))
            if key in groups or len(groups) < most_keys:
                groups[key].append(Step(view, place))
            else:
                n_dropped += 1
    for group in groups.values():
        group.sort(key=lambda step: (step.view.record.at, step.view.record.id, step.place))
    return groups, n_dropped


def _window(body: Correlation, group: Sequence[Step], last: int) -> Sequence[Step]:
    """The steps up to and with the last one that lie within the rule's time."""
    since = group[last].view.record.at - body.timespan
    return [step for step in group[: last + 1] if step.view.record.at >= since]


def _counted(body: Correlation, group: Sequence[Step]) -> Iterator[Hit]:
    start = 0
    for last, step in enumerate(group):
        while group[start].view.record.at < step.view.record.at - body.timespan:
            start += 1
        window = group[start : last + 1]
        if any(each.view.is_new for each in window) and _n(body, window) >= body.at_least:
            yield Hit(tuple(each.view for each in window))


def _n(body: Correlation, window: Sequence[Step]) -> int:
    if body.gathering is Gathering.EVENT_COUNT:
        return len({step.view.record.id for step in window})
    values = (members(step.view.fields.get(body.of)) for step in window)
    return len({text_of(value) for each in values for value in each})


def _together(body: Correlation, group: Sequence[Step]) -> Iterator[Hit]:
    """All base rules within the time, in any order; told once for each new record."""
    for last in range(len(group)):
        window = _window(body, group, last)
        is_whole = len({step.place for step in window}) == body.at_least
        if is_whole and any(step.view.is_new for step in window):
            yield Hit(tuple(step.view for step in window))


def _ordered(body: Correlation, group: Sequence[Step]) -> Iterator[Hit]:
    """The base rules one after the other; of several chains the one that began last is kept.

    One record never stands for two places of the same chain.
    """
    chains: list[tuple[View, ...]] = [() for _ in range(body.at_least)]
    for view, place in _latest_place_first(group):
        before = (view,) if place == 0 else (*chains[place - 1], view) if chains[place - 1] else ()
        if not before or view.record.at - before[0].record.at > body.timespan:
            continue
        if place and before[-2].record.id == view.record.id:
            continue
        chains[place] = before
        if place == body.at_least - 1 and any(each.is_new for each in before):
            yield Hit(before)


def _latest_place_first(group: Sequence[Step]) -> Sequence[Step]:
    """In order of time; a record that meets several rules closes a chain before it opens one."""
    return sorted(group, key=lambda s: (s.view.record.at, s.view.record.id, -s.place))
