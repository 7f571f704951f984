r"""One line of a Sigma selection, `field|modifier: value`, as a test of one record.

A test answers True, False or None. None is *unknown*: the line needs a list of the registry that
nobody declared. Unknown joins with others as in Kleene's logic, so `not approved` with an unknown
list stays unknown instead of accusing everybody.

Unless `cased`, text is compared without regard to case. `*` and `?` in a value are wildcards, `\*`
and `\?` are not. A field with several values matches when one of them does.
"""

import ipaddress
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any, Final, Protocol, TypeAlias

import re2

from incidents.ingest.normalise import as_text
from incidents.ingest.spans import Fields, Value
from incidents.rules.facts import LISTS, Listed
from incidents.rules.schema import Section

Verdict: TypeAlias = bool | None
Lists: TypeAlias = Callable[[str], Listed]
Matcher: TypeAlias = Callable[[Value], bool]

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
PLACES: Final = ("contains", "startswith", "endswith")
OPERATORS: Final = frozenset({*PLACES, *COMPARISONS, "re", "cidr", "exists"})
FLAGS: Final = frozenset({"all", "neq", "cased", "fieldref", "expand", "i", "m", "s"})
N_LONGEST_PATTERN: Final = 2_000


class Test(Protocol):
    """Anything that can be asked of one record."""

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:
        """True, False, or None when it cannot be known."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """The fields it looks at."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """True when all are."""

    tests: tuple[Test, ...]

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:
        """False as soon as one is False; otherwise unknown if one is."""
        unknown = False
        for test in self.tests:
            said = test.verdict(fields, lists)
            if said is False:
                return False
            unknown = unknown or said is None
        return None if unknown else True

    @property
    def names(self) -> frozenset[str]:
        """The fields of all of them."""
        return frozenset().union(*(test.names for test in self.tests))


@dataclass(frozen=True, slots=True)
class Some:
    """True when one is."""

    tests: tuple[Test, ...]

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:
        """True as soon as one is True; otherwise unknown if one is."""
        unknown = False
        for test in self.tests:
            said = test.verdict(fields, lists)
            if said:
                return True
            unknown = unknown or said is None
        return None if unknown else False

    @property
    def names(self) -> frozenset[str]:
        """The fields of all of them."""
        return frozenset().union(*(test.names for test in self.tests))


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; the opposite of unknown is unknown."""

    test: Test

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:
        """The other way round."""
        said = self.test.verdict(fields, lists)
        return None if said is None else not said

    @property
    def names(self) -> frozenset[str]:
        """The fields of what it negates."""
        return self.test.names


@dataclass(frozen=True, slots=True)
class Line:
    """One `field|modifiers: values`."""

    field: str
    matchers: tuple[Matcher, ...]
    needs_all: bool = False
    opposite: bool = False

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:  # noqa: ARG002  # the Protocol
        """Whether one value of the field (or, with `all`, one for each) matches."""
        present = members(fields.get(self.field))
        fits = (any(matcher(value) for value in present) for matcher in self.matchers)
        matched = all(fits) if self.needs_all else any(fits)
        return matched if not self.opposite else bool(present) and not matched

    @property
    def names(self) -> frozenset[str]:
        """The one field."""
        return frozenset({self.field})


@dataclass(frozen=True, slots=True)
class Missing:
    """`field: null`, or `field|exists: false`; with `present`, its opposite."""

    field: str
    present: bool = False

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:  # noqa: ARG002  # the Protocol
        """Whether the field is absent or null."""
        return (fields.get(self.field) is not None) is self.present

    @property
    def names(self) -> frozenset[str]:
        """The one field."""
        return frozenset({self.field})


@dataclass(frozen=True, slots=True)
class Reference:
    """`field|fieldref: other`: the two fields of one record, held against each other."""

    field: str
    other: str
    build: Callable[[Value], Matcher]
    opposite: bool = False

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:  # noqa: ARG002  # the Protocol
        """Whether they agree; False when either is missing."""
        mine, theirs = members(fields.get(self.field)), members(fields.get(self.other))
        if not mine or not theirs:
            return False
        agree = any(self.build(value)(each) for value in theirs for each in mine)
        return agree is not self.opposite

    @property
    def names(self) -> frozenset[str]:
        """Both fields."""
        return frozenset({self.field, self.other})


@dataclass(frozen=True, slots=True)
class Expanded:
    """`field|expand: '%list%'`: the values come from the registry when the record is judged."""

    field: str
    lists: tuple[str, ...]
    build: Callable[[Value], Matcher]
    opposite: bool = False
    built: dict[Listed, tuple[Matcher, ...]] = made(default_factory=dict, compare=False)

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:
        """Whether a value of the field is on a list; unknown when a list was never declared."""
        tests: list[Test] = []
        for name in self.lists:
            listed = lists(name)
            if listed is None:
                return None
            tests.append(Line(self.field, self._matchers(listed), opposite=self.opposite))
        return (Every if self.opposite else Some)(tuple(tests)).verdict(fields, lists)

    def _matchers(self, listed: frozenset[str]) -> tuple[Matcher, ...]:
        """Built once for each list: a manifest changes seldom, records come by the thousand."""
        if listed not in self.built:
            if len(self.built) >= 64:  # noqa: PLR2004  # more lists than deployments in a batch
                self.built.clear()
            self.built[listed] = tuple(self.build(value) for value in sorted(listed))
        return self.built[listed]

    @property
    def names(self) -> frozenset[str]:
        """The one field."""
        return frozenset({self.field})


@dataclass(frozen=True, slots=True)
class Keywords:
    """A list of texts without a field: one of them stands somewhere in the record."""

    matchers: tuple[Matcher, ...]

    def verdict(self, fields: Fields, lists: Lists) -> Verdict:  # noqa: ARG002  # the Protocol
        """Whether any text of the record holds one."""
        texts = [value for value in fields.values() if isinstance(value, str)]
        return any(matcher(text) for matcher in self.matchers for text in texts)

    @property
    def names(self) -> frozenset[str]:
        """No field in particular."""
        return frozenset()


def members(value: Value) -> tuple[Value, ...]:
    """The values of a field: of a list each, of nothing none."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def text_of(value: Value) -> str:
    """A value as rules see it: `true`, `7`, text as it is, structures as JSON."""
    return value if isinstance(value, str) else as_text(value)


def selection(written: Any, where: Section, name: str) -> Test:
    """The test of one named selection: a mapping, a list of mappings, or a list of keywords."""
    if isinstance(written, dict) and written:
        return Every(tuple(line(key, value, where, name) for key, value in written.items()))
    if isinstance(written, list) and written:
        if all(isinstance(each, dict) for each in written):
            return Some(tuple(selection(each, where, name) for each in written))
        if all(isinstance(each, str | int | float) for each in written):
            return Keywords(tuple(_text_matcher(each, "contains", cased=False) for each in written))
    raise where.wrong(name, "expected a mapping, a list of mappings, or a list of texts")


def line(key: Any, value: Any, where: Section, selection_name: str) -> Test:
    """The test of one `field|modifiers: value`."""
    name, *modifiers = str(key).split("|")
    at = f"{selection_name}.{key}"
    operators = [m for m in modifiers if m in OPERATORS]
    unknown = [m for m in modifiers if m not in OPERATORS and m not in FLAGS]
    if not name or unknown or len(operators) > 1:
        raise where.wrong(at, f"expected field|modifiers with at most one of {sorted(OPERATORS)}")
    try:
        return _line(name, operators[0] if operators else "", frozenset(modifiers), value)
    except ValueError as error:
        raise where.wrong(at, str(error)) from error


def _line(name: str, how: str, flags: frozenset[str], value: Any) -> Test:
    opposite = "neq" in flags
    if how == "exists":
        return Missing(name, present=_truth(value))
    values = _values(value)
    build = _builder(how, flags)
    if "fieldref" in flags:
        return Some(tuple(Reference(name, str(v), build, opposite=opposite) for v in values))
    if "expand" in flags:
        return Expanded(name, tuple(_list_name(v) for v in values), build, opposite=opposite)
    tests: list[Test] = [Missing(name, present=opposite)] if None in values else []
    if told := tuple(build(v) for v in values if v is not None):
        tests.append(Line(name, told, needs_all="all" in flags, opposite=opposite))
    return Every(tuple(tests)) if {"all", "neq"} & flags else Some(tuple(tests))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("exists takes true or false")  # noqa: TRY004  # reported as RuleError
    return value


def _values(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(each, dict | list) for each in values):
        raise ValueError("expected one value or a list of plain values")
    return values


def _list_name(value: Any) -> str:
    name = str(value).strip("%")
    if name not in LISTS or value != f"%{name}%":
        raise ValueError(f"expected one of {', '.join(f'%{each}%' for each in LISTS)}")
    return name


def _builder(how: str, flags: frozenset[str]) -> Callable[[Value], Matcher]:
    """What turns one written value into a matcher."""
    if how == "re":
        return lambda value: _re_matcher(text_of(value), "".join(sorted(flags & set("ims"))))
    if flags & set("ims"):
        raise ValueError("i, m and s go with re only")
    if how == "cidr":
        return lambda value: _cidr_matcher(text_of(value))
    if how in COMPARISONS:
        return lambda value: _number_matcher(how, value)
    return lambda value: _text_matcher(value, how, cased="cased" in flags)


def _text_matcher(value: Value, how: str, *, cased: bool) -> Matcher:
    wanted = text_of(value)
    if _has_wildcard(wanted):
        return _re_matcher(_wildcards(wanted, how), "s" if cased else "is")
    wanted = _unescaped(wanted)
    wanted = wanted if cased else wanted.casefold()
    compare = _PLACED[how]
    if cased:
        return lambda value: compare(text_of(value), wanted)
    return lambda value: compare(text_of(value).casefold(), wanted)


_PLACED: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "": operator.eq,
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def _has_wildcard(text: str) -> bool:
    return any(wild for _, wild in _characters(text))


def _unescaped(text: str) -> str:
    return "".join(c for c, _ in _characters(text))


def _characters(text: str) -> Iterable[tuple[str, bool]]:
    """Each character, and whether it is a wildcard; a backslash frees `*`, `?` and itself."""
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] in {"*", "?", "\\"}:
            at += 1
            yield text[at], False
        else:
            yield text[at], text[at] in "*?"
        at += 1


def _wildcards(text: str, how: str) -> str:
    """The pattern for a value with wildcards, anchored as the modifier says."""
    parts = [{"*": ".*", "?": "."}[c] if wild else re2.escape(c) for c, wild in _characters(text)]
    start = "" if how in {"contains", "endswith"} else r"\A"
    end = "" if how in {"contains", "startswith"} else r"\z"
    return start + "".join(parts) + end


def _re_matcher(pattern: str, flags: str) -> Matcher:
    """A search in linear time, whatever the pattern's author wrote."""
    if len(pattern) > N_LONGEST_PATTERN:
        raise ValueError(f"a pattern of more than {N_LONGEST_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(f"(?{flags})" + pattern if flags else pattern, options)
    except re2.error as error:
        raise ValueError(f"not a pattern RE2 reads: {error}") from error
    return lambda value: compiled.search(text_of(value)) is not None


def _cidr_matcher(text: str) -> Matcher:
    network = ipaddress.ip_network(text, strict=False)

    def inside(value: Value) -> bool:
        try:
            return ipaddress.ip_address(text_of(value)) in network
        except ValueError:
            return False

    return inside


def _number_matcher(how: str, wanted: Value) -> Matcher:
    limit = _number(wanted)
    if limit is None:
        raise ValueError(f"{how} takes a number")
    return lambda value: _compares(how, value, limit)


def _compares(how: str, value: Value, limit: float) -> bool:
    number = _number(value)
    return number is not None and COMPARISONS[how](number, limit)


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
