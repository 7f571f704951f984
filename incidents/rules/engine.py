"""Judge a batch of records by a set of rules: what matched, and which rules could not see.

Pure: the same rules, records and facts give the same matches. Nothing is remembered here between
batches; a correlation that reaches back is given the earlier records as `history`
(`history_needed` says how far), and only what a new record completes is told.

1. Look at each record with the registry's facts beside it, and sort it under its services.
2. Ask each rule that alerts by itself: detections and baselines record by record, correlations
   group by group, absences deployment by deployment.
3. Put the hits of one rule with equal `group_by` values together: one match, counted.

A rule that needs a field or a list that is not there is *blind* for that record; this is counted
and told, since a rule that cannot fire looks just like a rule that need not.
"""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import orjson

from compliance.phrase import Phrase, counted
from incidents.ingest.normalise import redact
from incidents.ingest.stitch import Record
from incidents.rules import baselines, correlations
from incidents.rules.compile import CompiledRule, RuleSet
from incidents.rules.facts import Facts
from incidents.rules.schema import Against, Baseline, Correlation, Level, Service
from incidents.rules.views import Hit, View

MANY: Final = "(many)"
N_MOST_FIELDS: Final = 24
N_ENOUGH_TO_TIME: Final = 100


@dataclass(frozen=True, slots=True)
class Budget:
    """How much one rule may take of one batch; what goes beyond is told, never dropped unseen."""

    groups: int = 200
    keys: int = 100_000
    microseconds_per_record: float = 200.0


BUDGET: Final = Budget()
NO_BUDGET: Final = Budget(groups=10**9, keys=10**9, microseconds_per_record=float("inf"))


A_LIST = Phrase("a list of the registry")
"""What a rule misses that could not look something up."""


@dataclass(frozen=True, slots=True)
class Match:
    """One rule's word about one group of records; an alert is raised from it.

    `fields` hold what the rule looked at, masked and capped, fit to be shown; `expected` says what
    would have been right, where that is known. `count` is how many times the rule was met;
    `record_ids` are all records involved. Equal fingerprints belong to the same alert, whichever
    batch and version of the rule they come from.
    """

    rule_key: str
    rule_version: int
    rule_sha256: str
    level: Level
    title: str
    runbook: str
    deployment: str
    group_by: Mapping[str, str]
    fields: Mapping[str, str]
    expected: str
    record_ids: tuple[str, ...]
    count: int
    first_at: datetime
    last_at: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Blind:
    """A rule that could not judge some records: of `n_seen` it was meant for, `n_blind`."""

    rule_key: str
    deployment: str
    missing: tuple[str, ...]
    n_blind: int
    n_seen: int


@dataclass(frozen=True, slots=True)
class Degraded:
    """A rule that went over its budget, and how."""

    rule_key: str
    reason: Phrase


@dataclass(frozen=True, slots=True)
class Findings:
    """All that came of one batch."""

    matches: tuple[Match, ...] = ()
    blind: tuple[Blind, ...] = ()
    degraded: tuple[Degraded, ...] = ()


@dataclass(frozen=True, slots=True)
class Caught:
    """Whether a rule would have seen what happened, and when at the earliest."""

    caught: bool
    first_record: str = ""
    first_at: datetime | None = None
    n_matches: int = 0


def match(
    rules: RuleSet, batch: Sequence[Record], facts: Facts, *, history: Sequence[Record] = ()
) -> list[Match]:
    """What the rules say of the batch. With an empty batch, only absences are judged."""
    return list(evaluate(rules, batch, facts, history=history).matches)


def evaluate(
    rules: RuleSet,
    batch: Sequence[Record],
    facts: Facts,
    *,
    history: Sequence[Record] = (),
    budget: Budget = BUDGET,
) -> Findings:
    """What the rules say of the batch, which were blind to it, and which took too much.

    Args:
        rules: as loaded.
        batch: new records.
        facts: the registry at this moment.
        history: earlier records, already judged, as far back as `history_needed`.
        budget: what a rule may take before it is called degraded.
    """
    bench = _Bench.of(batch, history, facts, budget)
    matches: list[Match] = []
    for rule in rules.rules:
        if rule.alone:
            matches += _timed(rule, bench)
    blind = tuple(bench.blindness())
    return Findings(tuple(matches), blind, tuple(bench.degraded))


def history_needed(rules: RuleSet) -> timedelta:
    """How far back correlations reach."""
    bodies = (rule.rule.body for rule in rules.rules)
    spans = [body.timespan for body in bodies if isinstance(body, Correlation)]
    return max(spans, default=timedelta(0))


def would_have_caught(rule: CompiledRule, records: Sequence[Record], facts: Facts) -> Caught:
    """Replay the records before one rule, as if they came in now."""
    alone = CompiledRule(rule.rule, rule.test, rule.bases)
    matches = evaluate(RuleSet.of([alone]), records, facts, budget=NO_BUDGET).matches
    if not matches:
        return Caught(caught=False)
    first = min(matches, key=lambda each: each.first_at)
    first_record = first.record_ids[0] if first.record_ids else ""
    return Caught(True, first_record, first.first_at, sum(each.count for each in matches))


@dataclass(slots=True)
class _Bench:
    """The batch laid out to be judged, and what is noted while judging."""

    new: Sequence[View]
    old: Sequence[View]
    by_service: Mapping[Service, Sequence[View]]
    facts: Facts
    budget: Budget
    n_seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_blind: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    degraded: list[Degraded] = field(default_factory=list)

    @classmethod
    def of(
        cls, batch: Sequence[Record], history: Sequence[Record], facts: Facts, budget: Budget
    ) -> "_Bench":
        ids = {record.id for record in batch}
        new = [View.of(record, facts, is_new=True) for record in batch]
        old = [View.of(record, facts, is_new=False) for record in history if record.id not in ids]
        by_service: dict[Service, list[View]] = defaultdict(list)
        for view in new:
            for service in view.services:
                by_service[service].append(view)
        return cls(new, old, by_service, facts, budget)

    def blindness(self) -> Iterator[Blind]:
        """The rules that missed something, with what they would have needed."""
        for (key, deployment), n_blind in sorted(self.n_blind.items()):
            missing = tuple(sorted(self.missing[key, deployment]))
            yield Blind(key, deployment, missing, n_blind, self.n_seen[key, deployment])

    def degrade(self, rule: CompiledRule, reason: Phrase) -> None:
        """Note that the rule took more than its share."""
        self.degraded.append(Degraded(rule.rule.key, reason))


def _timed(rule: CompiledRule, bench: _Bench) -> list[Match]:
    """The rule's matches; a rule that takes long is told, but its matches stand."""
    began = time.perf_counter_ns()
    matches = _grouped(rule, _hits(rule, bench), bench)
    n_records = len(bench.new) + len(bench.old)
    each = (time.perf_counter_ns() - began) / 1000 / max(n_records, 1)
    if n_records >= N_ENOUGH_TO_TIME and each > bench.budget.microseconds_per_record:
        bench.degrade(rule, Phrase("took %(n)s µs a record", n=f"{each:.0f}"))
    return matches


def _hits(rule: CompiledRule, bench: _Bench) -> Iterable[Hit]:
    body = rule.rule.body
    if isinstance(body, Correlation):
        return _correlated(rule, body, bench)
    if isinstance(body, Baseline):
        if body.against is Against.ABSENCE:
            return baselines.silent(rule, body, bench.new, bench.facts)
        return _strayed(rule, body, bench)
    return [Hit.of(view) for view in _candidates(rule, bench) if _is_met(rule, view, bench)]


def _candidates(rule: CompiledRule, bench: _Bench) -> Iterator[View]:
    """The rule's records that carry all it needs; the others are noted."""
    for view in bench.by_service.get(rule.rule.service, ()):
        if rule.bases and not any(meets(base, view) for base in rule.bases):
            continue
        at = (rule.rule.key, view.deployment)
        bench.n_seen[at] += 1
        missing = [name for name in rule.rule.needs if view.fields.get(name) is None]
        if missing:
            _note_blind(at, missing, bench)
        else:
            yield view


def _note_blind(at: tuple[str, str], missing: Iterable[str], bench: _Bench) -> None:
    bench.n_blind[at] += 1
    bench.missing[at].update(missing)


def _is_met(rule: CompiledRule, view: View, bench: _Bench) -> bool:
    """Whether the record meets a detection; unknown is noted as blind."""
    verdict = rule.test.verdict(view.fields, view.listed) if rule.test else False
    if verdict is None:
        _note_blind((rule.rule.key, view.deployment), (A_LIST,), bench)
    return verdict is True


def _strayed(rule: CompiledRule, body: Baseline, bench: _Bench) -> Iterator[Hit]:
    """Records with a value beyond what was declared."""
    for view in _candidates(rule, bench):
        listed = view.listed(body.registry)
        if listed is None:
            _note_blind((rule.rule.key, view.deployment), (body.registry,), bench)
        elif strays := baselines.strays(view.fields.get(body.field), listed, body.against):
            yield Hit((view,), 1, {body.field: strays}, baselines.expected(listed))


def meets(rule: CompiledRule, view: View) -> bool:
    """Whether the record is one a base rule speaks of."""
    if rule.rule.service not in view.services or rule.test is None:
        return False
    return rule.test.verdict(view.fields, view.listed) is True


def _correlated(rule: CompiledRule, body: Correlation, bench: _Bench) -> list[Hit]:
    """Groups of records that together are what the rule describes."""
    steps = [
        [view for view in (*bench.old, *bench.new) if meets(base, view)] for base in rule.bases
    ]
    for views in steps:
        _note_ungrouped(rule, body, views, bench)
    hits, n_dropped = correlations.find(body, steps, most_keys=bench.budget.keys)
    if n_dropped:
        beyond = counted(
            "%(n)s record beyond %(groups)s groups not correlated",
            "%(n)s records beyond %(groups)s groups not correlated",
            n=n_dropped,
            groups=bench.budget.keys,
        )
        bench.degrade(rule, beyond)
    return hits


def _note_ungrouped(
    rule: CompiledRule, body: Correlation, views: Iterable[View], bench: _Bench
) -> None:
    for view in views:
        if view.is_new:
            at = (rule.rule.key, view.deployment)
            bench.n_seen[at] += 1
            missing = [name for name in body.group_by if view.fields.get(name) is None]
            if missing:
                _note_blind(at, missing, bench)


def _grouped(rule: CompiledRule, hits: Iterable[Hit], bench: _Bench) -> list[Match]:
    """One match for each group; groups beyond the budget are told together as `(many)`.

    A hostile sender may put a new value into a grouping field with every call; that must not
    become as many alerts.
    """
    groups: dict[tuple[str, ...], list[Hit]] = {}
    for hit in hits:
        key = _group_key(rule, hit)
        if key not in groups and len(groups) >= bench.budget.groups:
            key = (hit.deployment, *(MANY for _ in rule.rule.group_by))
            if key not in groups:
                many = Phrase("more than %(n)s groups in one batch", n=bench.budget.groups)
                bench.degrade(rule, many)
        groups.setdefault(key, []).append(hit)
    return [_match(rule, key, hits) for key, hits in groups.items()]


def _group_key(rule: CompiledRule, hit: Hit) -> tuple[str, ...]:
    return (hit.deployment, *(redact(hit.value(name)) for name in rule.rule.group_by))


def _match(rule: CompiledRule, key: tuple[str, ...], hits: Sequence[Hit]) -> Match:
    views = {view.record.id: view for hit in hits for view in hit.views}
    times = [view.record.at for view in views.values()] or [hit.at for hit in hits]
    written = rule.rule
    return Match(
        rule_key=written.key,
        rule_version=written.version,
        rule_sha256=written.sha256,
        level=written.level,
        title=written.title,
        runbook=written.runbook,
        deployment=key[0],
        group_by=dict(zip(written.group_by, key[1:], strict=True)),
        fields=_shown(rule, hits[0]),
        expected=hits[0].expected,
        record_ids=tuple(views),
        count=sum(hit.count for hit in hits),
        first_at=min(times),
        last_at=max(times),
        fingerprint=_fingerprint(written.key, key),
    )


def _shown(rule: CompiledRule, hit: Hit) -> dict[str, str]:
    """What the rule looked at, fit to be shown; the values it objects to come first."""
    shown = {name: redact(value) for name, value in hit.told.items()}
    for name in sorted(rule.names.union(rule.rule.group_by)):
        value = hit.value(name)
        if value is not None and len(shown) < N_MOST_FIELDS:
            shown.setdefault(name, redact(value))
    return shown


def _fingerprint(rule_key: str, group: Sequence[str]) -> str:
    return hashlib.sha256(orjson.dumps([rule_key, *group])).hexdigest()
