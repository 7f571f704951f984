"""What is wrong with a file that somebody brought, place by place."""

from __future__ import annotations

from typing import NamedTuple

MOST = 50


class Problem(NamedTuple):
    """One thing that is wrong, and where."""

    place: str
    """Such as “line 7, family”."""
    sentence: str
    """What was expected, and what came."""

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


class FileError(ValueError):
    """The file cannot be taken in; every problem is named, up to a number."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the first of them."""
        self.problems = problems[:MOST]
        self.n_more = len(problems) - len(self.problems)
        super().__init__(" ".join(map(str, self.problems[:5])))
