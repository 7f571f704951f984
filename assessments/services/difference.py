"""What changed from one number of a watch-list or a suite to another. Plain data in, plain data out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from assessments.scanner.contract import Prompt, WatchedLatent


class Change(NamedTuple):
    """One latent that stands on both lists, and what is not the same."""

    before: WatchedLatent
    after: WatchedLatent
    what: tuple[str, ...]
    """The names of the fields that differ."""

    @property
    def is_moved(self) -> bool:
        """Whether it counts from another activation on."""
        return self.before.threshold != self.after.threshold


@dataclass(frozen=True)
class ListDifference:
    """From one watch-list to another."""

    added: tuple[WatchedLatent, ...]
    removed: tuple[WatchedLatent, ...]
    changed: tuple[Change, ...]
    n_same: int

    @property
    def is_nothing(self) -> bool:
        """Whether both watch the same in the same way."""
        return not (self.added or self.removed or self.changed)


class Count(NamedTuple):
    """How many prompts of one kind there were and are."""

    what: str
    """`family` or `frame`."""
    key: str
    before: int
    after: int


@dataclass(frozen=True)
class SuiteDifference:
    """From one suite to another, prompts by their ids."""

    n_added: int
    n_removed: int
    n_changed: int
    n_same: int
    counts: tuple[Count, ...]


def of_watchlists(
    before: Sequence[WatchedLatent], after: Sequence[WatchedLatent]
) -> ListDifference:
    """Latents are the same by their index; both lists must be of one autoencoder."""
    old, new = ({each.index: each for each in side} for side in (before, after))
    both = [(old[index], new[index]) for index in new if index in old]
    changed = tuple(Change(was, now, what) for was, now in both if (what := _differing(was, now)))
    return ListDifference(
        added=tuple(each for index, each in new.items() if index not in old),
        removed=tuple(each for index, each in old.items() if index not in new),
        changed=changed,
        n_same=len(both) - len(changed),
    )


def _differing(was: WatchedLatent, now: WatchedLatent) -> tuple[str, ...]:
    names = (field.name for field in fields(WatchedLatent))
    return tuple(name for name in names if getattr(was, name) != getattr(now, name))


def of_suites(before: Sequence[Prompt], after: Sequence[Prompt]) -> SuiteDifference:
    """Prompts are the same by their id."""
    old, new = ({each.id: each for each in side} for side in (before, after))
    both = old.keys() & new.keys()
    n_same = sum(old[each] == new[each] for each in both)
    return SuiteDifference(
        n_added=len(new.keys() - old.keys()),
        n_removed=len(old.keys() - new.keys()),
        n_changed=len(both) - n_same,
        n_same=n_same,
        counts=(
            *_counts("family", (each.family for each in before), (each.family for each in after)),
            *_counts("frame", (each.frame for each in before), (each.frame for each in after)),
        ),
    )


def _counts(what: str, before: Iterable[str], after: Iterable[str]) -> list[Count]:
    old: Mapping[str, int] = Counter(before)
    new: Mapping[str, int] = Counter(after)
    return [Count(what, str(key), old.get(key, 0), new.get(key, 0)) for key in sorted({*old, *new})]
