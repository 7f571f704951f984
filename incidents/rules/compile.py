"""From rules as written to rules that can be asked: tests built, references resolved, indexed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from incidents.rules import condition, matching
from incidents.rules.matching import Test
from incidents.rules.schema import (
    Baseline,
    Correlation,
    Detection,
    Rule,
    RuleError,
    Section,
)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to judge.

    `test` is there for detections. `bases` are the rules a correlation or baseline refers to, so
    that this value alone is all an engine needs. `alone`: whether it alerts by itself, or only
    serves others.
    """

    rule: Rule
    test: Test | None = None
    bases: tuple["CompiledRule", ...] = ()
    alone: bool = True

    @property
    def names(self) -> frozenset[str]:
        """The fields it looks at, its bases' included."""
        own = self.test.names if self.test else frozenset()
        body = self.rule.body
        against = frozenset({body.field} - {""}) if isinstance(body, Baseline) else frozenset()
        return own.union(against, *(base.names for base in self.bases))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules that know each other, by key."""

    rules: tuple[CompiledRule, ...] = ()
    by_key: Mapping[str, CompiledRule] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Sequence[CompiledRule]) -> "RuleSet":
        """The set of these rules."""
        return cls(tuple(rules), {each.rule.key: each for each in rules})

    def get(self, key: str) -> CompiledRule:
        """The rule of this key.

        Raises:
            KeyError: there is none.
        """
        return self.by_key[key]

    def with_(self, other: "RuleSet") -> "RuleSet":
        """Both sets together; a key in both is taken from `other`."""
        kept = [each for each in self.rules if each.rule.key not in other.by_key]
        return RuleSet.of([*kept, *other.rules])


NO_RULES = RuleSet()


def link(rules: Sequence[Rule], *, known: RuleSet = NO_RULES) -> RuleSet:
    """Compile the rules and tie each reference to the detection it names.

    Raises:
        RuleError: a key or id is used twice, or a reference names nothing.
    """
    _refuse_doubles(rules)
    detections = dict(known.by_key)
    for rule in rules:
        if isinstance(rule.body, Detection):
            detections[rule.key] = CompiledRule(rule, _test(rule, rule.body))
    serving = {key for rule in rules for key in _serves(rule)}
    return RuleSet.of([_linked(rule, detections, serving) for rule in rules])


def _refuse_doubles(rules: Sequence[Rule]) -> None:
    n_keys = Counter(rule.key for rule in rules)
    n_ids = Counter(rule.uuid for rule in rules)
    for rule in rules:
        if n_keys[rule.key] > 1:
            raise RuleError(rule.file, rule.key, "name", "used by two rules; names are unique")
        if n_ids[rule.uuid] > 1:
            raise RuleError(rule.file, rule.key, "id", f"{rule.uuid} is used by two rules")


def _serves(rule: Rule) -> tuple[str, ...]:
    """The rules that this one puts to its service, so that they do not alert by themselves."""
    if isinstance(rule.body, Detection):
        return ()
    generate = isinstance(rule.body, Correlation) and rule.body.generate
    return () if generate else rule.body.rules


def _linked(rule: Rule, detections: Mapping[str, CompiledRule], serving: set[str]) -> CompiledRule:
    if isinstance(rule.body, Detection):
        base = detections[rule.key]
        return CompiledRule(rule, base.test, alone=rule.key not in serving)
    for key in rule.body.rules:
        if key not in detections or detections[key].test is None:
            raise RuleError(rule.file, rule.key, "rules", f"no detection rule is named {key!r}")
    return CompiledRule(rule, bases=tuple(detections[key] for key in rule.body.rules))


def _test(rule: Rule, body: Detection) -> Test:
    where = Section(body.selections, rule.file, rule.key, "detection.")
    selections = {
        name: matching.selection(written, where, name) for name, written in body.selections.items()
    }
    try:
        return condition.parse(body.condition, selections)
    except ValueError as error:
        raise where.wrong("condition", str(error)) from error
