"""Run the cases that rules carry with them, through the same stitching and judging as telemetry.

A case's `events` are attributes of one span each, in one trace, a second apart unless `at` (in
seconds) says otherwise. Its `context` is what the registry knows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from incidents.ingest.normalise import frozen
from incidents.ingest.spans import SpanRecord, Value
from incidents.ingest.stitch import Record, stitch
from incidents.rules import engine
from incidents.rules.compile import CompiledRule, RuleSet
from incidents.rules.facts import LISTS, DeploymentFacts, Facts
from incidents.rules.schema import RuleError, RuleTest

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
DEPLOYMENT: Final = "tested"
RESOURCE: Final = ("service.", "deployment.", "host.", "strata.weights.")
PLAIN: Final = frozenset({"model", "version", "risk_tier", "in_production"})
TIMES: Final = {"last_seen_minutes_ago": "last_seen_at", "expected_minutes_ago": "expected_since"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case of one rule went; `message` says what was expected and what came."""

    rule_key: str
    name: str
    passed: bool
    message: str


def run(rules: RuleSet) -> tuple[Outcome, ...]:
    """Every case of every rule."""
    return tuple(_outcome(rule, case) for rule in rules.rules for case in rule.rule.tests)


def _outcome(rule: CompiledRule, case: RuleTest) -> Outcome:
    alone = RuleSet.of([CompiledRule(rule.rule, rule.test, rule.bases)])
    matches = engine.match(alone, _records(case), _facts(rule, case))
    got = (len(matches), sum(match.count for match in matches))
    expected = (case.n_alerts, case.n_counted)
    message = (
        f"expected {expected[0]} alerts counting {expected[1]}, got {got[0]} counting {got[1]}"
    )
    return Outcome(rule.rule.key, case.name, got == expected, message)


def _records(case: RuleTest) -> tuple[Record, ...]:
    spans = [_span(number, event) for number, event in enumerate(case.events)]
    return stitch(spans, received_at=NOON, deployment=DEPLOYMENT).records


def _span(number: int, event: Mapping[str, Any]) -> SpanRecord:
    start = NOON + timedelta(seconds=float(event.get("at", number)))
    told: dict[str, Value] = {k: frozen(x) for k, x in event.items() if k != "at"}
    return SpanRecord(
        trace_id="1" * 32,
        span_id=f"{number + 1:016x}",
        parent_id="",
        name=str(event.get("gen_ai.operation.name", "span")),
        start=start,
        end=start,
        attributes={k: x for k, x in told.items() if not k.startswith(RESOURCE)},
        resource={k: x for k, x in told.items() if k.startswith(RESOURCE)},
    )


def _facts(rule: CompiledRule, case: RuleTest) -> Facts:
    if case.context.get("registered") is False:
        return Facts(NOON)
    known = DeploymentFacts(key=DEPLOYMENT, **dict(_known(rule, case)))
    return Facts(NOON, {DEPLOYMENT: known})


def _known(rule: CompiledRule, case: RuleTest) -> Iterator[tuple[str, Any]]:
    for name, value in case.context.items():
        if name in LISTS and isinstance(value, list):
            yield LISTS[name], frozenset(str(each) for each in value)
        elif name in TIMES:
            yield TIMES[name], NOON - timedelta(minutes=float(value))
        elif name in PLAIN:
            yield name, value
        elif name != "registered":
            known = ", ".join(sorted({*LISTS, *TIMES, *PLAIN, "registered"}))
            where = f"tests.{case.name}.context.{name}"
            raise RuleError(rule.rule.file, rule.rule.key, where, f"expected one of {known}")
