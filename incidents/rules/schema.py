"""The form of a rule: Sigma 2.1's documents, and `baseline` documents beside them.

Three kinds: `detection` (one record), `correlation` (several records in a time), `baseline` (a
record against what was declared and authorised, or no record where one is owed). Our own words
stand under `x-strata` and `tests`, where other Sigma tools pass them over.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

from compliance.phrase import Phrase
from incidents.rules.facts import LISTS


class RuleError(Exception):
    """A rule cannot be used as written. The message names the file, the rule and the field."""

    def __init__(self, file: str, rule: str, field: str, problem: str) -> None:
        """Say where, then what was expected and what to do."""
        super().__init__(f"{file}: rule {rule or '(unnamed)'}: {field}: {problem}")
        self.file = file
        self.rule = rule
        self.field = field
        self.problem = problem


class Level(StrEnum):
    """How bad it is, in Sigma's words."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Status(StrEnum):
    """How far a rule is trusted, in Sigma's words."""

    STABLE = "stable"
    TEST = "test"
    EXPERIMENTAL = "experimental"
    DEPRECATED = "deprecated"
    UNSUPPORTED = "unsupported"


class Service(StrEnum):
    """Which records a rule looks at."""

    TOOL_CALL = "tool_call"
    INFERENCE = "inference"
    AGENT = "agent"
    RETRIEVAL = "retrieval"
    MCP = "mcp"
    DEPLOYMENT = "deployment"  # every record


class Gathering(StrEnum):
    """How a correlation puts records together."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"


class Against(StrEnum):
    """What a baseline holds a record against."""

    ALLOW_LIST = "allow_list"  # a name that must be among those declared
    VALUE_CHANGE = "value_change"  # a digest that must be one of those assessed
    DIGEST_MISMATCH = "digest_mismatch"  # the weights that must be those authorised
    SCOPE = "scope"  # an address that must lie inside a declared one
    ABSENCE = "absence"  # telemetry that must not stop


@dataclass(frozen=True, slots=True)
class Detection:
    """Named selections and the condition that joins them, as written."""

    selections: Mapping[str, Any]
    condition: str


@dataclass(frozen=True, slots=True)
class Correlation:
    """Records of several rules, grouped, within a time; `at_least` and `of` only for counts."""

    gathering: Gathering
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan: timedelta
    at_least: int
    of: str
    generate: bool


@dataclass(frozen=True, slots=True)
class Baseline:
    """A field against a list of the registry; for absence, a time without any record."""

    against: Against
    rules: tuple[str, ...]
    field: str
    registry: str
    within: timedelta


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One case a rule carries: what is known, what is seen, how much it must say."""

    name: str
    context: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    n_alerts: int
    n_counted: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as written and checked, not yet compiled.

    `key` is Sigma's `name`, the word other rules and alerts call it by. `sha256` is of the whole
    file it stands in. `group_by`: alerts with equal values here are one alert.
    """

    key: str
    uuid: UUID
    title: Phrase
    description: Phrase
    level: Level
    status: Status
    version: int
    sha256: str
    file: str
    service: Service
    needs: tuple[str, ...]
    group_by: tuple[str, ...]
    runbook: str
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    tests: tuple[RuleTest, ...]
    body: Detection | Correlation | Baseline


Choice = TypeVar("Choice", bound=StrEnum)

KEY: Final = re.compile(r"[a-z][a-z0-9_]{2,63}")
TIMESPAN: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
KINDS: Final = ("detection", "correlation", "baseline")
TOP: Final = frozenset(
    {*KINDS, "title", "id", "name", "status", "description", "author", "date", "modified", "level",
     "references", "logsource", "falsepositives", "tags", "fields", "license", "related", "scope",
     "taxonomy", "x-strata", "tests"}
)  # fmt: skip
OURS: Final = frozenset({"version", "needs", "suppress", "runbook"})
DEFAULT_GROUP: Final = ("strata.deployment.key",)
N_LONGEST_TITLE: Final = 256


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping inside a rule, which knows where it stands so that it can complain well."""

    tree: Mapping[str, Any]
    file: str
    rule: str
    path: str = ""

    def wrong(self, name: str, problem: str) -> RuleError:
        """The error for one field of this section."""
        return RuleError(self.file, self.rule, f"{self.path}{name}", problem)

    def only(self, names: frozenset[str]) -> "Section":
        """This section, if it has no field beyond these names."""
        for name in self.tree:
            if name not in names:
                raise self.wrong(str(name), f"unknown; expected one of {', '.join(sorted(names))}")
        return self

    def section(self, name: str) -> "Section":
        """The mapping under this name; empty when absent."""
        tree = self.tree.get(name, {})
        if not isinstance(tree, dict):
            raise self.wrong(name, f"expected a mapping, got {_kind(tree)}")
        return Section(tree, self.file, self.rule, f"{self.path}{name}.")

    def text(self, name: str, default: str | None = None) -> str:
        """Text that is there and not empty, unless a default is given."""
        found = self.tree.get(name, default)
        if not isinstance(found, str) or (not found.strip() and default is None):
            raise self.wrong(name, f"expected text, got {_kind(found)}")
        return found.strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text alone counts as a list of it; absent is empty."""
        found = self.tree.get(name, [])
        members = [found] if isinstance(found, str) else found
        if not isinstance(members, list) or not all(isinstance(m, str) and m for m in members):
            raise self.wrong(name, f"expected a list of texts, got {_kind(found)}")
        return tuple(members)

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number of at least one."""
        found = self.tree.get(name, default)
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise self.wrong(name, f"expected a whole number from 1 up, got {_kind(found)}")
        return found

    def timespan(self, name: str) -> timedelta:
        """A time such as 30s, 10m, 2h or 14d."""
        matched = TIMESPAN.fullmatch(str(self.tree.get(name)))
        if matched is None:
            raise self.wrong(name, "expected a time such as 30s, 10m, 2h or 14d")
        return timedelta(seconds=int(matched[1]) * SECONDS[matched[2]])

    def choice(self, name: str, choices: type[Choice], default: str | None = None) -> Choice:
        """One word out of a fixed few."""
        found = self.tree.get(name, default)
        try:
            return choices(found)
        except ValueError:
            expected = ", ".join(choices)
            raise self.wrong(name, f"expected one of {expected}; got {_kind(found)}") from None


def rule(tree: Mapping[str, Any], *, file: str, sha256: str) -> Rule:
    """The rule in one YAML document.

    Raises:
        RuleError: a field is missing, unknown or not of its form.
    """
    name = str(tree.get("name") or tree.get("title") or "")[:N_LONGEST_TITLE]
    top = Section(tree, file, name).only(TOP)
    ours = top.section("x-strata").only(OURS)
    key = top.text("name")
    if not KEY.fullmatch(key):
        raise top.wrong("name", "expected 3 to 64 of a-z, 0-9 and _, beginning with a letter")
    if len(top.text("title")) > N_LONGEST_TITLE:
        raise top.wrong("title", f"expected at most {N_LONGEST_TITLE} characters")
    return Rule(
        key=key,
        uuid=_uuid(top),
        title=Phrase(top.text("title")),
        description=Phrase(top.text("description", "")),
        level=top.choice("level", Level),
        status=top.choice("status", Status, Status.EXPERIMENTAL),
        version=ours.whole("version"),
        sha256=sha256,
        file=file,
        service=top.section("logsource").choice("service", Service, Service.DEPLOYMENT),
        needs=ours.texts("needs"),
        group_by=ours.section("suppress").texts("by") or DEFAULT_GROUP,
        runbook=ours.text("runbook", ""),
        tags=top.texts("tags"),
        falsepositives=top.texts("falsepositives"),
        tests=_tests(top),
        body=_body(top),
    )


def _uuid(top: Section) -> UUID:
    try:
        return UUID(top.text("id"))
    except ValueError:
        raise top.wrong("id", "expected a UUID; make one and never change it") from None


def _body(top: Section) -> Detection | Correlation | Baseline:
    present = [kind for kind in KINDS if kind in top.tree]
    if len(present) != 1:
        raise top.wrong("/".join(KINDS), f"expected exactly one of the three, got {present}")
    section = top.section(present[0])
    if present == ["detection"]:
        return _detection(section)
    return _correlation(section) if present == ["correlation"] else _baseline(section)


def _detection(section: Section) -> Detection:
    selections = {k: x for k, x in section.tree.items() if k not in {"condition", "timeframe"}}
    if not selections:
        raise section.wrong("", "expected at least one selection beside the condition")
    return Detection(selections, section.text("condition"))


CORRELATION: Final = frozenset(
    {"type", "rules", "group-by", "timespan", "condition", "generate", "aliases"}
)


def _correlation(section: Section) -> Correlation:
    gathering = section.only(CORRELATION).choice("type", Gathering)
    counts = gathering in {Gathering.EVENT_COUNT, Gathering.VALUE_COUNT}
    if "aliases" in section.tree:
        raise section.wrong("aliases", "not supported; give the records one field name instead")
    condition = section.section("condition").only(frozenset({"gte", "field"}))
    rules = _referred(section)
    if not counts and len(rules) < 2:  # noqa: PLR2004  # an order needs two
        raise section.wrong("rules", "expected two rules or more")
    return Correlation(
        gathering=gathering,
        rules=rules,
        group_by=section.texts("group-by"),
        timespan=section.timespan("timespan"),
        at_least=condition.whole("gte") if counts else len(rules),
        of=condition.text("field") if gathering is Gathering.VALUE_COUNT else "",
        generate=bool(section.tree.get("generate", False)),
    )


BASELINE: Final = frozenset({"type", "rules", "field", "registry", "within"})


def _baseline(section: Section) -> Baseline:
    against = section.only(BASELINE).choice("type", Against)
    rules = _referred(section)
    if against is Against.ABSENCE:
        return Baseline(against, rules, "", "", section.timespan("within"))
    registry = section.text("registry")
    if registry not in LISTS:
        raise section.wrong("registry", f"expected one of {', '.join(LISTS)}")
    return Baseline(against, rules, section.text("field"), registry, timedelta(0))


def _referred(section: Section) -> tuple[str, ...]:
    rules = section.texts("rules")
    if not rules:
        raise section.wrong("rules", "expected the names of one or more detection rules")
    return rules


def _tests(top: Section) -> tuple[RuleTest, ...]:
    cases = top.tree.get("tests", [])
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise top.wrong("tests", "expected a list of mappings")
    return tuple(
        _test(Section(case, top.file, top.rule, f"tests[{i}].")) for i, case in enumerate(cases)
    )


def _test(case: Section) -> RuleTest:
    case.only(frozenset({"name", "context", "events", "expect"}))
    events = case.tree.get("events", [])
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise case.wrong("events", "expected a list of mappings from field to value")
    n_alerts, n_counted = _expected(case)
    context = case.section("context").tree
    return RuleTest(case.text("name"), context, tuple(events), n_alerts, n_counted)


def _expected(case: Section) -> tuple[int, int]:
    """`expect: 2` is two alerts for two events; a mapping tells alerts and count apart."""
    expect = case.tree.get("expect")
    if isinstance(expect, dict):
        said = case.section("expect").only(frozenset({"alerts", "count"}))
        return said.whole("alerts"), said.whole("count", said.whole("alerts"))
    if isinstance(expect, bool) or not isinstance(expect, int) or expect < 0:
        raise case.wrong("expect", "expected a number, or alerts and count")
    return expect, expect


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r:.40}"
