"""Sigma's condition: `call and not 1 of approved_*`, read into one test.

    or-part   := and-part ("or" and-part)*
    and-part  := not-part ("and" not-part)*
    not-part  := "not" not-part | "(" or-part ")" | ("1" | "any" | "all") "of" names | name
    names     := "them" | a name with * in it

`them` are the selections whose name does not begin with an underscore.
"""

import fnmatch
import re
from collections.abc import Mapping
from typing import Final

from incidents.rules.matching import Every, Not, Some, Test

TOKEN: Final = re.compile(r"\s*([()]|[A-Za-z0-9_*]+)")
N_LONGEST: Final = 2_000
N_DEEPEST: Final = 32


def parse(text: str, selections: Mapping[str, Test]) -> Test:
    """The test the condition describes.

    Raises:
        ValueError: with a sentence that says what was expected.
    """
    reader = _Reader(_tokens(text), selections)
    test = reader.some(0)
    if reader.next is not None:
        raise ValueError(f"expected the end or and/or, got {reader.next!r}")
    return test


def _tokens(text: str) -> list[str]:
    if len(text) > N_LONGEST:
        raise ValueError(f"longer than {N_LONGEST} characters")
    tokens, at, text = [], 0, text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"expected a name, a bracket or and/or/not at {text[at : at + 12]!r}")
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Reader:
    """Reads tokens from left to right, one method for each part of the grammar."""

    def __init__(self, tokens: list[str], selections: Mapping[str, Test]) -> None:
        self.tokens = tokens
        self.at = 0
        self.selections = selections

    @property
    def next(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    @property
    def next_word(self) -> str | None:
        return self.next.lower() if self.next else None

    def take(self) -> str:
        if self.next is None:
            raise ValueError("expected more at the end")
        self.at += 1
        return self.tokens[self.at - 1]

    def some(self, depth: int) -> Test:
        if depth > N_DEEPEST:
            raise ValueError(f"nested deeper than {N_DEEPEST}")
        tests = [self.every(depth)]
        while self.next_word == "or":
            self.take()
            tests.append(self.every(depth))
        return tests[0] if len(tests) == 1 else Some(tuple(tests))

    def every(self, depth: int) -> Test:
        tests = [self.one(depth)]
        while self.next_word == "and":
            self.take()
            tests.append(self.one(depth))
        return tests[0] if len(tests) == 1 else Every(tuple(tests))

    def one(self, depth: int) -> Test:
        if depth > N_DEEPEST:
            raise ValueError(f"nested deeper than {N_DEEPEST}")
        token = self.take()
        if token.lower() == "not":
            return Not(self.one(depth + 1))
        if token == "(":  # noqa: S105  # a bracket
            return self.bracket(depth)
        if token.lower() in {"1", "any", "all"} and self.next_word == "of":
            self.take()
            tests = self.named(self.take())
            return Every(tests) if token.lower() == "all" else Some(tests)
        return self.selection(token)

    def bracket(self, depth: int) -> Test:
        inner = self.some(depth + 1)
        if self.next != ")":
            raise ValueError("expected a closing bracket")
        self.take()
        return inner

    def named(self, pattern: str) -> tuple[Test, ...]:
        wanted = "[!_]*" if pattern.lower() == "them" else pattern
        tests = tuple(t for n, t in self.selections.items() if fnmatch.fnmatchcase(n, wanted))
        if not tests:
            raise ValueError(f"no selection is called {pattern}")
        return tests

    def selection(self, name: str) -> Test:
        if name not in self.selections:
            known = ", ".join(self.selections)
            raise ValueError(f"no selection is called {name!r}; there are {known}")
        return self.selections[name]
